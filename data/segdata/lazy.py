"""Imports what a package offers when it is first used: `--help` needs none of its libraries."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def imported_from(package: str, modules: Mapping[str, str]) -> Callable[[str], Any]:
    """Return the `__getattr__` of a package that takes each name from the module that `modules` gives for it."""

    def find(name: str) -> Any:  # noqa: ANN401 - any of the names
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(modules[name]), name)

    return find
