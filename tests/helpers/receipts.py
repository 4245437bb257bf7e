"""Reads the results of `--from`, so that two runs can be compared."""

import json
from pathlib import Path
from typing import Any

VARIABLE = ("seconds", "host")  # fields of a receipt that no two runs share


def receipts_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]


def tree(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder; receipts without the fields that differ from run to run."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            content = path.read_bytes()
            if path.suffix == ".json":
                fields = {name: value for name, value in json.loads(content).items() if name not in VARIABLE}
                content = json.dumps(fields).encode()
            found[path.relative_to(folder).as_posix()] = content
    return found
