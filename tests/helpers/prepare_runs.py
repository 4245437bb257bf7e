"""Sources to prepare, runs of `prepare`, and what they leave."""

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from helpers.progress import Told
from segdata.images.size import Size
from segdata.labels import CITYSCAPES_29, LabelSpace
from segdata.options import Ids, PrepareOptions
from segdata.prepare.layouts.find import complete, find_layout
from segdata.prepare.pair import Splits
from segdata.prepare.prepare import PrepareReport, prepare
from segdata.synth import scene

SIZES = (Size(64, 64), Size(128, 128), Size(128, 256))
SMALL = (Size(32, 32),)
VAL = 10
TOTAL = 3 + VAL


def find_pairs(source: Path, space: LabelSpace = CITYSCAPES_29, ids: Ids = "auto") -> Splits:
    """Return the pairs of `source` by split, none of them without its other half."""
    return complete(source, find_layout(source, space, ids)).splits


def run(options: PrepareOptions) -> PrepareReport:
    return prepare(options)


def run_told(options: PrepareOptions) -> tuple[PrepareReport, list[int | None]]:
    """Run and return the report and the total that was told."""
    told = Told()
    return prepare(options, told), told.totals


def interrupt(options: PrepareOptions, after: int) -> None:
    """Run until `after` frames are done, and press Ctrl-C."""
    left = iter(range(after - 1))

    def advanced() -> None:
        if next(left, None) is None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(options, Told(advanced))


def contents(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every file below a folder, by its path there; folders have none."""
    paths = sorted(folder.rglob("*"))
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b"" for path in paths}


def stamps(folder: Path) -> dict[str, tuple[int, int]]:
    """Return inode and time of everything below a folder, which writing again would change."""
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


def write_unknown(source: Path, name: str, pixels: int) -> None:
    """Write a frame of road in which some pixels have an unknown id."""
    mask = np.full((64, 64), 7, dtype=np.uint8)
    mask.flat[:pixels] = 200
    write_png(source / "images" / f"{name}.png", np.full((64, 64, 3), len(name), dtype=np.uint8))
    write_png(source / "masks" / f"{name}.png", mask)
