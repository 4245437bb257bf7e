"""When something breaks, a run reports that error, leaves a playable file, accounts for every frame and never hangs."""

import gc
import itertools
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType

import av
import numpy as np
import pytest

from helpers.seeing_runner import SPEC, SkyAndPerson
from helpers.small_media import outcome
from segdata.errors import InputError
from segdata.video.picture import Picture
from segdata.video.reader import Decoded, SoundStream
from segrun.drawing.drawing import Drawing
from segrun.frame import Segmented
from segrun.options import RunOptions
from segrun.pipeline.account import RunReport
from segrun.pipeline.pipeline import Pipeline
from segrun.runners.base import Inferred
from segrun.sinks.base import Sink
from segrun.sinks.open import open_sinks
from segrun.sinks.video import VideoSink

Mounted = Callable[[Path, str], AbstractContextManager[None]]

WATCHDOG = 30  # seconds after which a source that waits gives up
FRAMES = 30


class CountingSource:
    """Gives grey frames, each a shade lighter, 25 a second; breaks, stalls or never ends, as the test wants."""

    name, rate, time_base, starts_at = "counting", Fraction(25), Fraction(1, 25), Fraction(0)
    corrupt_packets, bursts = 0, 0
    audio: SoundStream | None = None
    recorded: Mapping[str, str] = MappingProxyType({})
    expected_frames: int | None

    def __init__(
        self, count: int = FRAMES, *, live: bool = False, fail_at: int | None = None, stall_at: int | None = None
    ) -> None:
        self.live, self.count = live, count
        self.expected_frames = count
        self.fail_at, self.stall_at = fail_at, stall_at
        self.given = 0
        self.go_on = threading.Event()

    def read(self) -> Iterator[Decoded]:
        for index in range(self.count):
            if index == self.fail_at:
                raise InputError("the camera fell off")
            if index == self.stall_at:
                self.go_on.wait(WATCHDOG)
            image = np.full((64, 96, 3), 40 + index % 160, dtype=np.uint8)
            self.given += 1
            yield Decoded(Picture.from_rgb(image).frame, index, self.time_base)
            if self.live:
                time.sleep(0.002)

    def seek(self, seconds: Fraction) -> bool:
        return False

    def close(self) -> None:
        self.go_on.set()


class Noise(CountingSource):
    """Gives frames that do not compress."""

    def __init__(self) -> None:
        super().__init__(count=2000)

    def read(self) -> Iterator[Decoded]:
        generator = np.random.default_rng(0)
        for index in range(self.count):
            image = generator.integers(0, 256, (64, 96, 3), dtype=np.uint8)
            yield Decoded(Picture.from_rgb(image).frame, index, self.time_base)


class Watcher(Sink):
    """Keeps its frames; fails at a given frame, or is slow."""

    shows = True

    def __init__(self, fail_at: int | None = None, seconds: float = 0) -> None:
        super().__init__()
        self.taken: list[Segmented] = []
        self.finished = self.discarded = 0
        self.fail_at, self.seconds = fail_at, seconds

    def write(self, segmented: Segmented, picture: Picture | None) -> None:
        assert picture is not None
        if len(self.taken) == self.fail_at:
            raise InputError("the disk is full")
        time.sleep(self.seconds)
        self.taken.append(segmented)

    def finish(self) -> None:
        self.finished += 1

    def discard(self) -> None:
        self.discarded += 1


def pipeline(source: CountingSource, runner: SkyAndPerson, *sinks: Sink) -> Pipeline:
    return Pipeline(source, runner, sinks, Drawing(SPEC))


def finished(work: Callable[[], RunReport]) -> RunReport | BaseException:
    """Return what `work` returns or raises; it may not hang, nor leave a thread."""
    before = set(threading.enumerate())
    result = outcome(work)
    left = [thread.name for thread in set(threading.enumerate()) - before]
    assert not left
    return result


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def frame_count(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


@pytest.mark.parametrize("frame", range(21))
def test_a_runner_that_breaks_ends_the_run_with_its_error_and_a_file_that_plays(tmp_path: Path, frame: int) -> None:
    source, target = CountingSource(), tmp_path / "out.mp4"
    run = pipeline(source, SkyAndPerson(fail_at=frame), VideoSink(target, source))
    error = finished(run.run)
    assert isinstance(error, RuntimeError)
    assert str(error) == "the network broke"
    report = run.report()
    assert report.frames_shown == frame
    assert report.frames_read == report.frames_shown + report.frames_dropped + report.frames_lost
    if frame:
        assert frame_count(target) == frame
        assert report.outputs == (target,)
    assert [path.name for path in tmp_path.iterdir()] == (["out.mp4"] if frame else [])


@pytest.mark.parametrize("frame", [0, 1, 7, 20])
def test_a_source_that_breaks_loses_none_of_the_frames_it_gave(tmp_path: Path, frame: int) -> None:
    source, target = CountingSource(fail_at=frame), tmp_path / "out.mp4"
    run = pipeline(source, SkyAndPerson(), VideoSink(target, source))
    error = finished(run.run)
    assert isinstance(error, InputError)
    assert str(error) == "the camera fell off"
    report = run.report()
    assert (report.frames_read, report.frames_shown, report.frames_lost) == (frame, frame, 0)
    assert not frame or frame_count(target) == frame


@pytest.mark.parametrize("frame", [0, 1, 7, 20])
def test_a_sink_that_breaks_ends_the_run_and_the_others_are_completed(tmp_path: Path, frame: int) -> None:
    source, target = CountingSource(count=10_000), tmp_path / "out.mp4"
    broken = Watcher(fail_at=frame)
    run = pipeline(source, SkyAndPerson(), VideoSink(target, source), broken)
    error = finished(run.run)
    assert isinstance(error, InputError)
    assert str(error) == "the disk is full"
    assert source.given < 200  # the stages before did not go on without it
    assert broken.finished == 1
    assert frame_count(target) == frame + 1  # the video came before the broken one


def test_a_full_disk_ends_the_run_with_one_line_and_what_fitted_plays(mounted: Mounted, tmp_path: Path) -> None:
    folder = tmp_path / "small"
    with mounted(folder, "size=400k"):
        source, target = Noise(), folder / "out.mp4"
        run = pipeline(source, SkyAndPerson(), VideoSink(target, source))
        error = finished(run.run)
        assert isinstance(error, InputError)
        assert str(error) == f"cannot write {target} (No space left on device); try another place or format"
        assert [path.name for path in folder.iterdir()] == ["out.mp4"]
        assert run.report().frames_shown < source.count
        decoded = 0
        with av.open(str(target)) as container, suppress(av.FFmpegError):  # the last packet is cut
            for _ in container.decode(video=0):
                decoded += 1
        assert decoded > 25


def test_a_slow_sink_is_waited_for() -> None:
    slow = Watcher(seconds=0.01)
    report = finished(pipeline(CountingSource(), SkyAndPerson(), slow).run)
    assert isinstance(report, RunReport)
    assert [segmented.frame.pts for segmented in slow.taken] == list(range(FRAMES))
    assert (report.frames_read, report.frames_shown, report.frames_dropped) == (FRAMES, FRAMES, 0)


def test_a_live_source_is_never_held_up_and_what_it_loses_is_counted() -> None:
    source, slow = CountingSource(count=200, live=True), Watcher(seconds=0.02)
    report = finished(pipeline(source, SkyAndPerson(), slow).run)
    assert isinstance(report, RunReport)
    assert report.frames_read == 200 == report.frames_shown + report.frames_dropped
    assert report.frames_dropped > 0
    shown = [segmented.frame.pts for segmented in slow.taken]
    assert shown == sorted(set(shown))
    assert shown[-1] == 199  # the newest is never the one that is dropped


def test_the_burst_at_the_start_of_a_camera_is_not_dropped() -> None:
    class Camera(CountingSource):
        """Sends at once what it has kept since the last key frame, and then a frame when one is due."""

        bursts = 1

        def read(self) -> Iterator[Decoded]:
            self.live = False  # no pause
            yield from itertools.islice(super().read(), 60)
            time.sleep(1)

    camera, slow = Camera(count=60, live=True), Watcher(seconds=0.01)
    report = finished(pipeline(camera, SkyAndPerson(), slow).run)
    assert isinstance(report, RunReport)
    assert (report.frames_read, report.frames_shown, report.frames_dropped) == (60, 60, 0)


def test_no_more_than_a_burst_is_kept() -> None:
    class Camera(CountingSource):
        bursts = 1

        def read(self) -> Iterator[Decoded]:
            self.live = False
            yield from super().read()

    camera, slow = Camera(count=400, live=True), Watcher(seconds=0.01)
    report = finished(pipeline(camera, SkyAndPerson(), slow).run)
    assert isinstance(report, RunReport)
    assert report.frames_read == 400 == report.frames_shown + report.frames_dropped
    assert report.frames_dropped > 200


def test_a_frame_that_comes_while_the_run_is_stopped_is_not_lost() -> None:
    """A silent source gives one more frame just when the run ends without it."""
    source = CountingSource(count=8, stall_at=5)
    run = pipeline(source, SkyAndPerson(), Watcher())
    infer = run._infer_frames

    def infer_and_wait() -> None:
        infer()
        source.go_on.set()
        while source.given < 6:
            time.sleep(0.001)
        time.sleep(0.05)

    run._infer_frames = infer_and_wait  # type: ignore[method-assign]
    threading.Timer(0.3, run.stop).start()
    report = finished(run.run)
    assert isinstance(report, RunReport)
    assert (report.frames_read, report.frames_shown, report.frames_lost) == (5, 5, 0)


def test_labels_stay_with_their_frames_whatever_the_batch(tmp_path: Path) -> None:
    for batch in (1, 4, 7):
        watcher, runner = Watcher(), SkyAndPerson(batch=batch)
        report = finished(pipeline(CountingSource(), runner, watcher).run)
        assert isinstance(report, RunReport)
        assert [segmented.frame.pts for segmented in watcher.taken] == list(range(FRAMES))
        seen = np.concatenate(runner.seen)[:FRAMES]
        np.testing.assert_array_equal(seen, [segmented.frame.small for segmented in watcher.taken])


def test_stop_completes_what_is_on_its_way(tmp_path: Path) -> None:
    source, target = CountingSource(count=100_000), tmp_path / "out.mp4"
    run = pipeline(source, SkyAndPerson(), VideoSink(target, source))
    threading.Timer(0.3, run.stop).start()
    report = finished(run.run)
    assert isinstance(report, RunReport)
    assert report.interrupted
    assert report.frames_read == report.frames_shown == frame_count(target) < 100_000


def test_stop_does_not_wait_for_a_source_that_says_nothing(tmp_path: Path) -> None:
    source, target = CountingSource(stall_at=5), tmp_path / "out.mp4"
    run = pipeline(source, SkyAndPerson(), VideoSink(target, source))
    threading.Timer(0.3, run.stop).start()

    def work() -> RunReport:
        report = run.run()
        assert frame_count(target) == 5  # while the source still stalls
        source.close()
        while any(thread.name == "segrun-read" for thread in threading.enumerate()):
            time.sleep(0.01)
        return report

    report = finished(work)
    assert isinstance(report, RunReport)
    assert (report.frames_read, report.frames_shown) == (5, 5)


def test_a_sink_that_was_closed_by_its_viewer_ends_the_run() -> None:
    class Window(Watcher):
        def write(self, segmented: Segmented, picture: Picture | None) -> None:
            super().write(segmented, picture)
            self.closed = len(self.taken) >= 5  # a window stays closed; the pipeline looks now and then

    window = Window()
    report = finished(pipeline(CountingSource(count=100_000), SkyAndPerson(), window).run)
    assert isinstance(report, RunReport)
    assert not report.interrupted
    assert 5 <= report.frames_shown < 1000
    assert report.frames_read == report.frames_shown


def test_a_viewer_who_leaves_while_the_source_is_silent_ends_the_run() -> None:
    source, window = CountingSource(stall_at=5), Watcher()

    def leave() -> None:
        window.closed = True

    def work() -> RunReport:
        report = pipeline(source, SkyAndPerson(), window).run()
        source.close()
        while any(thread.name == "segrun-read" for thread in threading.enumerate()):
            time.sleep(0.01)
        return report

    threading.Timer(0.5, leave).start()
    report = finished(work)
    assert isinstance(report, RunReport)
    assert (report.frames_read, report.frames_shown, report.interrupted) == (5, 5, False)


def test_a_second_ctrl_c_leaves_nothing_behind(tmp_path: Path) -> None:
    source, target = CountingSource(count=100_000), tmp_path / "out.mp4"
    target.write_bytes(b"the last good file")

    class Impatient(SkyAndPerson):
        def _infer(self, frames: np.ndarray) -> Inferred:
            if len(self.seen) == 10:
                raise KeyboardInterrupt
            return super()._infer(frames)

    watcher = Watcher()
    error = finished(pipeline(source, Impatient(), VideoSink(target, source), watcher).run)
    assert isinstance(error, KeyboardInterrupt)
    assert watcher.discarded == 1
    assert watcher.finished == 0
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("out.mp4", b"the last good file")]


def test_a_run_that_is_abandoned_leaves_nothing_behind(tmp_path: Path) -> None:
    source, target = CountingSource(count=100_000), tmp_path / "out.mp4"
    target.write_bytes(b"the last good file")
    watcher = Watcher()
    run = pipeline(source, SkyAndPerson(), VideoSink(target, source), watcher)
    error = finished(lambda: run.run(lambda: run.abandon() if len(watcher.taken) == 10 else None))
    assert isinstance(error, KeyboardInterrupt)
    assert (watcher.finished, watcher.discarded, len(watcher.taken)) == (0, 1, 10)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("out.mp4", b"the last good file")]


def test_what_is_complete_stays_where_a_run_is_abandoned_too_late(tmp_path: Path) -> None:
    class Last(Watcher):
        def finish(self) -> None:
            super().finish()
            run.abandon()

    source, target, last = CountingSource(), tmp_path / "out.mp4", Last()
    run = pipeline(source, SkyAndPerson(), last, VideoSink(target, source))
    report = finished(run.run)
    assert isinstance(report, RunReport)
    assert report.interrupted
    assert report.outputs == (target,)
    assert report.frames_shown == frame_count(target) == FRAMES
    assert last.discarded == 0


def test_a_run_that_is_stopped_before_its_first_frame_leaves_nothing_and_is_no_error(tmp_path: Path) -> None:
    source, target = CountingSource(), tmp_path / "out.mp4"
    run = pipeline(source, SkyAndPerson(), VideoSink(target, source))
    run.stop()
    report = finished(run.run)
    assert isinstance(report, RunReport)
    assert (report.interrupted, report.frames_read, report.outputs) == (True, 0, ())
    assert list(tmp_path.iterdir()) == []


def test_no_frame_at_all_is_an_error_and_an_older_file_stays(tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    target.write_bytes(b"the last good file")
    source = CountingSource(count=0)
    error = finished(pipeline(source, SkyAndPerson(), VideoSink(target, source)).run)
    assert isinstance(error, InputError)
    assert "no frame could be decoded" in str(error)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("out.mp4", b"the last good file")]


def test_a_sink_that_cannot_be_opened_takes_the_others_with_it(tmp_path: Path) -> None:
    source = CountingSource()
    names = (str(tmp_path / "a.mp4"), str(tmp_path / "b.unknown"))
    with pytest.raises(InputError, match=r"b\.unknown"):
        open_sinks(RunOptions(inputs=("counting",)), names, source, SPEC)
    assert list(tmp_path.iterdir()) == []


def test_runs_leave_no_threads_and_no_open_files(tmp_path: Path) -> None:
    def once() -> None:
        source = CountingSource(count=5)
        assert isinstance(
            finished(pipeline(source, SkyAndPerson(), VideoSink(tmp_path / "o.mp4", source)).run), RunReport
        )

    once()
    gc.collect()
    files, threads = open_files(), threading.active_count()
    for _ in range(10):
        once()
    gc.collect()
    assert open_files() == files
    assert threading.active_count() == threads
