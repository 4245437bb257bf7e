"""The whole export: proved before it is kept, or not kept."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from segdata.dataset import Dataset
from segdata.errors import ContractError, InputError, VerificationError
from segdata.files import sha256_of
from segexport.export import ExportReport, export
from segexport.graph import DeployableGraph
from segexport.options import ExportOptions
from segexport.verify import GENERATED_THRESHOLDS, THRESHOLDS, Proof, proof_of, verify
from segrun.manifest import manifest_path, read_manifest

if TYPE_CHECKING:
    from conftest import Artefacts


@pytest.fixture(scope="module")
def report(artefacts: "Artefacts", dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> ExportReport:
    pytest.importorskip("tensorrt_rtx", reason="engines are built by tensorrt_rtx, which is not installed")
    options = ExportOptions(artefacts.checkpoint, (), tmp_path_factory.mktemp("exports"), dataset.folder, "rtx", "7.5")
    with loose_int8():
        return export(options, lambda _: None, lambda _: None)


@contextmanager
def loose_int8() -> Iterator[None]:
    """A small network trained for seconds has soft margins: what it may lose in INT8 is more than a real one may."""
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


def test_the_proof_never_sees_a_calibration_frame(artefacts: "Artefacts", dataset: Dataset) -> None:
    proof = proof_of(DeployableGraph(artefacts.network, artefacts.spec), artefacts.spec, dataset, lambda: None)
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
        assert manifest.verified_on.startswith("none")
        calibration = dataset.facts.calibration_sha256 if row.precision == "int8" else None
        assert manifest.calibration_sha256 == calibration
        assert f"--{row.precision}" in manifest.rebuild
        assert json.loads(manifest_path(row.engine).read_text())["flavour"] == "tensorrt-rtx"


def test_the_rebuild_command_is_one_that_runs(report: ExportReport) -> None:
    from click.testing import CliRunner

    from segexport.cli import main

    engine = report.exported[1].engine
    assert engine is not None
    before = engine.read_bytes()
    engine.unlink()
    result = CliRunner().invoke(main, read_rebuild(engine).split()[1:])
    assert result.exit_code == 0, result.output
    assert len(engine.read_bytes()) == len(before)


def read_rebuild(engine: Path) -> str:
    return str(json.loads(manifest_path(engine).read_text())["rebuild"])


def test_an_export_that_disagrees_is_not_kept(
    artefacts: "Artefacts", dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoiled(*_: object) -> onnx.ModelProto:
        return with_noise(onnx.load(artefacts.onnx["fp32"]))

    monkeypatch.setattr("segexport.export.to_onnx", spoiled)
    options = ExportOptions(artefacts.checkpoint, ("fp32",), tmp_path, dataset.folder, "none")
    with pytest.raises(VerificationError, match="fp32 export was not kept") as caught:
        export(options, lambda _: None, lambda _: None)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def with_noise(model: onnx.ModelProto) -> onnx.ModelProto:
    head = model.graph.initializer[0]
    weights = numpy_helper.to_array(head)
    noise = np.random.default_rng(0).normal(0, 0.3 * weights.std() + 1e-3, weights.shape)
    head.CopyFrom(numpy_helper.from_array((weights + noise).astype(weights.dtype), head.name))
    return model


def test_a_loss_of_accuracy_is_caught_even_where_most_pixels_agree(artefacts: "Artefacts", dataset: Dataset) -> None:
    """The second threshold: equal pixels alone would let a lost rare class pass."""
    split = dataset.evaluation()
    proof = proof_of(DeployableGraph(artefacts.network, artefacts.spec), artefacts.spec, dataset, lambda: None)
    better = Proof("spoiled", THRESHOLDS, split.images, split.labels, proof.reference, proof.miou + 0.1)
    with pytest.raises(VerificationError, match="changes mIoU by -10"):
        verify(artefacts.onnx["fp32"], "fp32", better, lambda: None)


def test_int8_of_an_unknown_model_says_what_it_needs(artefacts: "Artefacts", tmp_path: Path) -> None:
    options = ExportOptions(artefacts.checkpoint, ("int8",), tmp_path, engine="none")
    with pytest.raises(InputError, match="give --calibration DATASET, made with seg-data prepare"):
        export(options, lambda _: None, lambda _: None)
    assert list(tmp_path.iterdir()) == []


def test_ranges_beside_the_checkpoint_serve_without_a_dataset(
    artefacts: "Artefacts", report: ExportReport, tmp_path: Path
) -> None:
    """What an export measured is written, so that the next one needs no frames: as the shipped model does."""
    checkpoint = shutil.copy(artefacts.checkpoint, tmp_path)
    shutil.copy(report.exported[0].onnx.with_name("small.calibration.json"), tmp_path)
    with loose_int8():
        second = export(
            ExportOptions(Path(checkpoint), ("int8",), tmp_path / "out", engine="none"), lambda _: None, lambda _: None
        )
    assert second.exported[0].onnx.read_bytes() == report.exported[2].onnx.read_bytes()


def test_ranges_of_other_weights_are_refused(artefacts: "Artefacts", report: ExportReport, tmp_path: Path) -> None:
    ranges = json.loads(report.exported[0].onnx.with_name("small.calibration.json").read_text())
    (tmp_path / "small.calibration.json").write_text(json.dumps(ranges | {"weights_sha256": "0" * 64}))
    options = ExportOptions(
        Path(shutil.copy(artefacts.checkpoint, tmp_path)), ("int8",), tmp_path / "out", engine="none"
    )
    with pytest.raises(ContractError, match="is of other weights"):
        export(options, lambda _: None, lambda _: None)


def test_without_a_dataset_it_is_proved_on_generated_scenes(artefacts: "Artefacts", tmp_path: Path) -> None:
    options = ExportOptions(artefacts.checkpoint, ("fp16",), tmp_path, engine="none")
    report = export(options, lambda _: None, lambda _: None)
    assert report.proof == "32 generated scenes"
    assert report.exported[0].engine is None
    assert "pip install" in report.builder


def test_an_unknown_compute_capability_is_refused_before_anything_is_written(
    artefacts: "Artefacts", tmp_path: Path
) -> None:
    pytest.importorskip("tensorrt_rtx", reason="engines are built by tensorrt_rtx, which is not installed")
    options = ExportOptions(artefacts.checkpoint, ("fp16",), tmp_path, None, "rtx", "6.1")
    with pytest.raises(InputError, match=r"got compute capability '6\.1', need one of 7\.5"):
        export(options, lambda _: None, lambda _: None)
    assert list(tmp_path.iterdir()) == []
