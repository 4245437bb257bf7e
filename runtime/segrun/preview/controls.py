"""The settings of the live page's viewers: how the picture looks, and how a file is played."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Annotated, get_args

from annotated_types import Ge, Le
from pydantic import ConfigDict, FiniteFloat, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from segdata.errors import InputError
from segdata.text import first_problem
from segrun.drawing.look import Look
from segrun.options import View


@dataclass(frozen=True, config=ConfigDict(extra="forbid", strict=True))
class Change:
    """A viewer's request; None leaves a setting as it is. `hidden` are names of classes, `replay` starts again."""

    view: View | None = None
    alpha: Annotated[FiniteFloat, Ge(0), Le(1)] | None = None
    legend: bool | None = None
    outlines: bool | None = None
    hidden: list[str] | None = None
    paused: bool | None = None
    loop: bool | None = None
    replay: bool = False


_CHANGE = TypeAdapter(Change)


class Controls:
    """The settings of one page, the same for all its viewers; for any thread.

    `look` is how its picture is drawn. `plays` says that a file is played for the page alone: viewers can then pause,
    restart and repeat it. Else `paused` holds the picture while the run goes on.
    """

    def __init__(self, look: Look, classes: Sequence[str]) -> None:
        self.look = look
        self.plays = self.paused = self.loop = self.at_end = self.has_confidence = False
        self.on_look: Callable[[], None] = lambda: None
        self._classes = classes
        self._replay = self._closed = False
        self._changed = threading.Condition()

    def state(self) -> dict[str, object]:
        """Return the settings, and which views there are."""
        look = self.look
        views = [view for view in get_args(View) if view != "confidence" or self.has_confidence]
        return {
            **{"view": look.view, "views": views, "alpha": look.alpha, "legend": look.legend},
            **{"outlines": look.outlines, "hidden": sorted(look.hidden)},
            **{"plays": self.plays, "paused": self.paused, "loop": self.loop, "ended": self.at_end},
        }

    def change(self, asked: bytes) -> None:
        """Apply a viewer's request, a `Change` as JSON; raise InputError for anything else."""
        try:
            change = _CHANGE.validate_json(asked)
        except ValidationError as error:
            raise InputError(f"not a change of this page: {first_problem(error, 'change')}") from None
        if change.view == "confidence" and not self.has_confidence:
            raise InputError("the model gives no confidence; choose another view")
        if unknown := set(change.hidden or ()) - set(self._classes):
            raise InputError(f"no class is called {min(unknown)!r}; need some of {', '.join(self._classes)}")
        asked_look = {
            name: value
            for name in ("view", "alpha", "legend", "outlines", "hidden")
            if (value := getattr(change, name)) is not None
        }
        if "hidden" in asked_look:
            asked_look["hidden"] = frozenset(change.hidden or ())
        with self._changed:
            self.look = replace(self.look, **asked_look)
            self.paused = self.paused if change.paused is None else change.paused
            self.loop = self.loop if change.loop is None else change.loop
            if change.replay:
                self._replay, self.paused = True, False
            self._changed.notify_all()
        if asked_look:
            self.on_look()

    def close(self) -> None:
        """Wake everyone who waits: the run is over."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def wait(self, due: float) -> bool:
        """Wait until `due`, by `time.perf_counter`, and while it is paused; return False if the round is over."""
        with self._changed:
            while not (self._closed or self._replay):
                left = due - time.perf_counter()
                if not self.paused and left <= 0:
                    return True
                self._changed.wait(None if self.paused else left)
        return False

    def begins_again(self, stays: bool) -> bool:
        """Return whether another round begins; if the file `stays`, wait at its end until a viewer wants one."""
        with self._changed:
            self.at_end = True
            while stays and not (self._closed or self._replay or self.loop):
                self._changed.wait()
            again = (self._replay or self.loop) and not self._closed
            self._replay = self.at_end = False
            return again
