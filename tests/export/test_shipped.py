"""The model that comes with edgeseg: its parts are of one another, and every command finds it."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx

from segdata.files import sha256_of
from segdata.labels import CITYSCAPES_29
from segdata.layouts import find_pairs
from segdata.metrics import accuracy, confusion_matrix
from segdata.prepare import prepare_pair
from segdata.shipped import SHIPPED_CHECKPOINT, SHIPPED_ONNX
from segexport.calibrate import read_ranges
from segexport.contract import check_contract
from segexport.export import ranges_path
from segrun.openvino_runner import OpenVINORunner
from segtrain.checkpoint import load_checkpoint


def test_the_parts_belong_together() -> None:
    _, spec = load_checkpoint(SHIPPED_CHECKPOINT)
    assert check_contract(onnx.load(SHIPPED_ONNX)) == spec
    ranges = read_ranges(ranges_path(SHIPPED_CHECKPOINT, SHIPPED_CHECKPOINT.parent))
    assert ranges.weights_sha256 == sha256_of(SHIPPED_CHECKPOINT)
    assert (spec.height, spec.width, spec.class_count, len(ranges.frames)) == (128, 128, 29, 100)


def test_fp16_and_int8_are_exported_without_any_other_argument(tmp_path: Path) -> None:
    command = Path(sys.executable).parent / "seg-export"
    for precision in ("fp16", "int8"):
        result = subprocess.run([command, f"--{precision}"], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        assert f"exports/unet-128.{precision}.onnx" in result.stdout.splitlines()
    assert (tmp_path / "exports" / "unet-128.fp16.onnx").read_bytes() == SHIPPED_ONNX.read_bytes()
    with OpenVINORunner(tmp_path / "exports" / "unet-128.int8.onnx") as runner:
        assert runner.precision == "int8"


def test_it_is_as_good_as_its_card_says(real_data: Path) -> None:
    """On one real val frame in ten; all 500 give 35.1 over the 19 classes and 82.2 % of pixels."""
    matrix = np.zeros((29, 29), dtype=np.int64)
    with OpenVINORunner(SHIPPED_ONNX) as runner:
        for pair in find_pairs(real_data / "cityscapes256")["val"][::10]:
            frame = prepare_pair(pair, CITYSCAPES_29, ((128, 128),))
            matrix += confusion_matrix(frame.labels[0], runner(frame.images[0][None])[0], 29)
        figures = accuracy(matrix, runner.spec.class_names)
    assert figures.miou_official > 0.31
    assert figures.pixel_accuracy > 0.80
