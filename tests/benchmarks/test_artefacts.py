"""Which artefacts are measured: those that were named, the exports of a checkpoint, or the shipped models."""

import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import segbench.artefacts
from helpers.progress import Told
from segbench.artefacts import artefacts_of
from segdata.dataset.dataset import Dataset
from segdata.shipped import shipped_checkpoint, shipped_onnx
from segdata.spec import frame_id
from segrun.runners.onnxruntime import OnnxRuntimeRunner

if TYPE_CHECKING:
    from conftest import Artefacts

Refused = Callable[..., AbstractContextManager[None]]
PRECISIONS = ("fp32", "fp16", "int8")


def touched(folder: Path, *names: str) -> list[Path]:
    folder.mkdir(exist_ok=True)
    paths = [folder / name for name in names]
    for path in paths:
        path.touch()
    return paths


class Exports:
    """Replaces seg-export: writes nothing, and records the calls."""

    def __init__(self) -> None:
        self.commands: list[list[str]] = []

    def __call__(self, command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        self.commands.append(command[3:])
        return subprocess.CompletedProcess(command, 0, "", "")


@pytest.fixture
def exports(monkeypatch: pytest.MonkeyPatch) -> Exports:
    exports = Exports()
    monkeypatch.setattr("subprocess.run", exports)
    return exports


def test_without_a_name_the_shipped_models_are_measured_in_every_precision(tmp_path: Path, exports: Exports) -> None:
    found = artefacts_of([], False, tmp_path)
    assert [path.name for path in found] == [
        f"unet-{size}.{name}.onnx" for size in (64, 128, 256) for name in PRECISIONS
    ]
    asked = exports.commands[1:]  # the first asks whether it can be exported at all
    assert [command[0] for command in asked] == [str(shipped_checkpoint(size)) for size in (64, 128, 256)]
    assert not any("--calibration" in command for command in asked)  # their ranges are shipped


def test_without_the_export_extra_they_are_measured_as_shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segbench.artefacts, "_can_export", lambda: False)
    assert artefacts_of([], False, tmp_path) == [path for size in (64, 128, 256) for path in shipped_onnx(size)]
    assert all(path.is_file() for size in (64, 128, 256) for path in shipped_onnx(size))


def test_whether_it_can_export_is_found_out_in_another_process(tmp_path: Path) -> None:
    """The libraries of the export extra would share the cores and the memory that are measured."""
    script = (
        "import sys\nfrom segbench.artefacts import _can_export\n"
        "print(_can_export(), *({'torch', 'onnx', 'onnxruntime', 'onnxscript'} & set(sys.modules)))\n"
        "sys.executable = '/bin/false'\nprint(_can_export())"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False"]


def test_named_artefacts_are_measured_in_their_order_and_once(tmp_path: Path) -> None:
    second, first, engine = touched(tmp_path, "b.fp32.onnx", "a.fp16.onnx", "a.fp16.engine")
    assert artefacts_of([second, first, engine, second], False, tmp_path) == [second, first, engine]


def test_all_precisions_are_an_onnx_files_siblings_that_are_there(tmp_path: Path) -> None:
    fp32, int8, other = touched(tmp_path, "unet.fp32.onnx", "unet.int8.onnx", "other.fp32.onnx")
    assert artefacts_of([int8], True, tmp_path) == [fp32, int8]
    assert artefacts_of([int8, fp32, other], True, tmp_path) == [fp32, int8, other]
    assert artefacts_of([int8], False, tmp_path) == [int8]


def test_what_has_no_siblings_stands_for_itself(tmp_path: Path) -> None:
    paths = touched(tmp_path, "plain.onnx", "unet.best.onnx", "unet.fp16.engine")
    touched(tmp_path, "unet.fp32.onnx", "unet.int8.engine")
    assert artefacts_of(paths, True, tmp_path) == paths


def test_checkpoints_of_one_name_are_exported_apart(tmp_path: Path, exports: Exports) -> None:
    first, second = (touched(tmp_path / name, "mine.safetensors", "mine.calibration.json")[0] for name in ("a", "b"))
    found = artefacts_of([first, second, first], False, tmp_path / "out")
    assert len(set(found)) == 6
    assert [path.name for path in found] == 2 * [f"mine.{precision}.onnx" for precision in PRECISIONS]


def test_progress_counts_the_models_that_are_exported(tmp_path: Path, exports: Exports) -> None:
    checkpoint, _, artefact = touched(tmp_path, "mine.safetensors", "mine.calibration.json", "other.fp32.onnx")
    done: list[int] = []
    told = Told(lambda: done.append(len(exports.commands)))
    artefacts_of([artefact, checkpoint, artefact], False, tmp_path, None, told)
    assert (told.totals, done) == ([1], [1])
    artefacts_of([artefact], False, tmp_path, None, told)
    assert (told.totals, done) == ([1], [1])


def test_a_checkpoint_is_exported_in_every_precision(
    artefacts: "Artefacts", dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By seg-export; its INT8 is calibrated on frames that are not measured on."""
    found = artefacts_of([artefacts.checkpoint], False, tmp_path, dataset.folder)
    assert [path.name for path in found] == [f"small.{precision}.onnx" for precision in PRECISIONS]
    evaluated = {frame_id(sha256) for sha256 in dataset.evaluation().sha256}
    for path, precision in zip(found, PRECISIONS, strict=True):
        with OnnxRuntimeRunner(path) as runner:
            assert runner.precision == precision
            assert runner.calibration_frames.isdisjoint(evaluated)
            assert bool(runner.calibration_frames) is (precision == "int8")


def test_a_checkpoint_without_ranges_needs_a_dataset(
    artefacts: "Artefacts", tmp_path: Path, exports: Exports, refused: Refused
) -> None:
    """At once, and the error names the option of this command."""
    with refused(r"small\.safetensors: int8 needs frames to calibrate on; give --data DATASET"):
        artefacts_of([artefacts.checkpoint], False, tmp_path)
    assert exports.commands == []


def test_ranges_beside_a_checkpoint_are_used(tmp_path: Path, exports: Exports) -> None:
    checkpoint, _ = touched(tmp_path, "mine.safetensors", "mine.calibration.json")
    artefacts_of([checkpoint], False, tmp_path, tmp_path / "dataset")
    assert "--calibration" not in exports.commands[0]


def test_a_checkpoint_that_is_not_there_is_refused(tmp_path: Path, exports: Exports, refused: Refused) -> None:
    with refused(r"missing\.safetensors: no such file; need one that edgeseg wrote"):
        artefacts_of([tmp_path / "missing.safetensors"], False, tmp_path)
    assert exports.commands == []


def test_a_failed_export_is_one_line(tmp_path: Path, dataset: Dataset, refused: Refused) -> None:
    checkpoint = tmp_path / "broken.safetensors"
    checkpoint.write_bytes(b"no weights")
    with refused(r"broken\.safetensors: seg-export failed \(.*broken\.safetensors.*\)"):
        artefacts_of([checkpoint], False, tmp_path / "out", dataset.folder)


def test_an_export_that_dies_without_a_word_is_one_line_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: Refused
) -> None:
    checkpoint, _ = touched(tmp_path, "mine.safetensors", "mine.calibration.json")
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with refused(r"mine\.safetensors: seg-export failed \(it said nothing\)"):
        artefacts_of([checkpoint], False, tmp_path)
