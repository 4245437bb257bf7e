"""Many videos on a Ray cluster: the same results as without it, whatever is lost. Real clusters, real processes."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from helpers.children import child
from helpers.commands import run_command
from helpers.receipts import receipts_of, tree
from helpers.small_media import every, write_numbered
from segdata.video.reader import VideoReader

if TYPE_CHECKING:
    from conftest import Artefacts

pytest.importorskip("ray", reason="needs the extra ray")

SEG_RUN = Path(sys.executable).with_name("seg-run")
KILLS = Path(__file__).parents[2] / "benchmarks/fleet_kills.py"
PATIENCE = 120  # seconds


def command(model: Path, *words: object) -> list[str]:
    return [str(SEG_RUN), "--model", str(model), *map(str, words)]


def done(model: Path, cwd: Path, *words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(model, *words), cwd=cwd, capture_output=True, text=True, check=False, timeout=PATIENCE
    )


def parents(pid: int) -> Iterator[int]:
    """The parents of a process, up to the first."""
    while pid > 1:
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        yield pid


def wait_for_work(process: "subprocess.Popen[str]", other_than: set[int] | None = None) -> int:
    """Wait for an actor that is doing a video, and return it."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and process.poll() is None:
        for path in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # it has ended
                works = (path / "cmdline").read_text().startswith("ray::Slot.do")
                if works and int(path.name) not in (other_than or ()) and process.pid in parents(int(path.name)):
                    return int(path.name)
        time.sleep(0.02)
    raise AssertionError("no actor does a video")


@contextmanager
def running(model: Path, cwd: Path, *words: object) -> Iterator["subprocess.Popen[str]"]:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with child(command(model, *words), PATIENCE, cwd=cwd, text=True, **pipes) as process:
        yield process


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    folder = tmp_path / "clips"
    for number in range(4):
        (folder / f"day{number % 2}").mkdir(parents=True, exist_ok=True)
        write_numbered(folder / f"day{number % 2}/{number}.mp4", every(3 + number))
    (folder / "day1/broken.mp4").write_bytes(b"no video" * 100)
    return folder


def test_a_cluster_leaves_what_one_process_leaves(clips: Path, artefacts: "Artefacts", tmp_path: Path) -> None:
    # Pinned: each would measure for itself what is fastest, and labels differ by rounding.
    words = ("--from", clips, "-o", "out/{path}.mp4", "-o", "masks/{path}/", "--arithmetic", "f32")
    alone, cluster = tmp_path / "alone", tmp_path / "cluster"
    for folder in (alone, cluster):
        folder.mkdir()
    assert run_command("seg-run", "--model", artefacts.onnx["fp32"], *words, cwd=alone).returncode == 7
    ran = done(artefacts.onnx["fp32"], cluster, *words, "--ray", "--cpus-per-video", 1)
    assert ran.returncode == 7, ran.stderr
    assert tree(cluster) == tree(alone)
    assert [word for word in ran.stdout.split() if word.isdecimal()][:3] == ["4", "0", "1"]
    assert len([line for line in ran.stderr.splitlines() if line.strip()]) == 3, ran.stderr  # two errors and the bar


def test_a_video_whose_process_dies_three_times_is_named_and_the_next_is_done(
    artefacts: "Artefacts", tmp_path: Path
) -> None:
    (tmp_path / "clips").mkdir()
    write_numbered(tmp_path / "clips/1.mp4", every(100))
    write_numbered(tmp_path / "clips/2.mp4", every(3))
    words = ("--from", "clips", "-o", "out/{path}.mp4", "--ray")
    with running(artefacts.onnx["fp32"], tmp_path, *words) as process:
        killed: set[int] = set()
        while len(killed) < 3:
            actor = wait_for_work(process, killed)
            os.kill(actor, signal.SIGKILL)
            killed.add(actor)
        stdout, stderr = process.communicate(timeout=PATIENCE)
    assert process.returncode == 7, stderr
    said = "clips/1.mp4: the process that did it was lost 3 times (its worker process has died)"
    assert next(line for line in stderr.splitlines() if line.startswith("Error: ")) == f"Error: {said}"
    receipts = {each["video"]: (each["state"], each["error"]) for each in receipts_of(tmp_path / "receipts")}
    assert receipts == {"1.mp4": ("failed", said), "2.mp4": ("done", "")}
    assert not list(tmp_path.rglob(".seg-run-*"))
    assert "raylet" not in stdout + stderr


def test_a_node_and_an_actor_are_lost_and_all_is_as_if_undisturbed(artefacts: "Artefacts") -> None:
    words: list[str | Path] = [
        sys.executable,
        KILLS,
        artefacts.onnx["fp32"],
        "--videos",
        "12",
        "--kills",
        "2",
        "--apart",
        "0.3",
        "--ray",
    ]
    ran = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("the second node is killed\n")
    assert "11 done, 1 failed, 1 named, exit code 7\n" in ran.stdout
    assert ", 0 of them differ from the undisturbed run; 0 hidden folders left\n" in ran.stdout


def test_ctrl_c_leaves_no_half_of_a_video_and_no_process(artefacts: "Artefacts", tmp_path: Path) -> None:
    for number in range(6):
        (tmp_path / "clips").mkdir(exist_ok=True)
        write_numbered(tmp_path / f"clips/{number}.mp4", every(60))
    with running(artefacts.onnx["fp32"], tmp_path, "--from", "clips", "-o", "out/{path}.mp4", "--ray") as process:
        actor = wait_for_work(process)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert stderr.splitlines()[-1] == "Interrupted; what was there before is unchanged."
    assert not Path(f"/proc/{actor}").exists()
    assert not list(tmp_path.rglob(".seg-run-*"))
    assert not (tmp_path / "out/5.mp4").exists()
    for path in tmp_path.glob("out/*.mp4"):
        with VideoReader(path) as reader:
            assert sum(1 for _ in reader.frames()) == 60


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--from", "clips", "--ray", "127.0.0.1:{free}"], "where no Ray cluster answers; need HOST:PORT"),
        (
            ["--from", "clips", "--ray", "--cpus-per-video", "9999", "--model", "clips/a.engine"],
            "no machine of the Ray cluster has 9999 CPU and 1 GPU, which a video takes; see --cpus-per-video",
        ),
        (["--from", "clips", "--ray", "--model", "gone.onnx"], "gone.onnx: no such file"),
        (["--from", "clips", "--ray", "--window"], "got --ray and --window, --serve or --metrics"),
        (["clips/day0/0.mp4", "--ray"], "got --ray local without --from"),
    ],
)
def test_what_cannot_be_done_on_a_cluster_is_one_line(
    clips: Path, artefacts: "Artefacts", words: list[str], said: str
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # bound, and nobody listens
        (clips / "a.engine").write_bytes(b"never opened")
        words = [word.format(free=free.getsockname()[1]) for word in words]
        if "9999" in words:  # a cluster is started
            ran = done(artefacts.onnx["fp32"], clips.parent, *words)
        else:
            ran = run_command("seg-run", "--model", artefacts.onnx["fp32"], *words, cwd=clips.parent)
    assert ran.returncode == 3
    (line,) = [line for line in ran.stderr.splitlines() if line.strip() and not line.startswith("Segmenting ")]
    assert said in line


def test_without_the_extra_it_is_named(clips: Path) -> None:
    code = "import sys; sys.modules['ray'] = None; from segrun.cli import main; main()"
    words = [sys.executable, "-c", code, "--from", str(clips), "--ray"]
    ran = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (5, "Error: ray is not installed; run: pip install 'edgeseg[ray]'\n")
