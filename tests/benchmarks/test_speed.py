"""Speed: frames over wall time, on real frames of the right size, with nothing timed that is not the work."""

import math
from pathlib import Path

import numpy as np
import pytest

from segbench.speed import Rate, end_to_end_rate, engine_rate, read_frames, warm_up
from segdata.labels import CITYSCAPES_29
from segdata.pyav_picture import Reformatter
from segdata.pyav_reader import VideoReader
from segdata.spec import ModelSpec
from segrun.runner import Frames, Labels, Runner

SPEC = ModelSpec(
    32, 48, CITYSCAPES_29.name, CITYSCAPES_29.names, CITYSCAPES_29.colours, "unet", {"width": 16, "depth": 3}
)


class Ticking(Runner):
    """A runner each of whose frames takes one second more than the one before, by its own clock."""

    name, precision, computes, device, batch = "test", "fp32", "f32", "none", 1
    spec = SPEC

    def __init__(self) -> None:
        self.seen: list[Frames] = []
        self.now = 1000.0

    def clock(self) -> float:
        return self.now

    def _free(self) -> None: ...

    def _infer(self, frames: Frames) -> Labels:
        self.seen.append(frames)
        self.now += len(self.seen)
        return np.zeros(frames.shape[:3], dtype=np.uint8)


def some_frames(count: int) -> Frames:
    return np.random.default_rng(0).integers(0, 256, (count, 32, 48, 3), dtype=np.uint8)


def test_engine_rate_is_frames_over_the_time_they_took() -> None:
    runner, frames = Ticking(), some_frames(4)
    # 1 + 2 + 3 + 4 seconds: 0.4 a second. The mean of 1/latency would be 0.52, the best frame 1.
    assert engine_rate(runner, frames, runner.clock) == 4 / 10
    np.testing.assert_array_equal(np.concatenate(runner.seen), frames)


def test_warm_up_runs_the_first_frames_only() -> None:
    runner, frames = Ticking(), some_frames(25)
    warm_up(runner, frames)
    assert len(runner.seen) == 10
    np.testing.assert_array_equal(np.concatenate(runner.seen), frames[:10])


@pytest.mark.parametrize(
    ("rounds", "median", "spread"),
    [
        ((100.0, 80.0, 96.0), 96.0, 20 / 96),
        ((10.0, 20.0, 60.0, 30.0), 25.0, 50 / 25),
        ((7.0,), 7.0, 0.0),
        ((50.0, 50.0, 50.0), 50.0, 0.0),
    ],
)
def test_rounds_become_median_and_spread(rounds: tuple[float, ...], median: float, spread: float) -> None:
    assert Rate(rounds).median == median
    assert math.isclose(Rate(rounds).spread, spread)


def test_frames_are_the_videos_at_the_models_size(street_video: Path) -> None:
    reformatter = Reformatter()
    with VideoReader(street_video) as reader:
        pictures = [reformatter.picture(item.frame) for item in reader.frames()]
    frames = read_frames(street_video, SPEC, 5)
    assert frames.shape == (5, 32, 48, 3)
    assert frames.dtype == np.uint8
    np.testing.assert_array_equal(frames, [reformatter.shrunk(picture, 32, 48) for picture in pictures[:5]])


def test_a_short_video_gives_the_frames_it_has(street_video: Path) -> None:
    assert len(read_frames(street_video, SPEC, 1000)) == 12


def test_end_to_end_is_the_whole_work_on_every_frame(street_video: Path, tmp_path: Path) -> None:
    runner = Ticking()
    assert end_to_end_rate(street_video, tmp_path, runner) > 0
    assert len(runner.seen) == 12
    (written,) = tmp_path.iterdir()
    with VideoReader(written) as reader:
        images = list(reader.images())
    assert len(images) == 12
    assert images[0].shape == (96, 160, 3)
