"""The pairs layout: SPLIT/leftImg/NAME.jpg beside SPLIT/labelIds/NAME.jpg, the labels as a colour image."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from segdata.errors import InputError

IMAGE_FOLDER = "leftImg"
LABEL_FOLDER = "labelIds"
SUFFIXES = (".jpg", ".jpeg", ".png")


@dataclass(frozen=True)
class Pair:
    """One frame and its labels on disk."""

    name: str
    image: Path
    labels: Path


def find_pairs(source: Path) -> dict[str, list[Pair]]:
    """Return the pairs of every split folder below `source`, by split name, each sorted by frame name.

    Raises InputError if there is no such split, or if an image or a label stands alone.
    """
    if not source.is_dir():
        raise InputError(f"{source}: no such folder; need one with SPLIT/{IMAGE_FOLDER} and SPLIT/{LABEL_FOLDER}")
    splits = sorted(folder for folder in source.iterdir() if (folder / IMAGE_FOLDER).is_dir())
    pairs = {folder.name: _pairs_of_split(folder) for folder in splits}
    if not any(pairs.values()):
        raise InputError(
            f"found no images in {source}; need SPLIT/{IMAGE_FOLDER}/NAME.jpg and SPLIT/{LABEL_FOLDER}/NAME.jpg, "
            "for example train/leftImg/0001.jpg"
        )
    return pairs


def _pairs_of_split(folder: Path) -> list[Pair]:
    images, labels = (_files_by_name(folder / part) for part in (IMAGE_FOLDER, LABEL_FOLDER))
    alone = sorted(images.keys() ^ labels.keys())
    if alone:
        where, lacking = (IMAGE_FOLDER, LABEL_FOLDER) if alone[0] in images else (LABEL_FOLDER, IMAGE_FOLDER)
        raise InputError(
            f"{folder}: {len(alone)} files without their pair, the first is {where}/{alone[0]}; "
            f"add {lacking}/{alone[0]} or remove it"
        )
    return [Pair(name, images[name], labels[name]) for name in sorted(images)]


def _files_by_name(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise InputError(f"{folder.parent} has {IMAGE_FOLDER} but no {LABEL_FOLDER}; need the label images there")
    return {file.stem: file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES}


def read_rgb(path: Path) -> npt.NDArray[np.uint8]:
    """Read an image file as RGB uint8 [H, W, 3]; raise InputError if it is no whole image."""
    try:
        data = np.frombuffer(path.read_bytes(), dtype=np.uint8)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); replace the file or remove the pair") from None
    image = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB) if data.size else None
    if image is None:
        raise InputError(f"{path}: not an image OpenCV can read; replace the file or remove the pair")
    return np.asarray(image, dtype=np.uint8)
