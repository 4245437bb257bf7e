"""Writing so that an interrupted run leaves the last good file, and nothing else."""

import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from segdata.errors import InputError
from segdata.files import move_onto, replacing, sha256_of

Refused = Callable[..., AbstractContextManager[None]]


def content(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_a_file_appears_when_the_block_ends(tmp_path: Path) -> None:
    target = tmp_path / "new/folder/model.onnx"
    with replacing(target) as temporary:
        assert temporary.parent == target.parent
        assert temporary.suffix == target.suffix
        temporary.write_text("new")
        assert not target.exists()
    assert content(tmp_path) == {"new/folder/model.onnx": "new"}


def test_a_file_replaces_the_last_one(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("old")
    with replacing(tmp_path / "a.txt") as temporary:
        temporary.write_text("new")
        assert (tmp_path / "a.txt").read_text() == "old"
    assert content(tmp_path) == {"a.txt": "new"}


def test_a_folder_replaces_the_last_one_whole(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run/old.txt").write_text("old")
    with replacing(tmp_path / "run") as temporary:
        temporary.mkdir()
        (temporary / "new.txt").write_text("new")
    assert content(tmp_path) == {"run/new.txt": "new"}


def write_and_raise(target: Path, interruption: type[BaseException]) -> None:
    with replacing(target) as temporary:
        if target.is_dir():
            temporary.mkdir()
            (temporary / "half.txt").write_text("half")
        else:
            temporary.write_text("half")
        raise interruption


@pytest.mark.parametrize("interruption", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_interrupted_block_leaves_the_last_good_file(tmp_path: Path, interruption: type[BaseException]) -> None:
    (tmp_path / "a.txt").write_text("old")
    with pytest.raises(interruption):
        write_and_raise(tmp_path / "a.txt", interruption)
    assert content(tmp_path) == {"a.txt": "old"}
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("interruption", [ValueError, KeyboardInterrupt])
def test_an_interrupted_block_leaves_the_last_good_folder(tmp_path: Path, interruption: type[BaseException]) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run/old.txt").write_text("old")
    with pytest.raises(interruption):
        write_and_raise(tmp_path / "run", interruption)
    assert content(tmp_path) == {"run/old.txt": "old"}
    assert len(list(tmp_path.iterdir())) == 1


def test_a_block_interrupted_before_it_wrote_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), replacing(tmp_path / "a.txt"):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_our_own_comes_through_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^the source is broken$"), replacing(tmp_path / "a.txt"):
        raise InputError("the source is broken")


def test_a_folder_is_not_replaced_by_a_file(tmp_path: Path, refused: Refused) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run/old.txt").write_text("old")
    with refused("cannot write .*run: Is a directory; choose another place"), replacing(tmp_path / "run") as temporary:
        temporary.write_text("new")
    assert content(tmp_path) == {"run/old.txt": "old"}


@pytest.mark.parametrize("target", ["file.txt/model.onnx", "file.txt/folder/model.onnx", "n" * 300])
def test_a_target_that_cannot_be_written_is_refused(tmp_path: Path, refused: Refused, target: str) -> None:
    (tmp_path / "file.txt").write_text("old")
    with refused("cannot write .*; choose another place"), replacing(tmp_path / target) as temporary:
        temporary.write_text("new")
    assert content(tmp_path) == {"file.txt": "old"}


def test_a_hash_is_that_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"edge" * 1000)
    assert sha256_of(tmp_path / "a.bin") == hashlib.sha256(b"edge" * 1000).hexdigest()


def test_two_processes_with_one_id_write_beside_each_other(tmp_path: Path) -> None:
    """Processes in two containers may have the same id; files left by a killed process are not in the way either."""
    target = tmp_path / "a.txt"
    with replacing(target) as one, replacing(target) as other:
        assert one != other
        one.write_text("one")
        other.write_text("other")
    assert content(tmp_path) == {"a.txt": "one"}


def test_a_folder_that_cannot_take_its_place_leaves_the_good_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: Refused
) -> None:
    target, made = tmp_path / "run", tmp_path / ".new"
    for folder in (target, made):
        folder.mkdir()
        (folder / "of.txt").write_text(folder.name)
    moves = []
    move = Path.replace

    def failing(self: Path, to: Path) -> Path:
        moves.append(to)
        if len(moves) == 2:  # the old one is aside, the new one not yet in its place
            raise OSError(5, "Input/output error")
        return move(self, to)

    monkeypatch.setattr(Path, "replace", failing)
    with refused(r"cannot write .*run: Input/output error"):
        move_onto(target, made)
    assert content(tmp_path) == {"run/of.txt": "run"}
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_an_error_of_reading_is_told_of_the_file_that_was_read(tmp_path: Path, refused: Refused) -> None:
    with refused(r"missing\.png: cannot be read \(No such file or directory\)"), replacing(tmp_path / "out") as folder:
        folder.mkdir()
        (tmp_path / "missing.png").read_bytes()
    with refused(r"cannot write .*out: No such file or directory"), replacing(tmp_path / "out") as folder:
        (folder / "half.npy").write_bytes(b"")
    assert content(tmp_path) == {}


def test_a_link_to_a_folder_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/kept.txt").write_text("kept")
    (tmp_path / "run").symlink_to(tmp_path / "elsewhere")
    with replacing(tmp_path / "run") as temporary:
        temporary.mkdir()
        (temporary / "new.txt").write_text("new")
    assert content(tmp_path) == {"elsewhere/kept.txt": "kept", "run/new.txt": "new"}
