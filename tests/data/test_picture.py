"""Pictures: FFmpeg's planes seen without a copy, made even, fitted, and shrunk for the network."""

import av
import cv2
import numpy as np
import pytest
from av.video.reformatter import ColorRange
from numpy.typing import NDArray

from segdata.synth import drive
from segdata.video.frame_coding import COLORSPACES
from segdata.video.picture import Picture, Reformatter
from segdata.video.yuv import ColourCoding, Matrix

Image = NDArray[np.uint8]


@pytest.fixture(scope="module")
def street() -> Image:
    return next(iter(drive(3, 96, 160, 1, 25.0))).image


def coded(image: Image, pixel_format: str, matrix: Matrix, full_range: bool) -> av.VideoFrame:
    """Return what a decoder gives for `image`."""
    return av.VideoFrame.from_ndarray(image, format="rgb24").reformat(
        format=pixel_format,
        dst_colorspace=COLORSPACES[matrix],
        src_color_range=ColorRange.JPEG,
        dst_color_range=ColorRange.JPEG if full_range else ColorRange.MPEG,
    )


@pytest.mark.parametrize("full_range", [False, True], ids=["limited", "full"])
@pytest.mark.parametrize("matrix", ["bt601", "bt709", "bt2020"])
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv444p", "yuv422p", "yuv420p10le", "nv12"])
def test_colours_are_read_as_the_frame_codes_them(
    street: Image, pixel_format: str, matrix: Matrix, full_range: bool
) -> None:
    picture = Reformatter().picture(coded(street, pixel_format, matrix, full_range))
    assert picture.coding.matrix == matrix
    assert np.abs(picture.to_rgb().astype(int) - street).mean() < 3
    assert abs(picture.to_rgb().astype(int) - street).mean(axis=(0, 1)).max() < 4  # no channel is off as a whole


@pytest.mark.parametrize("pixel_format", ["rgb24", "bgr24", "gray", "bgra", "yuvj420p", "yuvj422p"])
def test_formats_of_cameras_and_images_are_read(street: Image, pixel_format: str) -> None:
    frame = av.VideoFrame.from_ndarray(street, format="rgb24").reformat(format=pixel_format)
    found = Reformatter().picture(frame).to_rgb().astype(int)
    if pixel_format == "gray":
        assert np.abs(found.mean(2) - cv2.cvtColor(street, cv2.COLOR_RGB2GRAY)).mean() < 3
    else:
        assert np.abs(found - street).mean() < 3


def test_planes_are_views_of_the_frame(street: Image) -> None:
    frame = coded(street, "yuv420p", "bt601", full_range=False)
    picture = Reformatter().picture(frame)
    assert picture.frame is frame
    picture.y[:] = 16
    picture.u[:] = picture.v[:] = 128
    assert frame.to_ndarray(format="rgb24").max() == 0
    assert picture.y.shape == (96, 160)
    assert picture.u.shape == picture.v.shape == (48, 80)


@pytest.mark.parametrize(("height", "width"), [(97, 160), (96, 159), (95, 161)])
def test_an_odd_size_is_whole_and_can_be_made_even(height: int, width: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), dtype=np.uint8)
    image = image.repeat(8, 0).repeat(8, 1)[:height, :width]
    picture = Picture.from_rgb(image)
    assert (picture.height, picture.width) == (height, width) == picture.y.shape
    assert picture.u.shape == ((height + 1) // 2, (width + 1) // 2)
    even = picture.even()
    assert (even.height, even.width) == (height + height % 2, width + width % 2)
    np.testing.assert_array_equal(even.y[:height, :width], picture.y)
    np.testing.assert_array_equal(even.y[-1, :width], picture.y[-1])
    np.testing.assert_array_equal(even.y[:height, -1], picture.y[:, -1])
    assert even.even() is even


def test_the_network_sees_the_mean_of_each_area(street: Image) -> None:
    """As resize_frame does in training; a filter that skips pixels differs by more than twice that."""
    reformatter = Reformatter()
    small = reformatter.image(coded(street, "yuv444p", "bt709", full_range=False), height=32, width=32)
    assert small.shape == (32, 32, 3)
    assert small.dtype == np.uint8
    mean = cv2.resize(street, (32, 32), interpolation=cv2.INTER_AREA).astype(int)
    skipping = cv2.resize(street, (32, 32), interpolation=cv2.INTER_NEAREST).astype(int)
    assert np.abs(small - mean).mean() < 3
    assert np.abs(skipping - mean).mean() > 5


def test_a_picture_is_fitted_to_another(street: Image) -> None:
    like = Picture.blank(48, 80, ColourCoding("bt601", full_range=False))
    reformatter = Reformatter()
    picture = reformatter.picture(coded(street, "yuv420p", "bt709", full_range=True))
    fitted = reformatter.fitted(picture, like)
    assert (fitted.height, fitted.width, fitted.coding) == (48, 80, like.coding)
    wanted = cv2.resize(street, (80, 48), interpolation=cv2.INTER_AREA).astype(int)
    assert np.abs(fitted.to_rgb().astype(int) - wanted).mean() < 4
    assert reformatter.fitted(like, like) is like
