"""Sinks: where segmented frames go."""
