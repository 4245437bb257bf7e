"""preflight sees a card without pycuda, and says what is missing to use it."""

import sys
from pathlib import Path

import pytest

import segbench.preflight.gpu
from segbench.preflight.gpu import SeenCard, find_gpu, seen_card
from segdata.errors import MissingDependencyError
from segrun.runners.tensorrt.driver import GpuFacts


@pytest.fixture(autouse=True)
def without_nvml(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "bin").mkdir()


def put_nvidia_smi(folder: Path, body: str) -> None:
    program = folder / "bin" / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)


def test_nvidia_smi_tells_of_the_first_card(tmp_path: Path) -> None:
    put_nvidia_smi(tmp_path, "echo 'NVIDIA GeForce GTX 1660 Ti, 580.65.06'; echo 'NVIDIA T4, 580.65.06'")
    assert seen_card(tmp_path) == SeenCard("NVIDIA GeForce GTX 1660 Ti", "580.65.06")


@pytest.mark.parametrize("body", ["exit 9", "echo NVIDIA-SMI has failed", "exec >&-"])
def test_an_nvidia_smi_that_fails_tells_nothing(tmp_path: Path, body: str) -> None:
    put_nvidia_smi(tmp_path, body)
    assert seen_card(tmp_path) is None


def test_the_driver_tells_under_proc(tmp_path: Path) -> None:
    (tmp_path / "gpus" / "0000:01:00.0").mkdir(parents=True)
    (tmp_path / "gpus" / "0000:01:00.0" / "information").write_text("Model: \t\t NVIDIA GeForce GTX 1660 Ti\nIRQ: 1\n")
    (tmp_path / "version").write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12\n")
    assert seen_card(tmp_path) == SeenCard("NVIDIA GeForce GTX 1660 Ti", "535.183.01")


def test_without_a_card_there_is_none(tmp_path: Path) -> None:
    assert seen_card(tmp_path) is None


def test_the_doctor_names_the_card_that_cannot_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_pycuda() -> GpuFacts:
        raise MissingDependencyError("pycuda is not installed; run: pip install 'edgeseg[tensorrt]'")

    monkeypatch.setattr(segbench.preflight.gpu, "first_device", no_pycuda)
    put_nvidia_smi(tmp_path, "echo 'NVIDIA GeForce GTX 1660 Ti, 580.65.06'")
    with pytest.raises(MissingDependencyError) as refusal:
        find_gpu()
    assert str(refusal.value) == (
        "NVIDIA GeForce GTX 1660 Ti with driver 580.65.06 is here, but cannot be used: pycuda is not installed; run: "
        "pip install 'edgeseg[tensorrt]'"
    )
