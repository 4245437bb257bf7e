"""Typed wrappers for PyAV's streams and times, where PyAV's own types are too loose for tests."""

from collections.abc import Iterable
from fractions import Fraction
from typing import Any

from av import AudioStream, VideoStream
from av.container import OutputContainer
from av.frame import Frame

from segdata.video.sound import AnyPacket


class NoTimeError(ValueError):
    """A frame or packet has no time."""


def add_video(
    container: OutputContainer,
    codec: str,
    rate: Fraction | int,
    **options: Any,  # noqa: ANN401 - PyAV's
) -> VideoStream:
    """Add a stream of pictures by a codec of any name."""
    stream = container.add_stream(codec, rate=rate, **options)
    assert isinstance(stream, VideoStream)
    return stream


def add_audio(
    container: OutputContainer,
    codec: str,
    rate: int,
    **options: Any,  # noqa: ANN401 - PyAV's
) -> AudioStream:
    """Add a stream of sound by a codec of any name."""
    stream = container.add_stream(codec, rate=rate, **options)
    assert isinstance(stream, AudioStream)
    return stream


def shown(item: Frame | AnyPacket) -> Fraction:
    """Return when a frame or packet is shown, in seconds; raise NoTimeError if it has no time."""
    return _seconds(item.pts, item.time_base)


def decoded(item: Frame | AnyPacket) -> Fraction:
    """Return when a frame or packet is decoded, in seconds; raise NoTimeError if it has no time."""
    return _seconds(item.dts, item.time_base)


def _seconds(time: int | None, time_base: Fraction | None) -> Fraction:
    if time is None or time_base is None:
        raise NoTimeError(f"no time: {time} of {time_base} s")
    return time * time_base


def mux_in_order(container: OutputContainer, packets: Iterable[AnyPacket]) -> None:
    """Write the packets of all streams in the order in which they are decoded."""
    for packet in sorted(packets, key=decoded):
        container.mux(packet)
