"""The GIF: the drawn pictures at their times, small enough to send, and complete however the run ends."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np
import numpy.typing as npt
import pytest

from helpers.pyav import shown
from helpers.segmented_frames import HEIGHT, RATE, WIDTH, content, segmented, write, write_all, write_until_full
from segdata.video.picture import Picture
from segrun.sinks.gif import GifSink

if TYPE_CHECKING:
    from conftest import Mounted, Refused


def decoded(gif: Path) -> tuple[list[float], list[npt.NDArray[np.uint8]]]:
    """The times, in seconds, and the RGB pictures of a GIF."""
    with av.open(str(gif)) as container:
        frames = list(container.decode(video=0))
    times = [float(shown(frame)) for frame in frames]
    return times, [np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8) for frame in frames]


def test_a_gif_shows_the_drawn_pictures_at_their_times_again_and_again(tmp_path: Path) -> None:
    target = tmp_path / "new/folder/out.gif"
    sink = GifSink(target, RATE)
    frames = [segmented(index) for index in (100, 101, 103, 110)]
    write_all(sink, frames)
    times, pictures = decoded(target)
    assert times == [0, 0.04, 0.12, 0.40]
    assert sink.path == target
    assert sink.remarks == []
    for frame, picture in zip(frames, pictures, strict=True):
        wanted = frame.frame.picture.to_rgb().astype(np.int16)
        assert np.abs(picture - wanted).mean() < 3
    # The extension that browsers repeat a GIF by, and how often: 0 is for ever.
    assert b"NETSCAPE2.0\x03\x01\x00\x00\x00" in target.read_bytes()
    assert [path.name for path in target.parent.iterdir()] == ["out.gif"]


def test_each_picture_of_a_gif_has_colours_of_its_own(tmp_path: Path) -> None:
    sink = GifSink(tmp_path / "out.gif", RATE)
    ramp = np.linspace(0, 255, WIDTH).astype(np.uint8)[None].repeat(HEIGHT, axis=0)
    for index in range(3):
        frame, image = segmented(index), np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        image[..., index] = ramp
        sink.write(frame, Picture.from_rgb(image))
    sink.finish()
    for index, picture in enumerate(decoded(tmp_path / "out.gif")[1]):
        assert len(np.unique(picture[..., index])) > 60
        assert np.abs(picture[..., index].astype(np.int16) - ramp).mean() < 5


@pytest.mark.parametrize(("rate", "shown"), [(50, 20), (60, 14), (100, 10), (30, 20)])
def test_a_gif_leaves_out_what_players_would_slow_down_and_says_so(tmp_path: Path, rate: int, shown: int) -> None:
    sink = GifSink(tmp_path / "out.gif", Fraction(rate))
    write_all(sink, (segmented(index, rate=Fraction(rate), size=(32, 32)) for index in range(20)))
    times, _ = decoded(tmp_path / "out.gif")
    assert len(times) == shown
    assert min(np.diff(times)) > 0.0199
    np.testing.assert_allclose(times[-1], 19 / rate, atol=1 / rate + 0.005)
    said = f"{20 - shown} frames left out: a GIF shows at most 50 a second"
    assert [said in remark for remark in sink.remarks] == ([True] if shown < 20 else [])


@pytest.mark.parametrize("starts_at", [-1000, 0, 10**10])
def test_a_gif_starts_with_the_first_frame_whatever_its_time(tmp_path: Path, starts_at: int) -> None:
    sink = GifSink(tmp_path / "out.gif", RATE)
    for index in range(3):
        one = segmented(index)
        write(sink, [replace(one, frame=replace(one.frame, pts=starts_at + index))])
    sink.finish()
    assert decoded(tmp_path / "out.gif")[0] == [0, 0.04, 0.08]


def test_frames_without_times_of_their_own_are_left_out_of_a_gif(tmp_path: Path) -> None:
    sink = GifSink(tmp_path / "out.gif", RATE)
    write_all(sink, [segmented(index) for index in (5, 5, 3, 6)])
    assert decoded(tmp_path / "out.gif")[0] == [0, 0.04]


@pytest.mark.parametrize(("size", "shown"), [((360, 1280), (180, 640)), ((64, 640), (64, 640)), ((3, 2000), (1, 640))])
def test_a_wide_gif_is_shrunk_and_says_so(tmp_path: Path, size: tuple[int, int], shown: tuple[int, int]) -> None:
    sink = GifSink(tmp_path / "out.gif", RATE)
    image = np.full((*size, 3), (200, 40, 40), np.uint8)
    sink.write(segmented(0), Picture.from_rgb(image))
    sink.finish()
    (picture,) = decoded(tmp_path / "out.gif")[1]
    assert picture.shape[:2] == shown
    assert np.abs(picture.astype(np.int16) - (200, 40, 40)).max() < 6
    said = f"shrunk to {shown[1]}x{shown[0]}"
    assert [said in remark for remark in sink.remarks] == ([True] if size != shown else [])


def test_pictures_of_another_size_are_made_to_fit_the_first_of_a_gif(tmp_path: Path) -> None:
    sink = GifSink(tmp_path / "out.gif", RATE)
    write_all(sink, [segmented(0), segmented(1, size=(HEIGHT * 2, WIDTH * 2)), segmented(2, size=(33, 65))])
    assert [picture.shape for picture in decoded(tmp_path / "out.gif")[1]] == [(HEIGHT, WIDTH, 3)] * 3


def test_a_gif_grows_on_the_disk_as_pictures_come_and_takes_its_name_at_the_end(tmp_path: Path) -> None:
    target = tmp_path / "out.gif"
    target.write_text("old")
    sink = GifSink(target, RATE)
    grown = []
    for index in range(4):
        write(sink, [segmented(index, noise=True)])
        (temporary,) = set(tmp_path.iterdir()) - {target}
        grown.append(temporary.stat().st_size)
        assert target.read_text() == "old"
    assert temporary.suffix == ".gif"
    assert np.diff(grown).min() > 5000  # the last picture waits for its duration, all others are written
    sink.finish()
    assert list(tmp_path.iterdir()) == [target]
    assert len(decoded(target)[0]) == 4


@pytest.mark.parametrize("frames", [0, 3])
def test_a_discarded_gif_leaves_the_old_one(tmp_path: Path, frames: int) -> None:
    (tmp_path / "out.gif").write_text("old")
    sink = GifSink(tmp_path / "out.gif", RATE)
    write(sink, (segmented(index) for index in range(frames)))
    sink.discard()
    assert content(tmp_path) == {"out.gif": b"old"}
    assert sink.path is None


def test_a_gif_keeps_what_fitted_on_a_full_disk(tmp_path: Path, mounted: "Mounted", refused: "Refused") -> None:
    disk = tmp_path / "disk"
    with mounted(disk, "size=1m"):
        sink = GifSink(disk / "out.gif", RATE)
        write_until_full(sink, refused, disk / "out.gif")
        with refused("No space left on device"):
            sink.finish()
        assert [path.name for path in disk.iterdir()] == ["out.gif"]
        assert len(decoded(disk / "out.gif")[0]) >= 5
