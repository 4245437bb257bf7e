"""Random folders of photos, masks and both, with the expected labels.

As a script, in tests/: python -m helpers.random_folders COUNT [SEED] goes through `check` and `prepare` with as many.
"""

import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image

from segdata.errors import EdgeSegError
from segdata.images.size import Size
from segdata.labels import CITYSCAPES_29
from segdata.options import CheckOptions, PrepareOptions
from segdata.prepare.check import check
from segdata.prepare.prepare import prepare
from segdata.synth import scene

Array = NDArray[np.uint8]

HEIGHT, WIDTH = 64, 96
LABEL_IDS = np.array([ids[0] for ids in CITYSCAPES_29.label_ids], dtype=np.uint8)
SPACE_FILE = "space.toml"
TWO = """
name = "two"
classes = [{ name = "bg", colour = [0, 0, 0], ids = [0] }, { name = "thing", colour = [128, 0, 0], ids = [1] }]
"""
LAYOUTS = {
    "plain": ("images/{}", "masks/{}"),
    "plain in splits": ("{split}/images/{}", "{split}/masks/{}"),
    "images and labels": ("images/{split}/{}", "labels/{split}/{}"),
    "img_dir": ("img_dir/{split}/{}", "ann_dir/{split}/{}"),
    "pairs": ("{split}/leftImg/{}", "{split}/labelIds/{}"),
    "VOC": ("JPEGImages/{}", "SegmentationClass/{}"),
    "CamVid": ("{split}/{}", "{split}annot/{}"),
    "one folder": ("{split}/{}", "{split}/{}_mask"),
    "CamVid, colours": ("{split}/{}", "{split}_labels/{}_L"),
}
SPLITS = (("train", "val"), ("train", "valid"), ("training", "validation"))
PHOTO_FILES = (".png", ".jpg", ".bmp", ".tif", ".webp")


@dataclass
class Made:
    """A folder: whether all of it is labelled images, and the classes of each frame that has labels, by name."""

    folder: Path
    space: str
    sound: bool
    kind: str
    truth: dict[str, Array] = field(default_factory=dict)


def make(folder: Path, random: Generator) -> Made:
    """Write a random folder of a few small images."""
    space = ("cityscapes-29", "two")[random.integers(2)]
    folder.mkdir(parents=True)
    (folder.parent / SPACE_FILE).write_text(TWO)
    what = (
        "labels",
        "labels",
        "photos",
        "mixture",
        "swapped",
        "side by side",
        "heap of photos",
        "heap of masks",
        "heap of both",
    )[random.integers(9)]
    made = Made(folder, space, what in ("labels", "side by side"), what)
    ways = WAYS[space]
    way = list(ways)[random.integers(len(ways))]
    count = int(random.integers(2, 7))
    splits = SPLITS[random.integers(len(SPLITS))]
    layout = list(LAYOUTS)[random.integers(len(LAYOUTS))]
    photos = random.random(count) < 0.5
    photos[random.integers(count)] = True  # a mixture has one at least
    for index in range(count):
        name = f"f{index:03}"
        truth = _classes(random, space)
        split = splits[index % 2]
        if what == "side by side":
            pixels = np.concatenate([_photo(random, dull=False), _colours(truth, space)], axis=1)
            _save(folder / split / f"{name}.png", Image.fromarray(pixels))
        elif what.startswith("heap"):
            masks = what == "heap of masks" or (what == "heap of both" and index % 2 == 0)
            (_mask if masks else _any_photo)(folder / name, *((random, truth, space, way) if masks else (random,)))
        else:
            image, labels = (folder / pattern.format(name, split=split) for pattern in LAYOUTS[layout])
            if what == "swapped":
                image, labels = labels, image
            is_photo = what == "photos" or (what == "mixture" and photos[index])
            _any_photo(image, random)
            (_any_photo if is_photo else _mask)(labels, *((random,) if is_photo else (random, truth, space, way)))
            made.kind = f"{what}, {layout}, {way}"
        made.truth[name] = truth
    return made


def _classes(random: Generator, space: str) -> Array:
    classes = scene(int(random.integers(1 << 30)), HEIGHT, WIDTH).labels
    return classes if space == "cityscapes-29" else (classes > 12).astype(np.uint8)


def _colours(classes: Array, space: str) -> Array:
    palette = CITYSCAPES_29.palette() if space == "cityscapes-29" else np.array([[0, 0, 0], [128, 0, 0]], np.uint8)
    return palette[classes]


def _ids(classes: Array, space: str) -> Array:
    return LABEL_IDS[classes] if space == "cityscapes-29" else classes


def _in_palette(ids: Array, colours: Array) -> Image.Image:
    image = Image.fromarray(ids).convert("P")
    image.putpalette(colours.tobytes())
    return image


_VOC = np.random.default_rng(0).integers(0, 256, (256, 3), np.uint8)  # colours of no class: indices tell all

# How masks are stored: the suffix, and the pixels for given classes and label space.
_EVERY: dict[str, tuple[str, Callable[[Array, str], Image.Image]]] = {
    "grey PNG": (".png", lambda c, s: Image.fromarray(_ids(c, s))),
    "grey BMP": (".bmp", lambda c, s: Image.fromarray(_ids(c, s))),
    "grey TIFF": (".tif", lambda c, s: Image.fromarray(_ids(c, s))),
    "16 bits": (".png", lambda c, s: Image.fromarray(_ids(c, s).astype(np.uint16))),
    "RGB of ids": (".png", lambda c, s: Image.fromarray(_ids(c, s)).convert("RGB")),
    "palette": (".png", lambda c, s: _in_palette(_ids(c, s), _VOC)),
    "RGB PNG": (".png", lambda c, s: Image.fromarray(_colours(c, s))),
    "RGB TIFF": (".tiff", lambda c, s: Image.fromarray(_colours(c, s))),
    "WebP": (".webp", lambda c, s: Image.fromarray(_colours(c, s))),
    "JPEG": (".jpg", lambda c, s: Image.fromarray(_colours(c, s))),
}
WAYS = {
    "cityscapes-29": _EVERY,
    "two": {**_EVERY, "1 bit": (".png", lambda c, s: Image.fromarray(c > 0))},
}


def _mask(path: Path, random: Generator, classes: Array, space: str, way: str) -> None:
    suffix, image = WAYS[space][way]
    _save(path.with_name(path.name + suffix), image(classes, space))


def _photo(random: Generator, dull: bool = True) -> Array:
    """Return a picture that is no labels, uint8 [H, W, 3]."""
    kind = random.integers(8 if dull else 3)
    made = scene(int(random.integers(1 << 30)), HEIGHT, WIDTH).image
    if kind == 0:
        return random.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    if kind == 1:
        low, high = random.integers(0, 256, (2, 3))
        ramp = np.linspace(low, high, WIDTH) + random.normal(0, 3, (HEIGHT, WIDTH, 3))
        return ramp.clip(0, 255).astype(np.uint8)
    if kind == 6:  # a gradient without noise
        low, high = random.integers(40, 256, (2, 3))
        return np.broadcast_to(np.linspace(low, high, WIDTH), (HEIGHT, WIDTH, 3)).astype(np.uint8)
    if kind == 7:  # a drawing: flat shapes of any colours
        drawing = np.broadcast_to(random.integers(0, 256, 3), (HEIGHT, WIDTH, 3)).astype(np.uint8)
        for _ in range(6):
            top, left = random.integers(HEIGHT), random.integers(WIDTH)
            drawing[top : top + 30, left : left + 40] = random.integers(40, 256, 3)
        return drawing
    noisy = (made + random.normal(0, 4, made.shape)).clip(0, 255)
    return (noisy / (1, 2, 5, 8)[random.integers(4) if dull else 0]).astype(np.uint8)


def _any_photo(path: Path, random: Generator) -> None:
    image = Image.fromarray(_photo(random))
    suffix = PHOTO_FILES[random.integers(len(PHOTO_FILES))]
    way = random.integers(4)
    if way == 0 and suffix != ".webp":
        image = image.convert("L")
    if way == 1 and suffix == ".png":
        image = image.quantize(int(random.integers(8, 256)))
    _save(path.with_name(path.name + suffix), image)


def _save(path: Path, image: Image.Image) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    ways: dict[str, dict[str, Any]] = {".webp": {"lossless": True}, ".jpg": {"quality": 92}}
    image.save(path, **ways.get(path.suffix, {}))


def outcome(made: Made) -> tuple[str, list[str]]:
    """Return whether `check` and `prepare` accepted a folder, and what is wrong with that."""
    space = made.space if made.space != "two" else str(made.folder.parent / SPACE_FILE)
    target = made.folder.parent / "out"
    wrong = []
    said = "no problems"
    try:
        report = check(CheckOptions(source=made.folder, label_space=space))
        said = "; ".join(problem.detail for problem in report.problems) or said
    except EdgeSegError as error:
        said = str(error)
    try:
        options = PrepareOptions(source=made.folder, target=target, sizes=(Size(HEIGHT, WIDTH),), label_space=space)
        datasets = prepare(options).datasets
    except EdgeSegError as error:
        if "\n" in str(error):
            wrong.append(f"two lines: {error}")
        if said == "no problems":
            wrong.append(f"check found none, prepare refused: {error}")
        if made.sound:
            wrong.append(f"labels refused: {error}")
        return "refused", wrong
    if not made.sound:
        wrong.append("accepted")
    if said != "no problems":
        wrong.append(f"prepared, but check says: {said}")
    for dataset in datasets:
        for split in dataset.facts.splits:
            arrays = dataset.split(split)
            for name, labels in zip(arrays.names, arrays.labels, strict=True):
                equal = float((labels == made.truth[name.removesuffix("_L")]).mean())
                if equal < (0.8 if "JPEG" in made.kind else 1):
                    wrong.append(f"{name}: {equal:.1%} of the labels are right")
    return "accepted", wrong


def main(count: int, seed: int) -> int:
    """Print how many folders were accepted and refused, and each wrong result; return the number of wrong ones."""
    counts: Counter[tuple[str, str]] = Counter()
    failures = 0
    for index in range(count):
        with tempfile.TemporaryDirectory() as temporary:
            made = make(Path(temporary) / "source", np.random.default_rng((seed, index)))
            taken, wrong = outcome(made)
        counts[made.kind.split(",")[0], taken] += 1
        failures += bool(wrong)
        for line in wrong:
            print(f"{seed}-{index} {made.space}, {made.kind}: {line}")
    for (kind, taken), number in sorted(counts.items()):
        print(f"{kind}: {number} {taken}")
    print(f"{count} folders, {failures} taken wrongly")
    return failures


if __name__ == "__main__":
    sys.exit(min(main(int(sys.argv[1]), int((sys.argv[2:] or ["0"])[0])), 1))
