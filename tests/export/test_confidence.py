"""The second output, the confidence of each pixel: the same in every precision, runner and source."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt
import onnx
import pytest
import torch
from click.testing import CliRunner, Result

from helpers.engine_files import write_engine
from helpers.foreign_networks import HEIGHT, MEAN, STD, WIDTH, Form, probability, says, write_network
from helpers.images import read_image
from helpers.simulated_device import Simulation
from helpers.simulated_tensorrt import libraries_of, onnx_program
from segdata.command_line.progress import SILENT
from segdata.errors import InputError
from segdata.spec import Precision
from segdata.synth import scene
from segexport.cli import export_command, inspect_command, wrap_command
from segexport.engine.settings import choose_target
from segexport.engine.to_engine import Provenance, build_engine
from segexport.export import export
from segexport.graph.confidence import with_confidence, without_confidence
from segexport.graph.onnx_file import read_onnx, write_onnx
from segexport.options import EngineOptions, ExportOptions
from segexport.triton import write_repository
from segexport.wrap.options import WrapOptions
from segexport.wrap.wrap import wrap
from segrun.cli import main as seg_run
from segrun.runners.base import Frames, Runner
from segrun.runners.onnxruntime import OnnxRuntimeRunner
from segrun.runners.openvino import OpenVINORunner
from segrun.runners.tensorrt.library import load_tensorrt
from segrun.runners.tensorrt.runner import TensorRTRunner
from segrun.segmenter import Segmenter
from segtrain.frames.batches import normalise

if TYPE_CHECKING:
    from conftest import Artefacts

COUNT = 4


@pytest.fixture(scope="module")
def sure(artefacts: "Artefacts", tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The files of `artefacts` with the second output."""
    folder = tmp_path_factory.mktemp("sure")
    return {
        precision: write_onnx(folder / path.name, with_confidence(onnx.load(path))).path
        for precision, path in artefacts.onnx.items()
    }


@pytest.fixture(scope="module")
def frames(artefacts: "Artefacts") -> Frames:
    spec = artefacts.spec
    return np.stack([scene(seed, spec.height, spec.width).image for seed in range(COUNT)])


@pytest.fixture(scope="module")
def probabilities(artefacts: "Artefacts", frames: Frames) -> npt.NDArray[np.float64]:
    """The largest softmax probability, by PyTorch."""
    values = torch.from_numpy(frames.transpose(0, 3, 1, 2).copy()).float()
    with torch.no_grad():
        logits = artefacts.network(normalise(values, artefacts.spec))
    return np.asarray(logits.double().softmax(dim=1).amax(dim=1).numpy(), dtype=np.float64)


def opened(runner: str, path: Path, artefacts: "Artefacts", folder: Path) -> Runner:
    if runner == "onnxruntime":
        return OnnxRuntimeRunner(path)
    if runner == "openvino":
        return OpenVINORunner(path, arithmetic="f32")
    engine = write_engine(folder / f"{path.stem}.sm75.engine", artefacts.spec, path.read_bytes())
    libraries = libraries_of(Simulation(seed=1), onnx_program, graphs=runner.endswith("graphs"))
    return TensorRTRunner(engine, libraries=libraries)


@pytest.mark.parametrize("runner", ["openvino", "onnxruntime", "tensorrt", "tensorrt, graphs"])
@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_every_runner_gives_labels_to_the_bit_and_their_probability(
    runner: str,
    precision: Precision,
    artefacts: "Artefacts",
    sure: dict[str, Path],
    frames: Frames,
    probabilities: npt.NDArray[np.float64],
    tmp_path: Path,
) -> None:
    highest, mean = {"fp32": (0.51, 0.51), "fp16": (4.0, 1.0), "int8": (255.0, 8.0)}[precision]  # of 255
    plain = OnnxRuntimeRunner(artefacts.onnx[precision])
    with plain, opened(runner, sure[precision], artefacts, tmp_path) as own:
        assert (plain.has_confidence, own.has_confidence) == (False, True)
        assert plain.infer(frames[:1]).confidence is None
        alike = OpenVINORunner(artefacts.onnx[precision], "f32") if runner == "openvino" else plain
        streamed = list(own.infer_stream(frame[None] for frame in frames))
        for frame, wanted, found in zip(frames, probabilities, streamed, strict=True):
            assert np.array_equal(found.labels, alike(frame[None]))
            assert np.array_equal(own(frame[None]), found.labels)
            assert found.confidence is not None
            assert found.confidence.dtype == np.uint8
            assert found.confidence.shape == found.labels.shape
            off = np.abs(found.confidence[0] - 255 * wanted)
            assert off.max() <= highest
            assert off.mean() <= mean
        alike.close()


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_tensorrt_rtx_builds_it_for_a_gtx_1660_ti(precision: str, sure: dict[str, Path], tmp_path: Path) -> None:
    pytest.importorskip("tensorrt_rtx")
    library = load_tensorrt("tensorrt-rtx")
    draft = write_onnx(tmp_path / sure[precision].name, onnx.load(sure[precision]))
    built = build_engine(library, draft, choose_target(library, "7.5"), EngineOptions(), Provenance("seg-export"))
    assert built.stat().st_size > 100_000


def test_taken_out_again_the_file_is_as_it_was(artefacts: "Artefacts", sure: dict[str, Path]) -> None:
    before, after = onnx.load(artefacts.onnx["int8"]), without_confidence(onnx.load(sure["int8"]))
    assert [node.output[0] for node in after.graph.node] == [node.output[0] for node in before.graph.node]
    assert {tensor.name for tensor in after.graph.initializer} == {tensor.name for tensor in before.graph.initializer}


def test_exports_have_it_on_request_and_tools_know_it(artefacts: "Artefacts", tmp_path: Path) -> None:
    words = [str(artefacts.checkpoint), "--fp16", "--confidence", "--engine", "none", "-o", str(tmp_path)]
    assert CliRunner().invoke(export_command, words).exit_code == 0
    (made,) = tmp_path.glob("*.fp16.onnx")
    assert read_onnx(made).contract.confidence
    said = json.loads(CliRunner().invoke(inspect_command, [str(made), "--json"]).stdout)
    assert said["confidence"] is True
    assert "labels and confidence" in CliRunner().invoke(inspect_command, [str(made)]).stdout
    config = (write_repository(made, tmp_path / "triton") / "config.pbtxt").read_text()
    assert 'name: "confidence"\n    data_type: TYPE_UINT8\n    dims: [1, 64, 64]' in config


# Networks from elsewhere


@pytest.mark.parametrize("output", ["scores", "softmax", "sigmoid", "logit"])
def test_a_wrapped_network_is_as_sure_as_the_original(output: str, tmp_path: Path) -> None:
    form = Form(output=output, classes=2 if output in ("sigmoid", "logit") else 19, stride=2)
    write_network(tmp_path / "net.onnx", form)
    classes = tmp_path / "two.toml"
    classes.write_text(
        """name = "two"
classes = [{ name = "a", colour = [1, 1, 1], ids = [0] }, { name = "b", colour = [2, 2, 2], ids = [1] }]"""
    )
    space = str(classes) if form.classes == 2 else "cityscapes-19"
    mean, std = (",".join(map(str, values)) for values in (MEAN, STD))
    source, target = tmp_path / "net.onnx", tmp_path / "net.fp32.onnx"
    options = WrapOptions(network=source, output=target, classes=space, mean=mean, std=std, confidence=True)
    file = wrap(options).file
    frame = scene(3, HEIGHT, WIDTH).image
    with OnnxRuntimeRunner(file) as runner:
        found = runner.infer(frame[None])
    assert found.confidence is not None
    assert np.array_equal(found.labels[0], says(form, frame))
    assert np.abs(found.confidence[0] - 255 * probability(form, frame)).max() < 0.6
    asked = ExportOptions(checkpoint=file, precisions=("fp16",), output=tmp_path / "out", engine="none")
    (exported,) = export(asked, SILENT).exported
    assert read_onnx(exported.onnx).contract.confidence  # it is kept


def test_finished_classes_are_refused(tmp_path: Path) -> None:
    write_network(tmp_path / "net.onnx", Form(output="argmax int64", classes=19))
    words = [str(tmp_path / "net.onnx"), "--classes", "cityscapes-19", "--normalise", "unit", "--confidence"]
    done = CliRunner().invoke(wrap_command, [*words, "-o", str(tmp_path / "net.fp32.onnx")])
    assert done.stderr == ("Error: the network gives finished classes without a confidence; leave out --confidence\n")
    assert [path.name for path in tmp_path.iterdir()] == ["net.onnx"]


# Segmenter and seg-run


def test_segmenter_gives_it_where_the_model_does(
    artefacts: "Artefacts", sure: dict[str, Path], street_video: Path
) -> None:
    image = scene(1, 90, 160).image
    with Segmenter(sure["fp32"], "onnxruntime") as segmenter, Segmenter(artefacts.onnx["fp32"], "onnxruntime") as plain:
        found = segmenter.image(image)
        assert found.confidence is not None
        assert found.confidence.shape == found.labels.shape == (90, 160)
        assert np.array_equal(found.labels, plain(image))
        assert plain.image(image).confidence is None
        frame = next(segmenter.video(street_video))
        assert frame.confidence is not None
        assert frame.confidence.shape == frame.labels.shape
        assert next(plain.video(street_video)).confidence is None


def ran(folder: Path, *words: object) -> Result:
    return CliRunner().invoke(seg_run, [*map(str, words), "--arithmetic", "f32"])


def test_what_is_less_sure_has_no_class_and_is_counted(
    sure: dict[str, Path], street_video: Path, tmp_path: Path
) -> None:
    def facts(name: str, *words: object) -> list[dict[str, Any]]:
        target = tmp_path / f"{name}.jsonl"
        done = ran(tmp_path, street_video, "--model", sure["fp32"], "-o", target, "-o", f"{tmp_path / name}/", *words)
        assert done.exit_code == 0, done.output
        return [json.loads(line) for line in target.read_text().splitlines()]

    whole, cut = facts("whole"), facts("cut", "--min-confidence", "0.9")
    facts("how", "--mask-values", "confidence")
    for before, after, number in zip(whole, cut, range(3), strict=False):
        assert before["unsure"] == 0 < after["unsure"]
        assert after["confidence"] == before["confidence"]
        assert sum(after["shares"].values()) == pytest.approx(1 - after["unsure"], abs=1e-3)
        labels, limited, confidence = (
            read_image(tmp_path / name / f"{number:06}.png", cv2.IMREAD_UNCHANGED) for name in ("whole", "cut", "how")
        )
        assert np.array_equal(limited, np.where(confidence < 0.9 * 255, 255, labels))


def test_the_view_of_confidence_is_brighter_where_it_is_surer(
    sure: dict[str, Path], street_video: Path, tmp_path: Path
) -> None:
    shown, how = f"{tmp_path}/{{frame}}.png", f"{tmp_path}/how/"
    words = ("--view", "confidence", "-o", shown, "-o", how, "--mask-values", "confidence")
    done = ran(tmp_path, street_video, "--model", sure["fp32"], *words)
    assert done.exit_code == 0, done.output
    brightness = read_image(tmp_path / "000000.png", cv2.IMREAD_GRAYSCALE)
    confidence = read_image(tmp_path / "how" / "000000.png", cv2.IMREAD_UNCHANGED)
    low, high = np.percentile(confidence, (10, 90))
    assert high > low + 20, "the network is as sure everywhere"
    assert brightness[confidence > high].mean() > brightness[confidence < low].mean() + 10


@pytest.mark.parametrize(
    "words", [["--min-confidence", "0.5"], ["--view", "confidence"], ["--mask-values", "confidence", "-o", "masks/"]]
)
def test_a_model_that_does_not_say_is_refused_with_the_way_out(
    words: list[str], artefacts: "Artefacts", street_video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = ran(tmp_path, street_video, "--model", artefacts.onnx["fp32"], *words)
    assert "the model gives no confidence; export it with seg-export --confidence" in done.stderr
    assert done.exit_code == InputError.exit_code
    assert list(tmp_path.iterdir()) == []


def test_a_confidence_is_a_probability() -> None:
    for value in ("-0.1", "1.1", "half"):
        done = CliRunner().invoke(seg_run, ["x.mp4", "--min-confidence", value])
        assert "--min-confidence" in done.stderr.splitlines()[-1]
        assert done.exit_code == 2
