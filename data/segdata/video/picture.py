"""Pictures of a video as FFmpeg holds them: planes of luma and subsampled chroma, without copies."""

from collections.abc import Iterator
from typing import cast

import av
import cv2
import numpy as np
import numpy.typing as npt
from av.video.plane import VideoPlane
from av.video.reformatter import ColorPrimaries, ColorRange, ColorTrc

from segdata.images.resize import resize_frame
from segdata.video.display import UPRIGHT, Display
from segdata.video.frame_coding import COLORSPACES, coding_of, is_rgb
from segdata.video.scaler import Scaler, is_grey
from segdata.video.yuv import Affine, ColourCoding, usual_matrix

Plane = npt.NDArray[np.uint8]
"""uint8 [H, W], a view of memory that FFmpeg owns."""

_PRIMARIES, _TRANSFERS = set(ColorPrimaries), set(ColorTrc)  # others are reserved

_HALVED = "yuv420p"
_HALVED_FULL_RANGE = "yuvj420p"  # FFmpeg's older way to say full range
# Colours are computed in 16 bits, and rounded once. A number has 256 times its value there.
_FINE, _FINER = "yuv444p16le", 256
_CONVERTED_FIRST = 1 << 17  # pixels; in 0.3 ms
_STRIP = 64  # rows


class Picture:
    """One upright picture: `y` uint8 [H, W], `u` and `v` uint8 [ceil(H/2), ceil(W/2)], coded as `coding` says.

    `frame` is FFmpeg's own, for the encoder; it also names the light that its colours stand for. `display` is how it is
    shown. To draw, make a `blank` one: the decoder may still need its frame.
    """

    def __init__(self, frame: av.VideoFrame, coding: ColourCoding, display: Display = UPRIGHT) -> None:
        """Wrap `frame`, which has 8 bits and halved chroma."""
        self.frame = frame
        self.coding = coding
        self.display = display
        self.height, self.width = frame.height, frame.width
        self.y, self.u, self.v = (_view(plane) for plane in frame.planes)

    @property
    def planes(self) -> tuple[Plane, Plane, Plane]:
        """`y`, `u` and `v`."""
        return self.y, self.u, self.v

    @classmethod
    def blank(cls, height: int, width: int, coding: ColourCoding) -> "Picture":
        """Return a picture whose planes hold no particular values yet."""
        frame = av.VideoFrame(width, height, _HALVED)
        frame.colorspace = COLORSPACES[coding.matrix]
        frame.color_range = ColorRange.JPEG if coding.full_range else ColorRange.MPEG
        return cls(frame, coding)

    def blank_alike(self, height: int, width: int) -> "Picture":
        """Return a blank picture whose colours and pixels are shown as those of this one."""
        return Picture.blank(height, width, self.coding).shown_as(self.frame, self.display)

    def shown_as(self, frame: av.VideoFrame, display: Display) -> "Picture":
        """Set how the picture is shown, and that its colours stand for the same light as those of `frame`."""
        self.frame.color_primaries, self.frame.color_trc = frame.color_primaries, frame.color_trc
        self.display = display
        return self

    @property
    def light(self) -> tuple[int, int]:
        """The primaries and the transfer function of its colours, in H.273's numbers; 2 is unknown."""
        known = self.frame.color_primaries in _PRIMARIES, self.frame.color_trc in _TRANSFERS
        return self.frame.color_primaries if known[0] else 2, self.frame.color_trc if known[1] else 2

    @classmethod
    def from_rgb(cls, image: npt.NDArray[np.uint8], coding: ColourCoding | None = None) -> "Picture":
        """Return `image`, RGB uint8 [H, W, 3]: by default in limited range, by the matrix that is usual for its size.

        Chroma is that of the mean of four pixels.
        """
        height, width = image.shape[:2]
        picture = cls.blank(height, width, coding or ColourCoding(usual_matrix(height, width), full_range=False))
        affine = picture.coding.from_rgb_affine()
        for rows in _strips(height):
            picture.y[rows] = _rounded(cv2.extractChannel(_mixed(_fine(image[rows]), affine), 0))
        if height % 2 or width % 2:
            image = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        halved = cv2.resize(image, picture.u.shape[::-1], interpolation=cv2.INTER_AREA)
        _, picture.u[:], picture.v[:] = cv2.split(_rounded(_mixed(_fine(halved), affine)))
        return picture

    def even(self) -> "Picture":
        """Return the picture with its last row or column repeated where its height or width is odd."""
        if self.height % 2 == self.width % 2 == 0:
            return self
        padded = self.blank_alike(self.height + self.height % 2, self.width + self.width % 2)
        for target, source in zip(padded.planes, self.planes, strict=True):
            missing = [(0, big - small) for big, small in zip(target.shape, source.shape, strict=True)]
            target[:] = np.pad(source, missing, mode="edge")
        return padded

    def to_rgb(self) -> npt.NDArray[np.uint8]:
        """Return the picture as RGB uint8 [H, W, 3] of the caller's own."""
        return Reformatter().rgb(self, self.height, self.width)


class Reformatter:
    """Turns what FFmpeg decoded into pictures, and into the small images that networks see. For one thread."""

    def __init__(self) -> None:
        self._whole, self._small = Scaler(), Scaler()

    def picture(self, frame: av.VideoFrame, display: Display = UPRIGHT) -> Picture:
        """Return `frame`, of any format, as an upright Picture."""
        if is_rgb(frame):
            image = display.turned(_red_first(frame, self._interleaved(frame)))
            return Picture.from_rgb(np.ascontiguousarray(image)).shown_as(frame, display.upright())
        coding = coding_of(frame)
        stored = frame if frame.format.name in (_HALVED, _HALVED_FULL_RANGE) else self._whole(frame, _HALVED)
        if stored is frame and display.upright() == display:
            return Picture(frame, coding, display)
        size = (frame.width, frame.height) if display.lies_down else (frame.height, frame.width)
        picture = Picture.blank(*size, coding).shown_as(frame, display.upright())
        for target, plane in zip(picture.planes, stored.planes, strict=True):
            target[:] = display.turned(_view(plane))
        return picture

    def image(
        self, frame: av.VideoFrame, display: Display = UPRIGHT, height: int | None = None, width: int | None = None
    ) -> npt.NDArray[np.uint8]:
        """Return `frame`, of any format, upright, as a network sees it: RGB uint8 [height, width, 3].

        Each pixel is the mean of its area; chroma is interpolated. Small frames, and those that were RGB, are what
        `resize_frame` makes of the whole image, to the last bit. In others luma and chroma are averaged first, which
        takes a tenth of the time; they are within 1 of exact arithmetic. Without `height` and `width`, the
        image has its own size.
        """
        size = (frame.width, frame.height) if display.lies_down else (frame.height, frame.width)
        height, width = height or size[0], width or size[1]
        stored = (width, height) if display.lies_down else (height, width)
        if is_rgb(frame):
            small = _red_first(frame, resize_frame(self._interleaved(frame), *stored))
        elif frame.height * frame.width <= _CONVERTED_FIRST:
            small = resize_frame(self._decoded(frame, coding_of(frame), frame.height, frame.width), *stored)
        else:
            small = self._decoded(frame, coding_of(frame), *stored)
        return np.array(display.turned(small), order="C")

    def rgb(self, picture: Picture, height: int, width: int) -> npt.NDArray[np.uint8]:
        """Return `picture` as RGB uint8 [height, width, 3], each pixel the mean of its area."""
        return self._decoded(picture.frame, picture.coding, height, width)

    def fitted(self, picture: Picture, like: Picture) -> Picture:
        """Return `picture` in the size and the coding of `like`; itself if it has them."""
        if (picture.height, picture.width, picture.coding) == (like.height, like.width, like.coding):
            return picture
        return Picture.from_rgb(self.rgb(picture, like.height, like.width), like.coding)

    def _decoded(self, frame: av.VideoFrame, coding: ColourCoding, height: int, width: int) -> npt.NDArray[np.uint8]:
        """Return `frame`, which has luma and chroma, as RGB."""
        if is_grey(frame) or frame.format.name == "yuvj444p":  # whose luma swscale would stretch on the way to 16 bits
            frame = self._whole(frame, _HALVED if is_grey(frame) else "yuv444p")
        fine = self._small(frame, _FINE, height, width)
        planes = [_view(plane, 2).view(np.uint16) for plane in fine.planes]
        affine = coding.to_rgb_affine(frame.format.components[0].bits)
        image = np.empty((height, width, 3), np.uint8)
        for rows in _strips(height):
            image[rows] = _rounded(_mixed(cv2.merge([plane[rows] for plane in planes]), affine))
        return image

    def _interleaved(self, frame: av.VideoFrame) -> Plane:
        """Return an RGB `frame` as uint8 [H, W, 3]; with blue first, as a view, where `frame` has it so."""
        if frame.format.name not in ("rgb24", "bgr24"):
            frame = self._whole(frame, "rgb24")
        return _view(frame.planes[0], 3).reshape(frame.height, frame.width, 3)


def _red_first(frame: av.VideoFrame, image: Plane) -> Plane:
    return (
        cv2.cvtColor(image, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False) if frame.format.name == "bgr24" else image
    )


def _strips(height: int) -> Iterator[slice]:
    """Yield ranges of a few rows: their results fit into a core's cache, which takes a third of the time."""
    return (slice(top, top + _STRIP) for top in range(0, height, _STRIP))


def _fine(image: cv2.typing.MatLike) -> npt.NDArray[np.uint16]:
    return np.multiply(image, _FINER, dtype=np.uint16)


def _mixed(fine: cv2.typing.MatLike, affine: Affine) -> npt.NDArray[np.uint16]:
    """Return `affine` applied to [H, W, 3]: on 8-bit numbers, OpenCV would round its coefficients."""
    return np.asarray(cv2.transform(fine, affine * [1, 1, 1, _FINER]), np.uint16)


def _rounded(fine: cv2.typing.MatLike) -> npt.NDArray[np.uint8]:
    return np.asarray(cv2.convertScaleAbs(fine, alpha=1 / _FINER), np.uint8)


def _view(plane: VideoPlane, bytes_a_pixel: int = 1) -> Plane:
    """Return the bytes of a plane's lines, without their padding."""
    memory = cast("memoryview", plane)  # a buffer, which PyAV's types do not say
    return np.frombuffer(memory, np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width * bytes_a_pixel]
