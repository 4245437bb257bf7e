"""Results of many videos replace nothing: no video, no other result, no other files of a folder."""

import json
from pathlib import Path
from shutil import copyfile
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from helpers.small_media import every, write_numbered
from segrun.cli import main as seg_run

if TYPE_CHECKING:
    from conftest import Artefacts


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the videos clips/a.mp4 and clips/a/b.mp4."""
    (tmp_path / "clips/a").mkdir(parents=True)
    write_numbered(tmp_path / "clips/a.mp4", every(2))
    copyfile(tmp_path / "clips/a.mp4", tmp_path / "clips/a/b.mp4")
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Fleet:
    """Runs `seg-run --from` with a model."""

    def __init__(self, model: Path) -> None:
        self._model = str(model)

    def __call__(self, *words: str) -> Result:
        return CliRunner().invoke(seg_run, ["--model", self._model, "--arithmetic", "f32", "--from", *words])


@pytest.fixture
def fleet(artefacts: "Artefacts") -> Fleet:
    return Fleet(artefacts.onnx["fp32"])


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["clips", "-o", "clips/{path}.mp4"], "got clips/a.mp4 as input and as output"),
        (["clips", "-o", "clips/../clips/{path}.mp4"], "got clips/a.mp4 as input and as output"),
        (["list.txt", "-o", "seen/{path}.mp4"], "as input and as output; name another output with -o"),
        (["clips", "-o", "out/{path}.mp4", "-o", "out/{path}.mp4"], "got the output out/{path}.mp4 twice"),
        (["clips", "-o", "out/{path}.mp4", "-o", "./out//{path}.mp4"], "got the output ./out//{path}.mp4 twice"),
        (["clips", "-o", "masks/{path}/"], "whose result would be the folder"),
        (["links", "-o", "clips/{path}.mp4"], "got links/a.mp4 as input and as output"),
    ],
)
def test_what_would_be_lost_is_named_before_anything_is_done(
    words: list[str], said: str, folder: Path, fleet: Fleet
) -> None:
    (folder / "seen/clips").mkdir(parents=True)
    copyfile("clips/a.mp4", "seen/clips/a.mp4")
    (folder / "list.txt").write_text("clips/a.mp4\nseen/clips/a.mp4\n")
    (folder / "links").symlink_to("clips")
    before = contents(folder)
    done = fleet(*words)
    assert (done.exit_code, said in done.stderr.splitlines()[-1]) == (3, True), done.stderr
    assert contents(folder) == before


def test_results_below_the_folder_are_not_taken_for_videos(folder: Path, fleet: Fleet) -> None:
    for _ in range(2):
        done = fleet(".", "-o", "segmented/{path}.mp4")
        assert done.exit_code == 0, done.output
    made = sorted(str(path.relative_to(folder)) for path in folder.rglob("segmented/**/*.mp4"))
    assert made == ["segmented/clips/a.mp4", "segmented/clips/a/b.mp4"]
    assert len(list((folder / "receipts").glob("*.json"))) == 2


def test_a_folder_of_other_files_does_not_give_way_to_masks(folder: Path, fleet: Fleet) -> None:
    (folder / "masks/b").mkdir(parents=True)
    (folder / "masks/b/thesis.txt").write_text("years of work")
    done = fleet("clips/a", "-o", "masks/{path}/")
    assert done.exit_code == 7
    assert "cannot write masks/b: thesis.txt is in it, which is not a mask" in done.stderr
    assert (folder / "masks/b/thesis.txt").read_text() == "years of work"
    (folder / "masks/b/thesis.txt").unlink()
    for again in range(2):  # an earlier run's masks give way
        if again:
            next((folder / "masks/b").glob("*.png")).unlink()
        assert fleet("clips/a", "-o", "masks/{path}/").exit_code == 0
        assert len(list((folder / "masks/b").glob("*.png"))) == 2
    (receipt,) = (folder / "receipts").glob("*.json")
    assert json.loads(receipt.read_text())["state"] == "done"
