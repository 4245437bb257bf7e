"""Synthetic street scenes with exact labels."""

from segdata.synth.camera import Scene, drive, scene

__all__ = ["Scene", "drive", "scene"]
