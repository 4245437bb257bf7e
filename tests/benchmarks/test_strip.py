"""The strip of the worst frames: its contents and their places."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest

from segbench.quality.agreement import video_quality
from segbench.quality.pictures import worst_strip
from segbench.results import QualityResult
from segdata.labels import CITYSCAPES_29
from segdata.spec import ModelSpec
from segrun.runners.base import Frames, Inferred, Runner

Refused = Callable[..., AbstractContextManager[None]]
Image = npt.NDArray[np.uint8]

SPEC = ModelSpec(32, 48, CITYSCAPES_29.name, CITYSCAPES_29.names, CITYSCAPES_29.colours, "unet", {"width": 16})
ROAD, SKY = (CITYSCAPES_29.names.index(name) for name in ("road", "sky"))
FRAMES, RATE = 30, 10
WORST = (24, 12)
ROW, TILE, GAP, LINE, MARGIN = 320, 480, 8, 36, 16  # pixels; a row of these frames, which are 96x64


class Road(Runner):
    """Predicts road, and on request sky in the top rows: the darker the frame, the more of them."""

    name, computes, device, batch = "test", "f32", "none", 1
    calibration_frames = frozenset[str]()

    def __init__(self, precision: str, confused: bool) -> None:
        self.spec, self.precision, self.confused = SPEC, precision, confused
        self.seen = 0

    def _free(self) -> None: ...

    def _infer(self, frames: Frames) -> Inferred:
        self.seen += 1
        labels = np.full(frames.shape[:3], ROAD, dtype=np.uint8)
        if self.confused:
            labels[:, : rows_of_sky(frames[0])] = SKY
        return Inferred(labels)


def rows_of_sky(frame: Image) -> int:
    """A frame of 200 has none, one of 100 half."""
    return max(0, round((200 - float(frame.mean())) / 100 * 16))


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds of bright frames, except those in WORST, of which the first is darkest."""
    path = tmp_path_factory.mktemp("strip") / "road.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, width=96, height=64, pix_fmt="yuv420p", options={"qp": "0"})
        for index in range(FRAMES):
            value = {WORST[0]: 100, WORST[1]: 150}.get(index, 200)
            frame = av.VideoFrame.from_ndarray(np.full((64, 96, 3), value, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.fixture(scope="module")
def result(video: Path) -> QualityResult:
    return video_quality(Road("int8", True), Road("fp32", False), video, None)


def drawn(result: QualityResult, video: Path) -> Image:
    return worst_strip(result, Road("int8", True), Road("fp32", False), video)


def tile(strip: Image, row: int, column: int) -> Image:
    """Return what is inside a tile, its border left out."""
    top, left = LINE + row * (ROW + LINE), MARGIN + column * (TILE + GAP)
    return strip[top + 4 : top + ROW - 4, left + 4 : left + TILE - 4]


def title(strip: Image, column: int) -> Image:
    """Return what stands above a column."""
    return strip[:LINE, MARGIN + column * (TILE + GAP) :][:, : TILE + GAP]


def is_orange(image: Image) -> npt.NDArray[np.bool_]:
    return np.asarray((image == (255, 64, 0)).all(axis=2))


def test_a_row_a_frame_worst_first(result: QualityResult, video: Path) -> None:
    assert [frame.seconds for frame in result.worst] == [2.4, 1.2, 0.0]
    strip = drawn(result, video)
    assert strip.shape == (LINE + 3 * (ROW + LINE) + GAP, MARGIN + 4 * (TILE + GAP) + GAP, 3)
    assert strip.dtype == np.uint8
    for row, value in enumerate((100, 150, 200)):
        np.testing.assert_allclose(tile(strip, row, 0), value, atol=2)


def test_differences_are_marked_and_nothing_else(result: QualityResult, video: Path) -> None:
    """The top half of the worst frame, a quarter of the next, nothing of the last."""
    strip = drawn(result, video)
    for row, rows_of_sky in enumerate((16, 8, 0)):
        marked = is_orange(tile(strip, row, 3))
        edge = rows_of_sky * ROW // 32 - 4
        assert marked[: max(edge, 0)].all()
        assert not marked[max(edge, 0) :].any()
    for column in range(3):
        assert not is_orange(tile(strip, 0, column)).any()


def test_the_reference_stands_before_the_artefact(result: QualityResult, video: Path) -> None:
    """Sky is blue and road is not; only the artefact predicts sky, in the upper half."""
    strip = drawn(result, video)
    blueness = [
        tile(strip, 0, column)[half].astype(int) @ (-1, 0, 1)
        for column, half in ((1, np.s_[:140]), (2, np.s_[:140]), (2, np.s_[180:]))
    ]
    assert [bool(values.mean() > 20) for values in blueness] == [False, True, False]


def test_what_is_written_is_dark_on_light(result: QualityResult, video: Path) -> None:
    """Titles and captions are there, and each caption is of its own frame."""
    strip = drawn(result, video)
    titles = [title(strip, column) for column in range(4)]
    captions = [strip[LINE + row * (ROW + LINE) + ROW :][:LINE] for row in range(3)]
    assert all(line.min() < 80 and np.median(line) == 250 for line in (*titles, *captions))
    assert not np.array_equal(captions[0], captions[1])


@pytest.mark.parametrize("name", ["a" * 200, "W" * 30, "straße.onnx", ""])
def test_any_name_stays_in_its_column(result: QualityResult, video: Path, name: str) -> None:
    strip = drawn(replace(result, artefact=name, reference=name), video)
    for column in (1, 2):
        assert (title(strip, column)[:, -8:] == 250).all()


def test_only_the_worst_frames_are_run_again(result: QualityResult, video: Path) -> None:
    runner, reference = Road("int8", True), Road("fp32", False)
    worst_strip(result, runner, reference, video)
    assert (runner.seen, reference.seen) == (3, 3)


def test_another_video_is_refused(result: QualityResult, tmp_path: Path, video: Path, refused: Refused) -> None:
    short = tmp_path / "short.mp4"
    with av.open(str(short), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, width=96, height=64, pix_fmt="yuv420p")
        container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((64, 96, 3), np.uint8), format="rgb24")))
        container.mux(stream.encode())
    with refused(r"short.mp4 has no frame at 1.200 s; need the video that was measured"):
        drawn(result, short)
