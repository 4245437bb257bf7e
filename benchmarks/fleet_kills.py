"""Whether a list of videos ends as if undisturbed, however often its processes are killed.

python benchmarks/fleet_kills.py ONNX [--videos 60] [--kills 20] [--apart 3] [--ray]

Generates videos, every twentieth of them broken, and does them once undisturbed. Then again: three shares at a time,
one of them killed with -9 at each random moment, and started again; with --ray on a cluster of two nodes with a core
each, whose actors are killed, and between them the second node. Fails if the results or the receipts differ.
"""

import hashlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from fractions import Fraction
from pathlib import Path

import click
import numpy as np

from segdata.synth import drive
from segdata.video.picture import Picture
from segdata.video.writer import VideoWriter

SHARES = 3
SEED = 0
BIN = Path(sys.executable).parent
VARIABLE = ("seconds", "host")  # fields of a receipt that no two runs share


@click.command
@click.argument("onnx", type=click.Path(exists=True, path_type=Path))
@click.option("--videos", default=60)
@click.option("--kills", default=20)
@click.option("--apart", default=3.0, help="Seconds between two kills, at most.")
@click.option("--ray", is_flag=True)
def main(onnx: Path, videos: int, kills: int, apart: float, ray: bool) -> None:
    """Do the list twice, compare, and say what was found."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        broken = write_videos(folder / "clips", videos)
        words = ["--model", str(onnx.absolute()), "--from", str(folder / "clips"), "-o", "out/{path}.mp4"]
        # Each process would measure which arithmetic is fastest, and labels are equal only within one.
        command = [str(BIN / "seg-run"), *words, "-o", "masks/{path}/", "--arithmetic", "f32"]
        for each in ("calm", "wild"):
            (folder / each).mkdir()
        ended(start(command, folder / "calm"))
        (kill_actors if ray else kill_shares)(command, folder / "wild", kills, apart)
        code = ended(start(command, folder / "wild"))
        calm, wild = tree(folder / "calm"), tree(folder / "wild")
        left = len(list((folder / "wild").rglob(".seg-run-*")))
        states = [json.loads(path.read_text())["state"] for path in (folder / "wild/receipts").glob("*.json")]
        failed = (folder / "wild/receipts/failed.txt").read_text().splitlines()[1:]
        print(f"{states.count('done')} done, {states.count('failed')} failed, {len(failed)} named, exit code {code}")
        differ = [path for path in calm.keys() | wild.keys() if calm.get(path) != wild.get(path)]
        print(f"{len(wild)} files, {len(differ)} of them differ from the undisturbed run; {left} hidden folders left")
        named = {Path(line).name for line in failed} == broken
        if differ or left or not named or code != 7:
            sys.exit(f"not as if undisturbed: {differ[:5]}")


def write_videos(folder: Path, count: int) -> set[str]:
    """Write videos into folders of ten, every twentieth of them broken; return the names of these."""
    broken = set()
    for number in range(count):
        path = folder / f"day{number // 10}" / f"{number}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        if number % 20 == 7:
            path.write_bytes(b"no video" * 1000)
            broken.add(path.name)
            continue
        with VideoWriter(path, Fraction(25), Fraction(1, 25)) as writer:
            for time_stamp, scene in enumerate(drive(number, 96, 160, 15 + number % 11)):
                writer.write(Picture.from_rgb(scene.image), time_stamp)
    return broken


def start(command: list[str], folder: Path) -> "subprocess.Popen[bytes]":
    """Start a command there, of which only errors are heard."""
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def ended(process: "subprocess.Popen[bytes]") -> int:
    """Return the exit code of a run that ends by itself: 7, since there are broken videos."""
    _, said = process.communicate(timeout=3600)
    if process.returncode not in (0, 7):
        sys.exit(f"{process.args!r} ended with {process.returncode}: {said.decode()}")
    return process.returncode


def tree(folder: Path) -> dict[str, str]:
    """Return the hash of every file below a folder; of receipts without their variable fields."""
    found = {}
    for path in filter(Path.is_file, folder.rglob("*")):
        content = path.read_bytes()
        if path.suffix == ".json":
            fields = {name: value for name, value in json.loads(content).items() if name not in VARIABLE}
            content = json.dumps(fields).encode()
        found[str(path.relative_to(folder))] = hashlib.sha256(content).hexdigest()
    return found


def kill_shares(command: list[str], folder: Path, kills: int, apart: float) -> None:
    """Run all shares at a time; kill one at each of `kills` random moments, and start it again."""
    random = np.random.default_rng(SEED)
    running = [start([*command, "--shard", f"{share + 1}/{SHARES}"], folder) for share in range(SHARES)]
    at_work = done = 0
    for _ in range(kills):
        time.sleep(random.uniform(0, apart))
        alive = [share for share, process in enumerate(running) if process.poll() is None]
        if not alive:
            break
        share = int(random.choice(alive))
        running[share].kill()
        running[share].wait()
        done += 1
        at_work += any(folder.rglob(f".seg-run-*-{running[share].pid}-*"))
        running[share] = start([*command, "--shard", f"{share + 1}/{SHARES}"], folder)
    print(f"{done} kills, {at_work} of them in the midst of a video")
    for process in running:
        ended(process)


@contextmanager
def node(*words: str) -> Iterator[int]:
    """Start a node of Ray's with one core; give the number of its raylet, and end all of it after the block."""
    command = [str(BIN / "ray"), "start", "--block", "--num-cpus=1", "--disable-usage-stats", *words]
    command += [f"--object-store-memory={80 * 2**20}"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 60
        while not (raylets := [child for child, said in children(process.pid) if "raylet/raylet" in said]):
            if time.monotonic() > until or process.poll() is not None:
                sys.exit(f"{' '.join(command)} does not start")
            time.sleep(0.1)
        yield raylets[0]
    finally:
        of_node = [child for child, _ in children(process.pid)]
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
        for child in of_node:
            with suppress(OSError):
                os.kill(child, signal.SIGKILL)
        process.kill()


def children(parent: int) -> list[tuple[int, str]]:
    """Return the processes that a process started, with their command lines."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if int((path / "stat").read_text().rpartition(")")[2].split()[1]) == parent:
                found.append((int(path.name), (path / "cmdline").read_text().replace("\0", " ")))
    return found


def store_megabytes(raylet: int) -> float:
    """Return how much of its object store a node ever touched: the blocks of the file in memory that holds it."""
    blocks = 0
    for path in Path(f"/proc/{raylet}/fd").glob("*"):
        with suppress(OSError):
            if str(path.readlink()).startswith("/dev/shm/"):
                blocks += path.stat().st_blocks
    return blocks * 512 / 1e6


def kill_actors(command: list[str], folder: Path, kills: int, apart: float) -> None:
    """Run on two nodes; kill an actor at each random moment, and half-way the second node."""
    os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}  # no one else's cluster
    random = np.random.default_rng(SEED)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"127.0.0.1:{port}"
    done, store = 0, 0.0
    with ExitStack() as stack:
        first = stack.enter_context(
            node("--head", f"--port={port}", "--node-ip-address=127.0.0.1", "--include-dashboard=false")
        )
        second_node = stack.enter_context(ExitStack())
        second = second_node.enter_context(node(f"--address={address}"))
        process = start([*command, "--ray", address, "--cpus-per-video", "1"], folder)
        while process.poll() is None and not list(folder.glob("receipts/*.json")):
            time.sleep(0.02)
        for kill in range(kills):
            time.sleep(random.uniform(0, apart))
            actors = [child for raylet in (first, second) for child, said in children(raylet) if "ray::Slot" in said]
            store = max(store, store_megabytes(first), store_megabytes(second))
            if process.poll() is not None:
                break
            if kill == kills // 2:
                os.kill(second, signal.SIGKILL)
                print("the second node is killed")
                second_node.close()
                second = second_node.enter_context(node(f"--address={address}"))
            if actors:
                with suppress(OSError):
                    os.kill(int(random.choice(actors)), signal.SIGKILL)
                    done += 1
        ended(process)
        store = max(store, store_megabytes(first), store_megabytes(second))
    print(f"{done} actors killed; at most {store:.1f} MB of a node's object store were touched")


if __name__ == "__main__":
    main()
