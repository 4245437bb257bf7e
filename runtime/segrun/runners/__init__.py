"""Runners: one module for each library that runs artefacts."""
