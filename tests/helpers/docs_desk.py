"""What the pages' commands are run on: a small thing for each name, and what is changed in a line to be quick."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2

from helpers.docs_pages import ROOT
from helpers.foreign_networks import Form, write_network
from segdata.dataset import Dataset
from segdata.synth import scene

if TYPE_CHECKING:
    from conftest import Artefacts

# What is changed in a line before it is run, so that it takes seconds: a pattern, what stands for it, and why.
INSTEAD = (
    (r"(?<!--size 64 --size )\b128\b", "64", "the small dataset and the small network have 64 pixels"),
    (r"^(seg-data synth .*)", r"\1 --size 64x64 --seconds 0.4", "smaller scenes, a shorter drive"),
    (r"^(seg-train .*)--minutes \S+", r"\1", "an epoch instead"),
    (r"^(seg-train .*)", r"\1 --epochs 1", "an epoch"),
    (
        r"^(seg-export(?!.*(safetensors|inspect|wrap|--size|unet-)).*)",
        r"\1 --size 64",
        "the smallest of the shipped models",
    ),
    (r"^(seg-bench (?!.*(compare|preflight|--estimate|--video)).*)", r"\1 --video drive.mp4", "12 small frames"),
    (r"^(seg-bench (?!.*(compare|preflight|--estimate)).*)", r"\1 --rounds 1 --frames 5", "a round"),
    (r"^(seg-bench) (--estimate .*)", r"\1 exports/unet-64.fp32.onnx \2", "instead of nine exports"),
    (r"^seg-bench preflight$", "seg-bench preflight exports/unet-64.fp32.onnx", "the small network"),
    (r"^(python benchmarks/video_speed.py .*)", r"\1 1", "a round"),
    (r"^(python benchmarks/live_latency.py .*)", r"\1 1", "a second"),
    (r"^(python benchmarks/endurance.py .*)", r"\1 40 2", "40 frames and 2 runs"),
)

# What is not run here, and why. It is parsed all the same.
NOT_HERE = (
    (r"^pip ", "installs packages into the environment of the tests"),
    (r"^apt-get ", "installs packages into the system"),
    (r"^make ", "is what runs these tests, or minutes of what they run"),
    (r"rtsp://", "needs a network camera"),
    (r"--ray \d", "needs a Ray cluster"),
    (r"\.engine\b", "needs an NVIDIA GPU"),
)

# What a pipe goes into, in the pages.
PROGRAMS = {"my-program": "#!/bin/sh\nexec wc -c\n"}


def quick(line: str) -> str:
    """Return the line with what stands in INSTEAD."""
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
        """Return what a line prints, in a shell that finds the commands of this environment."""
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
    for name in ("cityscapes", "street"):
        shutil.copytree(scenes, folder / name)
    shutil.copytree(dataset.folder, folder / "dataset")
    for name in ("drive.mp4", "clips/monday.mp4", "clips/tuesday.mp4", "street/drive.mp4", "VIDEO"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(video, folder / name)
    for name in ("runs/unet-64/best.safetensors", "unet-256.safetensors"):
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


def prepare(desk: Desk, line: str) -> None:
    """Take away what a line makes, so that it is the line that makes it, and give it weights that can be exported."""
    words = line.split()
    if line.startswith("seg-data prepare"):
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
