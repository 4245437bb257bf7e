"""Helpers for several tests: files, servers and devices."""
