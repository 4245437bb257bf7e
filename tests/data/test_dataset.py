"""A prepared dataset: what `prepare` writes, and what `Dataset` reads back or refuses."""

import json
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest

from helpers.prepare_runs import find_pairs
from helpers.progress import Told
from segdata.dataset.dataset import Dataset
from segdata.errors import InputError
from segdata.images.resize import resize_frame, resize_labels
from segdata.images.size import Size
from segdata.labels import CITYSCAPES_29
from segdata.options import PrepareOptions
from segdata.prepare.calibration_split import hash_of_frames
from segdata.prepare.frame import prepare_pair
from segdata.prepare.prepare import prepare
from segdata.spec import ModelSpec
from segdata.synth import scene

Refused = Callable[..., AbstractContextManager[None]]
WritePair = Callable[..., None]

SIZE = 32
TRAIN, VAL = ("0001", "0002", "1000"), tuple(f"{index:03}" for index in range(12))


def run(source: Path, target: Path, size: int = SIZE) -> Dataset:
    report = prepare(PrepareOptions(source=source, target=target, sizes=(Size(size, size),)))
    return report.datasets[0]


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory, write_pair: WritePair) -> Path:
    folder = tmp_path_factory.mktemp("source") / "streets"
    for split, names in (("train", TRAIN), ("val", VAL)):
        for index, name in enumerate(names):
            write_pair(folder / split, name, seed=index + len(names))
    return folder


@pytest.fixture(scope="module")
def prepared(pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("prepared") / "dataset"
    run(pairs, target)
    return target


@pytest.fixture
def copy_of_prepared(prepared: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(prepared, tmp_path / "copy"))


@pytest.mark.parametrize(("height", "width", "size"), [(64, 64, "64"), (32, 64, "64x32")])
def test_frames_of_another_size_than_the_models_say_which_size_to_prepare(
    prepared: Path, refused: Refused, height: int, width: int, size: str
) -> None:
    facts = Dataset(prepared).facts
    spec = ModelSpec(height, width, facts.label_space, facts.class_names, facts.colours, "unet", {})
    with refused(f"holds 32x32 frames, the model takes {width}x{height}; prepare the dataset with --size {size}$"):
        Dataset(prepared).check_fits(spec)


def test_every_frame_is_what_prepare_pair_makes_of_it(pairs: Path, prepared: Path) -> None:
    for name, split_pairs in find_pairs(pairs).items():
        split = Dataset(prepared).split(name)
        assert split.names == tuple(pair.name for pair in split_pairs)
        assert split.images.shape == (len(split), SIZE, SIZE, 3)
        assert split.labels.shape == (len(split), SIZE, SIZE)
        assert split.images.dtype == split.labels.dtype == np.uint8
        for index, pair in enumerate(split_pairs):
            frame = prepare_pair(pair, CITYSCAPES_29, (Size(SIZE, SIZE),))
            assert np.array_equal(split.images[index], frame.images[0])
            assert np.array_equal(split.labels[index], frame.labels[0])


def test_a_pair_is_decoded_and_shrunk(tmp_path: Path, write_pair: WritePair) -> None:
    write_pair(tmp_path / "train", "0001", seed=4)
    made = scene(4, 64, 64)
    frame = prepare_pair(find_pairs(tmp_path)["train"][0], CITYSCAPES_29, (Size(SIZE, SIZE),))
    assert np.array_equal(frame.images[0], resize_frame(made.image, SIZE, SIZE))
    assert np.array_equal(frame.labels[0], resize_labels(made.labels, SIZE, SIZE))


def test_the_frames_are_those_of_the_source_and_not_one_another(prepared: Path) -> None:
    split = Dataset(prepared).split("val")
    assert len({image.tobytes() for image in split.images}) == len(VAL)
    assert len({labels.tobytes() for labels in split.labels}) == len(VAL)


def test_the_facts_say_what_was_prepared(prepared: Path) -> None:
    dataset = Dataset(prepared)
    facts = dataset.facts
    assert (facts.height, facts.width, facts.source, facts.format) == (SIZE, SIZE, "streets", 1)
    assert facts.label_space == "cityscapes-29"
    assert (facts.class_names, facts.colours) == (CITYSCAPES_29.names, CITYSCAPES_29.colours)
    assert {name: split.names for name, split in facts.splits.items()} == {"train": TRAIN, "val": VAL}
    for name, split in facts.splits.items():
        counted = np.bincount(dataset.split(name).labels.ravel(), minlength=256)[: CITYSCAPES_29.class_count]
        assert split.class_pixels == tuple(counted.tolist())


def test_progress_is_told_frame_by_frame(pairs: Path, tmp_path: Path) -> None:
    told = Told()
    report = prepare(PrepareOptions(source=pairs, target=tmp_path / "out", sizes=(Size(16, 16),)), told)
    assert (told.totals, len(told.notes)) == ([15], 15)
    assert [dataset.facts for dataset in report.datasets] == [Dataset(tmp_path / "out").facts]


def test_calibration_and_evaluation_part_the_validation_frames(prepared: Path) -> None:
    dataset = Dataset(prepared)
    calibration, evaluation, val = dataset.calibration(), dataset.evaluation(), dataset.split("val")
    assert len(calibration) == len(VAL) // 5
    assert not set(calibration.names) & set(evaluation.names)
    assert sorted(calibration.names + evaluation.names) == sorted(val.names)
    assert evaluation.names == tuple(val.names[index] for index in dataset.evaluation_indices())
    for part in (calibration, evaluation):
        indices = [val.names.index(name) for name in part.names]
        assert np.array_equal(part.images, val.images[indices])
        assert np.array_equal(part.labels, val.labels[indices])


def test_the_same_source_is_prepared_the_same(pairs: Path, prepared: Path, tmp_path: Path) -> None:
    run(pairs, tmp_path / "again")
    assert {path.name: path.read_bytes() for path in (tmp_path / "again").iterdir()} == {
        path.name: path.read_bytes() for path in prepared.iterdir()
    }


def test_the_hashes_of_both_parts_of_val_are_kept(prepared: Path) -> None:
    dataset = Dataset(prepared)
    assert dataset.facts.calibration_sha256 == hash_of_frames(dataset.calibration().sha256)
    assert dataset.facts.evaluation_sha256 == hash_of_frames(dataset.evaluation().sha256)
    assert dataset.facts.calibration_sha256 != dataset.facts.evaluation_sha256


def test_an_existing_target_is_refused_and_left(pairs: Path, tmp_path: Path, refused: Refused) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine.txt").write_text("mine")
    with refused("out exists and is not this dataset; remove it or name another folder"):
        run(pairs, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_a_size_too_small_to_segment_is_refused(pairs: Path, tmp_path: Path, refused: Refused) -> None:
    with refused("got size 15, need 16 pixels or more"):
        run(pairs, tmp_path / "out", 15)


def test_a_broken_source_leaves_nothing_behind(tmp_path: Path, write_pair: WritePair, refused: Refused) -> None:
    source, place = tmp_path / "source", tmp_path / "place"
    for index in range(3):
        write_pair(source / "train", f"{index:04}", seed=index)
    (source / "train/labelIds/0001.png").write_bytes(b"broken")
    place.mkdir()
    with refused("labelIds/0001.png: not a whole image"):
        run(source, place / "out")
    assert list(place.iterdir()) == []


def test_an_interrupted_run_leaves_no_target(pairs: Path, tmp_path: Path) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(PrepareOptions(source=pairs, target=tmp_path / "out", sizes=(Size(SIZE, SIZE),)), Told(interrupt))
    assert [path.name for path in tmp_path.iterdir()] == [".out.partial"]


def test_a_pair_of_two_sizes_is_refused(tmp_path: Path, write_pair: WritePair, refused: Refused) -> None:
    source = tmp_path / "source"
    write_pair(source / "train", "0001", width=64)
    write_pair(tmp_path / "wider", "0001", width=96)
    (tmp_path / "wider/labelIds/0001.png").replace(source / "train/labelIds/0001.png")
    with refused("leftImg/0001.png is 64x64 but .*labelIds/0001.png is 96x64; need one size"):
        run(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["empty", "missing", "file.txt"])
def test_a_folder_that_is_no_dataset_is_refused(tmp_path: Path, refused: Refused, name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.txt").touch()
    with refused(f"{name}.*dataset.*seg-data prepare"):
        Dataset(tmp_path / name)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"height": 0}, id="no height"),
        pytest.param({"format": 2}, id="another format"),
        pytest.param({"colour": "red"}, id="unknown key"),
        pytest.param({"splits": ["train"]}, id="splits that are none"),
    ],
)
def test_facts_that_are_not_ours_are_refused(
    copy_of_prepared: Path, refused: Refused, change: dict[str, object]
) -> None:
    file = copy_of_prepared / "dataset.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with refused(rf"dataset\.json: {next(iter(change))}.*; prepare the dataset again"):
        Dataset(copy_of_prepared)


@pytest.mark.parametrize("text", ["", "{", "[]", "\x00\xff"])
def test_facts_that_are_not_json_are_refused(copy_of_prepared: Path, refused: Refused, text: str) -> None:
    (copy_of_prepared / "dataset.json").write_text(text, encoding="latin-1")
    with refused(r"dataset\.json: .*; prepare the dataset again"):
        Dataset(copy_of_prepared)


def test_a_split_that_is_not_there_is_refused(prepared: Path, refused: Refused) -> None:
    with refused("got the split test, this dataset has train, val"):
        Dataset(prepared).split("test")


@pytest.mark.parametrize("kept", [0, 7, 50, 2000])
def test_a_truncated_array_is_refused(copy_of_prepared: Path, refused: Refused, kept: int) -> None:
    file = copy_of_prepared / "val_images.npy"
    file.write_bytes(file.read_bytes()[:kept])
    with refused(r"val_images\.npy: cannot be read as an array .*; prepare the dataset again"):
        Dataset(copy_of_prepared).split("val")


def test_a_missing_array_is_refused(copy_of_prepared: Path, refused: Refused) -> None:
    (copy_of_prepared / "val_labels.npy").unlink()
    with refused(r"val_labels\.npy: cannot be read as an array"):
        Dataset(copy_of_prepared).split("val")


@pytest.mark.parametrize(
    "array",
    [
        pytest.param(np.zeros((12, SIZE, SIZE), dtype=np.int64), id="another type"),
        pytest.param(np.zeros((11, SIZE, SIZE), dtype=np.uint8), id="a frame short"),
    ],
)
def test_an_array_of_another_kind_is_refused(copy_of_prepared: Path, refused: Refused, array: np.ndarray) -> None:
    np.save(copy_of_prepared / "val_labels.npy", array)
    with refused(rf"val_labels\.npy: holds {array.dtype} .*, need uint8 \[12, 32, 32\]; prepare the dataset again"):
        Dataset(copy_of_prepared).split("val")


class Trap:
    """Creates a file when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str, str]]:
        return open, (str(self.file), "w")


@pytest.mark.parametrize("as_array", [True, False])
def test_a_pickle_is_refused_and_not_loaded(copy_of_prepared: Path, tmp_path: Path, as_array: bool) -> None:
    trap = np.array([Trap(tmp_path / "sprung")], dtype=object)
    file = copy_of_prepared / "val_labels.npy"
    if as_array:
        np.save(file, trap, allow_pickle=True)
    else:
        trap.dump(file)
    with pytest.raises(InputError, match=r"val_labels\.npy: cannot be read as an array"):
        Dataset(copy_of_prepared).split("val")
    assert not (tmp_path / "sprung").exists()


def test_an_archive_of_arrays_is_refused(copy_of_prepared: Path, refused: Refused) -> None:
    with (copy_of_prepared / "val_labels.npy").open("wb") as file:
        np.savez(file, np.zeros((12, SIZE, SIZE), dtype=np.uint8))
    with refused(r"val_labels\.npy"):
        Dataset(copy_of_prepared).split("val")


def test_a_dataset_without_validation_frames_is_refused_for_calibration(
    tmp_path: Path, write_pair: WritePair, refused: Refused
) -> None:
    write_pair(tmp_path / "source/train", "0001")
    run(tmp_path / "source", tmp_path / "out")
    dataset = Dataset(tmp_path / "out")
    assert len(dataset.split("train")) == 1
    for ask in (dataset.calibration, dataset.evaluation, dataset.evaluation_indices):
        with refused("got the split val, this dataset has train"):
            ask()


@pytest.mark.parametrize("calibration", [[12], [-1]])
def test_calibration_frames_that_are_not_there_are_refused(
    copy_of_prepared: Path, refused: Refused, calibration: list[int]
) -> None:
    file = copy_of_prepared / "dataset.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"calibration": calibration}))
    with refused("calibration"):
        Dataset(copy_of_prepared).calibration()


def test_the_same_scenes_calibrate_at_every_size(pairs: Path, tmp_path: Path) -> None:
    """Otherwise a model of one size would be measured on frames that calibrated a model of another size."""
    chosen = []
    for size in (16, 64):
        target = tmp_path / str(size)
        prepare(PrepareOptions(source=pairs, target=target, sizes=(Size(size, size),)))
        chosen.append(Dataset(target).calibration().names)
    assert chosen[0] == chosen[1]
    assert chosen[0]
