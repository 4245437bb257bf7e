"""The output of seg-run looks like its input: colours, brightness, pixel shape, orientation, fields, time and place."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
import cv2
import numpy as np
import pytest
from av.codec.context import Flags
from av.video.reformatter import ColorPrimaries, ColorTrc

from helpers.exact_colours import MATRICES, Exact, decoded, frame_of
from helpers.images import read_image
from helpers.pyav import add_video
from helpers.seeing_runner import SPEC, SkyAndPerson
from segdata.metrics import confusion_matrix, mean_iou
from segdata.shipped import SHIPPED_SIZES, shipped_onnx
from segdata.synth import scene
from segdata.video.container import recorded
from segdata.video.h264 import FIELD_ORDERS, FieldMarker
from segdata.video.picture import Picture
from segdata.video.reader import Decoded, VideoReader
from segrun.frame import FrameMaker
from segrun.options import RunOptions
from segrun.run import run
from segrun.runners.base import Labels
from segrun.runners.open import open_runner
from segrun.segmenter import Segmenter

if TYPE_CHECKING:
    from conftest import Artefacts

Refused = Callable[..., AbstractContextManager[None]]

HEIGHT, WIDTH = 96, 128
COLOURS = np.array(
    [[128] * 3, [255] * 3, [0] * 3, [200, 60, 40], [20, 180, 90], [30, 50, 220], [90, 90, 30], [222, 210, 190]],
    np.uint8,
)
PATCHES = COLOURS.reshape(2, 4, 3).repeat(HEIGHT // 2, 0).repeat(WIDTH // 4, 1)


def write_video(
    path: Path,
    picture: Picture,
    *,
    codec: str = "libx264",
    before: Callable[["av.video.stream.VideoStream"], object] = lambda _: None,
    frames: int = 20,
    metadata: dict[str, str] | None = None,
    mark: Callable[[av.VideoFrame], av.VideoFrame] = lambda frame: frame,
) -> None:
    """Write a picture a few times, without loss if `codec` can; `before` may say more about the stream."""
    with av.open(str(path), "w") as container:
        container.metadata.update(metadata or {})
        stream = add_video(container, codec, 25, options={"qp": "0"} if codec == "libx264" else {})
        stream.height, stream.width, stream.pix_fmt = picture.height, picture.width, "yuv420p"
        stream.codec_context.colorspace = picture.frame.colorspace
        stream.codec_context.color_range = picture.frame.color_range
        before(stream)
        for pts in range(frames):
            frame = mark(picture.frame)
            frame.pts, frame.time_base = pts, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def means(image: Labels) -> Exact:
    """Return the mean colour of each patch, without its edges: a GIF's colours are made of dots."""
    parts = image.reshape(2, HEIGHT // 2, 4, WIDTH // 4, 3).astype(float)
    return np.asarray(parts[:, 8:-8, :, 8:-8].mean(axis=(1, 3)))


def segment(source: Path, target: Path) -> None:
    """Run without drawing the classes' colours."""
    run(RunOptions(inputs=(str(source),), outputs=(str(target),), alpha=0), SkyAndPerson())


def first_frame(path: Path) -> Decoded:
    with VideoReader(path) as reader:
        return next(reader.frames())


def patches_of(frame: av.VideoFrame, rows: int = 2, columns: int = 4) -> Exact:
    """Return the colours in the middle of each patch, by the numbers and the tags of the frame alone."""
    planes = []
    for plane in frame.planes:
        lines = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
        step = plane.height // rows, plane.width // columns
        planes.append(lines[step[0] // 2 :: step[0], step[1] // 2 : plane.width : step[1]].astype(float))
    return decoded(planes, frame.colorspace, frame.color_range == 2).reshape(-1, 3)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
@pytest.mark.parametrize("full_range", [False, True], ids=["limited", "full"])
@pytest.mark.parametrize("matrix", MATRICES)
def test_every_matrix_and_range_comes_out_as_it_went_in(
    tmp_path: Path, matrix: int, full_range: bool, suffix: str
) -> None:
    patches = np.random.default_rng(matrix).integers([[[70]], [[112]], [[112]]], [[[190]], [[145]], [[145]]], (3, 2, 4))
    luma = patches[0].astype(np.uint16).repeat(HEIGHT // 2, 0).repeat(WIDTH // 4, 1)
    chroma = (plane.astype(np.uint16).repeat(HEIGHT // 4, 0).repeat(WIDTH // 8, 1) for plane in patches[1:])
    frame = frame_of((luma, *chroma), matrix, full_range)
    source, target = tmp_path / f"in.{suffix}", tmp_path / f"out.{suffix}"
    write_video(source, Picture(frame, Picture.from_rgb(PATCHES).coding))
    segment(source, target)
    read, written = first_frame(source).frame, first_frame(target).frame
    assert (read.colorspace, read.color_range) == (matrix, 2 if full_range else 1)
    assert written.color_range == read.color_range
    assert {written.colorspace, read.colorspace} in ({5, 6}, {matrix})  # two numbers of one matrix
    wanted = decoded(patches.astype(float), matrix, full_range).reshape(-1, 3)
    assert np.abs(patches_of(written) - wanted).max() <= 2
    with VideoReader(target) as reader:
        shown = next(reader.images())[HEIGHT // 4 :: HEIGHT // 2, WIDTH // 8 :: WIDTH // 4].reshape(-1, 3)
    assert np.abs(shown - wanted).max() <= 2


@pytest.mark.parametrize(
    ("codec", "pixel_format", "suffix"),
    [
        *(("ffv1", "bgr0", "mkv"), ("ffv1", "gbrp10le", "mkv"), ("qtrle", "rgb24", "mov")),
        *(
            ("libx264rgb", "rgb24", "mp4"),
            ("gif", "pal8", "gif"),
            ("mjpeg", "yuvj420p", "avi"),
            ("ffv1", "yuv444p10le", "mkv"),
        ),
        *(
            ("png", "rgb24", "mov"),
            ("rawvideo", "bgr24", "avi"),
            ("libvpx-vp9", "gbrp", "webm"),
            ("prores_ks", "yuv422p10le", "mov"),
        ),
    ],
)
def test_what_comes_in_any_layout_goes_out_in_its_colours(
    tmp_path: Path, codec: str, pixel_format: str, suffix: str
) -> None:
    colours = np.clip(PATCHES, 20, 235)
    source, target = tmp_path / f"in.{suffix}", tmp_path / "out.mp4"
    with av.open(str(source), "w") as container:
        options = {"libx264rgb": {"qp": "0"}, "libvpx-vp9": {"lossless": "1"}}.get(codec, {})
        stream = add_video(container, codec, 25, options=options, width=WIDTH, height=HEIGHT, pix_fmt=pixel_format)
        frame = Picture.from_rgb(colours).frame
        if not pixel_format.startswith("yuv"):
            frame = av.VideoFrame.from_ndarray(colours, format="rgb24")
        if pixel_format == "pal8":
            stream.pix_fmt = "rgb8"
        for pts in range(3):
            frame.pts, frame.time_base = pts, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    segment(source, target)
    with VideoReader(source) as reader:
        wanted = next(reader.images())
    if codec != "gif":  # whose encoder has few colours here
        assert np.abs(wanted[8::16, 8::16].astype(int) - colours[8::16, 8::16]).max() <= 3
    with VideoReader(target) as reader:
        found = next(reader.images())
    assert np.abs(means(found) - means(wanted)).max() <= 2


def test_grey_stays_grey_from_a_photo_to_a_photo(tmp_path: Path) -> None:
    for grey in (0, 64, 127, 128, 129, 200, 255):
        source, target = tmp_path / f"{grey}.png", tmp_path / f"out{grey}.png"
        cv2.imwrite(str(source), np.full((40, 60, 3), grey, np.uint8))
        runner = SkyAndPerson()
        run(RunOptions(inputs=(str(source),), outputs=(str(target),), alpha=0), runner)
        np.testing.assert_array_equal(runner.seen[0], grey)
        found = read_image(target).astype(int)
        assert np.ptp(found) == 0
        assert abs(found[0, 0, 0] - grey) <= (grey != 128)


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv"])
@pytest.mark.parametrize(
    ("matrix", "primaries", "transfer"),
    [
        (9, ColorPrimaries.BT2020, ColorTrc.SMPTE2084),
        (9, ColorPrimaries.BT2020, ColorTrc.ARIB_STD_B67),
        (1, ColorPrimaries.SMPTE432, ColorTrc.IEC61966_2_1),
        (6, ColorPrimaries.BT470BG, ColorTrc.GAMMA28),
        (1, 3, 3),  # reserved: nobody knows what they mean
    ],
)
@pytest.mark.parametrize("bits", [8, 10])
def test_light_is_what_it_was(
    tmp_path: Path, suffix: str, matrix: int, primaries: int, transfer: int, bits: int
) -> None:
    source, target = tmp_path / f"in.{suffix}", tmp_path / f"out.{suffix}"
    picture = Picture.from_rgb(PATCHES)
    picture.frame.colorspace = matrix

    def light(stream: "av.video.stream.VideoStream") -> None:
        stream.codec_context.color_primaries, stream.codec_context.color_trc = primaries, transfer
        stream.pix_fmt = "yuv420p" if bits == 8 else "yuv420p10le"

    write_video(source, picture, before=light)
    segment(source, target)
    written = first_frame(target).frame
    assert written.colorspace == matrix
    wanted = (2, 2) if primaries == 3 else (primaries, transfer)
    assert (written.color_primaries, written.color_trc) == wanted


@pytest.mark.parametrize("matrix", range(10, 18))
def test_a_coding_that_is_not_read_is_one_line(tmp_path: Path, refused: Refused, matrix: int) -> None:
    picture = Picture.from_rgb(PATCHES)
    picture.frame.colorspace = matrix
    write_video(tmp_path / "in.mkv", picture, codec="ffv1")
    with refused(r"in\.mkv: its colours are coded as .*, which is not supported; convert it to BT\.709"):
        segment(tmp_path / "in.mkv", tmp_path / "out.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["in.mkv"]


def turned(matrix: Sequence[int]) -> np.ndarray:
    """Return the patches where a display matrix, (a, b, c, d) with x' = a x + c y and y' = b x + d y, puts each."""
    a, b, c, d = matrix
    rows, columns = np.indices(PATCHES.shape[:2])
    x, y = a * columns + c * rows, b * columns + d * rows
    x, y = x - x.min(), y - y.min()
    shown = np.zeros((y.max() + 1, x.max() + 1, 3), np.uint8)
    shown[y, x] = PATCHES
    return shown


MIRRORS_AND_TURNS = [(1, 0, 0, 1), (-1, 0, 0, 1), (1, 0, 0, -1), (-1, 0, 0, -1)]
MIRRORS_AND_TURNS += [(0, 1, -1, 0), (0, -1, 1, 0), (0, 1, 1, 0), (0, -1, -1, 0)]


@pytest.mark.parametrize("matrix", MIRRORS_AND_TURNS)
def test_all_eight_display_matrices_come_upright_with_their_pixels(tmp_path: Path, matrix: tuple[int, ...]) -> None:
    def said(stream: "av.video.stream.VideoStream") -> None:
        a, b, c, d = (part << 16 for part in matrix)
        stream.set_display_matrix([a, b, 0, c, d, 0, 0, 0, 1 << 30])
        stream.codec_context.sample_aspect_ratio = Fraction(64, 45)

    wanted = turned(matrix)
    for suffix in ("mp4", "mkv"):
        source, target = tmp_path / f"in.{suffix}", tmp_path / f"out.{suffix}"
        write_video(source, Picture.from_rgb(PATCHES), before=said)
        segment(source, target)
        with VideoReader(target) as reader:
            found = next(reader.images())
        assert found.shape == wanted.shape
        assert np.abs(found[8::16, 8::16].astype(int) - wanted[8::16, 8::16]).max() <= 3
        with VideoReader(source) as reader:
            seen = FrameMaker(SPEC)(next(reader.frames()), 0).small
        small = cv2.resize(wanted, (SPEC.width, SPEC.height), interpolation=cv2.INTER_AREA)
        assert np.abs(seen.astype(int) - small).mean() < 3
        shown = first_frame(target).display
        assert (shown.mirrored, shown.quarters) == (False, 0)
        assert shown.pixel_aspect == (Fraction(64, 45) if matrix[0] else Fraction(45, 64))


@pytest.mark.parametrize(
    "codec", ["libvpx-vp9", "libx264", "mpeg2video"]
)  # the first says nothing itself: its file does
@pytest.mark.parametrize("suffix", ["mkv", "mp4", "mov"])
def test_pixels_keep_their_shape(tmp_path: Path, codec: str, suffix: str) -> None:
    source, target = tmp_path / ("in.ts" if codec == "mpeg2video" else "in.mp4"), tmp_path / f"out.{suffix}"
    aspect = Fraction(64, 45) if codec != "mpeg2video" else Fraction(4, 3)  # it knows few, and of the picture

    def said(stream: "av.video.stream.VideoStream") -> None:
        stream.codec_context.sample_aspect_ratio = aspect

    write_video(source, Picture.from_rgb(PATCHES), codec=codec, before=said)
    with av.open(str(source)) as container:
        inside = container.streams.video[0].codec_context.sample_aspect_ratio
    assert inside in ((None, Fraction(1)) if codec == "libvpx-vp9" else (aspect,))
    segment(source, target)
    with av.open(str(target)) as container:
        assert container.streams.video[0].sample_aspect_ratio == aspect


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "mov", "ts"])
@pytest.mark.parametrize("fields", ["top first", "bottom first", "none"])
def test_fields_stay_fields(tmp_path: Path, fields: str, suffix: str) -> None:
    source, target = tmp_path / f"in.{suffix}", tmp_path / f"out.{suffix}"
    picture = Picture.from_rgb(PATCHES)

    def said(stream: "av.video.stream.VideoStream") -> None:
        if fields != "none":
            stream.codec_context.flags |= Flags.interlaced_dct
            stream.codec_context.field_order = FIELD_ORDERS[fields]  # type: ignore[index]
            stream.codec_context.options = {"qp": "0", "x264-params": "bff=1" if fields == "bottom first" else "tff=1"}

    write_video(source, picture, before=said, mark=FieldMarker(fields, picture.frame))  # type: ignore[arg-type]
    segment(source, target)
    for path in (source, target):
        with av.open(str(path)) as container:
            assert container.streams.video[0].codec_context.field_order == FIELD_ORDERS[fields]  # type: ignore[index]
            assert next(container.decode(video=0)).interlaced_frame == (fields != "none")


def test_fields_that_were_turned_are_no_fields(tmp_path: Path) -> None:
    picture = Picture.from_rgb(PATCHES)

    def said(stream: "av.video.stream.VideoStream") -> None:
        stream.codec_context.flags |= Flags.interlaced_dct
        stream.set_display_rotation(90)

    write_video(tmp_path / "in.mp4", picture, before=said, mark=FieldMarker("top first", picture.frame))
    segment(tmp_path / "in.mp4", tmp_path / "out.mp4")
    assert first_frame(tmp_path / "in.mp4").frame.interlaced_frame
    assert not first_frame(tmp_path / "out.mp4").frame.interlaced_frame


@pytest.mark.parametrize("source", ["in.mp4", "in.mov", "in.mkv"])
@pytest.mark.parametrize("target", ["out.mp4", "out.mov", "out.mkv"])
def test_when_and_where_it_was_recorded_is_kept(tmp_path: Path, source: str, target: str) -> None:
    said = {"creation_time": "2021-03-04T05:06:07.000000Z", "location": "+48.1000+011.5000/"}
    write_video(tmp_path / source, Picture.from_rgb(PATCHES), metadata=said)
    segment(tmp_path / source, tmp_path / target)
    with av.open(str(tmp_path / target)) as container:
        assert recorded(container.metadata) == said


def test_a_time_that_is_none_is_left_out(tmp_path: Path) -> None:
    said = {"creation_time": "yesterday", "location": "here"}
    with av.open(str(tmp_path / "in.nut"), "w") as container:
        container.metadata.update(said)
        stream = container.add_stream("libx264", rate=25, width=WIDTH, height=HEIGHT, pix_fmt="yuv420p")
        container.mux(stream.encode(Picture.from_rgb(PATCHES).frame))
        container.mux(stream.encode())
    segment(tmp_path / "in.nut", tmp_path / "out.mp4")
    assert first_frame(tmp_path / "out.mp4").frame.width == WIDTH


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ([{}], {}),
        ([{"CREATION_TIME": "2021-03-04"}, {"creation_time": "2020-01-01"}], {"creation_time": "2021-03-04"}),
        ([{"creation_time": ""}, {"creation_time": "2020-01-01"}], {"creation_time": "2020-01-01"}),
        ([{"com.apple.quicktime.location.ISO6709": "+48+011/"}], {"location": "+48+011/"}),
        ([{"location-eng": "+48+011/", "encoder": "Lavf", "title": "Home"}], {"location": "+48+011/"}),
        (
            [{"com.apple.quicktime.creationdate": "2021-03-04T07:06:07+0200"}],
            {"creation_time": "2021-03-04T07:06:07+0200"},
        ),
    ],
)
def test_when_and_where_go_by_several_names(said: list[dict[str, str]], kept: dict[str, str]) -> None:
    assert recorded(*said) == kept


SCENES = 150
SIDE = 128


def masks_of(source: Path, folder: Path, model: Path) -> list[Labels]:
    """Return what seg-run writes for each frame."""
    with open_runner(model) as runner:
        run(RunOptions(inputs=(str(source),), outputs=(f"{folder}/",), model=model), runner)
    return [read_image(path, cv2.IMREAD_GRAYSCALE) for path in sorted(folder.iterdir())]


def points(predictions: list[Labels], truths: list[Labels]) -> float:
    matrices = [confusion_matrix(truth, found, 29) for truth, found in zip(truths, predictions, strict=True)]
    return 100 * mean_iou(np.sum(matrices, axis=0))


@pytest.mark.parametrize("kind", ["images", "lossless", "h264"])
def test_seg_run_is_as_right_as_the_library(artefacts: "Artefacts", tmp_path: Path, kind: str) -> None:
    scenes = [scene(seed, SIDE, SIDE) for seed in range(SCENES)]
    model, source = artefacts.onnx["fp32"], tmp_path / ("images" if kind == "images" else "in.mkv")
    images = [made.image for made in scenes]
    if kind == "images":
        source.mkdir()
        for number, image in enumerate(images):
            cv2.imwrite(str(source / f"{number:03}.png"), image[..., ::-1])
    else:
        with av.open(str(source), "w") as container:
            codec, pixel_format = ("libx264", "yuv420p") if kind == "h264" else ("ffv1", "bgr0")
            stream = add_video(container, codec, 25, width=SIDE, height=SIDE, pix_fmt=pixel_format)
            for image in images:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            container.mux(stream.encode())
        with VideoReader(source) as reader:
            images = list(reader.images())
    with Segmenter(model) as segmenter:
        library = [segmenter(image) for image in images]
    truths = [made.labels for made in scenes]
    found = points(masks_of(source, tmp_path / "masks", model), truths)
    assert abs(found - points(library, truths)) <= 0.02
    assert found > 5


@pytest.mark.parametrize("size", SHIPPED_SIZES)
def test_seg_run_is_as_right_as_the_library_on_streets(real_data: Path, tmp_path: Path, size: int) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    for path in sorted((real_data / "cityscapes256/val/leftImg").iterdir())[:SCENES]:
        (folder / path.name).symlink_to(path)
    model = shipped_onnx(size)[0]
    with Segmenter(model) as segmenter:
        library = [segmenter(read_image(path, cv2.IMREAD_COLOR_RGB)) for path in sorted(folder.iterdir())]
    for found, wanted in zip(masks_of(folder, tmp_path / "masks", model), library, strict=True):
        np.testing.assert_array_equal(found, wanted)
