"""Small videos with white frames and beeps at the same moments, in any container and codec."""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np

from helpers.pyav import add_audio, add_video, decoded, mux_in_order
from helpers.pyav import shown as time_of
from segdata.video.picture import Reformatter
from segdata.video.reader import Decoded, VideoReader
from segdata.video.sound import AnyPacket, AudioPolicy
from segdata.video.writer import VideoSettings, VideoWriter

HEIGHT, WIDTH = 48, 64
RATE = 25
SOUND_RATE = 48000
BEEP = Fraction(1, 5)
"""For how many seconds a moment is white and loud."""


def times(count: int, start: Fraction | int = 0, without: Iterable[int] = ()) -> list[Fraction]:
    """Return the times of frames at the usual rate, except those in `without`."""
    return [start + Fraction(number, RATE) for number in range(count) if number not in set(without)]


def make(
    path: Path,
    shown: Sequence[Fraction],
    moments: Sequence[Fraction],
    *,
    codec: str = "libx264",
    audio: str | None = "mp2",
    format: str | None = None,
    options: dict[str, str] | None = None,
    seconds: Fraction | None = None,
) -> None:
    """Write frames shown at `shown`. In the BEEP after each of `moments`, frames are white and the sound is loud.

    The sound goes from the first frame for `seconds`, by default to the last frame.
    """
    with av.open(str(path), "w", format=format) as container:
        picture = add_video(container, codec, RATE, options={"strict": "experimental", **(options or {})})
        formats = picture.codec_context.codec.video_formats
        assert formats is not None
        picture.width, picture.height, picture.pix_fmt = WIDTH, HEIGHT, formats[0].name
        picture.codec_context.time_base = Fraction(1, RATE)
        packets: list[AnyPacket] = []
        for when in shown:
            white = any(moment <= when < moment + BEEP for moment in moments)
            frame = av.VideoFrame.from_ndarray(
                np.full((HEIGHT, WIDTH, 3), 235 if white else 20, np.uint8), format="rgb24"
            )
            frame.pts, frame.time_base = round(when * RATE), Fraction(1, RATE)
            packets += picture.encode(frame)
        packets += picture.encode()
        if audio:
            packets += _sound(container, audio, shown[0], seconds or shown[-1] - shown[0], moments)
        mux_in_order(container, packets)


def _sound(
    container: av.container.OutputContainer, codec: str, start: Fraction, seconds: Fraction, moments: Sequence[Fraction]
) -> list[AnyPacket]:
    stream = add_audio(container, codec, SOUND_RATE, layout="stereo", options={"strict": "experimental"})
    stream.codec_context.bit_rate = 128_000
    since = float(start) + np.arange(round(seconds * SOUND_RATE)) / SOUND_RATE
    loud = np.zeros(len(since), bool)
    for moment in moments:
        loud |= (since >= float(moment)) & (since < float(moment + BEEP))
    wave = (np.sin(np.arange(len(since)) * 0.13) * loud * 16000).astype(np.int16)
    frame = av.AudioFrame.from_ndarray(wave[None], format="s16", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = SOUND_RATE, round(start * SOUND_RATE), Fraction(1, SOUND_RATE)
    return [*stream.encode(frame), *stream.encode()]


def flashes(path: Path) -> list[float]:
    """Return when the picture turns white, in seconds, read with PyAV only."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        # What AVI says is when a frame is decoded, which is when it is shown where there are no B-frames.
        by_dts = container.format.name in {"asf", "avi"}
        shown = []
        for frame in container.decode(stream):
            time = decoded(frame) if by_dts else time_of(frame)
            shown.append((float(time), float(frame.to_ndarray(format="gray").mean()) > 128))
    return [when for (_, before), (when, white) in pairwise(shown) if white and not before]


def beeps(path: Path) -> list[float]:
    """Return when the sound turns loud, in seconds, read with PyAV only."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        found: list[float] = []
        quiet_since, loud = float("-inf"), False
        resampler = av.AudioResampler("s16", "mono")
        for frame in container.decode(stream):
            if frame.pts is None:
                continue
            start = float(time_of(frame))
            for ready in resampler.resample(frame):
                wave = np.abs(ready.to_ndarray()[0].astype(int))
                for offset in range(0, len(wave), 48):
                    at = start + offset / frame.sample_rate
                    if wave[offset : offset + 48].max() > 3000:
                        if not loud and at - quiet_since > 0.05:
                            found.append(at)
                        loud, quiet_since = True, at
                    elif at - quiet_since > 0.05:
                        loud = False
    return found


def shown_at(path: Path) -> list[float]:
    """Return when each frame is shown, in seconds, read with PyAV only."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        by_dts = container.format.name in {"asf", "avi"}
        return [float(decoded(frame) if by_dts else time_of(frame)) for frame in container.decode(stream)]


def copy(source: Path, target: Path, policy: AudioPolicy = "copy") -> VideoWriter:
    """Read and write a video as seg-run does, without a network; return the writer, closed."""
    reformatter = Reformatter()
    with (
        VideoReader(source) as reader,
        VideoWriter(target, reader.rate, reader.time_base, VideoSettings(audio=reader.audio, policy=policy)) as writer,
    ):
        for item in reader.read():
            if isinstance(item, Decoded):
                writer.write(reformatter.picture(item.frame, item.display), item.pts)
            else:
                writer.write_audio(item)
    return writer
