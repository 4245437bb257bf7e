"""Docstrings are plain text with names in backticks: `uint8 [N, H, W, 3]` is a shape, and no link of Markdown's."""

import re
from typing import Any

import griffe

_MARKUP = re.compile(r"([\[\]<*])")


def plain(text: str) -> str:
    """Return `text` with what Markdown would take for markup escaped, but for backticks and indented blocks."""
    return "\n".join(line if line.startswith("    ") else _escaped(line) for line in text.split("\n"))


def _escaped(line: str) -> str:
    parts = re.split(r"(`[^`]*`)", line)
    return "".join(part if part.startswith("`") else _MARKUP.sub(r"\\\1", part) for part in parts)


class PlainDocstrings(griffe.Extension):
    """Griffe's way to change what it read."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:  # noqa: ANN401 - griffe's own signature
        """Escape one docstring."""
        if obj.docstring:
            obj.docstring.value = plain(obj.docstring.value)
