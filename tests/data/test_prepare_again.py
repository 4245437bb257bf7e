"""`prepare`: done only once, resumed after an interruption, and nothing left behind after an error."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from helpers.images import read_image
from helpers.prepare_runs import (
    SIZES,
    SMALL,
    TOTAL,
    contents,
    interrupt,
    run,
    run_told,
    stamps,
    write_plain,
    write_png,
    write_unknown,
)
from segdata.images.size import Size
from segdata.options import PrepareOptions

Mounted = Callable[[Path, str], AbstractContextManager[None]]
Refused = Callable[..., AbstractContextManager[None]]

COMMAND = Path(sys.executable).with_name("seg-data")

# A second run


def test_a_second_run_does_nothing(streets: Path, tmp_path: Path) -> None:
    options = PrepareOptions(source=streets, target=tmp_path / "out", sizes=SIZES[:2])
    first = run(options)
    before = stamps(tmp_path)
    report, told = run_told(options)
    assert told == []
    assert stamps(tmp_path) == before
    assert [dataset.facts for dataset in report.datasets] == [dataset.facts for dataset in first.datasets]
    assert report.resumed == TOTAL


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"sizes": (Size(48, 48),)}, id="size"),
        pytest.param({"sizes": (Size(32, 48),)}, id="shape"),
        pytest.param({"sizes": (Size(32, 32), Size(64, 64))}, id="more sizes"),
        pytest.param({"label_space": "cityscapes-19"}, id="label space"),
        pytest.param({"seed": 1}, id="seed"),
    ],
)
def test_a_target_made_with_other_options_is_refused_and_left(
    streets: Path, tmp_path: Path, refused: Refused, change: dict[str, Any]
) -> None:
    options = PrepareOptions(source=streets, target=tmp_path / "out", sizes=SMALL)
    run(options)
    before, bytes_before = stamps(tmp_path), contents(tmp_path)
    with refused("out exists and is not this dataset; remove it or name another folder"):
        run(replace(options, **change))
    assert stamps(tmp_path) == before
    assert contents(tmp_path) == bytes_before


@pytest.mark.parametrize("kept", [0, 1])
def test_several_sizes_are_not_some_of_them(streets: Path, tmp_path: Path, refused: Refused, kept: int) -> None:
    options = PrepareOptions(source=streets, target=tmp_path / "out", sizes=(Size(16, 16), Size(32, 32)))
    run(options)
    with refused("exists and is not this dataset"):
        run(replace(options, sizes=(options.sizes[kept],)))


def changed(file: Path) -> None:
    write_png(file, read_image(file) // 2)


def touched(file: Path) -> None:
    os.utime(file, ns=(1, 1))


def renamed(file: Path) -> None:
    for each in (file, file.parent.with_name("masks") / file.name):
        each.rename(each.with_name("z.png"))


def more(file: Path) -> None:
    write_plain(file.parent.parent, "more")


@pytest.mark.parametrize(
    "change", [changed, touched, renamed, more, lambda file: touched(file.parents[1] / "masks/2.png")]
)
def test_a_target_of_a_source_that_changed_is_refused(
    tmp_path: Path, refused: Refused, change: Callable[[Path], None]
) -> None:
    for index in range(3):
        write_plain(tmp_path / "source", str(index), seed=index)
    options = PrepareOptions(source=tmp_path / "source", target=tmp_path / "out", sizes=SMALL)
    run(options)
    before = stamps(tmp_path / "out")
    change(tmp_path / "source/images/1.png")
    with refused("out exists and is not this dataset"):
        run(options)
    assert stamps(tmp_path / "out") == before


# An interrupted run


@pytest.mark.parametrize("done", [1, 6, TOTAL])
def test_an_interrupted_run_is_gone_on_with(streets: Path, prepared: Path, tmp_path: Path, done: int) -> None:
    options = PrepareOptions(source=streets, target=tmp_path / "out", sizes=SIZES)
    interrupt(options, after=done)
    assert [path.name for path in tmp_path.iterdir()] == [".out.partial"]
    report, told = run_told(options)
    assert told == [TOTAL - done]
    assert report.resumed == done
    assert contents(tmp_path / "out") == contents(prepared)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_run_may_be_interrupted_more_than_once(streets: Path, prepared: Path, tmp_path: Path) -> None:
    options = PrepareOptions(source=streets, target=tmp_path / "out", sizes=SIZES)
    for _ in range(3):
        interrupt(options, after=3)
    _, told = run_told(options)
    assert told == [TOTAL - 9]
    assert contents(tmp_path / "out") == contents(prepared)


@pytest.mark.parametrize("cut", [1, 40])
def test_a_journal_line_cut_short_is_survived(streets: Path, prepared: Path, tmp_path: Path, cut: int) -> None:
    options = PrepareOptions(source=streets, target=tmp_path / "out", sizes=SIZES)
    interrupt(options, after=6)
    journal = tmp_path / ".out.partial/journal.jsonl"
    journal.write_bytes(journal.read_bytes()[: -1 - cut])
    interrupt(options, after=2)
    _, told = run_told(options)
    assert told == [TOTAL - 7]
    assert contents(tmp_path / "out") == contents(prepared)


@pytest.mark.parametrize("left", [b"", b"\xff\x00", b"[]\n"])
def test_a_journal_that_is_none_counts_for_nothing(streets: Path, prepared: Path, tmp_path: Path, left: bytes) -> None:
    (tmp_path / ".out.partial").mkdir()
    (tmp_path / ".out.partial/journal.jsonl").write_bytes(left)
    _, told = run_told(PrepareOptions(source=streets, target=tmp_path / "out", sizes=SIZES))
    assert told == [TOTAL]
    assert contents(tmp_path / "out") == contents(prepared)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"sizes": (Size(32, 32), Size(16, 16))}, id="other shapes, other folders"),
        pytest.param({"sizes": (Size(64, 64),)}, id="another shape"),
        pytest.param({"label_space": "cityscapes-19"}, id="the same shapes"),
    ],
)
def test_a_partial_of_another_plan_is_begun_anew(streets: Path, tmp_path: Path, other: dict[str, Any]) -> None:
    options = PrepareOptions(source=streets, target=tmp_path / "out", sizes=SMALL)
    interrupt(replace(options, **other), after=5)
    _, told = run_told(options)
    assert told == [TOTAL]
    run(replace(options, target=tmp_path / "clean"))
    assert contents(tmp_path / "out") == contents(tmp_path / "clean")


def test_unknown_labels_of_both_runs_are_reported(tmp_path: Path) -> None:
    for index in range(4):
        write_unknown(tmp_path / "source", str(index), pixels=index + 1)
    options = PrepareOptions(source=tmp_path / "source", target=tmp_path / "out", sizes=SMALL)
    interrupt(options, after=2)
    assert run(options).unknown == Counter({"id 200": 1 + 2 + 3 + 4})


# Errors


def test_a_broken_image_in_the_middle_leaves_nothing(tmp_path: Path, refused: Refused) -> None:
    for index in range(5):
        write_plain(tmp_path / "source", str(index), seed=index)
    broken = tmp_path / "source/images/2.png"
    broken.write_bytes(broken.read_bytes()[:40])
    before, bytes_before = stamps(tmp_path), contents(tmp_path)
    with refused("images/2.png: not a whole image"):
        run(PrepareOptions(source=tmp_path / "source", target=tmp_path / "out", sizes=SIZES))
    assert contents(tmp_path) == bytes_before
    del before[str(tmp_path)]  # what came and went there changed its time
    assert stamps(tmp_path).items() >= before.items()


def test_a_partial_is_removed_when_the_run_that_goes_on_fails(tmp_path: Path, refused: Refused) -> None:
    for index in range(8):
        write_plain(tmp_path / "source", str(index), seed=index)
    (tmp_path / "source/masks/7.png").write_bytes(b"broken")
    options = PrepareOptions(source=tmp_path / "source", target=tmp_path / "out", sizes=SMALL, val_fraction=0.5)
    interrupt(options, after=1)
    assert (tmp_path / ".out.partial").exists()
    with refused("masks/7.png: not a whole image"):
        run(options)
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


@pytest.mark.parametrize("target", ["file/out", "file/deeper/out", "n" * 300, "n" * 250])
def test_a_target_that_cannot_be_is_refused(streets: Path, tmp_path: Path, refused: Refused, target: str) -> None:
    (tmp_path / "file").write_text("mine")
    with refused(f"cannot write .*{target}: (Not a directory|File name too long|File exists)"):
        run(PrepareOptions(source=streets, target=tmp_path / target, sizes=SMALL))
    assert contents(tmp_path) == {"file": b"mine"}


def test_a_target_in_a_folder_that_is_read_only_is_refused(
    streets: Path, tmp_path: Path, refused: Refused, mounted: Mounted
) -> None:
    disk = tmp_path / "disk"
    with mounted(disk, "ro,size=1m"):
        with refused("cannot write .*out: Read-only file system"):
            run(PrepareOptions(source=streets, target=disk / "out", sizes=SMALL))
        assert list(disk.iterdir()) == []


def test_a_full_disk_is_one_line_and_nothing_is_left(streets: Path, tmp_path: Path, mounted: Mounted) -> None:
    """In a separate process, since writing to mapped pages on a full disk would kill it."""
    disk = tmp_path / "disk"
    with mounted(disk, "size=1m"):
        command: list[str | Path] = [COMMAND, "prepare", streets, disk / "out", "--size", "256"]
        done = subprocess.run(command, capture_output=True, text=True)
        assert list(disk.iterdir()) == []
    assert done.returncode == 3
    told = [line for line in done.stderr.splitlines() if not line.startswith("Preparing")]
    assert told == [f"Error: cannot write {disk}/out: No space left on device; choose another place"]


def test_a_name_that_is_not_utf8_is_refused(tmp_path: Path, refused: Refused) -> None:
    """dataset.json could not be read back."""
    write_plain(tmp_path / "source", "plain")
    for folder in ("images", "masks"):
        file = tmp_path / "source" / folder / "plain.png"
        try:
            file.rename(file.with_name(os.fsdecode(b"caf\xe9.png")))
        except OSError:
            pytest.skip("this file system takes UTF-8 only")
    with refused(r"the name 'caf\\udce9' is not UTF-8.*rename it"):
        run(PrepareOptions(source=tmp_path / "source", target=tmp_path / "out", sizes=SMALL))
    assert not (tmp_path / "out").exists()
