"""Colours: what is read and written is what the numbers say, for every matrix, range and depth, and never darker."""

import itertools
from typing import get_args

import av
import cv2
import numpy as np
import pytest
from av.video.reformatter import ColorRange

from helpers.exact_colours import MATRICES, decoded, frame_of, mean_of_blocks, smooth_planes
from segdata.images.resize import resize_frame
from segdata.synth import drive
from segdata.video.frame_coding import COLORSPACES, unreadable
from segdata.video.picture import Picture, Reformatter
from segdata.video.yuv import ColourCoding, Matrix

CODINGS = list(itertools.product(MATRICES, (False, True)))
OWN_CODINGS = [ColourCoding(matrix, full) for matrix, full in itertools.product(get_args(Matrix), (False, True))]


@pytest.mark.parametrize("bits", [8, 10, 12])
@pytest.mark.parametrize(("matrix", "full_range"), CODINGS)
def test_the_network_sees_what_the_numbers_stand_for(matrix: int, full_range: bool, bits: int) -> None:
    planes = smooth_planes(480, 640, bits)
    wanted = decoded((mean_of_blocks(plane, 60, 80) for plane in planes), matrix, full_range, bits)
    found = Reformatter().image(frame_of(planes, matrix, full_range, bits), height=60, width=80)
    assert np.abs(found - wanted).max() < 1
    assert np.abs((found - wanted).mean(axis=(0, 1))).max() < 0.1


@pytest.mark.parametrize(("matrix", "full_range"), CODINGS)
def test_an_image_of_the_whole_size_has_interpolated_chroma(matrix: int, full_range: bool) -> None:
    luma, *chroma = smooth_planes(64, 96)
    large = [cv2.resize(plane.astype(float), (96, 64), interpolation=cv2.INTER_LINEAR) for plane in chroma]
    wanted = decoded((plane.astype(float) for plane in (luma, *large)), matrix, full_range)
    frame = frame_of((luma, *chroma), matrix, full_range)
    for found in (Reformatter().image(frame), Reformatter().picture(frame).to_rgb()):
        assert np.abs(found - wanted).max() < 1


@pytest.mark.parametrize("size", [(64, 96), (480, 640)])
def test_a_frame_of_any_size_has_the_colours_of_its_image(size: tuple[int, int]) -> None:
    """A small one those of `resize_frame`, to the last bit; a large one those, before they are rounded twice."""
    frame = frame_of(smooth_planes(*size), 1, False)
    reformatter = Reformatter()
    library = resize_frame(reformatter.image(frame), 32, 32).astype(int)
    assert np.abs(reformatter.image(frame, height=32, width=32) - library).max() <= (0 if size == (64, 96) else 2)


@pytest.mark.parametrize("coding", OWN_CODINGS, ids=str)
def test_every_grey_stays_as_it_is_both_ways(coding: ColourCoding) -> None:
    greys = np.arange(256, dtype=np.uint8).reshape(16, 16).repeat(8, 0).repeat(8, 1)
    image = np.stack([greys] * 3, axis=-1)
    picture = Picture.from_rgb(image, coding)
    assert set(np.unique(picture.u)) == set(np.unique(picture.v)) == {128}
    exact = greys / 255 * (255 if coding.full_range else 219) + (0 if coding.full_range else 16)
    assert np.abs(picture.y - exact).max() <= 0.501
    back = picture.to_rgb().astype(int)
    assert np.ptp(back, axis=2).max() == 0, "a cast of colour"
    assert np.abs(back - image).max() <= 1  # television's range has fewer greys
    assert abs((back - image).mean()) < 0.05
    np.testing.assert_array_equal(back[image == 128], 128)


@pytest.mark.parametrize("coding", OWN_CODINGS, ids=str)
def test_colours_come_back(coding: ColourCoding) -> None:
    patches = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    image = patches.repeat(8, 0).repeat(8, 1)
    picture = Picture.from_rgb(image, coding)
    inside = np.s_[4::8, 4::8]
    planes = [picture.y[4::8, 4::8], picture.u[2::4, 2::4], picture.v[2::4, 2::4]]
    number = COLORSPACES[coding.matrix]
    exact = decoded((plane.astype(float) for plane in planes), number, coding.full_range)
    assert np.abs(exact - patches).max() < 4  # 8 bits of luma and chroma hold no more
    assert np.abs((exact - patches).mean(axis=(0, 1))).max() < 0.2
    assert np.abs(picture.to_rgb()[inside].astype(int) - patches).max() <= 4


@pytest.mark.parametrize("pixel_format", ["rgb24", "bgr24", "bgra", "gbrp", "rgb48le", "gbrp10le", "bgr0"])
def test_what_is_rgb_reaches_the_network_as_it_is(pixel_format: str) -> None:
    image = next(iter(drive(3, 96, 160, 1, 25.0))).image
    frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=pixel_format)
    reformatter = Reformatter()
    assert np.abs(reformatter.image(frame).astype(int) - image).max() <= (pixel_format in {"rgb48le", "gbrp10le"})
    found = reformatter.image(frame, height=32, width=48)
    assert np.abs(found.astype(int) - resize_frame(image, 32, 48)).max() <= (pixel_format in {"rgb48le", "gbrp10le"})


@pytest.mark.parametrize("pixel_format", ["gray", "gray10le", "gray16le", "ya8"])
@pytest.mark.parametrize("says", [ColorRange.UNSPECIFIED, ColorRange.MPEG, ColorRange.JPEG])
def test_grey_is_in_the_range_it_says_and_else_in_full(pixel_format: str, says: ColorRange) -> None:
    frame = av.VideoFrame(32, 32, "gray")
    frame.planes[0].update(bytes([126]) * frame.planes[0].buffer_size)
    frame = frame.reformat(format=pixel_format)
    frame.color_range = says
    wanted = (128, 126)[says != ColorRange.MPEG]
    np.testing.assert_array_equal(Reformatter().image(frame), wanted)
    np.testing.assert_array_equal(Reformatter().picture(frame).to_rgb(), wanted)


EITHER = ["yuv422p", "yuv444p", "yuv411p", "yuv410p", "yuv440p", "nv12", "nv21", "yuyv422", "uyvy422", "yuva420p"]
EITHER += ["yuv420p10le", "yuv422p10le", "yuv444p10le", "yuv444p12le", "p010le", "yuva444p"]
ALWAYS_FULL = ["yuvj420p", "yuvj422p", "yuvj444p", "yuvj411p", "yuvj440p"]


@pytest.mark.parametrize(
    ("pixel_format", "full_range"),
    [*itertools.product(EITHER, (False, True)), *itertools.product(ALWAYS_FULL, (True,))],
)
def test_every_layout_of_luma_and_chroma_keeps_its_colours(pixel_format: str, full_range: bool) -> None:
    colours = np.array([[128] * 3, [255] * 3, [0] * 3, [200, 60, 40], [20, 180, 90], [30, 50, 220]], np.uint8)
    image = colours.reshape(2, 3, 3).repeat(32, 0).repeat(32, 1)
    picture = Picture.from_rgb(image, ColourCoding("bt601", full_range))
    said = (
        ColorRange.JPEG if pixel_format in ALWAYS_FULL else ColorRange.MPEG
    )  # on both sides: numbers stay as they are
    picture.frame.color_range = said
    frame = picture.frame.reformat(format=pixel_format, dst_color_range=said)
    frame.colorspace, frame.color_range = 6, ColorRange.JPEG if full_range else ColorRange.MPEG
    for found in (Reformatter().image(frame), Reformatter().picture(frame).to_rgb()):
        assert np.abs(found[16::32, 16::32].reshape(-1, 3).astype(int) - colours).max() <= 2


def test_a_picture_of_another_coding_is_fitted_in_its_colours() -> None:
    colours = np.random.default_rng(1).integers(30, 220, (4, 4, 3), dtype=np.uint8)
    like = Picture.blank(64, 64, ColourCoding("bt709", full_range=False))
    for coding in OWN_CODINGS:
        picture = Picture.from_rgb(colours.repeat(32, 0).repeat(32, 1), coding)
        fitted = Reformatter().fitted(picture, like)
        assert (fitted.coding, fitted.height, fitted.width) == (like.coding, 64, 64)
        assert np.abs(fitted.to_rgb()[8::16, 8::16].astype(int) - colours).max() <= 4  # rounded four times


@pytest.mark.parametrize(
    ("matrix", "primaries", "readable"),
    [(number, 2, number not in {*range(10, 18)}) for number in range(18)]
    + [(12, 1, True), (12, 9, True), (12, 5, False)],
)
def test_codings_that_are_no_matrix_are_named(matrix: int, primaries: int, readable: bool) -> None:
    frame = frame_of(smooth_planes(32, 32), matrix, False)
    frame.color_primaries = primaries
    assert (unreadable(frame) is None) == readable


@pytest.mark.parametrize("number", [0, 2, 3])
def test_a_matrix_that_halved_chroma_cannot_have_is_the_usual_one(number: int) -> None:
    planes = smooth_planes(64, 64)
    found = Reformatter().image(frame_of(planes, number, False))
    np.testing.assert_array_equal(found, Reformatter().image(frame_of(planes, 6, False)))
