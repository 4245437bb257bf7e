"""Several inputs at the same time: one model, fair shares, separate frame counts; a failing input ends alone."""

import json
import signal
import subprocess
import threading
import time
import urllib.request
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from helpers.children import child
from helpers.images import decode_image
from helpers.live_preview import picture
from helpers.live_servers import Play
from helpers.rtsp_server import encoded, rtsp_camera
from helpers.scraped import scrape
from helpers.seeing_runner import SkyAndPerson
from helpers.training_runs import COMMAND
from segdata.command_line.interrupt import Interrupts
from segdata.command_line.progress import SILENT
from segrun.cli import main as seg_run
from segrun.inputs import as_table
from segrun.options import RunOptions
from segrun.preview.wall import Mosaic, Tile
from segrun.runners.base import Frames, Inferred
from segrun.runners.shared import SharedRunner, Turns
from segrun.sinks.json import JsonSink
from segrun.together import InputRun, run_together

MODEL = ["--model", "unet-64.fp16", "--arithmetic", "f32"]
FRAMES = 12  # of the street video
SEG_RUN = COMMAND.with_name("seg-run")


def together(options: RunOptions, **heard: object) -> list[InputRun]:
    with Interrupts() as interrupts:
        return run_together(options, [SkyAndPerson()], SILENT, interrupts, **heard)  # type: ignore[arg-type]


@pytest.fixture
def three(street_video: Path, tmp_path: Path) -> tuple[str, ...]:
    """Three names of one video."""
    names = tuple(str(tmp_path / f"{name}.mp4") for name in "abc")
    for name in names:
        Path(name).write_bytes(street_video.read_bytes())
    return names


def test_each_gets_what_it_would_get_alone(three: tuple[str, ...], tmp_path: Path) -> None:
    outputs = (str(tmp_path / "{name}.jsonl"), str(tmp_path / "{name}.seg.mkv"))
    runs = together(RunOptions(inputs=three, outputs=outputs, together=True))
    for run, name in zip(runs, "abc", strict=True):
        assert run.report is not None
        assert run.report.frames_read == run.report.frames_shown == FRAMES
        lines = [json.loads(line) for line in (tmp_path / f"{name}.jsonl").read_text().splitlines()]
        assert [line["frame"] for line in lines] == [f"{number:06}" for number in range(FRAMES)]
        assert (tmp_path / f"{name}.seg.mkv").stat().st_size > 0


class Slow(SkyAndPerson):
    """A slow network that does one thing at a time."""

    def _infer(self, frames: Frames) -> Inferred:
        time.sleep(0.002)
        return super()._infer(frames)


def test_turns_are_taken_in_order_whoever_asks_most_often() -> None:
    runner, turns = Slow(), Turns(1)
    counts = [0] * 4
    over = threading.Event()

    def ask(index: int) -> None:
        shared = SharedRunner(runner, turns)
        while not over.is_set():
            shared(np.zeros((1, 32, 48, 3), np.uint8))
            counts[index] += 1
            if counts[index] == 60:
                over.set()

    threads = [threading.Thread(target=ask, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert min(counts) >= 55, counts


def test_a_shared_runner_is_as_the_one_it_shares() -> None:
    runner = SkyAndPerson()
    shared = SharedRunner(runner, Turns(2))
    frames = np.zeros((1, 32, 48, 3), np.uint8)
    assert np.array_equal(shared(frames), runner(frames))
    shared.close()
    runner(frames)  # it belongs to whoever opened it


def test_one_that_dies_ends_alone(three: tuple[str, ...], tmp_path: Path) -> None:
    missing = str(tmp_path / "nothing.mp4")
    done = CliRunner().invoke(
        seg_run, [*three[:2], missing, "--together", *MODEL, "-o", str(tmp_path / "{name}.jsonl")]
    )
    assert done.exit_code == 7
    errors = [line for line in done.stderr.splitlines() if line.startswith("Error:")]
    assert "nothing.mp4" in errors[0]
    assert "1 of 3 inputs failed" in errors[-1]
    for name in "ab":
        assert len((tmp_path / f"{name}.jsonl").read_text().splitlines()) == FRAMES
    rows = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines() if len(line.split()) > 4}
    assert rows["a"][:3] == rows["b"][:3] == [str(FRAMES), str(FRAMES), "0"]
    assert rows["nothing"][:4] == ["0", "0", "0", "failed"]


def test_a_camera_that_falls_silent_leaves_the_others(three: tuple[str, ...], tmp_path: Path) -> None:
    failed: list[str] = []
    with rtsp_camera([Play(encoded(60), "fall silent")]) as (address, _):
        options = RunOptions(
            together=True,
            inputs=(address, three[0]),
            outputs=(str(tmp_path / "{name}.jsonl"),),
            reconnect=0.0,
            timeout=1.0,
        )
        runs = together(options, on_failure=lambda run: failed.append(run.name))
    assert [run.report is None for run in runs] == [True, False]
    assert failed == [runs[0].name]
    lost = runs[0].beside.counters()
    assert lost.frames_read == lost.frames_shown + lost.frames_dropped > 0
    assert "failed" in [str(cell) for cell in as_table(runs).columns[4].cells]


def test_they_are_seen_on_one_page_and_told_apart_in_the_metrics(three: tuple[str, ...]) -> None:
    addresses: list[str] = []
    scraped: list[dict[str, float]] = []
    stats: list[dict[str, object]] = []

    class Looking(SkyAndPerson):
        def _infer(self, frames: Frames) -> Inferred:
            if len(self.seen) == 2 * FRAMES:  # each has begun, since they take turns
                scraped.append(scrape(addresses[1]))
                stats.append(json.loads(urllib.request.urlopen(f"{addresses[0]}stats", timeout=20).read()))
                jpeg = urllib.request.urlopen(f"{addresses[0]}frame.jpg", timeout=20).read()
                assert decode_image(jpeg, cv2.IMREAD_COLOR_RGB).shape == (720, 1280, 3)
            return super()._infer(frames)

    options = RunOptions(together=True, inputs=three, outputs=("none",), serve="127.0.0.1:0", metrics="127.0.0.1:0")
    with Interrupts() as interrupts:
        runs = run_together(options, [Looking()], SILENT, interrupts, on_address=addresses.append)
    assert all(run.report for run in runs)
    for name in "abc":
        shown = scraped[0][f"edgeseg_frames_shown_total{{input={name}}}"]
        assert 0 <= shown <= scraped[0][f"edgeseg_frames_read_total{{input={name}}}"] <= FRAMES
    assert [each["name"] for each in stats[0]["inputs"]] == ["a", "b", "c"]  # type: ignore[attr-defined]
    assert sum(each["frames"] for each in stats[0]["inputs"]) > 0  # type: ignore[attr-defined]


def test_a_scrape_is_the_account_of_each(
    three: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Read after the last frame of each, while others still run."""
    scraped: dict[str, dict[str, float]] = {}
    addresses: list[str] = []
    finish = JsonSink.finish

    def look_first(self: JsonSink) -> None:
        assert self.path is not None
        scraped[self.path.stem] = scrape(addresses[0])
        finish(self)

    monkeypatch.setattr(JsonSink, "finish", look_first)
    options = RunOptions(inputs=three, outputs=(str(tmp_path / "{name}.jsonl"),), metrics="127.0.0.1:0")
    for run in together(options, on_address=addresses.append):
        assert run.report is not None
        for figure in ("frames_read", "frames_shown", "frames_dropped"):
            told = scraped[run.name][f"edgeseg_{figure}_total{{input={run.name}}}"]
            assert told == getattr(run.report, figure)


def test_the_wall_has_a_place_for_each() -> None:
    red, green = picture((200, 30, 30)), picture((30, 170, 30))
    wall = Mosaic((Tile("a", red), Tile("b", green, ended=True), Tile("c"))).to_rgb()
    assert wall.shape == (720, 1280, 3)
    assert np.abs(wall[180, 320].astype(int) - (200, 30, 30)).max() < 8
    assert np.abs(wall[180, 960].astype(int) - np.multiply((30, 170, 30), 0.35)).max() < 8  # darkened
    assert wall[540, 320].max() < 50  # nothing yet
    assert Mosaic((Tile("a", red),)).to_rgb().shape == (720, 1280, 3)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-o", "-"], "got 3 inputs for one standard output"),
        (["-o", "one.jsonl"], "put {name} into it"),
        (["--from", "list.txt"], "got --together and --from list.txt; leave one out"),
        (["--metrics", "nowhere"], "need HOST:PORT"),
    ],
)
def test_what_cannot_be_is_one_line_before_anything_begins(
    words: list[str], said: str, three: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    done = CliRunner().invoke(seg_run, [*three, "--together", *MODEL, *words])
    assert said in done.stderr.splitlines()[-1]
    assert done.exit_code in (2, 3)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.skipif(not SEG_RUN.exists(), reason="seg-run is not installed beside this Python")
def test_one_ctrl_c_ends_all_in_good_order(tmp_path: Path) -> None:
    with (
        rtsp_camera([Play(encoded(60), "fall silent")]) as (first, _),
        rtsp_camera([Play(encoded(60), "fall silent")]) as (second, _),
    ):
        command: list[str | Path] = [SEG_RUN, first, second, "--together", *MODEL, "-o", "{name}.jsonl"]
        command += ["--timeout", "60"]
        with child(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            facts = [tmp_path / f"camera-{number}.jsonl" for number in (1, 2)]
            end = time.monotonic() + 60
            while not all(file.exists() and file.stat().st_size for file in facts) and time.monotonic() < end:
                assert process.poll() is None, process.communicate()
                time.sleep(0.05)
            process.send_signal(signal.SIGINT)
            said, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
        assert all(file.read_text().endswith("\n") for file in facts)
        assert said.count(b"jsonl") == 2
