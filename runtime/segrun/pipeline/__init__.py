"""Reads, runs the network, draws and writes at the same time."""
