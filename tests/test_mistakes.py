"""What people mistype, and the line they get: what came, what was expected, what to do."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from segbench.cli import bench_command, compare_command, preflight_command
from segdata.cli import main as seg_data
from segdata.options import PrepareOptions, SynthOptions
from segdata.prepare.prepare import prepare
from segdata.shipped import shipped_checkpoint, shipped_onnx
from segdata.size import Size
from segdata.synth.write import write_synthetic
from segexport.cli import export_command
from segrun.cli import main as seg_run
from segtrain.cli import main as seg_train

COMMANDS = {
    "seg-data": seg_data,
    "seg-train": seg_train,
    "seg-export": export_command,
    "seg-run": seg_run,
    "seg-bench": bench_command,
    "compare": compare_command,
    "preflight": preflight_command,
}

MISTAKES = {
    "seg-run drive.mp4 --start 0:0:x -o none": "'0:0:x' is no time; write seconds, or 1:30, or 00:01:30",
    "seg-run drive.mp4 --duration 0:00 -o none": "0.0 is not in the range x>0",
    "seg-run drive.mp4 -o x.mp4 -o x.mp4": "got the output x.mp4 twice; name each once",
    "seg-run drive.mp4 -o masks": "masks: a name without suffix; write masks/ for a folder of masks, masks.mp4 .*",
    "seg-run drive.mp4 --model unet-12": "unet-12: no such file; need .*, or a model's name: unet-64, unet-128, .*",
    "seg-run drive.mp4 --model unet-64.fp8": "unet-64.fp8: no such file; need .*unet-64, unet-128, .*",
    "seg-train sizes": "sizes: holds datasets of the sizes 64, 128; name one of them: sizes/64",
    "seg-train sizes/64 --lr x": "Invalid value for '--learning-rate' / '--lr': 'x' is not a valid float",
    "seg-train sizes/64 --init unet-1": "unet-1: no such file; need .*unet-64, unet-128, unet-256, unet-256-lite",
    "seg-train sizes/64 --init run": "run: a folder, need a file; take run/best.safetensors",
    "seg-train sizes/64 --batch 2 --init run/last.safetensors": (
        "run/last.safetensors: what --resume goes on from, no finished weights; take run/best.safetensors"
    ),
    "seg-data show sizes": "sizes: holds datasets of the sizes 64, 128; name one of them: sizes/64",
    "seg-data show sizes/64 --split trian": "sizes/64: got the split trian, this dataset has train, val",
    "seg-data prepare streets out --size 100": "got size 100, need multiples of 16 for .*, such as 96; --any-size .*",
    "seg-data prepare streets out --size 0": "got size 0, need 16 pixels or more a side",
    "seg-export run": "run: a folder, need a file; take run/best.safetensors",
    "seg-export run/last.safetensors": "run/last.safetensors: what --resume goes on from, .*take run/best.safetensors",
    "seg-export unet-64.int8.onnx": "unet-64.int8.onnx: an export of edgeseg already; export the checkpoint that .*",
    "seg-export unet-6": "unet-6: no such file; need .*unet-64, unet-128, unet-256, unet-256-lite",
    "seg-bench unet-6": "unet-6: no such file; need .*unet-64, unet-128, unet-256, unet-256-lite",
    "compare unet-64.int8.onnx unet-64.int8.onnx": (
        "unet-64.int8.onnx: an artefact, need a JSON report of one; make it with: "
        "seg-bench unet-64.int8.onnx --json unet-64.int8.json"
    ),
    "preflight net.engine": "net.engine: got a .engine, need the .onnx that engines are built from",
}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with what the mistakes name."""
    folder = tmp_path_factory.mktemp("desk")
    size = Size(64, 64)
    write_synthetic(SynthOptions(target=folder / "streets", train=4, val=4, size=size, seconds=0.2))
    sizes = (size, Size(128, 128))
    prepare(PrepareOptions(source=folder / "streets", target=folder / "sizes", sizes=sizes))
    shutil.copy(folder / "streets" / "drive.mp4", folder)
    (folder / "run").mkdir()
    shutil.copy(shipped_checkpoint(64), folder / "run" / "best.safetensors")
    no_spec = (2).to_bytes(8, "little") + b"{}"  # a safetensors file of nothing
    (folder / "run" / "last.safetensors").write_bytes(no_spec)
    shutil.copy(shipped_onnx(64)[1], folder)
    (folder / "net.engine").touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder


@pytest.mark.parametrize("typed", MISTAKES)
def test_a_mistake_is_one_line_that_says_what_to_do(typed: str, desk: Path) -> None:
    before = sorted(desk.rglob("*"))
    name, *words = typed.split()
    done = CliRunner().invoke(COMMANDS[name], words)
    line = done.stderr.splitlines()[-1]
    assert re.search(rf"^Error: .*{MISTAKES[typed]}", line), done.output
    assert done.exit_code in (2, 3, 4)
    assert sorted(desk.rglob("*")) == before


@pytest.mark.parametrize(
    ("command", "typed", "meant"),
    [("seg-export", "inspec", "inspect"), ("seg-bench", "preflght", "preflight"), ("seg-bench", "comapre", "compare")],
)
def test_a_mistyped_subcommand_is_guessed(command: str, typed: str, meant: str, desk: Path) -> None:
    path = Path(sys.executable).parent / command
    done = subprocess.run([path, typed, "x.onnx"], capture_output=True, text=True, check=False)
    assert done.stderr == f"Error: No such command '{typed}'. Did you mean '{command} {meant}'?\n"
    assert done.returncode == 2


def test_an_input_after_serve_is_an_input(desk: Path) -> None:
    """And not the address to serve at."""
    done = CliRunner().invoke(seg_run, ["--serve", "nothing.mp4"])
    assert "nothing.mp4: no such file" in done.stderr


@pytest.mark.parametrize(("typed", "frames"), [("0.1", 2), ("0:00.1", 2), ("00:00:00.1", 2), ("0:0:0", 5)])
def test_times_are_seconds_or_hours_minutes_and_seconds(typed: str, frames: int, desk: Path) -> None:
    words = ["drive.mp4", "--start", typed, "--model", "unet-64.fp16", "--arithmetic", "f32", "-o", "none"]
    done = CliRunner().invoke(seg_run, words)
    assert f"{frames} frames read" in done.stdout, done.output
