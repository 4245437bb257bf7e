"""One timeline for the picture and the sound of a source: arithmetic on times; knows nothing of files.

The clock of a recording may start again (recordings put one after the other, a camera switched off and on), jump in
either direction, or wrap; single packets may carry a time that means nothing. `Timeline` finds the moments at which the
clock changed and moves everything after it by one shift, which picture and sound share.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Generic, TypeVar

Item = TypeVar("Item")

PATIENCE = Fraction(2)
"""Seconds of one stream that wait until it is clear whether the clock changed for the other stream, too."""

MOST_HELD = 1000
"""The most packets of one stream that wait for that, however short they are."""

_STILL_ACTIVE = Fraction(5)  # seconds: a stream further behind than that says nothing about the clock now


@dataclass(frozen=True)
class Placed(Generic[Item]):
    """An item to be shown `shift` seconds after the time that it carries; None if that time means nothing."""

    stream: int
    item: Item
    shift: Fraction | None


@dataclass
class _Stream(Generic[Item]):
    """Where one stream is. `last` is its latest time, `length` how long that lasts, `shift` what is added to both.

    `before` is the time before `last`. `held` are the items that do not follow `last`, with their times and lengths,
    until it is clear what they mean.
    """

    number: int
    shift: Fraction = Fraction(0)
    last: Fraction | None = None
    before: Fraction | None = None
    length: Fraction = Fraction(0)
    held: list[tuple[Item, Fraction | None, Fraction]] = field(default_factory=list)
    held_from: Fraction = Fraction(0)
    held_to: Fraction = Fraction(0)
    held_length: Fraction = Fraction(0)

    @property
    def end(self) -> Fraction | None:
        """When the latest item ends, on the timeline."""
        return None if self.last is None else self.last + self.length + self.shift


class Timeline(Generic[Item]):
    """Gives every packet of several streams the shift between the source's clock and the time it is shown at.

    All times are in seconds. A packet follows the one before it in its stream if its time is later, and not by more
    than `jump` after the end of everything else. Any other is held until the next ones show what it means:

    - its time means nothing, because the next packet follows the one before it again;
    - the clock changed: the next packets follow it. Picture and sound then share one shift, the smallest with which
      nothing overlaps.
    """

    def __init__(self, streams: int, jump: Fraction) -> None:
        """Expect `streams` streams, numbered from 0."""
        self._streams: list[_Stream[Item]] = [_Stream(number) for number in range(streams)]
        self._jump = jump

    def put(self, stream: int, item: Item, time: Fraction | None, length: Fraction) -> Iterator[Placed[Item]]:
        """Take the next item of a stream and yield those whose shift is known now, each stream's in order.

        `time` is by the source's clock, None where there is none; for packets, their dts. `length` is how long the item
        lasts, 0 or more.
        """
        line, length = self._streams[stream], min(length, self._jump)
        if time is None:
            if line.held:
                line.held.append((item, None, length))
            else:
                yield Placed(stream, item, line.shift)
        elif not line.held and time == line.last:  # no clock starts again at the very moment
            yield Placed(stream, item, None)
        elif not line.held and (line.last is None or self._follows(line, time) or self._joins_another(line, time)):
            if line.last is None:
                self._begin(line, time)
            yield self._placed(line, item, time, length)
        elif not line.held:
            self._hold(line, item, time, length)
            yield from self._decided(line)
        else:
            yield from self._next_of_held(line, item, time, length)

    def end(self) -> Iterator[Placed[Item]]:
        """Yield what is still held: the source has ended."""
        for line in self._streams:
            yield from self._decided(line, at_the_end=True)

    def _begin(self, line: _Stream[Item], time: Fraction) -> None:
        """Give a stream that starts late the shift of the nearest one."""
        shifts = [
            (abs(time + other.shift - other.end), other.shift) for other in self._streams if other.end is not None
        ]
        line.shift = min(shifts, default=(Fraction(0), Fraction(0)))[1]

    def _follows(self, line: _Stream[Item], time: Fraction) -> bool:
        """Return whether a time continues the stream."""
        assert line.last is not None
        furthest = max(other.end for other in self._streams if other.end is not None)
        if line.last < time:
            return time <= max(line.last + line.length, furthest - line.shift) + self._jump
        if line.before is None or time <= line.before:
            return False
        # If this one is nearer to the expected time, the last one was the one too far ahead.
        return line.last - (line.before + line.length) > abs(time - (line.before + 2 * line.length))

    def _joins_another(self, line: _Stream[Item], time: Fraction) -> bool:
        """Take the shift of another stream that met the change of the clock earlier, if the time fits it."""
        assert line.end is not None
        for other in self._streams:
            if other.shift == line.shift or other.end is None:
                continue
            shown = time + other.shift
            if abs(shown - other.end) <= PATIENCE and shown >= line.end - PATIENCE:
                line.shift = other.shift
                return True
        return False

    def _placed(self, line: _Stream[Item], item: Item, time: Fraction, length: Fraction) -> Placed[Item]:
        line.before, line.last, line.length = line.last, time, length
        return Placed(line.number, item, line.shift)

    def _hold(self, line: _Stream[Item], item: Item, time: Fraction, length: Fraction) -> None:
        if not line.held:
            line.held_from = time
        line.held.append((item, time, length))
        line.held_to, line.held_length = time, length

    def _next_of_held(
        self, line: _Stream[Item], item: Item, time: Fraction, length: Fraction
    ) -> Iterator[Placed[Item]]:
        """Take an item of a stream that holds some: it goes on before them, after them, or neither."""
        assert line.last is not None
        before = abs(time - (line.last + line.length * (len(line.held) + 1)))
        after = abs(time - (line.held_to + line.held_length))
        if self._follows(line, time) and before <= after:
            yield from self._worthless(line)
            yield self._placed(line, item, time, length)
        elif line.held_to < time <= line.held_to + line.held_length + self._jump:
            self._hold(line, item, time, length)
            yield from self._decided(line)
        else:
            yield from self._worthless(line)
            self._hold(line, item, time, length)

    def _worthless(self, line: _Stream[Item]) -> Iterator[Placed[Item]]:
        """Release what is held: its times mean nothing."""
        held, line.held = line.held, []
        for item, _, _ in held:
            yield Placed(line.number, item, None)

    def _decided(self, line: _Stream[Item], at_the_end: bool = False) -> Iterator[Placed[Item]]:
        """Release what is held if its meaning is clear, or if nothing more can be learned."""
        if not line.held:
            return
        if len(line.held) < 2 and at_the_end:
            yield from self._worthless(line)
            return
        together = [
            other for other in self._streams if other.held and abs(other.held_from - line.held_from) <= PATIENCE
        ]
        if max(len(other.held) for other in together) < 2:
            return
        if len(together) < 2:
            others = self._active_beside(line)
            waited = line.held_to - line.held_from >= PATIENCE or len(line.held) >= MOST_HELD
            if others and not waited and not at_the_end:
                return
            if others and self._only_out_of_order(line, others):
                yield from self._released(line, line.shift)
                return
        shift = max(other.end - other.held_from for other in together if other.end is not None)
        for other in together:
            yield from self._released(other, shift)

    def _released(self, line: _Stream[Item], shift: Fraction) -> Iterator[Placed[Item]]:
        held, line.held, line.shift = line.held, [], shift
        for item, time, length in held:
            yield Placed(line.number, item, shift) if time is None else self._placed(line, item, time, length)

    def _active_beside(self, line: _Stream[Item]) -> list[_Stream[Item]]:
        """Return the other streams that were running when this one's clock changed."""
        assert line.end is not None
        return [
            other
            for other in self._streams
            if other is not line and other.end is not None and other.end >= line.end - _STILL_ACTIVE
        ]

    def _only_out_of_order(self, line: _Stream[Item], others: list[_Stream[Item]]) -> bool:
        """Return whether the others agree with the held times as they are: then the earlier times were wrong."""
        assert line.end is not None
        position = max(other.end for other in others if other.end is not None)
        as_they_are = abs(line.held_to + line.shift - position)
        moved = abs(line.end + line.held_to - line.held_from - position)
        return as_they_are <= max(moved, PATIENCE)
