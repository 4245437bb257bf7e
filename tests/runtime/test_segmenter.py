"""edgeseg as a library: the lines in the README work, and do what they promise."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest

from helpers.live_servers import Play
from helpers.rtsp_server import encoded, rtsp_camera
from segdata.errors import EdgeSegError
from segdata.images.resize import resize_frame
from segdata.video.reader import VideoReader
from segexport.graph.to_onnx import to_onnx
from segrun.runners.open import open_runner
from segrun.segmenter import Segmenter

if TYPE_CHECKING:
    from conftest import Artefacts

Refused = Callable[..., AbstractContextManager[None]]

README = Path(__file__).parents[2] / "README.md"


def first_image(video: Path) -> np.ndarray:
    with VideoReader(video) as reader:
        return next(reader.images())


@pytest.mark.parametrize("size", [(128, 192), (320, 128), (64, 64)])
def test_an_image_of_any_size_gets_a_class_for_each_pixel(
    artefacts: "Artefacts", street_video: Path, size: tuple[int, int]
) -> None:
    image = resize_frame(first_image(street_video), *size)
    with Segmenter(artefacts.onnx["fp32"]) as segmenter, open_runner(artefacts.onnx["fp32"]) as runner:
        labels = segmenter(image)
        assert segmenter(image[:31, :17]).shape == (31, 17)
        small = runner(resize_frame(image, 64, 64)[None])[0]
    assert labels.shape == size
    assert labels.dtype == np.uint8
    # The nearest is told by the pixels' centres; at these sizes none lies on a border.
    rows, columns = (((np.arange(length) + 0.5) * 64 / length).astype(int) for length in size)
    np.testing.assert_array_equal(labels, small[rows][:, columns])
    assert segmenter.classes[labels[-1, size[1] // 2]] in {"road", "sidewalk", "terrain", "car", "parking", "ground"}


def test_a_video_is_gone_through_frame_by_frame(artefacts: "Artefacts", street_video: Path) -> None:
    with Segmenter(artefacts.onnx["int8"]) as segmenter, open_runner(artefacts.onnx["int8"]) as runner:
        found = list(segmenter.video(street_video))
        for segmented in found:
            np.testing.assert_array_equal(segmented.labels, runner(segmented.frame.small[None])[0])
            assert sum(segmented.shares.values()) == pytest.approx(1)
            assert set(segmented.shares) <= set(segmenter.classes)
    assert [segmented.frame.seconds for segmented in found] == [index / 25 for index in range(12)]
    with VideoReader(street_video) as reader:
        for segmented, image in zip(found, reader.images(), strict=True):
            np.testing.assert_array_equal(segmented.frame.picture.to_rgb(), image)


def test_a_part_of_a_video_can_be_asked_for(artefacts: "Artefacts", street_video: Path) -> None:
    with Segmenter(artefacts.onnx["int8"]) as segmenter:
        found = [
            segmented.frame.seconds for segmented in segmenter.video(street_video, start=0.2, duration=0.2, every=2)
        ]
    assert found == [0.2, 0.28, 0.36]


def test_the_shipped_model_is_there_without_a_name(street_video: Path) -> None:
    with Segmenter() as segmenter:
        assert segmenter(first_image(street_video)).shape == (96, 160)
        assert len(segmenter.classes) == len(segmenter.colours) == 29


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((0, 4, 3), np.uint8),
    ],
    ids=["grey", "four channels", "float", "empty"],
)
def test_what_is_no_image_is_refused(artefacts: "Artefacts", refused: Refused, image: np.ndarray) -> None:
    with Segmenter(artefacts.onnx["fp16"]) as segmenter, refused(r"need uint8 \[H, W, 3\], RGB"):
        segmenter(image)


def test_a_closed_one_says_so(artefacts: "Artefacts", refused: Refused) -> None:
    segmenter = Segmenter(artefacts.onnx["fp16"])
    segmenter.close()
    with refused("closed", EdgeSegError):
        segmenter(np.zeros((4, 4, 3), np.uint8))


def test_a_video_that_is_left_early_is_closed(artefacts: "Artefacts", street_video: Path) -> None:
    with Segmenter(artefacts.onnx["fp16"]) as segmenter:
        video = segmenter.video(street_video)
        next(iter(video))
        video.close()
        assert len(list(segmenter.video(street_video))) == 12


def test_the_lines_of_the_readme_run(
    street_video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "drive.mp4").write_bytes(street_video.read_bytes())
    blocks = README.read_text().split("```python\n")[1:]
    lines = next(block.split("```")[0] for block in blocks if "Segmenter" in block)
    assert len([line for line in lines.splitlines() if line.strip()]) == 5
    exec(compile(lines, str(README), "exec"), {})
    assert len(capsys.readouterr().out.splitlines()) == 12


def test_an_artefact_of_several_frames_at_once_is_refused(
    artefacts: "Artefacts", tmp_path: Path, refused: Refused
) -> None:
    path = tmp_path / "two.onnx"
    onnx.save(to_onnx(artefacts.network, artefacts.spec, "fp32", 2), path)
    with refused(r"two\.onnx takes 2 frames at once, need 1; export it with --batch 1"):
        Segmenter(path)


def test_a_live_frame_is_given_before_the_next_one_comes(artefacts: "Artefacts") -> None:
    frames, go_on = encoded(8), threading.Event()

    def pieces() -> Iterator[bytes]:
        yield from frames[:6]  # FFmpeg looks at some before it opens a stream
        for frame in frames[6:]:
            go_on.wait(60)
            go_on.clear()
            yield frame

    class Pieces(list[bytes]):
        def __iter__(self) -> Iterator[bytes]:
            return pieces()

    with rtsp_camera([Play(Pieces())]) as (address, _), Segmenter(artefacts.onnx["int8"]) as segmenter:
        video = segmenter.video(address)
        given = [next(video).frame.name for _ in range(5)]
        assert given == [f"{number:06}" for number in range(5)]  # FFmpeg itself knows a frame's end by the next one
        go_on.set()
        assert next(video).frame.name == "000005"
        go_on.set()
        assert next(video).frame.name == "000006"
        go_on.set()


def test_threads_share_one(artefacts: "Artefacts", street_video: Path) -> None:
    """As the handlers of a web server do."""
    with VideoReader(street_video) as reader:
        images = list(reader.images())
    with Segmenter(artefacts.onnx["int8"]) as segmenter, ThreadPoolExecutor(8) as pool:
        alone = [segmenter(image) for image in images]
        video = pool.submit(lambda: [segmented.labels for segmented in segmenter.video(street_video)])
        together = [(index, pool.submit(segmenter, images[index])) for _ in range(4) for index in range(len(images))]
        for index, labels in together:
            np.testing.assert_array_equal(labels.result(60), alone[index])
        assert len(video.result(60)) == len(images)
