"""Benchmarks: speed and accuracy of artefacts, side by side."""
