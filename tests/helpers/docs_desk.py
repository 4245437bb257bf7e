"""What the commands of the pages run on: something small for each name, and changes to a line that make it quick."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2

from helpers.commands import run_command
from helpers.docs_pages import ROOT
from helpers.foreign_networks import Form, write_network
from segdata.dataset.dataset import Dataset
from segdata.synth import scene

if TYPE_CHECKING:
    from conftest import Artefacts

# Changes to a line before it runs, so that it takes seconds: a pattern, its replacement, and why.
_MEASURES = r"(?!.*(compare|contribute|preflight|--estimate))"
INSTEAD = (
    (r"(?<!--size 64 --size )\b128\b(?!-lite)", "64", "the small dataset and the small network have 64 pixels"),
    (r"^(seg-data synth .*)", r"\1 --size 64x64 --seconds 0.4", "smaller scenes, a shorter drive"),
    (r"^(seg-train .*)--minutes \S+", r"\1", "an epoch instead"),
    (r"^(seg-train .*)", r"\1 --epochs 1", "an epoch"),
    (
        r"^(seg-export(?!.*(safetensors|inspect|wrap|--size|unet-)).*)",
        r"\1 --size 64",
        "the smallest of the shipped models",
    ),
    (rf"^(seg-bench {_MEASURES}(?!.*--video).*)", r"\1 --video drive.mp4", "12 small frames"),
    (rf"^(seg-bench {_MEASURES}.*)", r"\1 --rounds 1 --frames 5", "a round"),
    (r"^(seg-bench) (--estimate .*)", r"\1 exports/unet-64.fp32.onnx \2", "instead of nine exports"),
    (r"^seg-bench preflight$", "seg-bench preflight exports/unet-64.fp32.onnx", "the small network"),
    (r"^(python benchmarks/video_speed.py .*)", r"\1 1", "a round"),
    (r"^(python benchmarks/live_latency.py .*)", r"\1 1", "a second"),
    (r"^(python benchmarks/endurance.py .*)", r"\1 40 2", "40 frames and 2 runs"),
)

# Lines that are only parsed, and why.
NOT_HERE = (
    (r"^pip ", "installs packages into the environment of the tests"),
    (r"^apt-get ", "installs packages into the system"),
    (r"^make ", "is what runs these tests, or minutes of what they run"),
    (r"rtsp://", "needs a network camera"),
    (r"^seg-run (?!.* -o ).*--serve", "plays for those who look until Ctrl-C"),
    (r"--ray \d", "needs a Ray cluster"),
    (r"\.engine\b", "needs an NVIDIA GPU"),
    (r"^seg-bench contribute", "needs an NVIDIA GPU, or minutes; tests/benchmarks/test_contribute.py has small ones"),
)

OURS = ("seg-data", "seg-train", "seg-export", "seg-run", "seg-bench")
_SHELL = re.compile(r"[|&;<>$#]|(?<!')\*")  # what only a shell understands

# Programs that the pages pipe into.
PROGRAMS = {"my-program": "#!/bin/sh\nexec wc -c\n"}


def quick(line: str) -> str:
    """Return the line with the changes in INSTEAD."""
    for pattern, replacement, _ in INSTEAD:
        line = re.sub(pattern, replacement, line)
    return line


def why_not(line: str) -> str | None:
    """Return why a line cannot be run here; None if it can."""
    return next((reason for pattern, reason in NOT_HERE if re.search(pattern, line)), None)


@dataclass(frozen=True)
class Desk:
    """A folder with what the pages name: dataset, checkpoint, exports, videos."""

    folder: Path
    checkpoint: Path

    def run(self, line: str) -> str:
        """Run a line, ours in this process, others in a shell that finds ours; return the output."""
        words = shlex.split(line)
        if words[0] in OURS and not _SHELL.search(line):
            done = run_command(words[0], *words[1:], cwd=self.folder, env={"COLUMNS": "100"})
            assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
            return done.stdout
        places = [str(self.folder / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]]
        # One thread for PyTorch: where other work has the cores, more wait for each other.
        environment = os.environ | {"PATH": os.pathsep.join(places), "COLUMNS": "100", "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            ["sh", "-c", line], cwd=self.folder, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        return done.stdout


def lay(folder: Path, dataset: Dataset, artefacts: "Artefacts", video: Path) -> Desk:
    """Return a desk in `folder`."""
    scenes = dataset.folder.parent / "pairs"
    for name in ("cityscapes", "street", "corrected"):
        shutil.copytree(scenes, folder / name)
    shutil.copytree(dataset.folder, folder / "dataset")
    _write_coco(folder / "coco")
    for name in ("drive.mp4", "clips/monday.mp4", "clips/tuesday.mp4", "street/drive.mp4", "VIDEO"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(video, folder / name)
    for name in ("runs/unet-64/best.safetensors", "runs/mine/best.safetensors", "unet-256.safetensors"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(artefacts.checkpoint, folder / name)
    (folder / "exports").mkdir()
    for precision, path in artefacts.onnx.items():
        for name in (f"exports/unet-64.{precision}.onnx", f"unet-256.{precision}.onnx"):
            shutil.copy(path, folder / name)
    (folder / "benchmarks").symlink_to(ROOT / "benchmarks")
    (folder / "bin").mkdir()
    for name, text in PROGRAMS.items():
        (folder / "bin" / name).write_text(text)
        (folder / "bin" / name).chmod(0o755)
    return Desk(folder, artefacts.checkpoint)


def _write_coco(folder: Path) -> None:
    """Write a dataset of one image with one polygon, as COCO has it."""
    (folder / "images").mkdir(parents=True)
    cv2.imwrite(str(folder / "images/a.png"), scene(0, 90, 160).image)
    content = {
        "images": [{"id": 1, "file_name": "a.png", "height": 90, "width": 160}],
        "categories": [{"id": 1, "name": "car"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "iscrowd": 0, "segmentation": [[10, 10, 60, 10, 60, 50]]}
        ],
    }
    (folder / "instances.json").write_text(json.dumps(content))


def prepare(desk: Desk, line: str) -> None:
    """Remove what a line makes, so that the line makes it, and give it weights that can be exported."""
    words = line.split()
    if line.startswith(("seg-data prepare", "seg-data convert")):
        shutil.rmtree(desk.folder / words[3], ignore_errors=True)
    if line.startswith("seg-data synth"):
        shutil.rmtree(desk.folder / words[2], ignore_errors=True)
    if line.startswith("seg-export") and "inspect" not in words and "-o" not in words:
        shutil.rmtree(desk.folder / "exports", ignore_errors=True)
    if line.startswith("seg-export wrap"):
        write_network(desk.folder / "net.onnx", Form(classes=19))
        cv2.imwrite(str(desk.folder / "street.png"), scene(0, 90, 160).image)
    if line.startswith(("seg-export runs/", "seg-bench runs/")):
        # An epoch on painted scenes leaves weights that no proof holds for.
        shutil.copy(desk.checkpoint, desk.folder / words[1])
