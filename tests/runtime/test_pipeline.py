"""seg-run's work: every frame of the video, at its time, with its sound, under its overlay."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from helpers.progress import Told
from helpers.pyav import shown
from helpers.seeing_runner import SkyAndPerson
from segdata.errors import InputError
from segdata.images.resize import resize_frame
from segdata.video.picture import Picture, Reformatter
from segdata.video.reader import VideoReader
from segdata.video.writer import VideoWriter
from segrun.options import RunOptions
from segrun.pipeline.account import RunReport
from segrun.run import run
from segrun.runners.base import Runner
from segrun.runners.open import open_runner

if TYPE_CHECKING:
    from conftest import Artefacts

Refused = Callable[..., AbstractContextManager[None]]


@dataclass(frozen=True)
class Contents:
    """What a file holds, read by PyAV alone: when frames and audio packets are shown, and the packets' bytes."""

    rate: Fraction
    frame_times: list[Fraction]
    size: tuple[int, int]
    audio: list[tuple[Fraction, bytes]]


def contents(path: Path) -> Contents:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        times: list[Fraction] = []
        size = (0, 0)
        for frame in container.decode(stream):
            times.append(shown(frame))
            size = (frame.height, frame.width)
        rate = Fraction(stream.average_rate or 0)
    with av.open(str(path)) as container:
        packets = container.demux(container.streams.audio) if container.streams.audio else []
        audio = [(shown(packet), bytes(packet)) for packet in packets if packet.size]
    return Contents(rate, times, size, audio)


def segment(video: Path, runner: Runner, output: Path, alpha: float = 0.5) -> RunReport:
    return run(RunOptions(inputs=(str(video),), outputs=(str(output),), alpha=alpha), runner)


def images_of(path: Path) -> list[NDArray[np.int64]]:
    with VideoReader(path) as reader:
        return [image.astype(int) for image in reader.images()]


def write(path: Path, images: Iterable[NDArray[np.uint8]]) -> Path:
    with VideoWriter(path, Fraction(25), Fraction(1, 25)) as writer:
        for pts, image in enumerate(images):
            writer.write(Picture.from_rgb(image), pts)
    return path


def grey(height: int, width: int, count: int = 4) -> list[NDArray[np.uint8]]:
    return [np.full((height, width, 3), 40 * (index + 1), dtype=np.uint8) for index in range(count)]


def test_every_frame_is_shown_at_its_time_with_its_sound(street_video: Path, tmp_path: Path) -> None:
    source = contents(street_video)
    runner = SkyAndPerson()
    report = segment(street_video, runner, tmp_path / "out.mp4")
    assert contents(tmp_path / "out.mp4") == source
    assert len(source.frame_times) == len(runner.seen) == 12
    assert len(source.audio) > 20
    assert report.outputs == (tmp_path / "out.mp4",)
    assert (report.frames_read, report.frames_shown, report.frames_dropped, report.frames_lost) == (12, 12, 0, 0)
    assert (report.corrupt_packets, report.remarks, report.interrupted) == (0, (), False)
    assert report.fps == report.frames_shown / report.seconds


def test_the_network_sees_the_frames_in_order_at_its_own_size(street_video: Path, tmp_path: Path) -> None:
    runner = SkyAndPerson()
    segment(street_video, runner, tmp_path / "out.mp4")
    reformatter = Reformatter()
    with VideoReader(street_video) as reader:
        wanted = [reformatter.image(item.frame, item.display, 32, 48)[None] for item in reader.frames()]
    np.testing.assert_array_equal(np.stack(runner.seen), np.stack(wanted))


def test_uneven_times_are_kept(tmp_path: Path) -> None:
    times = [0, 1, 2, 5, 6, 11]
    video = tmp_path / "uneven.mp4"
    with VideoWriter(video, Fraction(30), Fraction(1, 30)) as writer:
        for pts, image in zip(times, grey(32, 48, 6), strict=True):
            writer.write(Picture.from_rgb(image), pts)
    segment(video, SkyAndPerson(), tmp_path / "out.mp4")
    assert contents(tmp_path / "out.mp4").frame_times == [Fraction(time, 30) for time in times]


def test_the_result_has_the_classes_colours(tmp_path: Path) -> None:
    segment(write(tmp_path / "grey.mp4", grey(64, 96)), SkyAndPerson(), tmp_path / "out.mp4", alpha=1)
    images = images_of(tmp_path / "out.mp4")
    assert len(images) == 4
    for image in images:
        np.testing.assert_allclose(image[8:-8, 8:40], np.broadcast_to((70, 130, 180), (48, 32, 3)), atol=6)
        np.testing.assert_allclose(image[8:-8, 56:-8], np.broadcast_to((220, 20, 60), (48, 32, 3)), atol=6)


def test_alpha_reaches_the_result(tmp_path: Path) -> None:
    segment(write(tmp_path / "grey.mp4", grey(64, 96)), SkyAndPerson(), tmp_path / "out.mp4", alpha=0.25)
    first = images_of(tmp_path / "out.mp4")[0]
    wanted = 0.75 * 40 + 0.25 * np.array([70, 130, 180])
    np.testing.assert_allclose(first[8:-8, 8:40], np.broadcast_to(wanted, (48, 32, 3)), atol=6)


def test_a_real_network_colours_a_street(artefacts: "Artefacts", street_video: Path, tmp_path: Path) -> None:
    with open_runner(artefacts.onnx["int8"]) as runner:
        segment(street_video, runner, tmp_path / "out.mp4", alpha=1)
        reformatter = Reformatter()
        with VideoReader(street_video) as source, VideoReader(tmp_path / "out.mp4") as result:
            first, drawn = next(source.frames()), next(result.images())
        labels = runner(reformatter.image(first.frame, first.display, 64, 64)[None])[0]
    found = resize_frame(drawn, 64, 64).astype(int)
    inside = labels[8:56, 8:56]  # compare where the class is the same all around, away from smooth edges
    same = np.ones_like(inside, dtype=bool)
    for down in range(-2, 3):
        for right in range(-2, 3):
            same &= labels[8 + down : 56 + down, 8 + right : 56 + right] == inside
    assert same.sum() > 200
    wanted = np.array(artefacts.spec.colours)[inside]
    assert np.abs(found[8:56, 8:56] - wanted)[same].mean() < 6


def test_progress_is_told(street_video: Path, tmp_path: Path) -> None:
    class Counter:
        def __init__(self) -> None:
            self.starts: list[int | None] = []
            self.frames = 0

        def start(self, total: int | None, done: int = 0) -> None:
            self.starts.append(total)

        def advance(self, note: str = "") -> None:
            self.frames += 1

    counter = Counter()
    options = RunOptions(inputs=(str(street_video),), outputs=(str(tmp_path / "out.mp4"),))
    run(options, SkyAndPerson(), counter)
    assert counter.starts == [12]
    assert counter.frames == 12


def test_the_result_goes_into_the_working_directory(
    street_video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    report = run(RunOptions(inputs=(str(street_video),)), SkyAndPerson())
    assert report.outputs == (Path("street.seg.mp4"),)
    assert [path.name for path in tmp_path.iterdir()] == ["street.seg.mp4"]


def test_an_odd_size_gets_one_repeated_row_and_column(tmp_path: Path) -> None:
    video = tmp_path / "odd.mkv"
    with av.open(str(video), "w") as container:  # FFV1 takes any size, exactly
        stream = container.add_stream("ffv1", rate=25, width=95, height=63, pix_fmt="bgr0")
        for image in grey(63, 95):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    assert contents(video).size == (63, 95)
    segment(video, SkyAndPerson(), tmp_path / "out.mp4", alpha=1)
    found = contents(tmp_path / "out.mp4")
    assert found.size == (64, 96)
    assert len(found.frame_times) == 4
    last = images_of(tmp_path / "out.mp4")[0]
    np.testing.assert_allclose(last[-1, 56:], np.broadcast_to((220, 20, 60), (40, 3)), atol=6)


def test_sound_that_the_container_cannot_hold_is_named(tmp_path: Path) -> None:
    video = tmp_path / "opus.mkv"
    with av.open(str(video), "w") as container:
        sound = container.add_stream("libopus", rate=48000, layout="mono")
        picture = container.add_stream("libx264", rate=25, width=96, height=64, pix_fmt="yuv420p")
        for image in grey(64, 96):
            container.mux(picture.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 9600), dtype=np.float32), format="flt", layout="mono")
        samples.sample_rate = 48000
        container.mux(sound.encode(samples))
        for stream in (picture, sound):
            container.mux(stream.encode())
    kept = segment(video, SkyAndPerson(), tmp_path / "out.mkv")
    assert kept.remarks == ()
    assert contents(tmp_path / "out.mkv").audio
    left_out = segment(video, SkyAndPerson(), tmp_path / "out.avi")
    assert left_out.remarks == (f"{tmp_path}/out.avi: audio left out: avi cannot hold opus; try --audio encode",)
    assert len(contents(tmp_path / "out.avi").frame_times) == 4


def test_the_input_is_never_overwritten(street_video: Path, tmp_path: Path, refused: Refused) -> None:
    video = tmp_path / "street.mp4"
    video.write_bytes(street_video.read_bytes())
    link = tmp_path / "link.mp4"
    link.symlink_to(video)
    for output in (video, link, tmp_path / "folder" / ".." / "street.mp4"):
        with refused("as input and as output; name another output with -o"):
            segment(video, SkyAndPerson(), output)
    assert video.read_bytes() == street_video.read_bytes()


def test_a_video_without_a_frame_is_refused(street_video: Path, tmp_path: Path, refused: Refused) -> None:
    video = tmp_path / "silent.mp4"
    content = bytearray(write(video, grey(64, 96)).read_bytes())
    start = content.index(b"mdat") + 4
    end = content.rindex(b"moov") - 4
    content[start:end] = b"\xff" * (end - start)
    video.write_bytes(content)
    folder = tmp_path / "results"
    folder.mkdir()
    with refused("no frame could be decoded; the file is broken: get it again"):
        segment(video, SkyAndPerson(), folder / "out.mp4")
    assert list(folder.iterdir()) == []


def test_a_start_beyond_the_end_is_said(street_video: Path, tmp_path: Path, refused: Refused) -> None:
    options = RunOptions(inputs=(str(street_video),), outputs=(str(tmp_path / "out.mp4"),), start=100)
    with refused("street.mp4: ends before 100 seconds; give an earlier --start"):
        run(options, SkyAndPerson())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("out.txt", "need a name like out.mp4 or out.mkv"),
        ("out", "out: a name without suffix; write .*out/ for a folder"),
    ],
)
def test_an_output_that_names_no_container_is_refused(
    street_video: Path, tmp_path: Path, refused: Refused, name: str, said: str
) -> None:
    with refused(said):
        segment(street_video, SkyAndPerson(), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_corrupt_packets_are_counted(real_data: Path, tmp_path: Path) -> None:
    report = segment(real_data / "video" / "odd" / "corrupt_packets.mp4", SkyAndPerson(), tmp_path / "out.mp4")
    assert report.corrupt_packets > 0
    assert report.frames_read == report.frames_shown == len(contents(tmp_path / "out.mp4").frame_times)
    assert 28 <= report.frames_read < 50  # of 50; how many decode depends on FFmpeg


def test_an_input_error_is_an_input_error(tmp_path: Path, refused: Refused) -> None:
    with refused("no such file; need a video", InputError):
        segment(tmp_path / "missing.mp4", SkyAndPerson(), tmp_path / "out.mp4")
    assert list(tmp_path.iterdir()) == []


ODD = (
    "av1.mkv", "hevc_10bit.mp4", "odd_height.gif", "rotated_270.mov", "rotated_90.mov", "two_video_streams.mp4",
    "variable_fps.mp4", "vp9_no_duration.webm",
)  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_odd_files_give_each_frame_once_upright_and_at_its_time(real_data: Path, tmp_path: Path, name: str) -> None:
    video = real_data / "video" / "odd" / name
    with VideoReader(video) as reader:
        frames = list(reader.frames())
        pictures = [Reformatter().picture(item.frame, item.display) for item in frames[:1]]
    report = segment(video, SkyAndPerson(), tmp_path / "out.mp4", alpha=0)
    assert (report.frames_read, report.frames_shown) == (len(frames), len(frames))
    found = contents(tmp_path / "out.mp4")
    even = pictures[0].even()
    assert found.size == (even.height, even.width)
    assert len(found.frame_times) == len(frames)
    for time, item in zip(found.frame_times, frames, strict=True):
        assert abs(time - item.seconds) <= Fraction(1, 10_000)
    first = images_of(tmp_path / "out.mp4")[0]
    assert np.abs(first - even.to_rgb().astype(int)).mean() < 12  # what libx264 loses on the hardest of them


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("zero_bytes.webm", "not a video FFmpeg can read"),
        ("no_moov.mp4", "not a video FFmpeg can read"),
        ("audio_only.mp3", "has audio but no video"),
    ],
)
def test_broken_files_are_refused(real_data: Path, tmp_path: Path, refused: Refused, name: str, said: str) -> None:
    with refused(said):
        segment(real_data / "video" / "odd" / name, SkyAndPerson(), tmp_path / "out.mp4")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("start", "duration", "every"),
    [(0, None, 1), (0, None, 5), (0.28, None, 1), (0.28, 0.1, 1), (0.04, 0.36, 4), (0, 60, 1)],
)
def test_the_bar_counts_the_frames_of_an_excerpt(
    street_video: Path, start: float, duration: float | None, every: int
) -> None:
    options = RunOptions(inputs=(str(street_video),), outputs=("none",), start=start, duration=duration, every=every)
    told = Told()
    report = run(options, SkyAndPerson(), told)
    assert told.totals == [len(told.notes)] == [report.frames_read]
