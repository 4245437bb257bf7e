"""Looks up names in a library, and prints how many arguments each takes by its own signatures, or null.

python tests/helpers/library_names.py MODULE NAME...
"""

import importlib
import json
import sys
from typing import Any

from helpers.gpu_calls import arities


def look_up(module: Any, name: str) -> list[tuple[int, int]] | None:  # noqa: ANN401
    """Return the least and most arguments of each signature of `module.name`, [] without any; None without `name`."""
    found = module
    for part in name.split("."):
        if not hasattr(found, part):
            return None
        found = getattr(found, part)
    function = "__init__" if isinstance(found, type) else name.rpartition(".")[2]
    told = getattr(found, "__init__", None) if isinstance(found, type) else found
    return arities(getattr(told, "__doc__", None) or "", function)


if __name__ == "__main__":
    module = importlib.import_module(sys.argv[1])
    sys.stdout.write(json.dumps({name: look_up(module, name) for name in sys.argv[2:]}))
