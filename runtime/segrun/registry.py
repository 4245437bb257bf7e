"""Classes named as MODULE:CLASS and imported on first use: no run needs all of their libraries."""

from importlib import import_module
from typing import Any


def class_at(place: str) -> Any:  # noqa: ANN401 - any class
    """Return the class at `place`, "package.module:Class"."""
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)
