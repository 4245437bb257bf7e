"""Video files: each output has its sound in sync, and a failing one replaces no other file."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from helpers.segmented_frames import segmented
from helpers.timed_media import beeps, flashes, make, shown_at, times
from segdata.errors import InputError
from segdata.video.h264 import working_encoder
from segdata.video.picture import Reformatter
from segdata.video.reader import Decoded, VideoReader
from segrun.options import RunOptions
from segrun.run import run
from segrun.runners.open import open_runner
from segrun.sinks.video import VideoSink
from segrun.sources.excerpt import excerpt

if TYPE_CHECKING:
    from conftest import Artefacts

Refused = Callable[..., AbstractContextManager[None]]


def test_several_outputs_of_a_part_are_each_in_sync(tmp_path: Path) -> None:
    make(tmp_path / "in.mp4", times(200), [Fraction(3), Fraction(5)], audio="ac3")
    targets = [tmp_path / f"{number}.{suffix}" for number, suffix in enumerate(["mkv", "mp4", "avi", "mp4"])]
    with VideoReader(tmp_path / "in.mp4") as source:
        sinks = [VideoSink(target, source, shift=2.5) for target in targets]
        reformatter = Reformatter()
        for item in excerpt(source, 2.5, 4, 1):
            for sink in sinks:
                if isinstance(item, Decoded):
                    sink._writer.write(reformatter.picture(item.frame), item.pts)
                else:
                    sink.write_audio(item)
        for sink in sinks:
            sink.finish()
    for target in targets:
        assert len(shown_at(target)) == 100
        assert flashes(target) == pytest.approx([0.5, 2.5], abs=0.03)
        assert beeps(target) == pytest.approx([0.5, 2.5], abs=0.03)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, which only Linux has")
@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi"])
def test_an_output_that_fails_leaves_the_file_that_was_there(tmp_path: Path, suffix: str) -> None:
    make(tmp_path / "in.mp4", times(10), [], audio=None)
    target = tmp_path / f"out.{suffix}"
    target.write_bytes(b"good")
    with VideoReader(tmp_path / "in.mp4") as source:
        sink = VideoSink(target, source)
        sink._temporary.unlink(missing_ok=True)
        sink._temporary.symlink_to("/dev/full")
        frame = segmented(0, noise=True, size=(256, 256))
        with pytest.raises(InputError, match="No space left on device"):  # noqa: PT012 - as soon as the disk is full
            sink.write(frame, frame.frame.picture)
            sink.finish()
        sink.discard()
    assert target.read_bytes() == b"good"


def test_the_encoder_of_a_card_says_what_it_needs_where_there_is_none(
    artefacts: "Artefacts", street_video: Path, tmp_path: Path, refused: Refused
) -> None:
    if working_encoder() == "h264_nvenc":
        pytest.skip("this machine has such a card")
    options = RunOptions(inputs=(str(street_video),), outputs=(str(tmp_path / "out.mp4"),), encoder="h264_nvenc")
    with open_runner(artefacts.onnx["fp32"]) as runner, refused(r"h264_nvenc cannot encode here .*--encoder libx264"):
        run(options, runner)
    assert list(tmp_path.iterdir()) == []
