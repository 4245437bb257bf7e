"""Luma and chroma: our conversion equals FFmpeg's, for every matrix and range."""

import itertools
from typing import get_args

import av
import numpy as np
import pytest
from av.video.reformatter import ColorRange

from segdata.video.frame_coding import COLORSPACES
from segdata.video.yuv import ColourCoding, Matrix, usual_matrix

KNOWN = set(get_args(Matrix)) - {"ycgco"}  # to FFmpeg's swscale
CODINGS = [ColourCoding(matrix, full) for matrix, full in itertools.product(sorted(KNOWN), (False, True))]


@pytest.mark.parametrize("coding", CODINGS, ids=str)
def test_colours_are_coded_as_ffmpeg_codes_them(coding: ColourCoding) -> None:
    colours = np.random.default_rng(0).integers(0, 256, (64, 3), dtype=np.uint8)
    patches = colours.reshape(8, 8, 3).repeat(8, 0).repeat(8, 1)  # halved chroma is exact within a patch
    frame = av.VideoFrame.from_ndarray(patches, format="rgb24").reformat(
        format="yuv444p",
        dst_colorspace=COLORSPACES[coding.matrix],
        src_color_range=ColorRange.JPEG,
        dst_color_range=ColorRange.JPEG if coding.full_range else ColorRange.MPEG,
    )
    wanted = frame.to_ndarray()[:, 4::8, 4::8].reshape(3, 64).T
    np.testing.assert_allclose(coding.from_rgb(colours).astype(int), wanted, atol=1)


def test_black_white_and_grey_have_no_colour() -> None:
    greys = np.array([[0] * 3, [255] * 3, [128] * 3], dtype=np.uint8)
    for matrix in get_args(Matrix):
        television = ColourCoding(matrix, full_range=False).from_rgb(greys)
        np.testing.assert_array_equal(television, [[16, 128, 128], [235, 128, 128], [126, 128, 128]])
        computer = ColourCoding(matrix, full_range=True).from_rgb(greys)
        np.testing.assert_array_equal(computer, [[0, 128, 128], [255, 128, 128], [128, 128, 128]])


@pytest.mark.parametrize(
    ("height", "width", "matrix"),
    [(480, 640, "bt601"), (576, 720, "bt601"), (540, 960, "bt601"), (720, 1280, "bt709"), (578, 720, "bt709")],
)
def test_a_video_that_names_no_matrix_has_the_usual_one(height: int, width: int, matrix: Matrix) -> None:
    assert usual_matrix(height, width) == matrix
