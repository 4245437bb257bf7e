"""Verdicts, and differences against noise."""
