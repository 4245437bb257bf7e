"""Speed: frames over wall time, on real frames of the right size, timing nothing but the work."""

import math
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest

from segbench.measure.speed import end_to_end, engine_rate, latencies, read_frames, timeline, warm_up
from segbench.results import Latency, Rate, StageSpan
from segdata.labels import CITYSCAPES_29
from segdata.spec import ModelSpec
from segdata.video.picture import Reformatter
from segdata.video.reader import VideoReader
from segrun.pipeline.account import RunReport
from segrun.pipeline.stage_clock import Span
from segrun.runners.base import Frames, Inferred, Runner

Refused = Callable[..., AbstractContextManager[None]]

SPEC = ModelSpec(
    32, 48, CITYSCAPES_29.name, CITYSCAPES_29.names, CITYSCAPES_29.colours, "unet", {"width": 16, "depth": 3}
)


class Ticking(Runner):
    """A runner in which each frame takes one second longer than the one before, by its own clock."""

    name, precision, computes, device, batch = "test", "fp32", "f32", "none", 1
    calibration_frames = frozenset[str]()
    spec = SPEC

    def __init__(self) -> None:
        self.seen: list[Frames] = []
        self.now = 1000.0

    def clock(self) -> float:
        return self.now

    def _free(self) -> None: ...

    def _infer(self, frames: Frames) -> Inferred:
        self.seen.append(frames)
        self.now += len(self.seen)
        return Inferred(np.zeros(frames.shape[:3], dtype=np.uint8))


class InFlight(Ticking):
    """A device with four frames in flight: each takes four seconds, and one finishes every second."""

    def _infer(self, frames: Frames) -> Inferred:
        self.seen.append(frames)
        self.now += 4
        return Inferred(np.zeros(frames.shape[:3], dtype=np.uint8))

    def _stream(self, frames: Iterable[Frames]) -> Generator[Inferred, None, None]:
        done: deque[float] = deque()
        free = self.now
        for item in frames:
            self.seen.append(item)
            free = max(free + 1, self.now + 4)
            done.append(free)
            if len(done) == 4:
                self.now = done.popleft()
                yield Inferred(np.zeros(item.shape[:3], dtype=np.uint8))
        for end in done:
            self.now = end
            yield Inferred(np.zeros((1, 32, 48), dtype=np.uint8))


def some_frames(count: int) -> Frames:
    return np.random.default_rng(0).integers(0, 256, (count, 32, 48, 3), dtype=np.uint8)


def test_engine_rate_is_frames_over_the_time_they_took() -> None:
    runner, frames = Ticking(), some_frames(4)
    # 1 + 2 + 3 + 4 seconds: 0.4 a second. The mean of 1/latency would be 0.52, the best frame 1.
    assert engine_rate(runner, frames, runner.clock) == 4 / 10
    np.testing.assert_array_equal(np.concatenate(runner.seen), frames)


def test_engine_rate_is_that_of_frames_in_flight() -> None:
    runner, frames = InFlight(), some_frames(10)
    # The first leaves after 4 seconds, the others one a second. One over the latency would be 0.25.
    assert engine_rate(runner, frames, runner.clock) == 10 / 13
    np.testing.assert_array_equal(np.concatenate(runner.seen), frames)


def test_latencies_are_of_each_frame_alone() -> None:
    assert list(latencies(InFlight(), some_frames(3), InFlight().clock)) == [0.0, 0.0, 0.0]  # another device's clock
    runner = InFlight()
    assert list(latencies(runner, some_frames(3), runner.clock)) == [4000.0, 4000.0, 4000.0]
    slowing, frames = Ticking(), some_frames(3)
    assert list(latencies(slowing, frames, slowing.clock)) == [1000.0, 2000.0, 3000.0]
    np.testing.assert_array_equal(np.concatenate(slowing.seen), frames)


def test_what_is_done_between_two_latencies_is_not_in_them() -> None:
    runner = Ticking()
    found = []
    for milliseconds in latencies(runner, some_frames(2), runner.clock):
        found.append(milliseconds)
        runner.now += 100
    assert found == [1000.0, 2000.0]


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


def test_a_percentile_is_the_time_that_so_many_stayed_within() -> None:
    latency = Latency(tuple(float(number) for number in range(101)))
    assert [latency.percentile(share) for share in (0, 50, 90, 99, 100)] == [0, 50, 90, 99, 100]
    assert Latency((3.0,)).percentile(99) == 3.0


def test_frames_are_the_videos_at_the_models_size(street_video: Path) -> None:
    reformatter = Reformatter()
    with VideoReader(street_video) as reader:
        images = [reformatter.image(item.frame, item.display, 32, 48) for item in reader.frames()]
    frames = read_frames(street_video, SPEC, 5)
    assert frames.shape == (5, 32, 48, 3)
    assert frames.dtype == np.uint8
    np.testing.assert_array_equal(frames, images[:5])


def test_a_short_video_gives_the_frames_it_has(street_video: Path) -> None:
    assert len(read_frames(street_video, SPEC, 1000)) == 12


def test_a_video_without_a_frame_is_refused(street_video: Path, tmp_path: Path, refused: Refused) -> None:
    content = bytearray(street_video.read_bytes())
    start, end = content.index(b"mdat") + 4, content.index(b"moov") - 4
    content[start:end] = b"\xff" * (end - start)
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(content)
    with refused("broken.mp4: no frame could be decoded"):
        read_frames(broken, SPEC, 5)


def test_end_to_end_is_the_whole_work_on_every_frame(street_video: Path, tmp_path: Path) -> None:
    runner = Ticking()
    report = end_to_end(street_video, tmp_path, runner)
    assert report.frames_shown == len(report.latencies) == len(runner.seen) == 12
    assert report.fps == 12 / report.seconds
    assert set(report.stage_seconds) == {"decode", "shrink", "network", "draw", "write"}
    assert min(report.stage_seconds.values()) > 0
    (written,) = tmp_path.iterdir()
    with VideoReader(written) as reader:
        images = list(reader.images())
    assert len(images) == 12
    assert images[0].shape == (96, 160, 3)


def test_rounds_write_the_same_file_again(street_video: Path, tmp_path: Path) -> None:
    for _ in range(2):
        end_to_end(street_video, tmp_path, Ticking())
    assert len(list(tmp_path.iterdir())) == 1


INTERRUPTED = """
import os, signal, sys
from pathlib import Path

sys.path.insert(0, sys.argv[1])
from helpers.seeing_runner import SkyAndPerson
from segbench.measure.speed import end_to_end


class Interrupted(SkyAndPerson):
    def _infer(self, frames):
        if len(self.seen) == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return super()._infer(frames)


try:
    end_to_end(Path(sys.argv[2]), Path(sys.argv[3]), Interrupted())
except KeyboardInterrupt:
    print("ended")
"""


def test_ctrl_c_ends_it_all_and_not_one_round(street_video: Path, tmp_path: Path) -> None:
    """seg-run keeps an unfinished result, but the rate of an unfinished run must not become a round."""
    command: list[str | Path] = [sys.executable, "-c", INTERRUPTED, Path(__file__).parents[1], street_video, tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "ended\n"), done.stderr


def a_run(*spans: Span) -> RunReport:
    return RunReport((), (), 1, 1, 0, 0, False, 1.0, (0.1,), {}, spans)


def test_a_timeline_begins_at_its_first_span_in_milliseconds() -> None:
    # In the order in which the stages ended, which is not that in which they began.
    spans = [Span("decode", 50.5, 50.75), Span("network", 50.25, 51.0), Span("draw", 51.0, 51.125)]
    assert timeline(a_run(*spans)) == (
        StageSpan("decode", 250.0, 500.0),
        StageSpan("network", 0.0, 750.0),
        StageSpan("draw", 750.0, 875.0),
    )
    assert timeline(a_run()) == ()


def test_a_long_run_leaves_a_timeline_of_its_end() -> None:
    early = [Span("early", float(second), second + 0.5) for second in range(1760)]
    late = [Span("late", float(second), second + 0.5) for second in range(1760, 2000)]
    found = timeline(a_run(*early, *late))
    assert [span.stage for span in found] == ["late"] * 240
    assert (found[0].start, found[-1].stop) == (0.0, 239_500.0)
