"""Finds the fastest of several ways to run a network on this machine: measured once, then remembered.

The order cannot be known from names: on one processor bfloat16 takes a third of float32's time, on the next one and a
half times as long. The result is kept in the user's cache folder; where that cannot be read or written, it is measured
again.
"""

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

import numpy as np
from platformdirs import user_cache_path
from pydantic import TypeAdapter, ValidationError

from segdata.errors import EdgeSegError
from segdata.files import replacing
from segrun.runners.base import Runner

Opener = Callable[[], Runner]
Clock = Callable[[], float]

_ROUNDS = 3
_ROUND_SECONDS = 0.06
_HOPELESS = 3.0  # a way that takes this many times the best one's time is not measured further


@dataclass(frozen=True)
class Found:
    """The fastest way, and the frames a second of each in the probe; those that cannot run here are left out."""

    name: str
    rates: Mapping[str, float]

    def __str__(self) -> str:
        others = sorted(rate for name, rate in self.rates.items() if name != self.name)
        span = f"{others[0]:,.0f}" + (f" to {others[-1]:,.0f}" if len(others) > 1 else "") if others else ""
        beside = f"; the other {'way' if len(others) == 1 else 'ways'} {span}" if others else ""
        return f"{self.name}: {self.rates[self.name]:,.0f} FPS in a probe{beside}"


def open_fastest(
    ways: Mapping[str, Opener], key: Sequence[str], clock: Clock = time.perf_counter
) -> tuple[Runner, Found | None]:
    """Return a runner opened in the fastest of `ways`, by their names, and what was found; None if there is only one.

    `key` says what the order depends on: the processor, the library, the files, the threads. Raises what the first way
    raises if none can be opened; ways that cannot run are left out.
    """
    if len(ways) == 1:
        return next(iter(ways.values()))(), None
    digest = hashlib.sha256("\0".join([*key, *ways]).encode()).hexdigest()
    found = _recall(digest)
    if found is not None and found.name in ways and found.name in found.rates:
        with suppress(EdgeSegError):  # the machine may have changed in a way that the key does not say
            return ways[found.name](), found
    with ExitStack() as stack:
        runners: dict[str, Runner] = {}
        problems = []
        for name, opener in ways.items():
            try:
                runners[name] = stack.enter_context(opener())
            except EdgeSegError as error:
                problems.append(error)
        if not runners:
            raise problems[0]
        rates = _rates(runners, clock)
        found = Found(max(rates, key=rates.__getitem__), rates) if rates else None
        if found is not None:
            _remember(digest, found)
        chosen = runners.pop(
            found.name if found else next(iter(runners))
        )  # if none runs, the error comes when it is used
        stack.pop_all()
        for runner in runners.values():
            runner.close()
    return chosen, found


def _rates(runners: Mapping[str, Runner], clock: Clock) -> dict[str, float]:
    """Return the frames a second of each, the best of a few short rounds in turns: a busy machine only slows."""
    seconds = {}
    for name, runner in runners.items():
        with suppress(EdgeSegError):  # it cannot run, so it is left out
            seconds[name] = min(seconds_an_item(runner, 1, clock) for _ in range(2))
    best = min(seconds.values(), default=0.0)
    hopeful = [name for name in seconds if seconds[name] <= _HOPELESS * best]
    for _ in range(_ROUNDS if len(hopeful) > 1 else 0):
        for name in hopeful:
            count = max(2, round(_ROUND_SECONDS / best))
            seconds[name] = min(seconds[name], seconds_an_item(runners[name], count, clock))
    return {name: runners[name].batch / each for name, each in seconds.items()}


def seconds_an_item(runner: Runner, count: int, clock: Clock) -> float:
    """Return the seconds that each of `count` items of a stream takes: noise, since no kernel's speed depends on it."""
    shape = (runner.batch, runner.spec.height, runner.spec.width, 3)
    frames = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    start = clock()
    for _ in runner.stream(repeat(frames, count)):
        pass
    return (clock() - start) / count


def _recall(digest: str) -> Found | None:
    with suppress(OSError, ValidationError):
        return TypeAdapter(Found).validate_json(_file(digest).read_bytes())
    return None


def _remember(digest: str, found: Found) -> None:
    with suppress(OSError, EdgeSegError):
        path = _file(digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            temporary.write_bytes(TypeAdapter(Found).dump_json(found))


def _file(digest: str) -> Path:
    """Return the file of a result; raise OSError for a user without a home, such as a container's number."""
    try:
        folder = user_cache_path("edgeseg", appauthor=False)
    except RuntimeError as error:  # of platformdirs; older ones return "~/.cache", a folder in the current one
        raise FileNotFoundError(str(error)) from None
    if not folder.is_absolute():
        raise FileNotFoundError(f"{folder}: no cache folder")
    return folder / "fastest" / f"{digest}.json"
