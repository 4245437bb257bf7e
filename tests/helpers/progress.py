"""A Progress that remembers what it was told."""

from collections.abc import Callable


class Told:
    """`totals` and `done` are the arguments of `start`, `notes` those of `advance`, which then calls `on_advance`."""

    def __init__(self, on_advance: Callable[[], object] = lambda: None) -> None:
        self.totals: list[int | None] = []
        self.done: list[int] = []
        self.notes: list[str] = []
        self._on_advance = on_advance

    def start(self, total: int | None, done: int = 0) -> None:
        self.totals.append(total)
        self.done.append(done)

    def advance(self, note: str = "") -> None:
        self.notes.append(note)
        self._on_advance()
