"""The doctor: what this machine can run."""
