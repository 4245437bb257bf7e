"""Options, dataset and folder are checked against each other before training starts."""

import json
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from segdata.dataset.dataset import Dataset
from segdata.images.size import Size
from segdata.options import PrepareOptions
from segdata.prepare.prepare import prepare
from segtrain.options import TrainOptions
from segtrain.setting import check_run, find_truth, open_dataset, run_folder, settings_of, spec_for
from segtrain.state import Position

Refused = Callable[..., AbstractContextManager[None]]
WritePair = Callable[..., None]

TRAIN = 6
SIZES = (Size(32, 32), Size(32, 64), Size(64, 32), Size(256, 256))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory, write_pair: WritePair) -> Path:
    """Six frames of train and two of val at 32x32, 64x32, 32x64 and 256x256."""
    return prepared_from(tmp_path_factory.mktemp("source"), write_pair, 0, SIZES)


@pytest.fixture(scope="module")
def of_other_frames(tmp_path_factory: pytest.TempPathFactory, write_pair: WritePair) -> Path:
    return prepared_from(tmp_path_factory.mktemp("other"), write_pair, 100, (Size(32, 32), Size(256, 256)))


def prepared_from(folder: Path, write_pair: WritePair, seed: int, sizes: tuple[Size, ...]) -> Path:
    for split, count in (("train", TRAIN), ("val", 2)):
        for index in range(count):
            write_pair(folder / "pairs" / split, f"{split}{index}", seed + 10 * index + len(split), 32, 32)
    prepare(PrepareOptions(source=folder / "pairs", target=folder / "prepared", sizes=sizes))
    return folder / "prepared"


@pytest.fixture
def options(prepared: Path, tmp_path: Path) -> TrainOptions:
    """Valid options, of which each test breaks one."""
    return TrainOptions(dataset=prepared / "32", output=tmp_path / "run", arch="nano", batch_size=2, epochs=1)


def check(options: TrainOptions) -> Path:
    return check_run(options, open_dataset(options))


def test_the_size_picks_the_dataset_in_a_folder_of_several(prepared: Path) -> None:
    for name, size in {"32": Size(32, 32), "256": Size(256, 256), "64x32": Size(32, 64)}.items():
        dataset = open_dataset(TrainOptions(dataset=prepared, size=size))
        assert dataset.folder == prepared / name
        assert dataset.facts.size == size
    assert open_dataset(TrainOptions(dataset=prepared / "32", size=Size(32, 32))).folder == prepared / "32"
    assert open_dataset(TrainOptions(dataset=prepared / "64x32")).folder == prepared / "64x32"


def test_a_size_that_was_not_prepared_or_none_where_there_are_several_is_refused(
    prepared: Path, tmp_path: Path, refused: Refused
) -> None:
    with refused("got size 48, but .* has the sizes 32, "):
        open_dataset(TrainOptions(dataset=prepared, size=Size(48, 48)))
    with refused(str(prepared)):
        open_dataset(TrainOptions(dataset=prepared))
    with refused("none"):
        open_dataset(TrainOptions(dataset=tmp_path / "none", size=Size(32, 32)))


def test_what_fits_gets_its_folder(options: TrainOptions) -> None:
    assert check(options) == options.output
    assert check(replace(options, dataset=options.dataset.parent, size=Size(32, 32))) == options.output
    assert run_folder(replace(options, output=None), open_dataset(options)) == Path("runs/unet-32")
    oblong = replace(options, dataset=options.dataset.parent, size=Size(32, 64), output=None)
    assert check(oblong) == Path("runs/unet-64x32")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"size": Size(64, 64)}, "got --size 64 but .* holds 32x32 frames"),
        ({"depth": 5}, "got 32x32 frames, need height and width divisible by 64"),
        ({"batch_size": TRAIN + 1}, f"got batches of {TRAIN + 1} but {TRAIN} training frames; lower --batch-size"),
        ({"batch_size": 4}, "got one step in 1 epoch, need 2: raise --epochs"),
        ({"devices": 2, "batch_size": 3}, "got batches of 3 for 2 processes, need a multiple"),
        ({"devices": 2, "nodes": 2, "batch_size": 2}, "got batches of 2 for 4 processes, need a multiple"),
    ],
    ids=["size", "multiple", "batch", "step", "processes", "nodes"],
)
def test_options_that_do_not_fit_the_dataset_are_refused(
    change: dict[str, Any], words: str, options: TrainOptions, refused: Refused
) -> None:
    with refused(words):
        check(replace(options, **change))


@pytest.mark.parametrize(
    "change",
    [
        {"depth": 4},
        {"depth": 5, "stem_stride": 1},
        {"batch_size": 3},
        {"batch_size": 4, "epochs": 2},
        {"batch_size": 6, "minutes": 1.0},
        {"batch_size": 2, "devices": 2},
    ],
    ids=str,
)
def test_options_that_just_fit_are_taken(change: dict[str, Any], options: TrainOptions) -> None:
    assert check(replace(options, **change)) == options.output


@pytest.mark.parametrize("size", ["64x32", "32x64"])
def test_height_and_width_must_both_be_divisible(
    size: str, prepared: Path, options: TrainOptions, refused: Refused
) -> None:
    oblong = replace(options, dataset=prepared / size)
    assert check(oblong) == options.output
    with refused(f"got {size} frames, need height and width divisible by 64"):
        check(replace(oblong, depth=5))


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_split_that_is_empty_or_missing_is_refused(
    split: str, options: TrainOptions, tmp_path: Path, refused: Refused
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(options.dataset, folder)
    facts = json.loads((folder / "dataset.json").read_text())
    facts["splits"][split] |= {"names": [], "sha256": []}
    facts["calibration"] = [] if split == "val" else facts["calibration"]
    (folder / "dataset.json").write_text(json.dumps(facts))
    np.save(folder / f"{split}_images.npy", np.zeros((0, 32, 32, 3), np.uint8))
    np.save(folder / f"{split}_labels.npy", np.zeros((0, 32, 32), np.uint8))
    with refused(f"the split {split} has no frames; need at least one"):
        check(replace(options, dataset=folder))
    del facts["splits"][split]
    (folder / "dataset.json").write_text(json.dumps(facts))
    with refused(f"got the split {split}, this dataset has"):
        check(replace(options, dataset=folder))


def test_a_folder_that_holds_a_run_is_only_gone_on_with_by_resume(options: TrainOptions, refused: Refused) -> None:
    assert options.output is not None
    options.output.mkdir()
    assert check(options) == options.output
    (options.output / "last.safetensors").touch()
    with refused("holds a run; go on with it by --resume, or name another folder with -o"):
        check(options)
    assert check(replace(options, resume=True)) == options.output


def test_the_spec_has_the_size_and_classes_of_the_dataset(prepared: Path, options: TrainOptions) -> None:
    dataset = Dataset(prepared / "64x32")
    spec = spec_for(replace(options, block="separable"), dataset)
    assert (spec.height, spec.width) == (32, 64)
    assert (spec.class_names, spec.colours) == (dataset.facts.class_names, dataset.facts.colours)
    assert (spec.options["block"], spec.options["width"]) == ("separable", 16)


def begun_with(options: TrainOptions) -> Position:
    """Return the position of a run begun with `options`, as it comes back from disk."""
    settings = json.loads(json.dumps(settings_of(options, open_dataset(options), None)))
    return Position(settings, options.epochs, [])


def test_a_run_is_resumed_with_the_options_it_was_begun_with(options: TrainOptions) -> None:
    begun = replace(options, init=Path("a.safetensors"), minutes=1.5, average=0.1)
    assert (
        settings_of(replace(begun, resume=True), open_dataset(begun), begun_with(begun)) == begun_with(begun).settings
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"batch_size": 3}, "--batch-size 3 .was 2."),
        ({"epochs": 9}, "--epochs 9 .was 1."),
        ({"arch": "base", "seed": 4}, "--arch base .was nano., --seed 4 .was 0."),
        ({"width": 8}, "--width 8 .was None."),
        ({"region_loss": "lovasz"}, "--region-loss lovasz .was dice."),
    ],
    ids=["batch", "epochs", "two", "width", "region"],
)
def test_other_options_are_refused_by_name(
    change: dict[str, Any], words: str, options: TrainOptions, refused: Refused
) -> None:
    with refused(f"got {words}"):
        settings_of(replace(options, resume=True, **change), open_dataset(options), begun_with(options))


def test_a_run_may_be_moved_but_not_to_other_frames(
    options: TrainOptions, prepared: Path, of_other_frames: Path, tmp_path: Path, refused: Refused
) -> None:
    moved = Dataset(shutil.copytree(prepared / "32", tmp_path / "moved"))
    assert settings_of(options, moved, begun_with(options)) == begun_with(options).settings
    with refused("not the dataset that this run was begun with"):
        settings_of(options, Dataset(of_other_frames / "32"), begun_with(options))


def test_a_checkpoint_to_start_from_stands_by_what_it_holds(
    options: TrainOptions, tmp_path: Path, refused: Refused
) -> None:
    for name, content in (("a", b"one"), ("b", b"one"), ("c", b"other")):
        (tmp_path / name).write_bytes(content)
    begun = begun_with(replace(options, init=tmp_path / "a"))
    settings_of(replace(options, init=tmp_path / "b"), open_dataset(options), begun)
    with refused("got --init [0-9a-f]{64} .was [0-9a-f]{64}.; resume with"):
        settings_of(replace(options, init=tmp_path / "c"), open_dataset(options), begun)


def test_a_run_begun_before_an_option_was_invented_goes_on_with_its_default(options: TrainOptions) -> None:
    begun = begun_with(options)
    older = replace(begun, settings={name: value for name, value in begun.settings.items() if name != "hold_out"})
    settings_of(options, open_dataset(options), older)


def test_a_run_of_a_version_with_other_options_is_refused_by_their_names(
    options: TrainOptions, refused: Refused
) -> None:
    begun = begun_with(options)
    older = replace(begun, settings=begun.settings | {"mixup": 0.5})
    with refused("mixup"):
        settings_of(replace(options, resume=True), open_dataset(options), older)


@pytest.mark.parametrize(
    "change",
    [
        {"output": Path("moved")},
        {"truth": Path("larger")},
        {"log": "tensorboard"},
        {"devices": 2},
        {"nodes": 2},
        {"learning_rate": 1e-4},
        {"precision": "32-true"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_where_a_run_writes_and_runs_and_what_mends_it_may_change(
    change: dict[str, Any], options: TrainOptions
) -> None:
    resumed = replace(options, resume=True, **change)
    assert settings_of(resumed, open_dataset(options), begun_with(options)) == begun_with(options).settings


def test_larger_labels_are_found_beside_the_dataset(prepared: Path, options: TrainOptions) -> None:
    truth = find_truth(options, Dataset(prepared / "32"))
    assert truth is not None
    assert truth.labels.shape == (2, 256, 256)
    assert truth.names == Dataset(prepared / "32").split("val").names


def test_larger_labels_are_taken_from_where_they_are_said_to_be(
    options: TrainOptions, prepared: Path, tmp_path: Path
) -> None:
    shutil.copytree(prepared / "256", tmp_path / "elsewhere")
    shutil.copytree(prepared / "32", tmp_path / "32")
    dataset = Dataset(tmp_path / "32")
    assert find_truth(options, dataset) is None
    truth = find_truth(replace(options, truth=tmp_path / "elsewhere"), dataset)
    assert truth is not None
    assert truth.labels.shape == (2, 256, 256)


def test_a_relative_dataset_has_its_siblings_too(
    options: TrainOptions, prepared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(prepared / "32")
    assert find_truth(options, Dataset(Path())) is not None


def test_a_sibling_of_other_frames_or_classes_is_left_alone(
    options: TrainOptions, prepared: Path, of_other_frames: Path, tmp_path: Path
) -> None:
    shutil.copytree(prepared / "32", tmp_path / "32")
    shutil.copytree(of_other_frames / "256", tmp_path / "256")
    assert find_truth(options, Dataset(tmp_path / "32")) is None
    shutil.rmtree(tmp_path / "256")
    shutil.copytree(prepared / "256", tmp_path / "256")
    file = tmp_path / "256" / "dataset.json"
    facts = json.loads(file.read_text())
    facts["class_names"] = facts["class_names"][::-1]
    file.write_text(json.dumps(facts))
    assert find_truth(options, Dataset(tmp_path / "32")) is None


def test_a_truth_of_other_frames_is_refused_before_training(
    options: TrainOptions, of_other_frames: Path, refused: Refused
) -> None:
    with refused("not the val frames and classes of .*; prepare both from one source"):
        check(replace(options, truth=of_other_frames / "256"))
    with refused("none"):
        check(replace(options, truth=options.dataset / "none"))
