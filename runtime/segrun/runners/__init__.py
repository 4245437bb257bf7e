"""Runners: what runs an artefact, a module a library."""
