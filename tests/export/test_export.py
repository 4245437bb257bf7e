"""The whole export: proved before it is kept, or not kept."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from segdata.command_line.progress import Silent
from segdata.dataset.dataset import Dataset
from segdata.errors import ContractError, InputError, VerificationError
from segdata.files import sha256_of
from segexport.engine.builder import rebuild_command
from segexport.export import ExportReport, export
from segexport.graph.onnx_file import read_onnx
from segexport.options import EngineOptions, ExportOptions, export_name
from segexport.source import read_source
from segexport.verify import GENERATED_THRESHOLDS, THRESHOLDS, Proof, proof_of, verify
from segrun.runners.base import Frames, Labels
from segrun.runners.onnxruntime import OnnxRuntimeRunner
from segrun.runners.tensorrt.library import load_tensorrt
from segrun.runners.tensorrt.manifest import manifest_path, read_manifest
from segtrain.network.checkpoint import load_checkpoint, save_checkpoint

if TYPE_CHECKING:
    from conftest import Artefacts

BATCH = 5


class Parts(list[tuple[int, list[str]]]):
    """Records the parts of an export as a progress bar sees them: the announced number of steps, and the steps."""

    def start(self, total: int | None, done: int = 0) -> None:
        assert total is not None
        self.append((total, []))

    def advance(self, note: str = "") -> None:
        self[-1][1].append(note)

    def names(self) -> list[str]:
        """The parts by name. Each must have the announced number of steps; building an engine, at most that many."""
        for total, told in self:
            assert len(set(told)) == 1
            assert len(told) == total or ("engine" in told[0] and len(told) < total), told[0]
        return [told[0] for _, told in self]


@pytest.fixture(scope="module")
def parts() -> Parts:
    """Those of `report`."""
    return Parts()


@pytest.fixture(scope="module")
def report(
    artefacts: "Artefacts", dataset: Dataset, tmp_path_factory: pytest.TempPathFactory, parts: Parts
) -> ExportReport:
    pytest.importorskip("tensorrt_rtx", reason="engines are built by tensorrt_rtx, which is not installed")
    folder = tmp_path_factory.mktemp("exports")
    options = ExportOptions(checkpoint=artefacts.checkpoint, output=folder, calibration=dataset.folder, engine="rtx")
    with loose_int8():
        return export(options, parts)


@contextmanager
def loose_int8() -> Iterator[None]:
    """A small network trained for seconds is uncertain, so it may lose more in INT8 than a real one."""
    with pytest.MonkeyPatch.context() as patch:
        for thresholds in (THRESHOLDS, GENERATED_THRESHOLDS):
            patch.setitem(thresholds, "int8", replace(thresholds["int8"], equal_pixels=0.9, miou_drop=0.03))
        yield


def test_all_three_precisions_are_written_and_agree(report: ExportReport) -> None:
    assert [row.precision for row in report.exported] == ["fp32", "fp16", "int8"]
    assert all(row.onnx.is_file() for row in report.exported)
    assert report.exported[0].agreement.equal_pixels > 0.9999
    assert report.exported[1].agreement.equal_pixels > 0.995
    assert "128 evaluation frames" in report.proof


@pytest.mark.usefixtures("report")
def test_each_part_takes_the_steps_that_were_announced(parts: Parts) -> None:
    proofs = ["fp32", "fp32 engine", "fp16", "fp16 engine", "int8", "int8 engine"]
    assert parts.names() == ["calibrate", "reference", *proofs]


def reference_of(artefacts: "Artefacts") -> Callable[[Frames], Labels]:
    source = read_source(ExportOptions(checkpoint=artefacts.checkpoint))
    return source.reference()


def test_the_proof_never_sees_a_calibration_frame(artefacts: "Artefacts", dataset: Dataset) -> None:
    proof = proof_of(reference_of(artefacts), artefacts.spec, dataset, Silent())
    calibration = {frame.tobytes() for frame in dataset.calibration().images}
    assert not calibration & {frame.tobytes() for frame in proof.frames}


def test_engines_for_compute_capability_7_5_are_built_without_a_gpu(report: ExportReport) -> None:
    for row in report.exported:
        assert row.engine is not None
        assert row.engine.name == f"small.{row.precision}.sm75.engine"
        assert row.engine.stat().st_size > 100_000


def test_the_manifest_tells_what_the_engine_was_made_of(
    report: ExportReport, artefacts: "Artefacts", dataset: Dataset
) -> None:
    for row in report.exported:
        assert row.engine is not None
        manifest = read_manifest(row.engine)
        assert manifest.engine_sha256 == sha256_of(row.engine)
        assert (manifest.onnx, manifest.onnx_sha256) == (row.onnx.name, sha256_of(row.onnx))
        assert manifest.spec == artefacts.spec
        assert manifest.precision == row.precision
        assert manifest.compute_capability == "7.5"
        assert manifest.verified_on == "none (no GPU)"
        assert manifest.verification is not None
        assert manifest.verification.frames_sha256 == dataset.facts.evaluation_sha256
        assert manifest.verification.equal_pixels == row.agreement.equal_pixels
        assert manifest.verification.enforced
        calibration = dataset.facts.calibration_sha256 if row.precision == "int8" else None
        assert manifest.calibration_sha256 == calibration
        assert f"--{row.precision}" in manifest.rebuild
        assert json.loads(manifest_path(row.engine).read_text())["flavour"] == "tensorrt-rtx"


def test_the_rebuild_command_is_one_that_runs(report: ExportReport) -> None:
    from click.testing import CliRunner

    from segexport.cli import export_command

    engine = report.exported[1].engine
    assert engine is not None
    before = engine.read_bytes()
    engine.unlink()
    result = CliRunner().invoke(export_command, read_rebuild(engine).split()[1:])
    assert result.exit_code == 0, result.output
    assert len(engine.read_bytes()) == len(before)


def test_the_rebuild_command_repeats_an_option_for_each_value() -> None:
    options = ExportOptions(keep_float=("conv_1", "conv_4"))
    command = rebuild_command(options, Path("small.safetensors"), "int8", load_tensorrt("tensorrt-rtx"))
    assert command.endswith("--keep-float conv_1 --keep-float conv_4")


def read_rebuild(engine: Path) -> str:
    return str(json.loads(manifest_path(engine).read_text())["rebuild"])


def test_an_export_that_disagrees_is_not_kept(
    artefacts: "Artefacts", dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoiled(*_: object) -> onnx.ModelProto:
        return with_noise(onnx.load(artefacts.onnx["fp32"]))

    monkeypatch.setattr("segexport.source.to_onnx", spoiled)
    options = ExportOptions(
        checkpoint=artefacts.checkpoint,
        precisions=("fp32",),
        output=tmp_path,
        calibration=dataset.folder,
        engine="none",
    )
    with pytest.raises(VerificationError, match="fp32 export was not kept") as caught:
        export(options, Silent())
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def with_noise(model: onnx.ModelProto) -> onnx.ModelProto:
    head = model.graph.initializer[0]
    weights = numpy_helper.to_array(head)
    noise = np.random.default_rng(0).normal(0, 0.3 * weights.std() + 1e-3, weights.shape)
    head.CopyFrom(numpy_helper.from_array((weights + noise).astype(weights.dtype), head.name))
    return model


def test_a_loss_of_accuracy_is_caught_even_where_most_pixels_agree(artefacts: "Artefacts", dataset: Dataset) -> None:
    """The second threshold: equal pixels alone would not catch the loss of a rare class."""
    split = dataset.evaluation()
    proof = proof_of(reference_of(artefacts), artefacts.spec, dataset, Silent())
    figures = replace(proof.figures, miou=proof.figures.miou + 0.1)
    better = Proof("spoiled", None, THRESHOLDS, split.images, split.labels, proof.reference, figures)
    with pytest.raises(VerificationError, match="changes mIoU by -10"):
        verify(artefacts.onnx["fp32"], "fp32", better, Silent())


def test_int8_of_an_unknown_model_says_what_it_needs(artefacts: "Artefacts", tmp_path: Path) -> None:
    options = ExportOptions(checkpoint=artefacts.checkpoint, precisions=("int8",), output=tmp_path, engine="none")
    with pytest.raises(InputError, match="give --calibration DATASET, made with seg-data prepare"):
        export(options, Silent())
    assert list(tmp_path.iterdir()) == []


def test_ranges_beside_the_checkpoint_serve_without_a_dataset(
    artefacts: "Artefacts", report: ExportReport, tmp_path: Path
) -> None:
    """An export stores its ranges, so that the next one needs no frames, as with the shipped models."""
    checkpoint = shutil.copy(artefacts.checkpoint, tmp_path)
    shutil.copy(report.exported[0].onnx.with_name("small.calibration.json"), tmp_path)
    with loose_int8():
        second = export(
            ExportOptions(checkpoint=Path(checkpoint), precisions=("int8",), output=tmp_path / "out", engine="none"),
            Silent(),
        )
    assert second.exported[0].onnx.read_bytes() == report.exported[2].onnx.read_bytes()


def test_ranges_of_other_weights_are_refused(artefacts: "Artefacts", report: ExportReport, tmp_path: Path) -> None:
    ranges = json.loads(report.exported[0].onnx.with_name("small.calibration.json").read_text())
    (tmp_path / "small.calibration.json").write_text(json.dumps(ranges | {"weights_sha256": "0" * 64}))
    options = ExportOptions(
        checkpoint=Path(shutil.copy(artefacts.checkpoint, tmp_path)),
        precisions=("int8",),
        output=tmp_path / "out",
        engine="none",
    )
    with pytest.raises(ContractError, match="is of other weights"):
        export(options, Silent())


def test_without_a_dataset_it_is_proved_on_generated_scenes(artefacts: "Artefacts", tmp_path: Path) -> None:
    options = ExportOptions(checkpoint=artefacts.checkpoint, precisions=("fp16",), output=tmp_path, engine="none")
    report = export(options, Silent())
    assert report.proof == "32 generated scenes"
    assert report.exported[0].engine is None
    assert report.builder == "no engine built, as --engine none has it"


def test_an_unknown_compute_capability_is_refused_before_anything_is_written(
    artefacts: "Artefacts", tmp_path: Path
) -> None:
    pytest.importorskip("tensorrt_rtx", reason="engines are built by tensorrt_rtx, which is not installed")
    options = ExportOptions(
        checkpoint=artefacts.checkpoint,
        precisions=("fp16",),
        output=tmp_path,
        engine="rtx",
        building=EngineOptions(compute_capability="6.1"),
    )
    with pytest.raises(InputError, match=r"got compute capability '6\.1', need one of 7\.5"):
        export(options, Silent())
    assert list(tmp_path.iterdir()) == []


def test_what_was_not_proved_is_kept_on_request_and_marked(
    artefacts: "Artefacts", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tensorrt_rtx", reason="engines are built by tensorrt_rtx, which is not installed")
    spoiled = with_noise(onnx.load(artefacts.onnx["fp32"]))
    monkeypatch.setattr("segexport.source.to_onnx", lambda *_: spoiled)
    options = ExportOptions(
        checkpoint=artefacts.checkpoint, precisions=("fp32",), output=tmp_path, verify=False, engine="rtx"
    )
    engine = export(options, Silent()).exported[0].engine
    assert engine is not None
    manifest = read_manifest(engine)
    assert manifest.verification is not None
    assert not manifest.verification.enforced
    assert manifest.verification.equal_pixels < 0.99
    assert "--no-verify" in manifest.rebuild


def test_a_batch_is_proved_frame_by_frame(artefacts: "Artefacts", tmp_path: Path) -> None:
    """Thirty-two frames do not fill batches of five: the last batch is padded, and the padding does not count."""
    options = ExportOptions(
        checkpoint=artefacts.checkpoint, precisions=("fp32",), output=tmp_path, batch=5, engine="none"
    )
    row = export(options, Silent()).exported[0]
    assert row.agreement.equal_pixels > 0.9999
    assert onnx.load(row.onnx).graph.input[0].type.tensor_type.shape.dim[0].dim_value == 5


@pytest.fixture(scope="module")
def batched(artefacts: "Artefacts", dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> ExportReport:
    """All precisions at a batch that the 128 evaluation frames do not fill."""
    folder = tmp_path_factory.mktemp("batched")
    options = ExportOptions(
        checkpoint=artefacts.checkpoint, output=folder, batch=BATCH, calibration=dataset.folder, engine="none"
    )
    with loose_int8():
        return export(options, Silent())


def test_every_precision_of_a_batch_gives_the_labels_of_single_frames(
    batched: ExportReport, artefacts: "Artefacts", dataset: Dataset
) -> None:
    frames = dataset.evaluation().images[: 2 * BATCH]
    for row in batched.exported:
        with OnnxRuntimeRunner(row.onnx) as many, OnnxRuntimeRunner(artefacts.onnx[row.precision]) as one:
            assert many.batch == BATCH
            found = np.concatenate([many(frames[:BATCH]), many(frames[BATCH:])])
            expected = np.concatenate([one(frame[None]) for frame in frames])
        assert (found == expected).mean() > 0.9999, row.precision
        assert row.agreement.equal_pixels > {"fp32": 0.9999, "fp16": 0.995, "int8": 0.9}[row.precision]


def test_the_values_of_a_batch_bear_the_names_that_ranges_go_by(batched: ExportReport, artefacts: "Artefacts") -> None:
    for row in batched.exported:
        many, one = onnx.load(row.onnx).graph, onnx.load(artefacts.onnx[row.precision]).graph
        assert [(node.op_type, node.input, node.output) for node in many.node] == [
            (node.op_type, node.input, node.output) for node in one.node
        ]


def test_layers_of_a_batch_are_ranked_too(
    batched: ExportReport, artefacts: "Artefacts", dataset: Dataset, tmp_path: Path
) -> None:
    """The ranges spoil one layer, so it must stay in float."""
    measured = json.loads(batched.exported[0].onnx.with_name("small.calibration.json").read_text())
    spoiled = next(node for node in onnx.load(batched.exported[0].onnx).graph.node if node.name == "conv_1")
    measured["ranges"][spoiled.input[0]] = [0.0, 1e4]
    (tmp_path / "small.calibration.json").write_text(json.dumps(measured))
    options = ExportOptions(
        checkpoint=artefacts.checkpoint,
        precisions=("int8",),
        output=tmp_path,
        batch=BATCH,
        calibration=dataset.folder,
        max_drop=3.0,
        engine="none",
    )
    parts = Parts()
    with loose_int8():
        report = export(options, parts)
    assert set(parts.names()) == {"rank layers", "reference", "int8"}
    assert report.int8 is not None
    assert report.int8.mixture is not None
    assert "conv_1" in report.int8.mixture.keep_float
    assert onnx.load(report.exported[0].onnx).graph.input[0].type.tensor_type.shape.dim[0].dim_value == BATCH


def test_int8_takes_in_at_least_nine_tenths_of_the_work(report: ExportReport) -> None:
    assert report.exported[2].int8_share > 0.9
    assert report.exported[0].int8_share == report.exported[1].int8_share == 0


def test_ranges_are_measured_once_for_the_same_weights_frames_and_method(
    artefacts: "Artefacts", dataset: Dataset, tmp_path: Path
) -> None:
    options = ExportOptions(
        checkpoint=artefacts.checkpoint,
        precisions=("int8",),
        output=tmp_path,
        calibration=dataset.folder,
        engine="none",
        verify=False,
    )
    parts = Parts()
    export(options, parts)
    assert parts.names().count("calibrate") == 1
    export(options, parts)
    assert parts.names().count("calibrate") == 1
    export(replace(options, calibration_method="minmax"), parts)
    assert parts.names().count("calibrate") == 2


def test_a_size_names_a_shipped_model_and_nothing_else(artefacts: "Artefacts", tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--size names a shipped model"):
        export(ExportOptions(checkpoint=artefacts.checkpoint, size=64, output=tmp_path), Silent())
    with pytest.raises(InputError, match="got size 100, models are shipped for 64, 128, 256 pixels"):
        export(ExportOptions(size=100, output=tmp_path), Silent())


def test_a_budget_needs_labelled_frames(artefacts: "Artefacts", tmp_path: Path) -> None:
    options = ExportOptions(
        checkpoint=artefacts.checkpoint, precisions=("int8",), output=tmp_path, engine="none", max_drop=0.3
    )
    with pytest.raises(InputError, match="give --calibration DATASET"):
        export(options, Silent())


def test_a_budget_leaves_layers_in_float_and_says_which(
    artefacts: "Artefacts", dataset: Dataset, tmp_path: Path
) -> None:
    options = ExportOptions(
        checkpoint=artefacts.checkpoint,
        precisions=("int8",),
        output=tmp_path,
        calibration=dataset.folder,
        max_drop=3.0,
        engine="none",
    )
    with loose_int8():
        report = export(options, Silent())
    assert report.int8 is not None
    assert report.int8.mixture is not None
    assert (tmp_path / "small.layers.csv").is_file()
    assert (tmp_path / "small.layers.png").is_file()


def test_layers_stay_in_float_by_name(artefacts: "Artefacts", report: ExportReport, tmp_path: Path) -> None:
    checkpoint = Path(shutil.copy(artefacts.checkpoint, tmp_path))
    shutil.copy(report.exported[0].onnx.with_name("small.calibration.json"), tmp_path)
    options = ExportOptions(
        checkpoint=checkpoint, precisions=("int8",), output=tmp_path / "out", engine="none", keep_float=("conv_2",)
    )
    with loose_int8():
        graph = onnx.load(export(options, Silent()).exported[0].onnx).graph
    quantised = {name for node in graph.node if node.op_type == "DequantizeLinear" for name in node.output}
    in_float = [node.name for node in graph.node if node.op_type == "Conv" and not quantised & set(node.input)]
    head = [node.name for node in graph.node if node.op_type == "Conv"][-1]
    assert in_float == ["conv_2", head]
    with pytest.raises(InputError, match="got --keep-float conv_99, need one of conv_0 to conv_16"):
        export(replace(options, keep_float=("conv_99",)), Silent())
    with pytest.raises(InputError, match="got --keep-float and --max-drop, which chooses the layers itself"):
        export(replace(options, max_drop=1.0), Silent())


def test_an_image_that_stands_in_val_twice_may_not_calibrate_and_prove(
    artefacts: "Artefacts", dataset: Dataset, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(dataset.folder, tmp_path / "dataset"))
    facts = json.loads((folder / "dataset.json").read_text())
    names = facts["splits"]["val"]["sha256"]
    proving = min(set(range(len(names))) - set(facts["calibration"]))
    names[proving] = names[facts["calibration"][0]]
    (folder / "dataset.json").write_text(json.dumps(facts))
    options = ExportOptions(
        checkpoint=artefacts.checkpoint,
        precisions=("int8",),
        output=tmp_path / "out",
        calibration=folder,
        engine="none",
    )
    with pytest.raises(InputError, match="1 frames calibrate and prove at once") as refusal:
        export(options, Silent())
    assert "\n" not in str(refusal.value)


def test_an_unwritable_target_is_one_line(artefacts: "Artefacts", tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    options = ExportOptions(
        checkpoint=artefacts.checkpoint, precisions=("fp32",), output=tmp_path / "file" / "out", engine="none"
    )
    with pytest.raises(InputError, match=r"cannot write .*choose another place"):
        export(options, Silent())


def test_a_dataset_of_another_label_space_is_refused(artefacts: "Artefacts", dataset: Dataset, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(dataset.folder, tmp_path / "dataset"))
    facts = json.loads((folder / "dataset.json").read_text())
    facts["class_names"][3] = "motorway"
    (folder / "dataset.json").write_text(json.dumps(facts))
    options = ExportOptions(
        checkpoint=artefacts.checkpoint, precisions=("fp32",), output=tmp_path / "out", calibration=folder
    )
    with pytest.raises(InputError, match="the model those of"):
        export(options, Silent())
    assert not (tmp_path / "out").exists()


def test_an_export_is_named_after_its_run(artefacts: "Artefacts", tmp_path: Path) -> None:
    for stem in ("best", "last"):
        assert export_name(tmp_path / "runs/unet-96" / f"{stem}.safetensors") == "unet-96"
    assert export_name(Path("somewhere/mine.safetensors")) == "mine"
    run = tmp_path / "runs" / "night"
    run.mkdir(parents=True)
    shutil.copy(artefacts.checkpoint, run / "best.safetensors")
    options = ExportOptions(
        checkpoint=run / "best.safetensors", precisions=("fp32",), output=tmp_path / "out", engine="none"
    )
    assert export(options, Silent()).exported[0].onnx == tmp_path / "out" / "night.fp32.onnx"


def test_artefacts_of_other_weights_are_not_overwritten(artefacts: "Artefacts", tmp_path: Path) -> None:
    options = ExportOptions(checkpoint=artefacts.checkpoint, precisions=("fp32",), output=tmp_path, engine="none")
    first = export(options, Silent()).exported[0].onnx
    weights = read_onnx(first).contract.weights
    assert weights == sha256_of(artefacts.checkpoint)
    export(options, Silent())  # the same weights
    (tmp_path / "other").mkdir()
    other = tmp_path / "other" / artefacts.checkpoint.name
    network, spec = load_checkpoint(artefacts.checkpoint)
    network.head.weight.data += 1e-3
    save_checkpoint(other, network, spec)
    before = first.read_bytes()
    with pytest.raises(InputError, match=r"is not an export of .*; name another folder with -o, or .*--overwrite"):
        export(replace(options, checkpoint=other), Silent())
    assert first.read_bytes() == before
    export(replace(options, checkpoint=other, overwrite=True), Silent())
    assert read_onnx(first).contract.weights == sha256_of(other)


def test_all_precisions_carry_the_weights_they_come_from(report: ExportReport, artefacts: "Artefacts") -> None:
    assert {read_onnx(row.onnx).contract.weights for row in report.exported} == {sha256_of(artefacts.checkpoint)}


class _StopsAt:
    """A Progress that is interrupted at the first step with `note`."""

    def __init__(self, note: str) -> None:
        self._note = note

    def start(self, total: int | None, done: int = 0) -> None:
        pass

    def advance(self, note: str = "") -> None:
        if note == self._note:
            raise KeyboardInterrupt


@pytest.mark.parametrize("note", ["fp32", "fp32 engine"])
def test_an_interrupted_export_leaves_what_was_there(
    report: ExportReport, artefacts: "Artefacts", tmp_path: Path, note: str
) -> None:
    assert report.exported[0].engine is not None
    good = [report.exported[0].onnx, report.exported[0].engine, manifest_path(report.exported[0].engine)]
    for file in good:
        shutil.copy(file, tmp_path)
    options = ExportOptions(checkpoint=artefacts.checkpoint, precisions=("fp32",), output=tmp_path, engine="rtx")
    with pytest.raises(KeyboardInterrupt):
        export(options, _StopsAt(note))
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {
        file.name: file.read_bytes() for file in good
    }


def test_an_engine_that_does_not_agree_leaves_the_good_one(
    report: ExportReport, artefacts: "Artefacts", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> str:
        raise VerificationError("the fp32 engine was not kept")

    assert report.exported[0].engine is not None
    good = [report.exported[0].engine, manifest_path(report.exported[0].engine)]
    for file in good:
        shutil.copy(file, tmp_path)
    monkeypatch.setattr("segexport.export.prove_engine", refused)
    options = ExportOptions(checkpoint=artefacts.checkpoint, precisions=("fp32",), output=tmp_path, engine="rtx")
    with pytest.raises(VerificationError):
        export(options, Silent())
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(file.name for file in good)
    assert all((tmp_path / file.name).read_bytes() == file.read_bytes() for file in good)
