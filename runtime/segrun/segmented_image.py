"""An image with a model's labels; and reading images from NumPy, Pillow or files."""

from dataclasses import dataclass, field
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from segdata.errors import InputError
from segdata.formats.writing.base import LabelledImage
from segdata.formats.writing.coco import document
from segdata.formats.writing.space import label_space_of
from segdata.images.image_file import as_png, read_image
from segdata.labels import Colour, LabelMap, class_shares, palette

if TYPE_CHECKING:
    from PIL.Image import Image

ImageLike: TypeAlias = "npt.NDArray[np.uint8] | Image | PathLike[str] | str"
"""RGB, uint8 [H, W, 3]; an image of Pillow; or the path of an image file."""

_SHOWN_WIDTH = 960  # pixels, in a notebook


@dataclass(frozen=True, eq=False)
class SegmentedImage:
    """An image, RGB uint8 [H, W, 3], and the class id of each of its pixels, `labels`, uint8 [H, W].

    `classes` are the names that the ids stand for, `colours` their RGB colours, `name` is the file's, "" without one.
    `confidence` is 255 times the probability of each pixel's class, uint8 [H, W], None where the model gives none. A
    notebook shows it as the overlay.
    """

    image: npt.NDArray[np.uint8] = field(repr=False)
    labels: LabelMap = field(repr=False)
    classes: tuple[str, ...] = field(repr=False)
    colours: tuple[Colour, ...] = field(repr=False)
    name: str = ""
    confidence: npt.NDArray[np.uint8] | None = field(default=None, repr=False)

    @cached_property
    def shares(self) -> dict[str, float]:
        """The share of the picture that each class covers, 0 to 1; classes that are not there are left out."""
        return class_shares(self.labels, self.classes)

    def overlay(self, alpha: float = 0.5) -> npt.NDArray[np.uint8]:
        """Return the image under its classes' colours, RGB uint8 [H, W, 3]; `alpha`, 0 to 1, is the colours' share.

        Raises InputError for another `alpha`.
        """
        if not 0 <= alpha <= 1:
            raise InputError(f"got alpha {alpha}, need 0 to 1")
        colours = palette(self.colours)[self.labels]
        return np.asarray(cv2.addWeighted(self.image, 1 - alpha, colours, alpha, 0), np.uint8)

    def to_coco(self, image_id: int = 1) -> dict[str, list[dict[str, object]]]:
        """Return the labels as COCO has them, ready for `json.dump`: images, categories and one annotation a class.

        Masks are run-length codes, as pycocotools reads them; `category_id` is the class id and one.
        """
        height, width = self.labels.shape
        space = label_space_of("", self.classes, self.colours)
        return document(LabelledImage(self.name, self.labels, height, width), space, image_id)

    def _repr_png_(self) -> bytes:
        """Return the overlay as a PNG, at most 960 pixels wide: what a notebook shows."""
        shown = self.overlay()
        if shown.shape[1] > _SHOWN_WIDTH:
            height = max(1, round(shown.shape[0] * _SHOWN_WIDTH / shown.shape[1]))
            shown = np.asarray(cv2.resize(shown, (_SHOWN_WIDTH, height), interpolation=cv2.INTER_AREA), np.uint8)
        return as_png(shown)


def to_rgb(image: ImageLike) -> tuple[npt.NDArray[np.uint8], str]:
    """Return an image as RGB, uint8 [H, W, 3], upright where its EXIF data says so, and the name of its file or "".

    Raises InputError for anything else.
    """
    if isinstance(image, (str, PathLike)):
        return read_image(Path(image)), Path(image).name
    if isinstance(image, np.ndarray):
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
            raise InputError(f"got an image {image.dtype} {list(image.shape)}, need uint8 [H, W, 3], RGB")
        return image, ""
    from PIL import Image, ImageOps  # only where the caller has loaded it

    if not isinstance(image, Image.Image):
        raise InputError(f"got an image of type {type(image).__name__}, need a NumPy array, a Pillow image or a path")
    name = Path(getattr(image, "filename", "") or "").name
    if image.mode in ("I", "F"):  # Pillow would cut what is above 255
        raise InputError(f"got a Pillow image of mode {image.mode}, need one of 8 or 16 bits, such as RGB, L or I;16")
    try:
        upright = ImageOps.exif_transpose(image)
        if upright.mode.startswith("I;16"):
            return np.repeat((np.asarray(upright) >> 8).astype(np.uint8)[..., None], 3, axis=2), name
        return np.array(upright.convert("RGB")), name
    # It is decoded only now; a broken PNG raises a SyntaxError.
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{name or 'image'}: Pillow cannot decode it: {error}") from None
