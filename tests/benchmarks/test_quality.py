"""Quality without labels: agreement with a reference, by class and by frame, and the flicker of both."""

import json
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np
import numpy.typing as npt
import onnx
import pytest
from pydantic import TypeAdapter

from segbench.measure.speed import read_frames
from segbench.quality.agreement import video_quality
from segbench.results import QualityResult
from segdata.labels import CITYSCAPES_8, CITYSCAPES_29
from segdata.shipped import shipped_checkpoint
from segdata.spec import ModelSpec
from segexport.graph.to_onnx import to_onnx
from segexport.quantise.calibrate import read_ranges
from segexport.quantise.to_int8 import to_int8
from segrun.runners.base import Frames, Inferred, Labels, Runner
from segrun.runners.onnxruntime import OnnxRuntimeRunner
from segrun.runners.open import open_runner
from segtrain.network.checkpoint import load_checkpoint

if TYPE_CHECKING:
    from conftest import Artefacts

Refused = Callable[..., AbstractContextManager[None]]
Image = npt.NDArray[np.uint8]

SPEC = ModelSpec(32, 48, CITYSCAPES_29.name, CITYSCAPES_29.names, CITYSCAPES_29.colours, "unet", {"width": 16})
ROAD, CAR, SKY = (CITYSCAPES_29.names.index(name) for name in ("road", "car", "sky"))


class Scripted(Runner):
    """Returns `script[n]` for frame n, and the last entry for all later frames."""

    name, computes, device, batch = "test", "f32", "none", 1
    calibration_frames = frozenset[str]()

    def __init__(self, script: Iterable[Labels], precision: str = "fp32", spec: ModelSpec = SPEC) -> None:
        self.script, self.precision, self.spec = list(script), precision, spec
        self.seen = 0

    def _free(self) -> None: ...

    def _infer(self, frames: Frames) -> Inferred:
        self.seen += 1
        return Inferred(self.script[min(self.seen, len(self.script)) - 1][None].copy())


def split(left: int, right: int) -> Labels:
    """Half the frame is one class, half another."""
    labels = np.full((32, 48), left, dtype=np.uint8)
    labels[:, 24:] = right
    return labels


def write_video(path: Path, images: Iterable[Image], rate: int = 25) -> Path:
    """Write RGB images as H.264 without loss."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"qp": "0"})
        for index, image in enumerate(images):
            if index == 0:
                stream.height, stream.width, stream.pix_fmt = *image.shape[:2], "yuv420p"
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    return path


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five frames, all the same noise, 96x64."""
    image = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    return write_video(tmp_path_factory.mktemp("still") / "still.mp4", [image] * 5)


def quality(runner: Runner, reference: Runner, video: Path, limit: int | None = None) -> QualityResult:
    return video_quality(runner, reference, video, limit)


def test_agreement_is_by_pixel_and_by_the_references_class(still: Path) -> None:
    """A quarter of the road is called car in two of five frames; the car is all right; there is no sky."""
    wrong = split(ROAD, CAR)
    wrong[:16, :12] = CAR
    found = quality(Scripted([split(ROAD, CAR), wrong, wrong, split(ROAD, CAR)]), Scripted([split(ROAD, CAR)]), still)
    assert found.frames == 5
    assert found.class_agreement["road"] == 1 - 2 / 5 / 4
    assert found.class_agreement["car"] == 1
    assert found.class_agreement["sky"] is None
    assert list(found.class_agreement) == list(CITYSCAPES_29.names)
    assert found.equal_pixels == 1 - 2 / 5 / 8


def test_a_class_that_only_the_artefact_sees_has_no_agreement(still: Path) -> None:
    found = quality(Scripted([split(SKY, SKY)]), Scripted([split(ROAD, SKY)]), still)
    assert (found.class_agreement["road"], found.class_agreement["sky"]) == (0, 1)
    turned = quality(Scripted([split(ROAD, SKY)]), Scripted([split(SKY, SKY)]), still)
    assert (turned.class_agreement["road"], turned.class_agreement["sky"]) == (None, 0.5)


def test_both_have_their_own_flicker(still: Path) -> None:
    """One changes one pixel in each frame, the other half of the frame once."""
    blinking = [split(ROAD, CAR) for _ in range(5)]
    for labels in blinking[::2]:
        labels[3, 3] = SKY
    found = quality(Scripted(blinking), Scripted([split(ROAD, CAR), split(ROAD, SKY)]), still)
    assert found.still_pixels == 1
    assert found.flicker == 4 / (4 * 32 * 48)
    assert found.reference_flicker == 1 / 4 / 2


def test_one_frame_tells_nothing_of_flicker(still: Path) -> None:
    found = quality(Scripted([split(ROAD, CAR)]), Scripted([split(ROAD, SKY)]), still, limit=1)
    assert (found.frames, found.equal_pixels) == (1, 0.5)
    assert (found.flicker, found.reference_flicker, found.still_pixels) == (None, None, 0)


def test_the_worst_frames_have_their_times_and_are_far_apart(tmp_path: Path) -> None:
    """Ten frames a second for 6 s; frame 31 is worst, its neighbours nearly so, frame 55 is bad, 7 a little."""
    video = write_video(
        tmp_path / "long.mp4", [np.full((64, 96, 3), 9 * index % 256, np.uint8) for index in range(60)], 10
    )
    script = [split(ROAD, CAR) for _ in range(60)]
    for index, rows in {30: 30, 31: 32, 32: 31, 55: 20, 7: 1}.items():
        script[index][:rows, :24] = SKY
    found = quality(Scripted(script), Scripted([split(ROAD, CAR)]), video)
    assert [frame.seconds for frame in found.worst[:3]] == [3.1, 5.5, 0.7]
    assert [frame.equal_pixels for frame in found.worst[:3]] == [0.5, 1 - 20 / 64, 1 - 1 / 64]
    assert len(found.worst) == 4
    times = sorted(frame.seconds for frame in found.worst)
    assert all(after - before >= 1 for before, after in pairwise(times))


def test_times_count_from_the_first_frame(tmp_path: Path) -> None:
    path = tmp_path / "late.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, width=96, height=64, pix_fmt="yuv420p")
        for index in range(3):
            frame = av.VideoFrame.from_ndarray(np.zeros((64, 96, 3), np.uint8), format="rgb24")
            frame.pts = 50 + index
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    found = quality(Scripted([split(ROAD, CAR), split(ROAD, SKY)]), Scripted([split(ROAD, CAR)]), path)
    assert [frame.seconds for frame in found.worst] == [0.1]


def test_an_artefact_agrees_with_itself(artefacts: "Artefacts", street_video: Path) -> None:
    with OnnxRuntimeRunner(artefacts.onnx["fp32"]) as runner:
        found = quality(runner, runner, street_video)
    assert found.equal_pixels == 1
    assert {share for share in found.class_agreement.values() if share is not None} == {1}
    assert found.flicker == found.reference_flicker is not None
    assert {frame.equal_pixels for frame in found.worst} == {1}


def test_real_artefacts_have_the_figures_of_their_labels(artefacts: "Artefacts", street_video: Path) -> None:
    with OnnxRuntimeRunner(artefacts.onnx["int8"]) as int8, OnnxRuntimeRunner(artefacts.onnx["fp32"]) as fp32:
        found = video_quality(int8, fp32, street_video, None)
        frames = read_frames(street_video, fp32.spec, 100)
        labels, expected = (np.concatenate([one(frame[None]) for frame in frames]) for one in (int8, fp32))
    assert found.frames == len(frames) == 12
    assert (found.artefact, found.reference) == ("int8", "fp32")
    assert 0.5 < found.equal_pixels == (labels == expected).mean() < 1
    for index, share in enumerate(found.class_agreement.values()):
        seen = expected == index
        assert share == ((labels[seen] == index).mean() if seen.any() else None)
    assert found.worst[0].equal_pixels == (labels == expected).mean(axis=(1, 2)).min()


def test_only_so_many_frames_are_run(still: Path) -> None:
    runner, reference = Scripted([split(ROAD, CAR)]), Scripted([split(ROAD, CAR)])
    assert quality(runner, reference, still, limit=3).frames == 3
    assert (runner.seen, reference.seen) == (3, 3)


def test_names_are_those_given(still: Path) -> None:
    runner = Scripted([split(ROAD, CAR)])
    found = video_quality(runner, runner, still, 1, names=("small.onnx", "big.onnx"))
    assert (found.artefact, found.reference) == ("small.onnx", "big.onnx")


def test_a_result_survives_json(still: Path) -> None:
    found = quality(Scripted([split(ROAD, CAR)], "int8"), Scripted([split(ROAD, SKY)]), still)
    adapter = TypeAdapter(QualityResult)
    written = adapter.dump_json(found)
    assert adapter.validate_json(written) == found
    assert json.loads(written)["class_agreement"]["sky"] == 0
    with pytest.raises(ValueError, match="Unexpected keyword argument"):
        adapter.validate_python({**asdict(found), "more": 1})


def test_other_classes_are_refused(still: Path, refused: Refused) -> None:
    few = replace(SPEC, label_space=CITYSCAPES_8.name, class_names=CITYSCAPES_8.names, colours=CITYSCAPES_8.colours)
    with refused("classes of cityscapes-8 and a reference of those of cityscapes-29; need the same classes"):
        quality(Scripted([], spec=few), Scripted([]), still)


def test_another_size_is_refused(still: Path, refused: Refused) -> None:
    with refused("an artefact of 64x32 and a reference of 48x32; need the same size"):
        quality(Scripted([], spec=replace(SPEC, width=64)), Scripted([]), still)


@pytest.mark.parametrize("which", [0, 1])
def test_several_frames_at_once_are_refused(still: Path, refused: Refused, which: int) -> None:
    pair = [Scripted([]), Scripted([])]
    pair[which].batch = 2
    with refused("takes 2 frames at once, need 1; export it with --batch 1"):
        quality(pair[0], pair[1], still)


def test_a_limit_of_nothing_is_refused(still: Path, refused: Refused) -> None:
    with refused("got a limit of 0 frames, need 1 or more"):
        quality(Scripted([]), Scripted([]), still, limit=0)


def test_a_video_without_a_frame_is_refused(still: Path, tmp_path: Path, refused: Refused) -> None:
    content = bytearray(still.read_bytes())
    start, end = content.index(b"mdat") + 4, content.index(b"moov") - 4
    content[start:end] = b"\xff" * (end - start)
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(content)
    with refused("broken.mp4: no frame could be decoded"):
        quality(Scripted([]), Scripted([]), broken)


def test_the_shipped_model_is_nearly_the_same_in_int8(real_data: Path, tmp_path: Path) -> None:
    checkpoint = shipped_checkpoint(64)
    network, spec = load_checkpoint(checkpoint)
    fp32 = to_onnx(network, spec, "fp32")
    int8 = to_int8(fp32, read_ranges(checkpoint.with_suffix(".calibration.json")))
    for name, model in (("fp32", fp32), ("int8", int8)):
        onnx.save(model, tmp_path / f"{name}.onnx")
    with open_runner(tmp_path / "int8.onnx") as runner, open_runner(tmp_path / "fp32.onnx") as reference:
        found = quality(runner, reference, real_data / "video" / "street" / "highway_540p.mp4", limit=60)
    assert 0.95 < found.equal_pixels < 1
    assert found.flicker is not None
    assert 0 < found.flicker < 0.05
    assert found.still_pixels > 0.3
    assert len(found.worst) == 2
