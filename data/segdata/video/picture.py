"""Pictures of a video as FFmpeg holds them: planes of luma and of halved chroma, read and written without a copy."""

from typing import cast

import av
import numpy as np
import numpy.typing as npt
from av.video.plane import VideoPlane
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter

from segdata.video.yuv import ColourCoding, Matrix, usual_matrix

Plane = npt.NDArray[np.uint8]
"""uint8 [H, W], a view of memory that FFmpeg owns."""

# FFmpeg's AVColorSpace; PyAV does not name all of them. FCC and SMPTE 240M are treated as what they nearly are.
_MATRICES: dict[int, Matrix] = {1: "bt709", 4: "bt601", 5: "bt601", 6: "bt601", 7: "bt709", 9: "bt2020", 10: "bt2020"}
COLORSPACES: dict[Matrix, int] = {"bt709": 1, "bt601": 6, "bt2020": 9}

_HALVED = "yuv420p"
_HALVED_FULL_RANGE = "yuvj420p"  # FFmpeg's older way to say full range


class Picture:
    """One upright picture: `y` uint8 [H, W], `u` and `v` uint8 [ceil(H/2), ceil(W/2)], coded as `coding` says.

    `frame` is FFmpeg's own, for the encoder. Who draws makes a `blank` one: a decoder may still need its frame.
    """

    def __init__(self, frame: av.VideoFrame, coding: ColourCoding) -> None:
        """Wrap `frame`, which has 8 bits and halved chroma."""
        self.frame = frame
        self.coding = coding
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
        frame.color_range = _range(coding)
        return cls(frame, coding)

    @classmethod
    def from_rgb(cls, image: npt.NDArray[np.uint8]) -> "Picture":
        """Return `image`, RGB uint8 [H, W, 3], in limited range by the matrix that is usual for its size."""
        return Reformatter().picture(av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24"))

    def even(self) -> "Picture":
        """Return the picture with its last row or column repeated where its height or width is odd."""
        if self.height % 2 == self.width % 2 == 0:
            return self
        padded = Picture.blank(self.height + self.height % 2, self.width + self.width % 2, self.coding)
        for target, source in zip(padded.planes, self.planes, strict=True):
            missing = [(0, big - small) for big, small in zip(target.shape, source.shape, strict=True)]
            target[:] = np.pad(source, missing, mode="edge")
        return padded

    def to_rgb(self) -> npt.NDArray[np.uint8]:
        """Return the picture as RGB uint8 [H, W, 3] of the caller's own."""
        return Reformatter().rgb(self.frame, self.coding, self.height, self.width)


class Reformatter:
    """Turns what FFmpeg decoded into pictures, and into the small images that networks see. For one thread."""

    def __init__(self) -> None:
        self._whole, self._small = VideoReformatter(), VideoReformatter()

    def picture(self, frame: av.VideoFrame, rotation: int = 0) -> Picture:
        """Return `frame`, of any format, as a Picture turned by `rotation` degrees, a multiple of 90, to the left."""
        coding = coding_of(frame)
        if frame.format.name not in (_HALVED, _HALVED_FULL_RANGE):
            wanted = ColourCoding(coding.matrix, full_range=False)
            frame = self._whole.reformat(
                frame,
                format=_HALVED,
                src_colorspace=COLORSPACES[coding.matrix],
                dst_colorspace=COLORSPACES[coding.matrix],
                dst_color_range=ColorRange.MPEG,
            )
            coding = wanted
        return _turned(Picture(frame, coding), rotation)

    def shrunk(self, picture: Picture, height: int, width: int) -> npt.NDArray[np.uint8]:
        """Return `picture` as a network sees it: RGB uint8 [height, width, 3], each pixel the mean of its area.

        Half the time of `segdata.resize.resize_frame` on the whole picture in RGB, and the same to 0.9 of 255 in the
        mean: that is what colours averaged before or after their conversion differ by.
        """
        return self.rgb(picture.frame, picture.coding, height, width)

    def fitted(self, picture: Picture, like: Picture) -> Picture:
        """Return `picture` in the size and the coding of `like`; itself if it has them."""
        if (picture.height, picture.width, picture.coding) == (like.height, like.width, like.coding):
            return picture
        frame = self._whole.reformat(
            picture.frame,
            like.width,
            like.height,
            _HALVED,
            src_colorspace=COLORSPACES[picture.coding.matrix],
            dst_colorspace=COLORSPACES[like.coding.matrix],
            src_color_range=_range(picture.coding),
            dst_color_range=_range(like.coding),
            interpolation=Interpolation.AREA,
        )
        return Picture(frame, like.coding)

    def rgb(self, frame: av.VideoFrame, coding: ColourCoding, height: int, width: int) -> npt.NDArray[np.uint8]:
        """Return `frame`, whose numbers stand for what `coding` says, as RGB uint8 [height, width, 3]."""
        small = self._small.reformat(
            frame,
            width,
            height,
            "rgb24",
            src_colorspace=COLORSPACES[coding.matrix],
            src_color_range=_range(coding),
            dst_color_range=ColorRange.JPEG,
            interpolation=Interpolation.AREA,
            threads=1,  # of a small image, more of them cost what they save
        )
        return np.asarray(small.to_ndarray(), dtype=np.uint8)


def coding_of(frame: av.VideoFrame) -> ColourCoding:
    """Return how the colours of `frame` are coded: as it says, or as players guess it for its size."""
    matrix = _MATRICES.get(frame.colorspace) or usual_matrix(frame.height, frame.width)
    full_range = frame.color_range == ColorRange.JPEG or frame.format.name.startswith("yuvj")
    return ColourCoding(matrix, full_range)


def _range(coding: ColourCoding) -> int:
    return ColorRange.JPEG if coding.full_range else ColorRange.MPEG


def _view(plane: VideoPlane) -> Plane:
    memory = cast("memoryview", plane)  # a buffer, which PyAV's types do not say
    return np.frombuffer(memory, np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]


def _turned(picture: Picture, rotation: int) -> Picture:
    quarters = round(rotation / 90) % 4
    if not quarters:
        return picture
    size = (picture.height, picture.width) if quarters == 2 else (picture.width, picture.height)
    turned = Picture.blank(*size, picture.coding)
    for target, source in zip(turned.planes, picture.planes, strict=True):
        target[:] = np.rot90(source, quarters)
    return turned
