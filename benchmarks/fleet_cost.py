"""What receipts and Ray cost: videos a minute by each road, in turns; and what one video costs beside its frames.

python benchmarks/fleet_cost.py ONNX [--videos 40] [--rounds 3] [--tiny 10000] [--without-ray]

A road is a whole command, from its start to its end. The tiny videos have one frame of 64x48.
"""

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import click
import numpy as np

from segdata.synth import drive
from segdata.video.picture import Picture
from segdata.video.writer import VideoWriter

SEG_RUN = Path(sys.executable).with_name("seg-run")
PAGE_MB = 4096 / 1e6


@click.command
@click.argument("onnx", type=click.Path(exists=True, path_type=Path))
@click.option("--videos", default=40)
@click.option("--rounds", default=3)
@click.option("--tiny", default=10_000)
@click.option("--without-ray", is_flag=True)
def main(onnx: Path, videos: int, rounds: int, tiny: int, without_ray: bool) -> None:
    """Measure, and print."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if videos:
            compare_roads(folder, onnx.absolute(), videos, rounds, without_ray)
        if tiny:
            measure_tiny(folder, onnx.absolute(), tiny)


def write_video(path: Path, frames: list[np.ndarray]) -> None:
    """Write frames, RGB uint8 [H, W, 3], as a video of 25 a second."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with VideoWriter(path, Fraction(25), Fraction(1, 25)) as writer:
        for time_stamp, frame in enumerate(frames):
            writer.write(Picture.from_rgb(frame), time_stamp)


def compare_roads(folder: Path, onnx: Path, videos: int, rounds: int, without_ray: bool) -> None:
    """Do the same videos by each road, in turns."""
    frames = [scene.image for scene in drive(0, 288, 512, 50)]
    write_video(folder / "clips/0.mp4", frames)
    for number in range(1, videos):
        shutil.copy(folder / "clips/0.mp4", folder / f"clips/{number}.mp4")
    listed = ["--from", folder / "clips", "-o", folder / "out/{path}.mp4", "--receipts", folder / "receipts"]
    roads = {
        "one command, no receipts": [*sorted((folder / "clips").iterdir()), "-o", folder / "out/{name}.mp4"],
        "receipts": listed,
    }
    if not without_ray:
        roads["receipts, Ray, 2 cores a video"] = [*listed, "--ray", "--cpus-per-video", 2]
        roads["receipts, Ray, 1 core a video"] = [*listed, "--ray", "--cpus-per-video", 1]
    speeds: dict[str, list[float]] = {road: [] for road in roads}
    for _ in range(rounds):
        for road, words in roads.items():
            for made in ("out", "receipts"):
                shutil.rmtree(folder / made, ignore_errors=True)
            (folder / "out").mkdir()
            start = time.perf_counter()
            subprocess.run([SEG_RUN, "--model", onnx, *map(str, words)], check=True, capture_output=True)
            speeds[road].append(60 * videos / (time.perf_counter() - start))
    first = next(iter(roads))
    print(f"{videos} videos of 50 frames, 512x288, {onnx.name}, {rounds} rounds in turns")
    print("| road | videos a minute | lowest to highest | ratio, median of the rounds' |")
    print("| --- | --- | --- | --- |")
    for road, found in speeds.items():
        ratio = statistics.median(one / other for one, other in zip(found, speeds[first], strict=True))
        spread = f"{min(found):.1f} to {max(found):.1f}"
        print(f"| {road} | {statistics.median(found):.1f} | {spread} | {ratio:.2f} |")


def measure_tiny(folder: Path, onnx: Path, count: int) -> None:
    """Do many videos of one frame; print the seconds of each, and the memory on the way."""
    write_video(folder / "tiny/0/0.mp4", [drive(0, 48, 64, 1).__next__().image])
    for number in range(1, count):
        path = folder / f"tiny/{number // 1000}/{number}.mp4"
        path.parent.mkdir(exist_ok=True)
        shutil.copy(folder / "tiny/0/0.mp4", path)
    words = ["--from", folder / "tiny", "-o", folder / "thumbs/{path}.mp4", "--receipts", folder / "slips"]
    start = time.perf_counter()
    process = subprocess.Popen(
        [SEG_RUN, "--model", onnx, *map(str, words)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    memory: dict[int, float] = {}  # MB by tenths of the videos that are done
    while process.poll() is None:
        with suppress(OSError, IndexError, ValueError):
            done = sum(1 for _ in (folder / "slips").glob("*.json"))
            memory[10 * done // count] = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1]) * PAGE_MB
        time.sleep(0.2)
    seconds = time.perf_counter() - start
    inside = [json.loads(path.read_text())["seconds"] for path in (folder / "slips").glob("*.json")]
    own = 1e3 * statistics.median(inside)
    print(
        f"{count} videos of one frame: {1e3 * seconds / count:.1f} ms each, {own:.1f} of them the video's own (median)"
    )
    print("resident MB at each tenth:", *(f"{mb:.0f}" for _, mb in sorted(memory.items())))


if __name__ == "__main__":
    main()
