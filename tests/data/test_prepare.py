"""`prepare`: all sizes in one pass, done once, gone on with after an interruption, and nothing left after an error."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from segdata.dataset import Dataset
from segdata.errors import InputError
from segdata.labels import CITYSCAPES_8, CITYSCAPES_19, CITYSCAPES_29, LabelSpace
from segdata.layouts import find_pairs
from segdata.options import PrepareOptions
from segdata.prepare import PrepareReport, prepare
from segdata.reading import read_pair
from segdata.resize import resize_frame, resize_labels
from segdata.synth import scene

Mounted = Callable[[Path, str], AbstractContextManager[None]]
Refused = Callable[..., AbstractContextManager[None]]
WritePair = Callable[..., None]

SIZES = ((64, 64), (128, 128), (256, 128))
SMALL = ((32, 32),)
COMMAND = Path(sys.executable).with_name("seg-data")
VAL = 10
TOTAL = 3 + VAL
MINE = """
name = "mine"
classes = [
  {name = "Straße", colour = [10, 20, 30], ids = [7, 8]},
  {name = "rest", colour = [200, 0, 0], ids = [0, 11]},
]
"""


def run(options: PrepareOptions) -> PrepareReport:
    return prepare(options, lambda total: None, lambda: None)


def run_told(options: PrepareOptions) -> tuple[PrepareReport, list[int]]:
    """Run and return the report and what `on_start` was told."""
    told: list[int] = []
    return prepare(options, told.append, lambda: None), told


def interrupt(options: PrepareOptions, after: int) -> None:
    """Run until `after` frames are done, and press Ctrl-C."""
    left = iter(range(after - 1))

    def on_frame() -> None:
        if next(left, None) is None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(options, lambda total: None, on_frame)


def contents(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every file below a folder, by its path there; folders have none."""
    paths = sorted(folder.rglob("*"))
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b"" for path in paths}


def stamps(folder: Path) -> dict[str, tuple[int, int]]:
    """Return inode and time of everything below a folder: what writing anew would change."""
    paths = [folder, *folder.rglob("*")]
    return {str(path): (path.stat().st_ino, path.stat().st_mtime_ns) for path in paths}


def write_png(file: Path, image: npt.NDArray[np.uint8]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(cv2.imencode(".png", image)[1].tobytes())


def label_ids(labels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return the official ids of class ids of cityscapes-29."""
    table = np.full(256, 255, dtype=np.uint8)
    table[: CITYSCAPES_29.class_count] = [ids[0] for ids in CITYSCAPES_29.label_ids]
    return table[labels]


def write_plain(source: Path, name: str, seed: int = 0) -> None:
    """Write a synthetic scene of 64x64 in the plain layout."""
    made = scene(seed, 64, 64)
    write_png(source / "images" / f"{name}.png", made.image[..., ::-1])
    write_png(source / "masks" / f"{name}.png", label_ids(made.labels))


def write_official(source: Path, name: str, seed: int = 0) -> None:
    """Write a synthetic scene of 64x64 in the official layout's train."""
    made = scene(seed, 64, 64)
    write_png(source / f"leftImg8bit/train/town/{name}_leftImg8bit.png", made.image[..., ::-1])
    write_png(source / f"gtFine/train/town/{name}_gtFine_labelIds.png", label_ids(made.labels))


@pytest.fixture(scope="module")
def streets(tmp_path_factory: pytest.TempPathFactory, write_pair: WritePair) -> Path:
    """3 frames to train on and 10 of val, 256x128, in the pairs layout."""
    folder = tmp_path_factory.mktemp("source") / "streets"
    for split, count in (("train", TOTAL - VAL), ("val", VAL)):
        for index in range(count):
            write_pair(folder / split, f"{index:04}", seed=100 * len(split) + index, height=128, width=256)
    return folder


@pytest.fixture(scope="module")
def prepared(streets: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`streets` at SIZES."""
    target = tmp_path_factory.mktemp("prepared") / "streets"
    run(PrepareOptions(streets, target, SIZES))
    return target


# Sizes


def test_several_sizes_are_each_the_dataset_prepared_alone(streets: Path, prepared: Path, tmp_path: Path) -> None:
    assert sorted(path.name for path in prepared.iterdir()) == ["128", "256x128", "64"]
    for size, name in zip(SIZES, ("64", "128", "256x128"), strict=True):
        alone = run(PrepareOptions(streets, tmp_path / name, (size,))).datasets[0]
        both = Dataset(prepared / name)
        assert alone.folder == tmp_path / name
        assert replace(both.facts, plan_sha256=alone.facts.plan_sha256) == alone.facts
        arrays, arrays_alone = contents(both.folder), contents(alone.folder)
        for folder in (arrays, arrays_alone):
            del folder["dataset.json"]
        assert arrays == arrays_alone
        assert len(arrays) == 4


def test_the_report_has_a_dataset_a_size_in_the_order_asked_for(streets: Path, tmp_path: Path) -> None:
    report = run(PrepareOptions(streets, tmp_path / "out", ((48, 32), (16, 16))))
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
    """At 16x16 rare classes are gone; the choice must not follow that."""
    for seed in range(3):
        options = PrepareOptions(streets, tmp_path / str(seed), ((16, 16), (256, 128)), seed=seed)
        small, large = run(options).datasets
        assert small.calibration().names == large.calibration().names
        assert len(small.calibration()) == VAL // 5


@pytest.mark.parametrize("sizes", [(), ((32, 32), (32, 32))])
def test_a_size_twice_or_none_is_refused(
    streets: Path, tmp_path: Path, refused: Refused, sizes: tuple[tuple[int, int], ...]
) -> None:
    with refused("got a size twice, or none"):
        run(PrepareOptions(streets, tmp_path / "out", sizes))


@pytest.mark.parametrize("size", [(15, 64), (64, 15), (0, 0)])
def test_a_side_too_small_is_refused(streets: Path, tmp_path: Path, refused: Refused, size: tuple[int, int]) -> None:
    with refused(f"got size {size[0]}x{size[1]}, need 16 pixels or more"):
        run(PrepareOptions(streets, tmp_path / "out", ((64, 64), size)))


# A second run


def test_a_second_run_does_nothing(streets: Path, tmp_path: Path) -> None:
    options = PrepareOptions(streets, tmp_path / "out", SIZES[:2])
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
        pytest.param({"sizes": ((48, 48),)}, id="size"),
        pytest.param({"sizes": ((48, 32),)}, id="shape"),
        pytest.param({"sizes": ((32, 32), (64, 64))}, id="more sizes"),
        pytest.param({"label_space": "cityscapes-19"}, id="label space"),
        pytest.param({"seed": 1}, id="seed"),
    ],
)
def test_a_target_made_with_other_options_is_refused_and_left(
    streets: Path, tmp_path: Path, refused: Refused, change: dict[str, object]
) -> None:
    options = PrepareOptions(streets, tmp_path / "out", SMALL)
    run(options)
    before, bytes_before = stamps(tmp_path), contents(tmp_path)
    with refused("out exists and is not this dataset; remove it or name another folder"):
        run(replace(options, **change))  # type: ignore[arg-type]
    assert stamps(tmp_path) == before
    assert contents(tmp_path) == bytes_before


@pytest.mark.parametrize("kept", [0, 1])
def test_several_sizes_are_not_some_of_them(streets: Path, tmp_path: Path, refused: Refused, kept: int) -> None:
    options = PrepareOptions(streets, tmp_path / "out", ((16, 16), (32, 32)))
    run(options)
    with refused("exists and is not this dataset"):
        run(replace(options, sizes=(options.sizes[kept],)))


def changed(file: Path) -> None:
    write_png(file, cv2.imread(str(file)) // 2)


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
    options = PrepareOptions(tmp_path / "source", tmp_path / "out", SMALL)
    run(options)
    before = stamps(tmp_path / "out")
    change(tmp_path / "source/images/1.png")
    with refused("out exists and is not this dataset"):
        run(options)
    assert stamps(tmp_path / "out") == before


# An interrupted run


@pytest.mark.parametrize("done", [1, 6, TOTAL])
def test_an_interrupted_run_is_gone_on_with(streets: Path, prepared: Path, tmp_path: Path, done: int) -> None:
    options = PrepareOptions(streets, tmp_path / "out", SIZES)
    interrupt(options, after=done)
    assert [path.name for path in tmp_path.iterdir()] == [".out.partial"]
    report, told = run_told(options)
    assert told == [TOTAL - done]
    assert report.resumed == done
    assert contents(tmp_path / "out") == contents(prepared)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_run_may_be_interrupted_more_than_once(streets: Path, prepared: Path, tmp_path: Path) -> None:
    options = PrepareOptions(streets, tmp_path / "out", SIZES)
    for _ in range(3):
        interrupt(options, after=3)
    _, told = run_told(options)
    assert told == [TOTAL - 9]
    assert contents(tmp_path / "out") == contents(prepared)


@pytest.mark.parametrize("cut", [1, 40])
def test_a_journal_line_cut_short_is_survived(streets: Path, prepared: Path, tmp_path: Path, cut: int) -> None:
    options = PrepareOptions(streets, tmp_path / "out", SIZES)
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
    _, told = run_told(PrepareOptions(streets, tmp_path / "out", SIZES))
    assert told == [TOTAL]
    assert contents(tmp_path / "out") == contents(prepared)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"sizes": ((32, 32), (16, 16))}, id="other shapes, other folders"),
        pytest.param({"sizes": ((64, 64),)}, id="another shape"),
        pytest.param({"label_space": "cityscapes-19"}, id="the same shapes"),
    ],
)
def test_a_partial_of_another_plan_is_begun_anew(streets: Path, tmp_path: Path, other: dict[str, object]) -> None:
    options = PrepareOptions(streets, tmp_path / "out", SMALL)
    interrupt(replace(options, **other), after=5)  # type: ignore[arg-type]
    _, told = run_told(options)
    assert told == [TOTAL]
    run(replace(options, target=tmp_path / "clean"))
    assert contents(tmp_path / "out") == contents(tmp_path / "clean")


def test_unknown_labels_of_both_runs_are_reported(tmp_path: Path) -> None:
    for index in range(4):
        write_unknown(tmp_path / "source", str(index), pixels=index + 1)
    options = PrepareOptions(tmp_path / "source", tmp_path / "out", SMALL)
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
        run(PrepareOptions(tmp_path / "source", tmp_path / "out", SIZES))
    assert contents(tmp_path) == bytes_before
    del before[str(tmp_path)]  # what came and went there changed its time
    assert stamps(tmp_path).items() >= before.items()


def test_a_partial_is_removed_when_the_run_that_goes_on_fails(tmp_path: Path, refused: Refused) -> None:
    for index in range(8):
        write_plain(tmp_path / "source", str(index), seed=index)
    (tmp_path / "source/masks/7.png").write_bytes(b"broken")
    options = PrepareOptions(tmp_path / "source", tmp_path / "out", SMALL, val_fraction=0.5)
    interrupt(options, after=1)
    assert (tmp_path / ".out.partial").exists()
    with refused("masks/7.png: not a whole image"):
        run(options)
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


@pytest.mark.parametrize("target", ["file/out", "file/deeper/out", "n" * 300, "n" * 250])
def test_a_target_that_cannot_be_is_refused(streets: Path, tmp_path: Path, refused: Refused, target: str) -> None:
    (tmp_path / "file").write_text("mine")
    with refused(f"cannot write .*{target}: (Not a directory|File name too long|File exists)"):
        run(PrepareOptions(streets, tmp_path / target, SMALL))
    assert contents(tmp_path) == {"file": b"mine"}


def test_a_target_in_a_folder_that_is_read_only_is_refused(
    streets: Path, tmp_path: Path, refused: Refused, mounted: Mounted
) -> None:
    disk = tmp_path / "disk"
    with mounted(disk, "ro,size=1m"):
        with refused("cannot write .*out: Read-only file system"):
            run(PrepareOptions(streets, disk / "out", SMALL))
        assert list(disk.iterdir()) == []


def test_a_full_disk_is_one_line_and_nothing_is_left(streets: Path, tmp_path: Path, mounted: Mounted) -> None:
    """In a process of its own: a write to mapped pages that the disk has no room for would end it."""
    disk = tmp_path / "disk"
    with mounted(disk, "size=1m"):
        command = [COMMAND, "prepare", streets, disk / "out", "--size", "256"]
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
        run(PrepareOptions(tmp_path / "source", tmp_path / "out", SMALL))
    assert not (tmp_path / "out").exists()


# Splits


@pytest.mark.parametrize("write", [write_plain, write_official])
def test_a_source_without_val_gets_one_by_seed(tmp_path: Path, write: Callable[[Path, str, int], None]) -> None:
    names = [f"{index:02}" for index in range(20)]
    for index, name in enumerate(names):
        write(tmp_path / "source", name, index % 3)
    chosen = {}
    for run_name, seed in (("first", 0), ("again", 0), ("other", 1)):
        options = PrepareOptions(tmp_path / "source", tmp_path / run_name, SMALL, val_fraction=0.25, seed=seed)
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
    options = PrepareOptions(tmp_path / "source", tmp_path / "out", SMALL, val_fraction=fraction)
    splits = run(options).datasets[0].facts.splits
    assert {name: len(split.names) for name, split in splits.items()} == {"train": 4 - val, "val": val}


def test_one_frame_alone_is_train(tmp_path: Path) -> None:
    write_plain(tmp_path / "source", "alone")
    assert list(run(PrepareOptions(tmp_path / "source", tmp_path / "out", SMALL)).datasets[0].facts.splits) == ["train"]


def test_splits_of_the_source_are_kept(streets: Path, tmp_path: Path) -> None:
    dataset = run(PrepareOptions(streets, tmp_path / "out", SMALL, val_fraction=0.9)).datasets[0]
    assert {name: len(split.names) for name, split in dataset.facts.splits.items()} == {
        "train": TOTAL - VAL,
        "val": VAL,
    }


def test_a_source_of_val_alone_stays_val(tmp_path: Path, write_pair: WritePair) -> None:
    for index in range(3):
        write_pair(tmp_path / "source/val", str(index), seed=index)
    dataset = run(PrepareOptions(tmp_path / "source", tmp_path / "out", SMALL)).datasets[0]
    assert {name: len(split.names) for name, split in dataset.facts.splits.items()} == {"val": 3}


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, 1.5, float("nan")])
def test_a_fraction_that_is_none_is_refused(streets: Path, tmp_path: Path, refused: Refused, fraction: float) -> None:
    with refused(f"got val fraction {fraction}, need more than 0 and less than 1"):
        run(PrepareOptions(streets, tmp_path / "out", SMALL, val_fraction=fraction))


def test_a_seed_below_0_is_refused(streets: Path, tmp_path: Path, refused: Refused) -> None:
    with refused("got seed -1, need 0 or more"):
        run(PrepareOptions(streets, tmp_path / "out", SMALL, seed=-1))


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
    options = PrepareOptions(tmp_path / "source", tmp_path / "out", ((64, 64),), label_space=space.name)
    check_labels(run(options).datasets[0], space, tmp_path / "source")


def test_labels_are_of_the_users_label_space(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(MINE, encoding="utf-8")
    random = np.random.default_rng(0)
    for index in range(4):
        image = random.integers(0, 256, (64, 64, 3), dtype=np.uint8)
        write_png(tmp_path / "source/images" / f"{index}.png", image)
        write_png(tmp_path / "source/masks" / f"{index}.png", random.choice(np.uint8([0, 7, 8, 11, 255]), (64, 64)))
    mine = LabelSpace("mine", ("Straße", "rest"), ((10, 20, 30), (200, 0, 0)), ((7, 8), (0, 11)))
    options = PrepareOptions(
        tmp_path / "source", tmp_path / "out", ((64, 64),), label_space=str(tmp_path / "mine.toml")
    )
    check_labels(run(options).datasets[0], mine, tmp_path / "source")
    (tmp_path / "mine.toml").write_text(MINE.replace('"rest"', '"other"'), encoding="utf-8")
    with pytest.raises(InputError, match="is not this dataset"):
        run(options)


def test_dataset_json_says_what_the_frames_are(tmp_path: Path) -> None:
    for index in range(4):
        write_plain(tmp_path / "town", str(index), seed=index)
    run(PrepareOptions(tmp_path / "town", tmp_path / "out", SMALL))
    facts = json.loads((tmp_path / "out/dataset.json").read_text())
    assert (facts["source"], facts["label_space"]) == ("town", "cityscapes-29")
    assert sorted(facts["splits"]["train"]["names"] + facts["splits"]["val"]["names"]) == ["0", "1", "2", "3"]
    for split in facts["splits"].values():
        files = [tmp_path / "town/images" / f"{name}.png" for name in split["names"]]
        assert split["sha256"] == [sha256(file.read_bytes()).hexdigest() for file in files]


def test_a_source_named_by_a_dot_has_its_folders_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_plain(tmp_path / "town", "0")
    monkeypatch.chdir(tmp_path / "town")
    assert run(PrepareOptions(Path(), tmp_path / "out", SMALL)).datasets[0].facts.source == "town"


def write_unknown(source: Path, name: str, pixels: int) -> None:
    """Write a frame of road in which some pixels have an id that is none."""
    mask = np.full((64, 64), 7, dtype=np.uint8)
    mask.flat[:pixels] = 200
    write_png(source / "images" / f"{name}.png", np.full((64, 64, 3), len(name), dtype=np.uint8))
    write_png(source / "masks" / f"{name}.png", mask)


def test_a_few_unknown_ids_become_ignore_and_are_reported(tmp_path: Path) -> None:
    write_unknown(tmp_path / "source", "a", pixels=5)
    write_unknown(tmp_path / "source", "b", pixels=40)  # of 4096: just below 1 %
    report = run(PrepareOptions(tmp_path / "source", tmp_path / "out", ((64, 64),)))
    assert report.unknown == Counter({"id 200": 45})
    labels = np.concatenate([report.datasets[0].split(name).labels for name in ("train", "val")])
    assert np.count_nonzero(labels == 255) == 45


def test_many_unknown_ids_are_refused(tmp_path: Path, refused: Refused) -> None:
    write_unknown(tmp_path / "source", "a", pixels=5)
    write_unknown(tmp_path / "source", "b", pixels=42)
    with refused(r"masks/b.png: 1.0% of its pixels are no class of cityscapes-29: id 200 \(42 pixels\)"):
        run(PrepareOptions(tmp_path / "source", tmp_path / "out", SMALL))
    assert not (tmp_path / "out").exists()


# Names


@pytest.mark.parametrize("name", ["äö ß_日本_🚗", "n" * 200, "a\u2028b $x$"], ids=["not ASCII", "long", "odd"])
def test_names_are_kept(tmp_path: Path, name: str) -> None:
    for index, each in enumerate((name, name[:-1] + "0", name[:-1] + "1")):
        write_plain(tmp_path / name / "source ü", each, seed=index)
    options = PrepareOptions(tmp_path / name / "source ü", tmp_path / name / name, SMALL, val_fraction=0.4)
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
    dataset = run(PrepareOptions(source, tmp_path / "out", ((256, 128),), label_space="cityscapes-19")).datasets[0]
    assert {name: len(split.names) for name, split in dataset.facts.splits.items()} == {"train": 2, "val": 1}
    road = dataset.facts.splits["train"].class_pixels[0]
    assert road > 0.15 * 2 * 256 * 128
