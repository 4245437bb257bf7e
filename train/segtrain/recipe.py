"""Recipes: the steps in which a network is made, each a run of seg-train that may begin where another ended."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Len
from pydantic import ConfigDict, TypeAdapter, ValidationError

from segdata.errors import InputError
from segdata.images.size import Size
from segdata.text import first_problem, short
from segtrain.options import TrainOptions
from segtrain.setting import open_dataset, settings_of
from segtrain.state import read_position

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SHIPPED = Path(__file__).parent / "recipes"

CHECKPOINTS = ("init", "teacher")
"""The options that name an earlier step, or another recipe, whose best weights are taken."""

_NOT_A_STEPS = ("dataset", "output", "resume", "minutes", "device", "devices", "nodes", "threads")
"""Options that depend on the machine and on the folders, so that a recipe has no say in them."""

FINISHED = "iou.csv"  # the last file that a run writes


@dataclass(frozen=True)
class _File:
    """What a recipe's file holds: options of all steps, and the steps, each a name and options of its own."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    step: Annotated[list[dict[str, Any]], Len(1)]
    options: dict[str, Any] | None = None


@dataclass(frozen=True)
class Recipe:
    """`steps` are the options of each step by its name, in their order, with `init` and `teacher` as they are written.

    `folder` is where the recipes that it names are looked for first.
    """

    name: str
    folder: Path
    steps: Mapping[str, TrainOptions]


def shipped_recipes() -> list[str]:
    """Return the names of the recipes that come with edgeseg."""
    return sorted(path.stem for path in SHIPPED.glob("*.toml"))


def load_recipe(name: str, beside: Path | None = None) -> Recipe:
    """Return the recipe in the file `name`, or the one of that name in `beside` or among the shipped ones.

    Raises InputError if there is no such recipe, or for what is wrong in it.
    """
    path = Path(name)
    if path.suffix != ".toml":
        places = [folder / f"{name}.toml" for folder in (beside, SHIPPED) if folder is not None]
        path = next((place for place in places if place.is_file()), places[-1])
    if not path.is_file():
        raise InputError(f"{name}: no such recipe; name a .toml file, or one of {', '.join(shipped_recipes())}")
    try:
        found = TypeAdapter(_File).validate_python(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        reason = first_problem(error) if isinstance(error, ValidationError) else short(str(error))
        raise InputError(f"{path}: not a recipe ({reason}); it holds [[step]] tables and [options] of all") from None
    steps: dict[str, TrainOptions] = {}
    for index, step in enumerate(found.step):
        values = {**(found.options or {}), **step}
        own = values.pop("name", None)
        if not isinstance(own, str) or not own or own in steps or own != Path(own).name:
            raise InputError(
                f"{path}: step {index + 1} is named {short(str(own))}, need a name of its own, as of a folder"
            )
        steps[own] = _options(path, own, values)
    return Recipe(path.stem, path.parent, steps)


def _options(path: Path, step: str, values: dict[str, Any]) -> TrainOptions:
    """Return the options of a step; raise InputError for an unknown key, or a value that it cannot have."""
    unknown = [key for key in values if key not in TrainOptions.__dataclass_fields__ or key in _NOT_A_STEPS]
    if unknown:
        raise InputError(
            f"{path}: step {step} has {short(unknown[0])}, which is no option of a step; see seg-train --help"
        )
    if isinstance(values.get("size"), int):
        values = {**values, "size": Size(values["size"], values["size"])}
    try:
        return TypeAdapter(TrainOptions).validate_python({**values, "dataset": Path()})
    except ValidationError as error:
        raise InputError(f"{path}: step {step}: {first_problem(error)}") from None


def follow(
    recipe: Recipe,
    dataset: Path,
    folder: Path,
    run: Callable[[TrainOptions], object],
    asked: Mapping[str, Any],
    above: tuple[str, ...] = (),
) -> Path:
    """Do what is left of a recipe on `dataset`, each step in a folder of its name in `folder`; return the last one's
    best weights.

    `run` trains; `asked` are options of the machine, for every step. Recipes that it names are followed first, each in
    a folder beside `folder`. Raises InputError if a step was begun on another dataset or with other options.
    """
    if recipe.name in above:
        raise InputError(f"{recipe.name}: the recipe needs itself, by {' and '.join(above[1:] or above)}")
    best: dict[str, Path] = {}
    for name, step in recipe.steps.items():
        output = folder / name
        checkpoints: dict[str, Any] = {}
        for role in CHECKPOINTS:
            wanted = str(getattr(step, role) or "")
            if wanted and wanted not in best:
                other = load_recipe(wanted, recipe.folder)
                theirs = folder.parent / other.name
                best[wanted] = follow(other, dataset, theirs, run, asked, (*above, recipe.name))
            if wanted:
                checkpoints[role] = best[wanted]
        options = replace(step, **{**asked, **checkpoints, "dataset": dataset, "output": output})
        if not _is_finished(options):
            run(replace(options, resume=(output / "last.safetensors").exists()))
        best[name] = output / "best.safetensors"
    return best[name]


def _is_finished(options: TrainOptions) -> bool:
    """Return whether a step was done; raise InputError if it was begun with other options or on another dataset."""
    assert options.output is not None
    last = options.output / "last.safetensors"
    if not last.exists():
        return False
    settings_of(options, open_dataset(options), read_position(last))
    return (options.output / FINISHED).exists()
