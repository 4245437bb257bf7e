"""A part of a source."""

from collections.abc import Iterator
from fractions import Fraction
from itertools import chain

from segdata.video.reader import AudioPacket, Decoded
from segrun.sources.base import Source

_SOUND_LATE = 1  # seconds by which sound may follow the picture of its moment in a file
_RUN_UP = 2  # seconds; in some formats, frames right after a seek are missing or have the times of others


def excerpt(source: Source, start: float, duration: float | None, every: int) -> Iterator[Decoded | AudioPacket]:
    """Yield each `every`-th frame that is shown in [start, start + duration), and all sound of that time.

    `start`, 0 or more, and `duration`, more than 0, None for all that follows, are in seconds; zero is the source's
    first frame. Nothing is yielded where `start` lies beyond the end.
    """
    # As typed: 0.2 is exactly 1/5, since a little more would leave out the frame shown then.
    begin = source.starts_at + Fraction(str(start))
    end = None if duration is None else begin + Fraction(str(duration))
    frames = 0
    for item in _reading_near(source, begin) if start > 0 else source.read():
        seconds = item.seconds if isinstance(item, Decoded) else _seconds(item)
        if end is not None and seconds is not None and seconds >= end:
            if isinstance(item, Decoded) and (source.audio is None or seconds >= end + _SOUND_LATE):
                return
        elif seconds is None or (start > 0 and seconds < begin):
            continue
        elif not isinstance(item, Decoded):
            yield item
        else:
            if frames % every == 0:
                yield item
            frames += 1


def _reading_near(source: Source, begin: Fraction) -> Iterator[Decoded | AudioPacket]:
    """Read from some time before `begin`.

    Some formats, MPEG-TS among them, only find the key frame after the requested time: then earlier times are tried,
    and in the end the beginning.
    """
    step = _RUN_UP
    items, before = source.read(), list[Decoded | AudioPacket]()
    while begin - step > source.starts_at:
        if not source.seek(begin - step):
            return chain(before, items)
        items, before = source.read(), []
        for item in items:
            before.append(item)
            if isinstance(item, Decoded):
                if item.seconds <= begin - Fraction(_RUN_UP, 2):
                    return chain(before, items)
                break
        step *= 2
    if step > _RUN_UP:
        source.seek(source.starts_at - _RUN_UP)
    return source.read()


def _seconds(packet: AudioPacket) -> Fraction | None:
    return None if packet.pts is None else packet.pts * packet.time_base
