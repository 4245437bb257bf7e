"""Labels as a video: every id comes back, at its time; nothing else is taken for one."""

from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest

from segdata.labels import CITYSCAPES_29
from segdata.video.label_video import LabelVideoWriter, label_classes, read_labels

Refused = Callable[..., AbstractContextManager[None]]

TIMES = (0, 1, 5, 6, 90)  # in units of 1/30 s
NAMES = CITYSCAPES_29.names


def written(
    path: Path, height: int = 33, width: int = 47, classes: tuple[str, ...] = NAMES
) -> list[npt.NDArray[np.uint8]]:
    random = np.random.default_rng(0)
    frames = [random.integers(0, len(NAMES), (height, width), dtype=np.uint8) for _ in TIMES]
    with closing(LabelVideoWriter(path, Fraction(30), Fraction(1, 30), classes)) as writer:
        for labels, pts in zip(frames, TIMES, strict=True):
            writer.write(labels, pts)
    return frames


@pytest.mark.parametrize("size", [(33, 47), (64, 64), (16, 16)])
def test_every_id_comes_back_at_its_time(tmp_path: Path, size: tuple[int, int]) -> None:
    path = tmp_path / "street.labels.mkv"
    frames = written(path, *size)
    found = list(read_labels(path))
    assert [each.labels.tolist() for each in found] == [labels.tolist() for labels in frames]
    assert [each.seconds for each in found] == pytest.approx([pts / 30 for pts in TIMES], abs=1e-3)
    assert label_classes(path) == NAMES


def test_frames_at_uneven_times_keep_them(tmp_path: Path) -> None:
    path = tmp_path / "uneven.labels.mkv"
    times = (0, 13, 100, 101, 500, 777, 2000)  # thousandths of a second, at "25 frames a second"
    with closing(LabelVideoWriter(path, Fraction(25), Fraction(1, 1000), NAMES)) as writer:
        for pts in times:
            writer.write(np.zeros((4, 6), np.uint8), pts)
    assert [round(1000 * each.seconds) for each in read_labels(path)] == list(times)


def test_what_is_no_video_of_labels_is_refused(tmp_path: Path, street_video: Path, refused: Refused) -> None:
    text = tmp_path / "text.labels.mkv"
    text.write_text("no video")
    for path in (text, street_video, tmp_path / "missing.labels.mkv"):
        with refused(f"{path.name}: not a video of labels; need a NAME.labels.mkv that seg-run wrote"):
            list(read_labels(path))


def test_an_id_without_a_name_is_refused(tmp_path: Path, refused: Refused) -> None:
    path = tmp_path / "short.labels.mkv"
    written(path, classes=NAMES[:5])
    with refused("short.labels.mkv: has class 28, its list ends at 4; write it again"):
        list(read_labels(path))


def test_a_file_cut_off_gives_whole_frames_or_one_line(tmp_path: Path) -> None:
    path = tmp_path / "cut.labels.mkv"
    frames = written(path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    found = list(read_labels(path))
    assert 0 < len(found) < len(frames)
    assert all((each.labels == labels).all() for each, labels in zip(found, frames, strict=False))


def test_other_tools_read_the_ids_as_grey(tmp_path: Path) -> None:
    path = tmp_path / "grey.labels.mkv"
    frames = written(path)
    with av.open(str(path)) as container:
        read = [frame.to_ndarray() for frame in container.decode(video=0)]
    assert np.array_equal(read, frames)
