"""A label image as it was stored: its ids, its colours, or both."""

import io
import warnings
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from segdata.errors import InputError
from segdata.formats.reading.parquet import Stored
from segdata.images.image_file import PNG, decode_image, is_lossy

_PNG_KINDS = {0: "grey", 2: "RGB", 3: "palette", 4: "grey and alpha", 6: "RGBA"}
_PNG_GREY = 0

# What Pillow raises for odd files.
_ODD_FILES = (OSError, ValueError, SyntaxError, LookupError, TypeError, OverflowError, UserWarning)
# Its warnings of odd tags would add lines to the output, and be errors where warnings are.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")

_Ids = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]


@dataclass(frozen=True)
class LabelImage:
    """`colours` RGB uint8 [H, W, 3]; `ids` uint8 or uint16 [H, W], None where the file has none.

    Ids are grey values (of 1, 2, 4, 8 or 16 bits, as they are stored), indices of a palette, or the one value of
    channels that are equal everywhere. A `lossy` file holds no ids: its values are blurred. `kind` is what the file is,
    in words. `beside` is what else is in the file, RGB uint8 [H, W, 3]: the image, where labels are beside it.
    """

    kind: str
    colours: npt.NDArray[np.uint8]
    ids: _Ids | None
    lossy: bool
    beside: npt.NDArray[np.uint8] | None = None


def read_label_image(path: Stored) -> LabelImage:
    """Read a file; raise InputError if it is not a complete image, or if its transparency differs between pixels."""
    data = file_bytes(path)
    if data.startswith(PNG) and data[24:26] == bytes((8, _PNG_GREY)):  # the commonest, and by far the fastest to read
        grey = decode(path, data, cv2.IMREAD_GRAYSCALE)
        return LabelImage("grey PNG of 8 bits", _as_colours(grey), grey, lossy=False)
    colours = decode(path, data, cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION)
    kind = _kind(data)
    if is_lossy(data):
        return LabelImage(kind, colours, None, lossy=True)
    ids, mode = _stored_ids(path, data, kind, colours)
    if mode == "P" and "palette" not in kind:
        kind = f"palette {kind}"
    return LabelImage(kind, colours, ids, lossy=False)


def file_bytes(path: Stored) -> bytes:
    """Return the bytes of a file of a pair; raise InputError if it cannot be read."""
    if isinstance(path, Path) and path.exists() and not path.is_file() and not path.is_dir():
        # A pipe or a device would be read for ever.
        raise InputError(f"{path}: is no regular file; replace it or remove the pair")
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); replace the file or remove the pair") from None


def decode(path: Stored, data: bytes, flags: int) -> npt.NDArray[np.uint8]:
    """Return what `decode_image` does; raise InputError, naming `path`, instead of returning None."""
    image = decode_image(data, flags)
    if image is None:
        raise InputError(f"{path}: not a whole image; replace the file or remove the pair")
    return image


def _stored_ids(path: Stored, data: bytes, kind: str, colours: npt.NDArray[np.uint8]) -> tuple[_Ids | None, str]:
    """Return grey values or palette indices, which OpenCV does not give, and Pillow's word for them.

    None if the file is coloured. OpenCV has decoded the file to `colours`, so that it is whole and not too large.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            mode = image.mode
            if "A" in image.getbands() and np.ptp(np.asarray(image.getchannel("A"))):
                raise InputError(f"{path}: {kind} whose transparency differs; save it without an alpha channel")
            values = np.asarray(image) if mode in ("1", "L", "P", "I") or mode.startswith("I;16") else colours
    except _ODD_FILES as error:
        raise InputError(f"{path}: {kind} that cannot be read ({type(error).__name__}); save it as a PNG") from None
    if mode == "1":
        return values.astype(np.uint8), mode
    if mode in ("L", "P"):
        depth = data[24] if data.startswith(PNG) and data[25] == _PNG_GREY else 8
        return values // np.uint8(255 // ((1 << depth) - 1)), mode  # Pillow spreads grey of 2 and 4 bits over 8
    if mode[0] == "I":
        if values.min() < 0 or values.max() >= 1 << 16:
            raise InputError(f"{path}: {kind} with values from {values.min()} to {values.max()}; need ids, 0 to 255")
        return values.astype(np.uint16), mode
    deep = data.startswith(PNG) and data[24] == 16  # of which `colours` has only the upper halves
    return (None if deep or np.ptp(colours, axis=2).any() else colours[..., 0]), mode


def _as_colours(grey: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    return np.broadcast_to(grey[..., None], (*grey.shape, 3))


def _kind(data: bytes) -> str:
    """Return in words what an image file holds."""
    if data.startswith(PNG):
        depth, colour_type = data[24], data[25]  # the PNG header's place for them
        return f"{_PNG_KINDS[colour_type]} PNG of {depth} bits"
    names = {b"\xff\xd8": "JPEG", b"BM": "BMP", b"II": "TIFF", b"MM": "TIFF", b"RI": "WebP"}
    return names.get(data[:2], "image")
