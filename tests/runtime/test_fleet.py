"""Many videos: each is done once, completely or not at all, with a receipt; several machines need no lock."""

import hashlib
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import fields, replace
from pathlib import Path
from shutil import copyfile
from subprocess import DEVNULL
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from helpers.children import child
from helpers.commands import run_command
from helpers.receipts import receipts_of, tree
from helpers.small_media import every, write_numbered
from segrun.cli import main
from segrun.fleet.receipt import DECIDE_NOTHING, Deciding, Receipts, key_of
from segrun.fleet.shard import Shard, parse_shard
from segrun.fleet.staging import staging, sweep
from segrun.fleet.videos import Video, find_videos
from segrun.options import RunOptions

if TYPE_CHECKING:
    from conftest import Artefacts, Mounted

Refused = Callable[..., AbstractContextManager[None]]
SEG_RUN = Path(sys.executable).with_name("seg-run")


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine short videos in three folders, and one file that is not a video."""
    folder = tmp_path_factory.mktemp("clips")
    for number in range(9):
        path = folder / f"day{number % 3}" / f"{number}.mp4"
        path.parent.mkdir(exist_ok=True)
        write_numbered(path, every(3 + number))
    (folder / "day1/broken.mp4").write_bytes(b"no video" * 100)
    return folder


KILLS = Path(__file__).parents[2] / "benchmarks/fleet_kills.py"


def fleet(model: Path, cwd: Path, *words: object) -> subprocess.CompletedProcess[str]:
    return run_command("seg-run", "--model", model, *words, cwd=cwd)


def test_every_video_is_done_once_and_what_failed_is_named(clips: Path, artefacts: "Artefacts", tmp_path: Path) -> None:
    words = ("--from", clips, "-o", "out/{path}.mp4", "-o", "out/{path}.jsonl")
    first = fleet(artefacts.onnx["fp32"], tmp_path, *words)
    assert first.returncode == 7
    assert first.stderr.splitlines()[-1] == (
        "Error: 1 of 10 videos failed; each is named above, and in receipts/failed.txt"
    )
    assert sum("broken.mp4" in line for line in first.stderr.splitlines() if line.startswith("Error: ")) == 1
    assert "Traceback" not in first.stderr
    made = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert made == {f"day{n % 3}/{n}.{kind}" for n in range(9) for kind in ("mp4", "jsonl")}
    states = [receipt["state"] for receipt in receipts_of(tmp_path / "receipts")]
    assert sorted(map(str, states)) == ["done"] * 9 + ["failed"]
    assert (tmp_path / "receipts/failed.txt").read_text().splitlines()[-1] == str(clips / "day1/broken.mp4")

    before = tree(tmp_path)
    again = fleet(artefacts.onnx["fp32"], tmp_path, *words)
    assert again.returncode == 7
    assert [word for word in again.stdout.split() if word.isdecimal()][:3] == ["0", "9", "1"]
    assert tree(tmp_path) == before


def test_the_list_of_the_failed_is_a_list(clips: Path, artefacts: "Artefacts", tmp_path: Path) -> None:
    """Once repaired, a video of it gets the name and the receipt that it would have had."""
    copy = tmp_path / "clips"
    for name in ("day0/0.mp4", "day1/broken.mp4"):
        (copy / name).parent.mkdir(parents=True)
        copyfile(clips / name, copy / name)
    words = ("-o", "out/{path}.mp4")
    assert fleet(artefacts.onnx["fp32"], tmp_path, "--from", copy, *words).returncode == 7
    copyfile(clips / "day1/1.mp4", copy / "day1/broken.mp4")
    second = fleet(artefacts.onnx["fp32"], tmp_path, "--from", "receipts/failed.txt", *words)
    assert (second.returncode, (tmp_path / "out/day1/broken.mp4").is_file()) == (0, True)
    third = fleet(artefacts.onnx["fp32"], tmp_path, "--from", copy, *words)
    assert (third.returncode, [word for word in third.stdout.split() if word.isdecimal()][:3]) == (0, ["0", "2", "0"])
    assert not (tmp_path / "receipts/failed.txt").exists()


def test_a_video_that_changed_and_a_result_that_is_gone_are_done_again(
    clips: Path, artefacts: "Artefacts", tmp_path: Path
) -> None:
    video = tmp_path / "clips/a.mp4"
    video.parent.mkdir()
    copyfile(clips / "day0/0.mp4", video)
    words = ("--from", "clips", "-o", "{path}.jsonl")

    def done() -> str:
        run = fleet(artefacts.onnx["fp32"], tmp_path, *words)
        assert run.returncode == 0, run.stderr
        return next(word for word in run.stdout.split() if word.isdecimal())

    assert (done(), done()) == ("1", "0")
    os.utime(video, (1, 1))
    assert (done(), done()) == ("1", "0")
    (tmp_path / "a.jsonl").unlink()
    assert (done(), done()) == ("1", "0")
    assert (tmp_path / "a.jsonl").is_file()


def test_killed_again_and_again_it_ends_as_if_undisturbed(artefacts: "Artefacts") -> None:
    """Three shares at a time, killed with -9 at random moments: results and receipts are the same."""
    words: list[str | Path] = [sys.executable, KILLS, artefacts.onnx["fp32"], "--videos", "8", "--kills", "3"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "7 done, 1 failed, 1 named, exit code 7\n" in done.stdout
    assert ", 0 of them differ from the undisturbed run; 0 hidden folders left\n" in done.stdout


@pytest.mark.parametrize("before", [[], ["unshare", "--pid", "--fork"]], ids=["two processes", "one PID twice"])
def test_two_runs_of_one_list_at_once_do_no_harm(
    clips: Path, artefacts: "Artefacts", tmp_path: Path, before: list[str]
) -> None:
    """In containers, which have process numbers of their own, both may be process 1."""
    if before and (not shutil.which("unshare") or subprocess.run([*before, "true"], capture_output=True).returncode):
        pytest.skip("needs namespaces of process numbers")
    words: list[str | Path] = [
        *before,
        SEG_RUN,
        "--model",
        artefacts.onnx["fp32"],
        "--from",
        clips,
        "-o",
        "out/{path}.mp4",
    ]
    with ExitStack() as stack:
        running = [stack.enter_context(child(words, cwd=tmp_path, stdout=DEVNULL, stderr=DEVNULL)) for _ in range(2)]
        assert [process.wait(300) for process in running] == [7, 7]
    receipts = receipts_of(tmp_path / "receipts")
    made = {each["path"]: each["sha256"] for receipt in receipts for each in receipt["outputs"]}
    found = {f"out/{path.relative_to(tmp_path / 'out')}": path for path in (tmp_path / "out").rglob("*.mp4")}
    assert len(receipts) == 10 == len(found) + 1
    assert {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in found.items()} == made
    assert not list(tmp_path.rglob(".seg-run-*"))


@given(st.lists(st.integers(0, 10**9), max_size=60), st.integers(1, 12))
def test_shares_are_disjoint_complete_and_balanced(sizes: list[int], count: int) -> None:
    videos = [Video(Path(f"{index}.mp4"), str(index), size) for index, size in enumerate(sizes)]
    shares = [Shard(index, count).of(videos) for index in range(count)]
    assert sorted((video.below for share in shares for video in share), key=int) == [video.below for video in videos]
    loads = [sum(max(1, video.size) for video in share) for share in shares]
    assert max(loads) - min(loads) <= max([max(1, size) for size in sizes], default=0)
    assert all(share == sorted(share, key=lambda video: int(video.below)) for share in shares)


@pytest.mark.parametrize(
    ("text", "environment", "shard"),
    [
        ("3/16", {}, Shard(2, 16)),
        ("1/1", {"SLURM_ARRAY_TASK_ID": "7"}, Shard(0, 1)),
        (None, {}, Shard(0, 1)),
        (None, {"JOB_COMPLETION_INDEX": "0", "JOB_COMPLETIONS": "4"}, Shard(0, 4)),
        (None, {"SLURM_ARRAY_TASK_ID": "3", "SLURM_ARRAY_TASK_COUNT": "3", "SLURM_ARRAY_TASK_MIN": "1"}, Shard(2, 3)),
        (None, {"SLURM_ARRAY_TASK_ID": "8", "SLURM_ARRAY_TASK_COUNT": "4", "SLURM_ARRAY_TASK_STEP": "4"}, Shard(2, 4)),
    ],
)
def test_the_share_is_named_or_the_schedulers(text: str | None, environment: dict[str, str], shard: Shard) -> None:
    assert parse_shard(text, environment) == shard


@pytest.mark.parametrize(
    ("text", "environment", "said"),
    [
        ("17/16", {}, "got shard 17/16, need K/N with K from 1 to N, as 3/16"),
        ("0/3", {}, "got shard 0/3"),
        ("a/b", {}, "got shard a/b"),
        (None, {"JOB_COMPLETION_INDEX": "2"}, "JOB_COMPLETION_INDEX is set but JOB_COMPLETIONS is not a number"),
        (None, {"JOB_COMPLETION_INDEX": "4", "JOB_COMPLETIONS": "4"}, "JOB_COMPLETION_INDEX is 4 of 4"),
    ],
)
def test_a_share_that_cannot_be_is_refused(
    text: str | None, environment: dict[str, str], said: str, refused: Refused
) -> None:
    with refused(said):
        parse_shard(text, environment)


def test_paths_below_the_root_of_a_list_a_folder_and_a_pattern(clips: Path, tmp_path: Path) -> None:
    names = [f"day{n % 3}/{n}" for n in range(9)]
    assert sorted(video.below for video in find_videos(str(clips)).videos) == sorted([*names, "day1/broken"])
    assert sorted(video.below for video in find_videos(f"{clips}/*/[0-9].mp4").videos) == sorted(names)
    listed = tmp_path / "list.txt"
    for encoding in ("utf-8", "utf-16-le", "utf-16-be"):  # with a mark, as editors and PowerShell write it
        text = f"\ufeff# two of them\n\n{clips}/day0/0.mp4\r\n{clips}/day1/1.mp4\n"
        listed.write_bytes(text.encode(encoding))
        found = find_videos(str(listed))
        assert (found.root, [video.below for video in found.videos]) == (clips, ["day0/0", "day1/1"])


def test_a_list_in_another_folder_leads_no_result_out_of_its_own(clips: Path, tmp_path: Path) -> None:
    (tmp_path / "videos").symlink_to(clips)
    (tmp_path / "lists").mkdir()
    listed = tmp_path / "lists/today.txt"
    listed.write_text("../videos/day0/0.mp4\r\n../videos/day1/../day1/1.mp4\r\n")
    found = find_videos(str(listed))
    assert (found.root, [video.below for video in found.videos]) == (tmp_path / "videos", ["day0/0", "day1/1"])
    listed.write_text("# root: ..\n../videos/day0/0.mp4\n")
    assert [video.below for video in find_videos(str(listed)).videos] == ["videos/day0/0"]


def test_names_that_a_list_can_hold_are_found_and_others_refused(tmp_path: Path, refused: Refused) -> None:
    names = ["-dash", "#hash", "two  spaces", "line\u2028separator", "é"]
    for name in names:
        (tmp_path / f"clips/{name}.mp4").parent.mkdir(exist_ok=True)
        (tmp_path / f"clips/{name}.mp4").touch()
    listed = tmp_path / "list.txt"
    listed.write_text("".join(f"clips/{name}.mp4\n" for name in names), encoding="utf-8")
    for named in (listed, tmp_path / "clips"):
        assert {video.path.stem for video in find_videos(str(named)).videos} == set(names)
    listed.write_text("a\0.mp4\n")
    with refused("has a line break or a zero byte in it"):
        find_videos(str(listed))
    for index, (odd, said) in enumerate(((b"two\nlines.mp4", "has a line break"), (b"\xff.mp4", "is not UTF-8"))):
        folder = tmp_path / f"odd{index}"
        folder.mkdir()
        Path(folder, os.fsdecode(odd)).touch()
        with refused(said):
            find_videos(str(folder))


def test_links_that_lead_in_a_circle_fail_alone(clips: Path, artefacts: "Artefacts", tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "list.txt").write_text(f"{clips}/day0/0.mp4\n{tmp_path}/loop/a.mp4\n")
    done = fleet(artefacts.onnx["fp32"], tmp_path, "--from", "list.txt", "-o", "out/{path}.jsonl")
    assert done.returncode == 7
    assert "loop/a.mp4: no such file" in done.stderr
    assert len(list((tmp_path / "out").rglob("*.jsonl"))) == 1


def test_a_list_of_the_failed_that_cannot_be_removed_is_told(
    clips: Path, artefacts: "Artefacts", tmp_path: Path
) -> None:
    (tmp_path / "receipts/failed.txt").mkdir(parents=True)
    done = fleet(artefacts.onnx["fp32"], tmp_path, "--from", clips / "day0", "-o", "none")
    assert done.returncode == 3
    assert done.stderr.splitlines()[-1].startswith("Error: cannot write receipts/failed.txt: ")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--from", "nowhere"], "nowhere: no such list, folder or pattern"),
        (["--from", "clips", "-o", "out.mp4"], "got -o out.mp4 for many videos; put {path} into it"),
        (["--from", "clips", "-o", "-"], "got -o -, which has no receipt"),
        (["--from", "clips", "a.mp4"], "got a.mp4 and --from clips; name one of them"),
        (["--from", "twice.txt", "-o", "out/{path}.mkv"], "whose results would have one name; rename one of them"),
        (["--from", "clips", "--receipts", "file"], "file"),
        (["--from", "clips", "--shard", "17/16"], "got shard 17/16, need K/N with K from 1 to N, as 3/16"),
        (["--from", "clips", "--receipts", "foreign"], ".json: not a receipt of seg-run"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    clips: Path, artefacts: "Artefacts", tmp_path: Path, words: list[str], said: str
) -> None:
    (tmp_path / "clips").mkdir()
    copyfile(clips / "day0/0.mp4", tmp_path / "clips/a.mp4")
    copyfile(clips / "day0/0.mp4", tmp_path / "clips/a.mkv")
    (tmp_path / "twice.txt").write_text("clips/a.mp4\nclips/a.mkv\n")
    (tmp_path / "clips/a.mkv").rename(tmp_path / "b.mkv") if "twice.txt" not in words else None
    (tmp_path / "file").write_text("no folder")
    if "foreign" in words:
        assert fleet(artefacts.onnx["fp32"], tmp_path, *words, "-o", "{path}.jsonl").returncode == 0
        (receipt,) = (tmp_path / "foreign").glob("*.json")
        receipt.write_text('{"made by": "another"}')
        words = [*words, "-o", "{path}.jsonl"]
    done = fleet(artefacts.onnx["fp32"], tmp_path, *words)
    assert done.returncode == 3
    assert said in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("options", ["size=4k", "ro"], ids=["full", "read-only"])
def test_receipts_that_cannot_be_written_are_one_line(
    clips: Path, artefacts: "Artefacts", tmp_path: Path, mounted: "Mounted", options: str
) -> None:
    with mounted(tmp_path / "receipts", options):
        if options != "ro":
            (tmp_path / "receipts/full").write_bytes(bytes(4096))
        done = fleet(artefacts.onnx["fp32"], tmp_path, "--from", clips / "day0", "-o", "out/{path}.jsonl")
    assert done.returncode == 3
    (line,) = [line for line in done.stderr.splitlines() if line.strip() and not line.startswith("Segmenting ")]
    assert line.startswith("Error: cannot write receipts/")
    assert not list(tmp_path.rglob(".seg-run-*"))


def test_a_missing_file_of_a_list_fails_alone(clips: Path, artefacts: "Artefacts", tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text(f"{clips}/day0/0.mp4\n{clips}/day0/gone.mp4\n")
    done = fleet(artefacts.onnx["fp32"], tmp_path, "--from", "list.txt", "-o", "out/{path}.jsonl")
    assert done.returncode == 7
    assert "gone.mp4: no such file; remove it from the list, or bring it back" in done.stderr
    assert [path.name for path in (tmp_path / "out").rglob("*.jsonl")] == ["0.jsonl"]


def test_what_a_dead_process_left_is_swept_and_what_a_living_one_holds_is_not(tmp_path: Path) -> None:
    dead = "import os, sys; from pathlib import Path; from segrun.fleet.staging import staging\n"
    dead += "with staging(Path(sys.argv[1]) / 'a.mp4') as folder: os._exit(9)"
    subprocess.run([sys.executable, "-c", dead, str(tmp_path)], check=False)
    assert len(list(tmp_path.iterdir())) == 1
    with staging(tmp_path / "b.mp4") as living:
        sweep([tmp_path])
        assert list(tmp_path.iterdir()) == [living]
    assert list(tmp_path.iterdir()) == []


def test_what_is_just_made_is_not_swept_away(tmp_path: Path) -> None:
    """While others come and go, each of which sweeps."""
    over = threading.Event()

    def come_and_go() -> None:
        while not over.is_set():
            sweep([tmp_path])

    with ThreadPoolExecutor(2) as others:
        swept = [others.submit(come_and_go) for _ in range(2)]
        try:
            for _ in range(500):
                with staging(tmp_path / "a.mp4") as folder:
                    (folder / "result").write_bytes(b"whole")
        finally:
            over.set()
    assert [each.result() for each in swept] == [None, None]
    assert list(tmp_path.iterdir()) == []


def test_a_receipt_that_is_none_is_refused(tmp_path: Path, refused: Refused) -> None:
    receipts = Receipts(tmp_path)
    assert receipts.read("a") is None
    (tmp_path / "a.json").write_text("[]")
    with refused("a.json: not a receipt of seg-run"):
        receipts.read("a")
    (tmp_path / "b.json").mkdir()
    with refused("b.json: cannot be read .*; move it away"):
        receipts.read("b")


def test_every_option_that_decides_a_result_is_in_the_key(tmp_path: Path) -> None:
    video, options = Video(tmp_path / "a.mp4", "a", 0), RunOptions(outputs=("{path}.mp4",))
    keys = {"": key_of(video, Deciding.of("model", options))}
    for field in fields(RunOptions):
        if field.name in DECIDE_NOTHING:
            continue
        value = getattr(options, field.name)
        other: Any = not value if isinstance(value, bool) else f"not {value}"
        keys[field.name] = key_of(video, Deciding.of("model", replace(options, **{field.name: other})))
    assert len(set(keys.values())) == len(keys), keys
    assert set(DECIDE_NOTHING) < {field.name for field in fields(RunOptions)}
    assert "min_confidence" in keys


def test_what_a_file_of_classes_says_is_in_the_key(tmp_path: Path) -> None:
    video = Video(tmp_path / "a.mp4", "a", 1)
    options = RunOptions(classes=str(tmp_path / "two.toml"))
    keys = set()
    for content in ("one", "another"):
        (tmp_path / "two.toml").write_text(content)
        keys.add(key_of(video, Deciding.of("model", options)))
    assert len(keys) == 2


def test_a_model_is_known_by_its_name_too(clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["--from", str(clips / "day0"), "-o", "{path}.jsonl", "--arithmetic", "f32", "--model"]
    for model in ("unet-64", "unet-64.int8"):
        assert CliRunner().invoke(main, [*words, model]).exit_code == 0
        assert CliRunner().invoke(main, [*words, model]).exit_code == 0
    assert len(receipts_of(tmp_path / "receipts")) == 6  # three videos, twice: the other precision is another model
    wrong = CliRunner().invoke(main, [*words, "unet-65"])
    assert wrong.exit_code == 3
    assert "no such file; need one that edgeseg wrote, or a model's name: unet-64" in wrong.stderr
