"""Numbers and times as they are typed, and what is said of those that cannot be."""

import math
import re
from typing import Any

import click


class Number(click.ParamType):  # type: ignore[type-arg] # only the newest click has a parameter there
    """A finite number of `kind` between `low` and `high`, which `above` and `below` leave out."""

    def __init__(
        self,
        kind: type[int] | type[float],
        low: float = -math.inf,
        high: float = math.inf,
        *,
        above: bool = False,
        below: bool = False,
    ) -> None:
        self._kind, self._low, self._high, self._above, self._below = kind, low, high, above, below

    @property
    def name(self) -> str:  # type: ignore[override] # click's own is a variable
        """What click and the messages call it."""
        return "whole number" if self._kind is int else "number"

    @property
    def metavar(self) -> str:
        """What stands for it in help."""
        return "N" if self._kind is int else "NUMBER"

    @property
    def limits(self) -> str:
        """The limits in words; "" if there are none."""
        low = f"above {self._low:g}" if self._above else f"from {self._low:g}"
        high = f"to below {self._high:g}" if self._below else f"to {self._high:g}"
        if self._high < math.inf:
            return f"{low} {high}"
        if self._low == -math.inf:
            return ""
        return low if self._above else f"{self._low:g} or more"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401 - click's own
        """Return the number; fail for what is none, or lies beyond the limits."""
        number = self._parsed(value)
        if number is None or not self._holds(number):
            self.fail(f"got {str(value) or 'nothing'}, need a {self._expected()}", param, ctx)
        return number

    def _parsed(self, value: Any) -> float | None:  # noqa: ANN401 - a default is no text
        try:
            return self._kind(value)
        except (ValueError, OverflowError):
            return None

    def _expected(self) -> str:
        between = " of " if self.limits.endswith("or more") else " "
        return f"{self.name}{between}{self.limits}".rstrip()

    def _holds(self, number: float) -> bool:
        enough = self._low < number if self._above else self._low <= number
        not_too_much = number < self._high if self._below else number <= self._high
        return math.isfinite(number) and enough and not_too_much


class Seconds(Number):
    """A time in seconds, typed as they are or as minutes and hours: 90, 1:30, 00:01:30.5."""

    @property
    def name(self) -> str:  # type: ignore[override] # as above
        """What click and the messages call it."""
        return "time"

    def _parsed(self, value: Any) -> float | None:  # noqa: ANN401 - as above
        if not isinstance(value, str) or ":" not in value:
            return super()._parsed(value)
        if not re.fullmatch(r"([0-9]+:)?[0-9]{1,2}:[0-9]{1,2}(\.[0-9]*)?", value):
            return None
        seconds = 0.0
        for part in value.split(":"):
            seconds = 60 * seconds + float(part)
        return seconds

    def _expected(self) -> str:
        return f"{super()._expected()}: seconds, or 1:30, or 00:01:30"
