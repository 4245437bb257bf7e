"""A device that runs and measures models has no training library, and no ONNX library but OpenVINO."""

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from segrun.runners.openvino import OpenVINORunner

if TYPE_CHECKING:
    from conftest import Artefacts

# What `pip install edgeseg`, without extras, does not bring: importing any of it fails.
DEVICE = """
import sys

EXTRAS = {
    "torch", "lightning_fabric", "matplotlib", "safetensors", "onnx", "onnxruntime", "onnxscript",
    "tensorrt", "tensorrt_rtx", "pycuda", "pynvml", "aiohttp", "jinja2",
}

class NotInstalled:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in EXTRAS:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, NotInstalled())
try:
    import torch
except ModuleNotFoundError:
    print("torch is not installed here")

model, video = sys.argv[1:]
from segrun.cli import main as seg_run
from segbench.cli import bench_command as seg_bench
seg_run([video, "-o", "out.mp4", "--model", model], standalone_mode=False)
seg_bench([model, "--video", video, "--frames", "2", "--rounds", "1", "--json", "out.json"], standalone_mode=False)
print("imported:", *sorted(EXTRAS & set(sys.modules)))
"""


def test_videos_run_and_are_measured_without_any_extra(
    artefacts: "Artefacts", street_video: Path, tmp_path: Path
) -> None:
    command: list[str | Path] = [sys.executable, "-W", "error", "-c", DEVICE, artefacts.onnx["fp16"], street_video]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Error" not in done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "torch is not installed here"
    assert lines[1].startswith("chose small.fp16.onnx in ") or len(OpenVINORunner.arithmetics()) == 1
    assert "out.mp4" in lines[2:4]
    assert lines[-1] == "imported:"
    assert {path.name for path in tmp_path.iterdir()} == {"out.mp4", "out.json"}
