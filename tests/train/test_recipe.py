"""A recipe does its steps once, goes on where it stopped, and is refused in one line where something is wrong in it."""

import re
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from segdata.dataset.dataset import Dataset
from segtrain.cli import main
from segtrain.recipe import load_recipe, shipped_recipes

Refused = Callable[..., AbstractContextManager[None]]

TWO_STEPS = """
[options]
arch = "nano"
augment = "none"

[[step]]
name = "first"
epochs = 1

[[step]]
name = "second"
init = "first"
teacher = "first"
epochs = 2
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "two.toml"
    path.write_text(TWO_STEPS)
    return path


def follow(recipe: Path, dataset: Path, folder: Path) -> Result:
    # Pinned: what is measured to be fastest may differ from one time to the next, and weights by rounding then.
    command = ["--recipe", str(recipe), "-o", str(folder), str(dataset), "--precision", "32-true", "--threads", "1"]
    return CliRunner().invoke(main, command)


def times(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def followed(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a recipe that was followed to its end."""
    folder = tmp_path_factory.mktemp("recipe")
    (folder / "two.toml").write_text(TWO_STEPS)
    done = follow(folder / "two.toml", dataset.folder, folder / "run")
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[-1] == str(folder / "run/second/best.safetensors")
    return folder / "run"


@pytest.fixture
def copied(followed: Path, tmp_path: Path) -> Path:
    """A copy of it, `run` in the test's folder."""
    return Path(shutil.copytree(followed, tmp_path / "run"))


def test_a_recipe_does_each_step_once(recipe: Path, dataset: Dataset, copied: Path) -> None:
    before = times(copied)
    assert {"first/best.safetensors", "second/best.safetensors"} <= set(before)
    assert follow(recipe, dataset.folder, copied).exit_code == 0
    assert times(copied) == before


def test_a_recipe_goes_on_with_the_step_that_is_not_done(recipe: Path, dataset: Dataset, copied: Path) -> None:
    whole = (copied / "second/best.safetensors").read_bytes()
    before = times(copied / "first")
    shutil.rmtree(copied / "second")
    assert follow(recipe, dataset.folder, copied).exit_code == 0
    assert times(copied / "first") == before
    assert (copied / "second/best.safetensors").read_bytes() == whole


def test_a_recipe_begun_on_another_dataset_is_refused(
    recipe: Path, dataset: Dataset, copied: Path, tmp_path: Path
) -> None:
    before = times(copied)
    other = Path(shutil.copytree(dataset.folder, tmp_path / "other"))
    text = (other / "dataset.json").read_text()
    frame = re.search(r"[0-9a-f]{64}", text)
    assert frame is not None
    (other / "dataset.json").write_text(text.replace(frame[0], "0" * 64))
    done = follow(recipe, other, copied)
    assert done.exit_code == 3
    assert "not the dataset that this run was begun with" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert times(copied) == before


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (TWO_STEPS.replace("epochs = 2", "epoch = 2"), "step second has epoch, which is no option of a step"),
        (TWO_STEPS.replace("epochs = 2", 'dataset = "x"'), "step second has dataset, which is no option"),
        (TWO_STEPS.replace("epochs = 2", 'epochs = "two"'), "step second: epochs: "),
        (TWO_STEPS.replace('"second"', '"first"'), "step 2 is named first, need a name of its own"),
        ("[[step]]\nname = 'a'\n[more]\n", "not a recipe"),
        ("no toml", "not a recipe"),
    ],
)
def test_what_is_wrong_in_a_recipe_is_one_line(tmp_path: Path, refused: Refused, text: str, said: str) -> None:
    (tmp_path / "odd.toml").write_text(text)
    with refused(re.escape(said)):
        load_recipe(str(tmp_path / "odd.toml"))


def test_an_unknown_recipe_lists_those_there_are(refused: Refused) -> None:
    with refused(f"nothing: no such recipe; .*{', '.join(shipped_recipes())}"):
        load_recipe("nothing")


@pytest.mark.parametrize("name", shipped_recipes())
def test_shipped_recipes_can_be_followed(name: str) -> None:
    recipe = load_recipe(name)
    for step in recipe.steps.values():
        assert step.hold_out > 0, "val must not choose the epoch of what is shipped"
        for other in filter(None, (step.init, step.teacher)):
            assert str(other) in recipe.steps or load_recipe(str(other))


def test_options_beside_a_recipe_are_refused(recipe: Path, dataset: Dataset, tmp_path: Path) -> None:
    words = ["--recipe", str(recipe), "--epochs", "3", "-o", str(tmp_path / "run"), str(dataset.folder)]
    done = CliRunner().invoke(main, words)
    assert (done.exit_code, (tmp_path / "run").exists()) == (3, False)
    assert "--epochs, which the recipe decides" in done.stderr
