"""Formats figures for tables and sentences."""

import math

from segbench.results import Change, Rate

MISSING = "-"
"""What stands where nothing was measured."""


def number(value: float | None) -> str:
    """Return three significant digits, with at most three decimals: 1234, 123, 12.3, 1.23, 0.012."""
    if value is None or not math.isfinite(value):
        return MISSING
    decimals = 0 if abs(value) >= 99.95 else 1 if abs(value) >= 9.995 else 2 if abs(value) >= 0.0995 else 3
    return f"{value:.{decimals}f}"


def rate(value: Rate) -> str:
    """Return the middle round and half the spread of all: 153 ±3%. One round has no spread."""
    middle = number(value.median)
    return middle if middle == MISSING or len(value.rounds) < 2 else f"{middle} ±{100 * value.spread / 2:.0f}%"


def percent(fraction: float | None) -> str:
    """Return a fraction in percent, with two decimals."""
    return MISSING if fraction is None or not math.isfinite(fraction) else f"{100 * fraction:.2f}"


def signed(points: float) -> str:
    """Return a difference with its sign and two decimals; one that rounds to nothing has none."""
    return MISSING if not math.isfinite(points) else f"{points:+.2f}" if round(points, 2) else "0.00"


def interval(change: Change | None) -> str:
    """Return the 95 % interval of a change."""
    return MISSING if change is None else f"{signed(change.low)} to {signed(change.high)}"
