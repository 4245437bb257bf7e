"""The shipped models: their files belong together, and every command finds them."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from itertools import product
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner

from helpers.commands import run_command
from helpers.prepare_runs import find_pairs
from segdata.files import sha256_of
from segdata.images.size import Size
from segdata.labels import CITYSCAPES_29
from segdata.metrics import accuracy, confusion_matrix
from segdata.prepare.frame import prepare_pair
from segdata.shipped import (
    DEFAULT_SIZE,
    MODELS,
    SHIPPED_SIZES,
    checkpoint_file,
    model_files,
    shipped_checkpoint,
    shipped_onnx,
)
from segexport.cli import inspect_command
from segexport.graph.contract import check_contract
from segexport.options import ExportOptions
from segexport.quantise.calibrate import read_ranges
from segexport.quantise.int8 import ranges_path
from segexport.source import with_named_precision
from segrun.runners.openvino import OpenVINORunner
from segtrain.network.checkpoint import load_checkpoint

Refused = Callable[..., AbstractContextManager[None]]

# mIoU over the 19 classes and pixel accuracy on one real val frame in ten, a little below what was measured.
LEAST = {64: (0.29, 0.73), 128: (0.34, 0.76), 256: (0.38, 0.78)}


@pytest.mark.parametrize("size", SHIPPED_SIZES)
def test_the_parts_belong_together(size: int) -> None:
    checkpoint = shipped_checkpoint(size)
    _, spec = load_checkpoint(checkpoint)
    for path, precision in zip(shipped_onnx(size), ("fp16", "int8"), strict=True):
        contract = check_contract(onnx.load(path))
        assert (contract.spec, contract.precision, contract.weights) == (spec, precision, sha256_of(checkpoint))
    ranges = read_ranges(ranges_path(checkpoint.stem, checkpoint.parent))
    assert ranges.weights_sha256 == sha256_of(checkpoint)
    assert (spec.height, spec.width, spec.class_count, len(ranges.frames)) == (size, size, 29, 100)


def test_each_name_means_files_that_are_there(refused: Refused) -> None:
    """In order of precision, the highest first; a suffix chooses one of them."""
    for name in MODELS:
        files = model_files(Path(name))
        assert all(check_contract(onnx.load(path)).precision in path.name for path in files)
        assert [path.name for path in files] == sorted(path.name for path in files)
        assert files[-1:] == model_files(Path(f"{name}.int8"))
    for size in (128, 256):
        with refused(f"unet-{size}-lite: its weights are not part of the package; take lite2-{size}.safetensors"):
            checkpoint_file(Path(f"unet-{size}-lite"))


def test_a_name_may_say_the_precision_to_export() -> None:
    asked = with_named_precision(ExportOptions(checkpoint=Path("unet-64.fp16")))
    assert asked == ExportOptions(checkpoint=Path("unet-64"), precisions=("fp16",))
    plain = ExportOptions(checkpoint=Path("unet-64"))
    assert with_named_precision(plain) == plain


def test_a_shipped_model_is_inspected_by_its_name() -> None:
    for word, precision in (("unet-64.int8", "int8"), ("unet-64", "fp16"), ("unet-256-lite", "int8")):
        said = json.loads(CliRunner().invoke(inspect_command, [word, "--json"]).stdout)
        assert said["precision"] == precision


def test_a_file_of_that_name_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("unet-64").write_bytes(b"mine")
    assert model_files(Path("unet-64")) == (Path("unet-64"),)
    assert checkpoint_file(Path("unet-64")) == Path("unet-64")


@pytest.mark.parametrize("arguments", [(), ("--size", "64")])
def test_fp16_and_int8_are_exported_without_a_dataset(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    size = int(arguments[1]) if arguments else DEFAULT_SIZE
    result = run_command("seg-export", "--fp16", "--int8", "--no-verify", *arguments, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    for shipped in shipped_onnx(size):
        assert f"exports/{shipped.name}" in result.stdout.splitlines()
        assert (tmp_path / "exports" / shipped.name).read_bytes() == shipped.read_bytes()


@pytest.mark.parametrize(("size", "which"), [*product(SHIPPED_SIZES, (0, 1))])
def test_it_is_as_good_as_its_card_says(real_data: Path, size: int, which: int) -> None:
    matrix = np.zeros((29, 29), dtype=np.int64)
    with OpenVINORunner(shipped_onnx(size)[which]) as runner:
        for pair in find_pairs(real_data / "cityscapes256")["val"][::10]:
            frame = prepare_pair(pair, CITYSCAPES_29, (Size(size, size),))
            matrix += confusion_matrix(frame.labels[0], runner(frame.images[0][None])[0], 29)
        figures = accuracy(matrix, runner.spec.class_names)
    least_miou, least_accuracy = LEAST[size]
    assert figures.miou_official > least_miou
    assert figures.pixel_accuracy > least_accuracy
