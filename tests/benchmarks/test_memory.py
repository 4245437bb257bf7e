"""Memory: the peak of a process that only runs the artefact, and None where it cannot be measured."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

import segbench.measure.memory
from segbench.measure.memory import peak_memory_mb
from segdata.shipped import shipped_onnx

if TYPE_CHECKING:
    from conftest import Artefacts


def peak_of(path: Path) -> float:
    peak = peak_memory_mb(path, "onnxruntime")
    assert peak is not None
    return peak


def test_the_peak_is_of_a_process_that_only_runs_the_artefact(artefacts: "Artefacts") -> None:
    """The memory of this process must not count: Linux's ru_maxrss would inherit it."""
    held = np.ones(60_000_000)  # 480 MB
    assert 20 < peak_of(artefacts.onnx["fp32"]) < held.nbytes / 1e6


def test_a_larger_model_takes_more() -> None:
    """Twelve times the pixels and the same libraries."""
    assert peak_of(shipped_onnx(256)[0]) > peak_of(shipped_onnx(64)[0])


def test_a_process_that_fails_has_no_peak(tmp_path: Path) -> None:
    assert peak_memory_mb(tmp_path / "missing.onnx", "auto") is None
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    assert peak_memory_mb(broken, "onnxruntime") is None


def test_a_process_that_hangs_has_no_peak(artefacts: "Artefacts", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segbench.measure.memory, "_PATIENCE", 0.01)
    assert peak_memory_mb(artefacts.onnx["fp32"], "onnxruntime") is None
