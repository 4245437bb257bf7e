"""How a run of seg-run ends, by Ctrl-C, a broken pipe or a dying source, and what it leaves."""

import json
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import av
import pytest

from helpers.children import child
from helpers.commands import run_command

if TYPE_CHECKING:
    from conftest import Artefacts

COMMAND = Path(sys.executable).parent / "seg-run"
WATCHDOG = 60  # seconds after which a process counts as hung
PIPE_HOLDS = 65536 // (64 * 64)  # frames' labels


@contextmanager
def running(*arguments: str | Path, cwd: Path, **pipes: int) -> Iterator["subprocess.Popen[bytes]"]:
    with child([COMMAND, *arguments], limit=0, cwd=cwd, stderr=subprocess.PIPE, **pipes) as process:
        yield process


@pytest.fixture(scope="module")
def stream(street_video: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The drive as MPEG-TS, whose parts are videos, too."""
    path = tmp_path_factory.mktemp("stream") / "street.ts"
    with av.open(str(street_video)) as source, av.open(str(path), "w") as target:
        copied = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = copied
                target.mux(packet)
    return path.read_bytes()


def frame_count(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def wait_for_frames(facts: Path, count: int) -> None:
    deadline = time.monotonic() + WATCHDOG
    while not facts.exists() or facts.read_text().count("\n") < count:
        assert time.monotonic() < deadline, "no frame came"
        time.sleep(0.02)


def test_ctrl_c_completes_the_file(artefacts: "Artefacts", stream: bytes, tmp_path: Path) -> None:
    arguments: list[str | Path] = ["-", "--model", artefacts.onnx["fp16"], "-o", "out.mp4", "-o", "facts.jsonl"]
    with running(*arguments, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(stream * 3)
        process.stdin.flush()  # and goes on to say nothing
        wait_for_frames(tmp_path / "facts.jsonl", 12)
        process.send_signal(signal.SIGINT)
        assert process.wait(WATCHDOG) == 130
        assert process.stderr is not None
        said = process.stderr.read().decode()
    assert "Interrupted after" in said
    assert "Traceback" not in said
    frames = [json.loads(line) for line in (tmp_path / "facts.jsonl").read_text().splitlines()]
    assert frame_count(tmp_path / "out.mp4") == len(frames) >= 12
    assert sorted(path.name for path in tmp_path.iterdir()) == ["facts.jsonl", "out.mp4"]


def test_a_file_that_is_only_served_stays_until_ctrl_c_which_is_its_end(
    artefacts: "Artefacts", street_video: Path, tmp_path: Path
) -> None:
    arguments: list[str | Path] = [street_video, "--serve", "127.0.0.1:0", "--model", artefacts.onnx["fp16"]]
    with running(*arguments, cwd=tmp_path, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        address = process.stdout.readline().decode().split()[-1]
        assert process.stdout.readline() == b"Ctrl-C ends it.\n"

        def ended() -> bool:
            with urllib.request.urlopen(f"{address}controls", timeout=WATCHDOG) as answer:
                return bool(json.loads(answer.read())["ended"])

        deadline = time.monotonic() + WATCHDOG
        while not ended():
            assert time.monotonic() < deadline, "it does not come to its end"
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.wait(WATCHDOG) == 0
        assert b"12 frames read = 12 shown" in process.stdout.read()
    assert list(tmp_path.iterdir()) == []


def test_sigterm_completes_the_file_too(artefacts: "Artefacts", stream: bytes, tmp_path: Path) -> None:
    arguments: list[str | Path] = ["-", "--model", artefacts.onnx["fp16"], "-o", "out.mkv", "-o", "facts.jsonl"]
    with running(*arguments, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(stream * 3)
        process.stdin.flush()
        wait_for_frames(tmp_path / "facts.jsonl", 12)
        process.terminate()
        assert process.wait(WATCHDOG) == 130
    assert frame_count(tmp_path / "out.mkv") >= 12
    assert sorted(path.name for path in tmp_path.iterdir()) == ["facts.jsonl", "out.mkv"]


def test_a_second_ctrl_c_quits_at_once_and_leaves_no_video(
    artefacts: "Artefacts", stream: bytes, tmp_path: Path
) -> None:
    arguments: list[str | Path] = [
        "-",
        "--model",
        artefacts.onnx["fp16"],
        "-o",
        "out.mp4",
        "-o",
        "facts.jsonl",
        "-o",
        "-",
    ]
    with running(*arguments, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(stream * 3)
        process.stdin.flush()
        wait_for_frames(tmp_path / "facts.jsonl", PIPE_HOLDS + 1)  # it cannot end: nobody takes the labels of the last
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)  # the same once more, which the system does not make one of
        process.stdout.read()
        assert process.wait(WATCHDOG) == 130
        assert process.stderr is not None
        said = process.stderr.read().decode()
    assert "what was there before is unchanged" in said
    assert "Traceback" not in said
    assert [path.name for path in tmp_path.iterdir()] == ["facts.jsonl"]


def test_ctrl_c_again_and_again_leaves_a_whole_video_or_none(
    artefacts: "Artefacts", stream: bytes, tmp_path: Path
) -> None:
    """Whenever the second and later ones come; a late one kills Python itself."""
    arguments: list[str | Path] = ["-", "--model", artefacts.onnx["fp16"], "-o", "out.mp4", "-o", "facts.jsonl"]
    with running(*arguments, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(stream * 3)
        process.stdin.flush()
        wait_for_frames(tmp_path / "facts.jsonl", 12)
        deadline = time.monotonic() + WATCHDOG
        process.send_signal(signal.SIGINT)
        while process.poll() is None:
            assert time.monotonic() < deadline, "it does not end"
            time.sleep(0.01)
            process.send_signal(signal.SIGINT)
        assert process.returncode == 130
        assert process.stderr is not None
        said = process.stderr.read().decode()
    assert "Traceback" not in said
    frames = (tmp_path / "facts.jsonl").read_text().count("\n")
    names = sorted(path.name for path in tmp_path.iterdir())
    if "Interrupted after" in said:
        assert names == ["facts.jsonl", "out.mp4"]
        assert frame_count(tmp_path / "out.mp4") == frames
    else:
        assert names == ["facts.jsonl"]


def test_a_source_that_is_killed_leaves_a_file_of_what_it_gave(
    artefacts: "Artefacts", stream: bytes, tmp_path: Path
) -> None:
    writer = (
        f"import sys, os; sys.stdout.buffer.write(open({str(tmp_path / 'in.ts')!r}, 'rb').read()); sys.stdout.flush()"
    )
    (tmp_path / "in.ts").write_bytes((stream * 3)[: len(stream) * 2 + 1000])
    killing = [sys.executable, "-c", f"{writer}; os.kill(os.getpid(), 9)"]
    with child(killing, stdout=subprocess.PIPE) as killed:
        done = subprocess.run(
            [COMMAND, "-", "--model", artefacts.onnx["fp16"], "-o", "out.mp4"],
            cwd=tmp_path, stdin=killed.stdout, capture_output=True, text=True, check=False, timeout=WATCHDOG,
        )  # fmt: skip
    assert killed.returncode == -9
    assert done.returncode in {0, 7}, done.stderr
    assert "Traceback" not in done.stderr
    assert frame_count(tmp_path / "out.mp4") >= 20


def test_a_reader_that_goes_away_ends_the_run(artefacts: "Artefacts", stream: bytes, tmp_path: Path) -> None:
    (tmp_path / "in.ts").write_bytes(stream * 20)
    with running(
        "in.ts", "--model", artefacts.onnx["fp16"], "-o", "-", cwd=tmp_path, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert len(process.stdout.read(64 * 64)) == 64 * 64
        process.stdout.close()
        assert process.wait(WATCHDOG) == 0
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read().decode()


def test_raw_labels_are_those_of_the_masks_and_nothing_else_is_on_standard_output(
    artefacts: "Artefacts", street_video: Path, tmp_path: Path
) -> None:
    done = subprocess.run(
        [COMMAND, street_video, "--model", artefacts.onnx["fp16"], "-o", "-", "-o", "facts.jsonl"],
        cwd=tmp_path, capture_output=True, check=True, timeout=WATCHDOG,
    )  # fmt: skip
    assert len(done.stdout) == 12 * 64 * 64
    assert b"12 frames read = 12 shown + 0 dropped" in done.stderr


def test_several_inputs_are_done_and_a_broken_one_keeps_none_from_its_turn(
    artefacts: "Artefacts", street_video: Path, tmp_path: Path
) -> None:
    for name in ("a.mp4", "c.mp4"):
        (tmp_path / name).write_bytes(street_video.read_bytes())
    (tmp_path / "b.mp4").write_text("not a video")
    words = ("*.mp4", "--model", artefacts.onnx["fp16"], "-o", "out/{name}.mkv")
    done = run_command("seg-run", *words, cwd=tmp_path)
    assert done.returncode == 7
    errors = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 2
    assert "b.mp4" in errors[0]
    assert "1 of 3 inputs failed" in errors[1]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.mkv", "c.mkv"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["a.mp4", "b.mp4", "-o", "out.mp4"], "got 2 inputs but one output out.mp4; put {name} into it"),
        (["a.mp4", "-o", "none", "-o", "out.mp4"], "need either none or others"),
        (["nothing*.mp4"], "no file matches"),
        (["a.mp4", "--serve", "0.0.0.0:0"], "--token"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    artefacts: "Artefacts", street_video: Path, tmp_path: Path, arguments: list[str], said: str
) -> None:
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).write_bytes(street_video.read_bytes())
    done = run_command("seg-run", *arguments, "--model", artefacts.onnx["fp16"], cwd=tmp_path)
    assert done.returncode in {3, 7}
    assert said in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4", "b.mp4"]
