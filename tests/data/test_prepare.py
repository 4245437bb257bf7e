"""`prepare`: all sizes in one pass, of the splits, classes and names that the source has."""

import json
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import cv2
import numpy as np
import pytest

from helpers.prepare_runs import (
    SIZES,
    SMALL,
    TOTAL,
    VAL,
    contents,
    find_pairs,
    interrupt,
    run,
    write_official,
    write_plain,
    write_png,
    write_unknown,
)
from segdata.dataset.dataset import Dataset
from segdata.errors import InputError
from segdata.images.resize import resize_frame, resize_labels
from segdata.images.size import Size
from segdata.labels import CITYSCAPES_8, CITYSCAPES_19, CITYSCAPES_29, LabelSpace
from segdata.options import PrepareOptions
from segdata.prepare.labels.reading import read_pair

Refused = Callable[..., AbstractContextManager[None]]
WritePair = Callable[..., None]
MINE = """
name = "mine"
classes = [
  {name = "Straße", colour = [10, 20, 30], ids = [7, 8]},
  {name = "rest", colour = [200, 0, 0], ids = [0, 11]},
]
"""


# Sizes


def test_several_sizes_are_each_the_dataset_prepared_alone(streets: Path, prepared: Path, tmp_path: Path) -> None:
    assert sorted(path.name for path in prepared.iterdir()) == ["128", "256x128", "64"]
    for size, name in zip(SIZES, ("64", "128", "256x128"), strict=True):
        alone = run(PrepareOptions(source=streets, target=tmp_path / name, sizes=(size,))).datasets[0]
        both = Dataset(prepared / name)
        assert alone.folder == tmp_path / name
        assert replace(both.facts, plan_sha256=alone.facts.plan_sha256) == alone.facts
        arrays, arrays_alone = contents(both.folder), contents(alone.folder)
        for folder in (arrays, arrays_alone):
            del folder["dataset.json"]
        assert arrays == arrays_alone
        assert len(arrays) == 4


def test_the_report_has_a_dataset_a_size_in_the_order_asked_for(streets: Path, tmp_path: Path) -> None:
    report = run(PrepareOptions(source=streets, target=tmp_path / "out", sizes=(Size(32, 48), Size(16, 16))))
    assert [dataset.folder.name for dataset in report.datasets] == ["48x32", "16"]
    assert [(dataset.facts.width, dataset.facts.height) for dataset in report.datasets] == [(48, 32), (16, 16)]
    assert report.resumed == 0


def test_frames_are_area_means_and_labels_majority_votes(streets: Path, prepared: Path) -> None:
    for folder, (width, height) in (("64", (64, 64)), ("128", (128, 128)), ("256x128", (256, 128))):
        for name, pairs in find_pairs(streets).items():
            split = Dataset(prepared / folder).split(name)
            for index, pair in enumerate(pairs):
                read = read_pair(pair, CITYSCAPES_29)
                assert np.array_equal(split.images[index], resize_frame(read.image, height, width))
                assert np.array_equal(split.labels[index], resize_labels(read.labels, height, width))


def test_the_same_scenes_calibrate_at_every_size(streets: Path, tmp_path: Path) -> None:
    """At 16x16 rare classes are gone, which must not change the choice."""
    for seed in range(3):
        options = PrepareOptions(
            source=streets, target=tmp_path / str(seed), sizes=(Size(16, 16), Size(128, 256)), seed=seed
        )
        small, large = run(options).datasets
        assert small.calibration().names == large.calibration().names
        assert len(small.calibration()) == VAL // 5


@pytest.mark.parametrize("sizes", [(), (Size(32, 32), Size(32, 32))])
def test_a_size_twice_or_none_is_refused(
    streets: Path, tmp_path: Path, refused: Refused, sizes: tuple[Size, ...]
) -> None:
    with refused("got no size, or one twice"):
        run(PrepareOptions(source=streets, target=tmp_path / "out", sizes=sizes))


@pytest.mark.parametrize("size", [Size(64, 15), Size(15, 64), Size(0, 0), Size(100, 100)])
def test_a_side_too_small_is_refused(streets: Path, tmp_path: Path, refused: Refused, size: Size) -> None:
    with refused(f"got size {size}, need (16 pixels or more a side|multiples of 16)"):
        run(PrepareOptions(source=streets, target=tmp_path / "out", sizes=(Size(64, 64), size)))


# Splits


@pytest.mark.parametrize("write", [write_plain, write_official])
def test_a_source_without_val_gets_one_by_seed(tmp_path: Path, write: Callable[[Path, str, int], None]) -> None:
    names = [f"{index:02}" for index in range(20)]
    for index, name in enumerate(names):
        write(tmp_path / "source", name, index % 3)
    chosen = {}
    for run_name, seed in (("first", 0), ("again", 0), ("other", 1)):
        options = PrepareOptions(
            source=tmp_path / "source", target=tmp_path / run_name, sizes=SMALL, val_fraction=0.25, seed=seed
        )
        splits = run(options).datasets[0].facts.splits
        assert sorted(splits) == ["train", "val"]
        train, val = splits["train"].names, splits["val"].names
        assert (len(train), len(val)) == (15, 5)
        assert sorted(train + val) == names
        assert (list(train), list(val)) == (sorted(train), sorted(val))
        chosen[run_name] = val
    assert chosen["first"] == chosen["again"] != chosen["other"]
    assert contents(tmp_path / "first") == contents(tmp_path / "again")


@pytest.mark.parametrize(("fraction", "val"), [(0.001, 1), (0.999, 3), (0.5, 2)])
def test_train_and_val_have_a_frame_each(tmp_path: Path, fraction: float, val: int) -> None:
    for index in range(4):
        write_plain(tmp_path / "source", str(index), seed=index)
    options = PrepareOptions(source=tmp_path / "source", target=tmp_path / "out", sizes=SMALL, val_fraction=fraction)
    splits = run(options).datasets[0].facts.splits
    assert {name: len(split.names) for name, split in splits.items()} == {"train": 4 - val, "val": val}


def test_one_frame_alone_is_train(tmp_path: Path) -> None:
    write_plain(tmp_path / "source", "alone")
    assert list(
        run(PrepareOptions(source=tmp_path / "source", target=tmp_path / "out", sizes=SMALL)).datasets[0].facts.splits
    ) == ["train"]


def test_splits_of_the_source_are_kept(streets: Path, tmp_path: Path) -> None:
    dataset = run(PrepareOptions(source=streets, target=tmp_path / "out", sizes=SMALL, val_fraction=0.9)).datasets[0]
    assert {name: len(split.names) for name, split in dataset.facts.splits.items()} == {
        "train": TOTAL - VAL,
        "val": VAL,
    }


def test_a_source_of_val_alone_stays_val(tmp_path: Path, write_pair: WritePair) -> None:
    for index in range(3):
        write_pair(tmp_path / "source/val", str(index), seed=index)
    dataset = run(PrepareOptions(source=tmp_path / "source", target=tmp_path / "out", sizes=SMALL)).datasets[0]
    assert {name: len(split.names) for name, split in dataset.facts.splits.items()} == {"val": 3}


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, 1.5, float("nan")])
def test_a_fraction_that_is_none_is_refused(streets: Path, tmp_path: Path, refused: Refused, fraction: float) -> None:
    with refused(f"got val fraction {fraction}, need more than 0 and less than 1"):
        run(PrepareOptions(source=streets, target=tmp_path / "out", sizes=SMALL, val_fraction=fraction))


def test_a_seed_below_0_is_refused(streets: Path, tmp_path: Path, refused: Refused) -> None:
    with refused("got seed -1, need 0 or more"):
        run(PrepareOptions(source=streets, target=tmp_path / "out", sizes=SMALL, seed=-1))


# Classes


def check_labels(dataset: Dataset, space: LabelSpace, source: Path) -> None:
    """Compare a dataset with the ids of its plain source, at the source's size."""
    facts = dataset.facts
    assert (facts.label_space, facts.class_names, facts.colours) == (space.name, space.names, space.colours)
    for name, split in facts.splits.items():
        arrays = dataset.split(name)
        for index, frame in enumerate(split.names):
            ids = cv2.imread(str(source / "masks" / f"{frame}.png"), cv2.IMREAD_UNCHANGED)
            assert np.array_equal(arrays.labels[index], space.lookup_from_label_ids()[ids])
        counts = Counter(np.asarray(arrays.labels).ravel().tolist())
        assert split.class_pixels == tuple(counts[class_id] for class_id in range(space.class_count))
        assert sum(split.class_pixels) > 0


@pytest.mark.parametrize("space", [CITYSCAPES_29, CITYSCAPES_19, CITYSCAPES_8], ids=lambda space: space.name)
def test_labels_are_of_the_label_space(tmp_path: Path, space: LabelSpace) -> None:
    for index in range(4):
        write_plain(tmp_path / "source", str(index), seed=index)
    options = PrepareOptions(
        source=tmp_path / "source", target=tmp_path / "out", sizes=(Size(64, 64),), label_space=space.name
    )
    check_labels(run(options).datasets[0], space, tmp_path / "source")


def test_labels_are_of_the_users_label_space(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(MINE, encoding="utf-8")
    random = np.random.default_rng(0)
    for index in range(4):
        image = random.integers(0, 256, (64, 64, 3), dtype=np.uint8)
        write_png(tmp_path / "source/images" / f"{index}.png", image)
        write_png(
            tmp_path / "source/masks" / f"{index}.png", random.choice(np.array([0, 7, 8, 11, 255], np.uint8), (64, 64))
        )
    mine = LabelSpace("mine", ("Straße", "rest"), ((10, 20, 30), (200, 0, 0)), ((7, 8), (0, 11)))
    options = PrepareOptions(
        source=tmp_path / "source",
        target=tmp_path / "out",
        sizes=(Size(64, 64),),
        label_space=str(tmp_path / "mine.toml"),
    )
    check_labels(run(options).datasets[0], mine, tmp_path / "source")
    (tmp_path / "mine.toml").write_text(MINE.replace('"rest"', '"other"'), encoding="utf-8")
    with pytest.raises(InputError, match="is not this dataset"):
        run(options)


def test_dataset_json_says_what_the_frames_are(tmp_path: Path) -> None:
    for index in range(4):
        write_plain(tmp_path / "town", str(index), seed=index)
    run(PrepareOptions(source=tmp_path / "town", target=tmp_path / "out", sizes=SMALL))
    facts = json.loads((tmp_path / "out/dataset.json").read_text())
    assert (facts["source"], facts["label_space"]) == ("town", "cityscapes-29")
    assert sorted(facts["splits"]["train"]["names"] + facts["splits"]["val"]["names"]) == ["0", "1", "2", "3"]
    for split in facts["splits"].values():
        files = [tmp_path / "town/images" / f"{name}.png" for name in split["names"]]
        assert split["sha256"] == [sha256(file.read_bytes()).hexdigest() for file in files]


def test_a_source_named_by_a_dot_has_its_folders_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_plain(tmp_path / "town", "0")
    monkeypatch.chdir(tmp_path / "town")
    assert run(PrepareOptions(source=Path(), target=tmp_path / "out", sizes=SMALL)).datasets[0].facts.source == "town"


def test_a_few_unknown_ids_become_ignore_and_are_reported(tmp_path: Path) -> None:
    write_unknown(tmp_path / "source", "a", pixels=5)
    write_unknown(tmp_path / "source", "b", pixels=40)  # of 4096: just below 1 %
    report = run(PrepareOptions(source=tmp_path / "source", target=tmp_path / "out", sizes=(Size(64, 64),)))
    assert report.unknown == Counter({"id 200": 45})
    labels = np.concatenate([report.datasets[0].split(name).labels for name in ("train", "val")])
    assert np.count_nonzero(labels == 255) == 45


def test_many_unknown_ids_are_refused(tmp_path: Path, refused: Refused) -> None:
    write_unknown(tmp_path / "source", "a", pixels=5)
    write_unknown(tmp_path / "source", "b", pixels=42)
    with refused(r"masks/b.png: 1.0% of its pixels belong to no class of cityscapes-29: id 200 \(42 pixels\)"):
        run(PrepareOptions(source=tmp_path / "source", target=tmp_path / "out", sizes=SMALL))
    assert not (tmp_path / "out").exists()


# Names


@pytest.mark.parametrize("name", ["äö ß_日本_🚗", "n" * 200, "a\u2028b $x$"], ids=["not ASCII", "long", "odd"])
def test_names_are_kept(tmp_path: Path, name: str) -> None:
    for index, each in enumerate((name, name[:-1] + "0", name[:-1] + "1")):
        write_plain(tmp_path / name / "source ü", each, seed=index)
    options = PrepareOptions(
        source=tmp_path / name / "source ü", target=tmp_path / name / name, sizes=SMALL, val_fraction=0.4
    )
    interrupt(options, after=1)
    facts = run(options).datasets[0].facts
    assert facts.source == "source ü"
    assert sorted(facts.splits["train"].names + facts.splits["val"].names) == sorted(
        (name, name[:-1] + "0", name[:-1] + "1")
    )
    assert Dataset(tmp_path / name / name).facts == facts


def test_official_cityscapes_gets_a_val(real_data: Path, tmp_path: Path) -> None:
    source = tmp_path / "official"
    for image in sorted((real_data / "cityscapes-official/leftImg8bit/train").glob("*/*.png"))[:3]:
        for tree, suffix in (("leftImg8bit", "leftImg8bit.png"), ("gtFine", "gtFine_labelIds.png")):
            name = image.name.replace("leftImg8bit.png", suffix)
            link = source / tree / "train" / image.parent.name / name
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(real_data / "cityscapes-official" / tree / "train" / image.parent.name / name)
    dataset = run(
        PrepareOptions(source=source, target=tmp_path / "out", sizes=(Size(128, 256),), label_space="cityscapes-19")
    ).datasets[0]
    assert {name: len(split.names) for name, split in dataset.facts.splits.items()} == {"train": 2, "val": 1}
    road = dataset.facts.splits["train"].class_pixels[0]
    assert road > 0.15 * 2 * 256 * 128


def test_a_network_of_ones_own_may_have_any_size(streets: Path, tmp_path: Path, refused: Refused) -> None:
    options = PrepareOptions(source=streets, target=tmp_path / "out", sizes=(Size(33, 57),))
    with refused("got size 57x33, need multiples of 16 for seg-train's networks, such as 64x32; --any-size"):
        run(options)
    (dataset,) = run(replace(options, any_size=True)).datasets
    assert dataset.split("val").images.shape[1:] == (33, 57, 3)
