"""Small videos whose frames say their number, and a watchdog for what reads them."""

import io
import threading
from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

import av
import cv2
import numpy as np

from helpers.pyav import add_audio, add_video, mux_in_order
from segdata.synth import drive
from segdata.video.picture import Picture, Reformatter
from segdata.video.reader import Decoded
from segdata.video.sound import AnyPacket
from segdata.video.yuv import ColourCoding

HEIGHT, WIDTH = 48, 64
NUMBERS = 100  # frames can be told apart modulo this
PATIENCE = 60.0  # seconds, after which a test that hangs fails

Result = TypeVar("Result")


def numbered(number: int, height: int = HEIGHT, width: int = WIDTH) -> av.VideoFrame:
    """Return frame `number`, less than NUMBERS; its brightness encodes its number."""
    picture = Picture.blank(height, width, ColourCoding("bt601", full_range=False))
    for plane, value in zip(picture.planes, (20 + 2 * number, 128, 128), strict=True):
        plane[:] = value
    return picture.frame


def jpegs(count: int) -> list[bytes]:
    """Return numbered frames; a JPEG's brightness has the full range."""
    values = [round((4 + 2 * number) * 255 / 219) for number in range(count)]
    return [cv2.imencode(".jpg", np.full((HEIGHT, WIDTH), value, np.uint8))[1].tobytes() for value in values]


def number_of(item: Decoded) -> int:
    """Return which frame this is."""
    brightness = float(Reformatter().image(item.frame).mean()) * 219 / 255 + 16
    return round((brightness - 20) / 2)


class Unseekable(io.BytesIO):
    """A file that cannot seek, like a pipe, so that a stream cannot declare its length."""

    def seekable(self) -> bool:
        return False


def write_numbered(
    target: Path | io.BytesIO,
    times: Iterable[Fraction],
    *,
    format: str | None = None,
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    sound: bool = False,
    first: int = 0,
    rate: int = 25,
    size: tuple[int, int] = (HEIGHT, WIDTH),
    fast_start: bool = True,
) -> None:
    """Write frames `first`, `first + 1` and so on, shown at `times`, with one second of sound a second.

    The index of an MP4 is at its beginning, or else at its end.
    """
    opened = str(target) if isinstance(target, Path) else target
    times = list(times)
    flags = {"movflags": "faststart"} if fast_start else {}
    with av.open(opened, "w", format=format, container_options=flags) as container:
        video = add_video(container, codec, rate, options={"preset": "ultrafast", "qp": "0", **(options or {})})
        video.height, video.width = size
        video.pix_fmt = "yuv420p"
        time_base = Fraction(1, rate if codec == "mpeg2video" else 1000)  # it knows few rates
        video.time_base = video.codec_context.time_base = time_base
        audio = add_audio(container, "mp2", 48000, layout="mono") if sound else None
        packets: list[AnyPacket] = []
        for number, seconds in enumerate(times):
            frame = numbered((first + number) % NUMBERS, *size)
            frame.pts, frame.time_base = round(seconds / time_base), time_base
            packets += video.encode(frame)
        packets += video.encode()
        if audio:
            for start in range(0, int(times[-1] * 48000), 1152):
                samples = av.AudioFrame.from_ndarray(np.zeros((1, 1152), dtype=np.int16), format="s16", layout="mono")
                samples.sample_rate, samples.pts = 48000, round(times[0] * 48000) + start
                packets += audio.encode(samples)
        mux_in_order(container, packets)


def every(count: int, rate: int = 25, start: Fraction = Fraction(0)) -> list[Fraction]:
    """Return the times of `count` frames at `rate` a second."""
    return [start + Fraction(number, rate) for number in range(count)]


def outcome(work: Callable[[], Result]) -> Result | BaseException:
    """Return what `work` returns or raises; fail if it hangs."""
    outcomes: list[Result | BaseException] = []

    def run() -> None:
        try:
            outcomes.append(work())
        except BaseException as error:
            outcomes.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    assert not thread.is_alive(), f"still at work after {PATIENCE:.0f} s"
    return outcomes[0]


def in_time(work: Callable[[], Result]) -> Result:
    """Return what `work` returns, or raise what it raises; fail if it hangs."""
    result = outcome(work)
    if isinstance(result, BaseException):
        raise result
    return result


def write_street(path: Path) -> None:
    """Write a drive of 12 frames, 160x96 at 25 a second, with B-frames and a mono AAC track; PyAV alone writes it."""
    with av.open(str(path), "w") as container:
        sound = container.add_stream("aac", rate=48000, layout="mono")
        picture = container.add_stream("libx264", rate=25, width=160, height=96, pix_fmt="yuv420p")
        for made in drive(3, 96, 160, 12, 25.0):
            container.mux(picture.encode(av.VideoFrame.from_ndarray(made.image, format="rgb24")))
        for start in range(0, 22 * 1024, 1024):
            wave = 0.3 * np.sin(np.arange(start, start + 1024, dtype=np.float32)[None] / 20)
            samples = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
            samples.sample_rate, samples.pts = 48000, start
            container.mux(sound.encode(samples))
        for stream in (picture, sound):
            container.mux(stream.encode())
