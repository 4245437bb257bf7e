"""Decodes the packets of a video into frames with their presentation times."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import cast

import av
import numpy as np
import numpy.typing as npt
from av.video.stream import VideoStream

from segdata.video.display import UPRIGHT, Display, Fields
from segdata.video.frame_times import DecodingOrder, FrameTimes
from segdata.video.sound import AnyPacket

# FFmpeg's AVFieldOrder names which field is coded first, too; that does not matter here.
_FIELDS: dict[int, Fields] = {2: "top first", 3: "bottom first", 4: "bottom first", 5: "top first"}

_FINEST_NEEDED = 1000  # ticks a second: with fewer there is no room for a frame between two others


@dataclass(frozen=True)
class _Sent:
    """What is known of a packet that went into the decoder: it comes out with the frame.

    `shift` is between the source's clock and the timeline in seconds, None if the packet's time means nothing.
    """

    shift: Fraction | None
    dts: int | None


@dataclass(frozen=True)
class Decoded:
    """One frame as FFmpeg decoded it, to be shown as `display` says, at `pts * time_base` seconds.

    `name` is the name of the file it came from without its suffix, if it had one of its own. `shift` is how many
    seconds later the frame is shown than the source's own clock says, which may have started again or jumped.
    """

    frame: av.VideoFrame
    pts: int
    time_base: Fraction
    display: Display = UPRIGHT
    name: str | None = None
    shift: Fraction = Fraction(0)

    @classmethod
    def from_bgr(
        cls, image: npt.NDArray[np.uint8], pts: int, time_base: Fraction, name: str | None = None
    ) -> "Decoded":
        """Return an image as OpenCV reads it, BGR uint8 [H, W, 3], as a frame."""
        return cls(av.VideoFrame.from_numpy_buffer(image, format="bgr24"), pts, time_base, name=name)

    @property
    def seconds(self) -> Fraction:
        """When the frame is shown."""
        return self.pts * self.time_base


class FrameDecoder:
    """Decodes one stream. `time_base` is the unit of the frames' times, in seconds: the stream's own, or finer.

    `by_dts` says that packets only say when they are decoded; `at_once` that frames are given as they come, with the
    times they carry, to a caller that has its own clock.
    """

    def __init__(self, stream: VideoStream, rate: Fraction, *, by_dts: bool, at_once: bool) -> None:
        """Decode `stream`; frames without a time are shown at `rate` a second."""
        self._context = stream.codec_context
        self._context.copy_opaque = True
        self._by_dts, self._at_once = by_dts, at_once
        self.counts = by_dts and self._context.has_b_frames
        """Whether the time of a frame is known only from all frames before it."""
        time_base = Fraction(stream.time_base or 1 / rate)
        self._finer = math.ceil(time_base * _FINEST_NEEDED)
        self.time_base = time_base / self._finer
        self._step = round(1 / (rate * self.time_base))
        # The container overrides the stream: it may be the only one that says it, or was corrected later.
        self._pixel_aspect = Fraction(stream.sample_aspect_ratio or 1)
        self._fields = _FIELDS.get(getattr(self._context, "field_order", 0), "none")  # not in PyAV 17
        self._rotation: int | None = None
        self.restart()

    def restart(self) -> None:
        """Forget the times of the frames before: the stream goes on somewhere else."""
        self._times = FrameTimes[Decoded]()
        self._order = DecodingOrder() if self.counts else None
        self._shift, self._next = Fraction(0), 0

    def decode(self, packet: AnyPacket | None, shift: Fraction | None) -> list[Decoded]:
        """Return the frames that are ready after a packet whose times are moved by `shift` seconds.

        `shift` is None if the packet's times mean nothing, `packet` None for what the decoder still holds. Raises
        av.FFmpegError if the packet cannot be decoded.
        """
        if packet is not None:
            packet.opaque = _Sent(shift, packet.dts)
            if self._order and packet.dts is not None and shift is not None:
                self._order.sent(self._ticks(packet.dts, shift))
        frames = self._context.decode(cast("None", packet))
        return [ready for frame in frames for ready in self._with_times(frame)]

    def end(self) -> list[Decoded]:
        """Return the frames that waited for the time of the next one, when there is none."""
        return [replace(item, pts=pts) for item, pts in self._times.end()]

    def _with_times(self, frame: av.VideoFrame) -> Iterator[Decoded]:
        time, step = self._time_of(frame), frame.duration * self._finer or self._step
        item = Decoded(
            frame, self._next if time is None else time, self.time_base, self._display_of(frame), shift=self._shift
        )
        if self._at_once:
            self._next = item.pts + step
            yield item
        else:
            yield from (replace(ready, pts=pts) for ready, pts in self._times.put(item, time, step))

    def _time_of(self, frame: av.VideoFrame) -> int | None:
        """Return when a frame is shown by what its packet said, in ticks of `time_base`; None if that means nothing."""
        sent = frame.opaque
        if not isinstance(sent, _Sent):
            return None
        if sent.shift is None:
            # Its decoding time means nothing. Its presentation time may still be right, if it differs.
            return None if frame.pts is None or frame.pts == sent.dts else self._ticks(frame.pts, self._shift)
        self._shift = sent.shift
        if self._order and sent.dts is not None:
            return self._order.shown(self._ticks(sent.dts, sent.shift), frame.key_frame)
        time = sent.dts if self._by_dts else frame.pts
        return None if time is None else self._ticks(time, sent.shift)

    def _display_of(self, frame: av.VideoFrame) -> Display:
        if frame.rotation != self._rotation:
            self._rotation = frame.rotation
            self._display = Display.of(frame, self._pixel_aspect, self._fields)
        return self._display

    def _ticks(self, time: int, shift: Fraction) -> int:
        return time * self._finer + round(shift / self.time_base)
