"""A video file in, a segmented video file out, every frame accounted for."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from segdata.errors import EdgeSegError, InputError
from segdata.files import replacing
from segdata.pyav_video import Frame, VideoReader, VideoWriter
from segdata.resize import resize_frame
from segrun.options import RunOptions
from segrun.overlay import Overlay
from segrun.runner import Runner


@dataclass(frozen=True)
class RunReport:
    """The frame account of one run: `frames_read` is always `frames_shown` + `frames_dropped`.

    `seconds` is wall time from opening the video to the closed file; `corrupt_packets` what could not be decoded;
    `audio_left_out` the codec of an audio track that the output's container cannot hold, None if none was left out.
    """

    output: Path
    frames_read: int
    frames_shown: int
    frames_dropped: int
    corrupt_packets: int
    audio_left_out: str | None
    seconds: float

    @property
    def fps(self) -> float:
        """Frames shown a second of wall time, decoding and encoding among it."""
        return self.frames_shown / self.seconds


def output_path(options: RunOptions) -> Path:
    """Return where the result goes: as asked, or VIDEO.seg.mp4 in the working directory."""
    return options.output or Path(f"{options.video.stem}.seg.mp4")


def segment_video(
    options: RunOptions, runner: Runner, on_start: Callable[[int | None], None], on_frame: Callable[[], None]
) -> RunReport:
    """Segment `options.video` with `runner` into `output_path(options)`, frame by frame, keeping time and audio.

    `on_start` is told how many frames to expect, None if the file does not say; `on_frame` is called after each.
    Raises InputError if the video cannot be read or the output cannot be written; no half file is left then.
    """
    target = output_path(options)
    if target.resolve() == options.video.resolve():
        raise InputError(f"got {target} as input and as output; name another output with -o")
    spec = runner.spec
    overlay = Overlay(spec.colours, options.alpha)
    frames_read = 0
    start = time.perf_counter()
    with VideoReader(options.video) as reader, replacing(target) as temporary:
        with VideoWriter(temporary, reader.rate, reader.time_base, audio_from=reader, shown_as=target) as writer:
            on_start(reader.expected_frames)
            for item in reader.read():
                if not isinstance(item, Frame):
                    writer.write_audio(item)
                    continue
                frames_read += 1
                labels = runner(resize_frame(item.image, spec.height, spec.width)[None])[0]
                writer.write(overlay.draw(item.image, labels), item.pts)
                on_frame()
        if frames_read == 0:
            raise InputError(f"{options.video}: no frame could be decoded; the file is broken: get it again")
        if writer.frames_written != frames_read:
            raise EdgeSegError(f"read {frames_read} frames but wrote {writer.frames_written}: please report this")
    return RunReport(
        output=target,
        frames_read=frames_read,
        frames_shown=writer.frames_written,
        frames_dropped=0,
        corrupt_packets=reader.corrupt_packets,
        audio_left_out=writer.audio_left_out,
        seconds=time.perf_counter() - start,
    )
