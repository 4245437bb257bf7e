"""Draws frames with their labels, and where those differ: the worst of a video in a strip, and one for the page."""

from collections import deque
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from segbench.quality.agreement import timed, timed_frames
from segbench.results import FrameView, QualityResult, WorstFrame
from segdata.errors import InputError
from segdata.images.image_file import as_jpeg
from segdata.images.resize import enlarge_labels, resize_frame
from segdata.spec import ModelSpec
from segdata.video.reader import Decoded
from segrun.drawing.overlay import Overlay
from segrun.drawing.stamp import FINER, FONT, text_width
from segrun.frame import Frame, FrameMaker
from segrun.runners.base import Runner

Image = npt.NDArray[np.uint8]

_DIFFERENCE = (255, 64, 0)  # RGB; stands out from a frame that is grey and dark
_OVERLAY, _DARKENED = 0.55, 0.4
_WIDTH, _GAP, _LINE = 480, 8, 36  # pixels; a line is as high as a title or a caption
_LETTERS = 13.0  # pixels, of a capital
_PAPER, _INK = (250, 250, 250), (40, 42, 46)  # RGB
_JPEG_QUALITY = 85


def worst_strip(result: QualityResult, runner: Runner, reference: Runner, video: Path) -> Image:
    """Draw the worst frames of `result`, worst first, as RGB uint8 [H, W, 3].

    A row shows the frame, the reference's overlay, the artefact's, and in orange where they differ, with the frame's
    time and agreement below. Only these frames are run again. Raises InputError if `video` does not have them.
    """
    wanted = {frame.seconds for frame in result.worst}
    rows: dict[float, Image] = {}
    for seconds, frame in timed_frames(video, runner):
        if seconds in wanted:
            rows[seconds] = _tiles(frame, runner, reference)
        if len(rows) == len(wanted):
            break
    if lacking := wanted - rows.keys():
        raise InputError(f"{video} has no frame at {min(lacking):.3f} s; need the video that was measured")
    named = _named("reference", result.reference), _named("artefact", result.artefact)
    titles = ("frame", *named, "where they differ")
    parts = [np.hstack([_text(title, _WIDTH + _GAP) for title in titles])]
    for worst in result.worst:
        parts += [rows[worst.seconds], _text(_caption(worst), parts[0].shape[1])]
    return _margined(np.vstack(parts))


def _caption(worst: WorstFrame) -> str:
    return f"{worst.seconds:.2f} s: {100 * worst.equal_pixels:.2f} % of the pixels have the reference's class"


def _tiles(frame: Frame, runner: Runner, reference: Runner) -> Image:
    labels, expected = runner(frame.small[None])[0], reference(frame.small[None])[0]
    overlays = [_overlaid(frame, shown, runner.spec) for shown in (expected, labels)]
    plain = _at_width(frame.picture.to_rgb())
    tiles = plain, *overlays, _differences(plain, labels != expected)
    gap = np.full((plain.shape[0], _GAP, 3), _PAPER, dtype=np.uint8)
    return np.hstack([part for tile in tiles for part in (tile, gap)])


def _text(text: str, width: int) -> Image:
    """Return a line of text, RGB uint8 [line, width, 3], drawn larger and averaged: smooth at this size."""
    covered = np.zeros((_LINE * FINER, width * FINER), np.uint8)
    origin = 2 * FINER, round((_LINE + _LETTERS) / 2) * FINER
    cv2.putText(covered, text, origin, FONT, _LETTERS * FINER / 21, 255, FINER + 1, cv2.LINE_AA)
    share = cv2.resize(covered, (width, _LINE), interpolation=cv2.INTER_AREA)[..., None] / 255
    return (share * _INK + (1 - share) * _PAPER).round().astype(np.uint8)


def _named(role: str, name: str) -> str:
    """Return a title that fits its column: it keeps the end of a name, and only letters that the font has."""
    name = name.encode("ascii", "replace").decode()
    while text_width(f"{role}: {name}", _LETTERS) > _WIDTH:
        name = f"..{name[3:]}"
    return f"{role}: {name}"


def _margined(strip: Image) -> Image:
    return np.asarray(
        cv2.copyMakeBorder(strip, 0, _GAP, 2 * _GAP, _GAP, cv2.BORDER_CONSTANT, value=_PAPER), dtype=np.uint8
    )


def frame_of(video: Path, index: int) -> tuple[float, Decoded]:
    """Return a frame of `video`, that of `index`, from 0, or the last one if it has fewer, after its time in seconds.

    Raises InputError if no frame can be decoded.
    """
    last = deque(islice(timed(video), index + 1), maxlen=1)
    if not last:
        raise InputError(f"{video}: no frame could be decoded; the file is broken: get it again")
    return last.pop()


def frame_view(
    artefact: tuple[str, Runner], reference: tuple[str, Runner] | None, shown: tuple[float, Decoded]
) -> FrameView:
    """Return the pictures of a frame, from `frame_of`. Artefact and reference come with their names."""
    (name, runner), (seconds, item) = artefact, shown
    frame = FrameMaker(runner.spec)(item, started=0)
    labels = runner(frame.small[None])[0]
    overlay = as_jpeg(_overlaid(frame, labels, runner.spec), _JPEG_QUALITY)
    if reference is None:
        return FrameView(name, seconds, overlay)
    differ = labels != reference[1](frame.small[None])[0]
    marked = _differences(_at_width(frame.picture.to_rgb()), differ)
    return FrameView(name, seconds, overlay, reference[0], as_jpeg(marked, _JPEG_QUALITY), float(1 - np.mean(differ)))


def _at_width(image: Image) -> Image:
    """Return an image, uint8 [H, W, 3], at the width of a tile and in the same shape."""
    return resize_frame(image, max(1, round(_WIDTH * image.shape[0] / image.shape[1])), _WIDTH)


def _overlaid(frame: Frame, labels: Image, spec: ModelSpec) -> Image:
    """Return a frame with the colours of its labels, uint8 [h, w], over it: a tile, RGB uint8 [H, W, 3]."""
    return _at_width(Overlay(spec.colours, _OVERLAY).draw(frame.picture, labels).to_rgb())


def _differences(image: Image, differ: npt.NDArray[np.bool_]) -> Image:
    """Return an image, RGB uint8 [H, W, 3], grey and dark, orange where `differ`, bool [h, w], says so."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    dark = cv2.cvtColor((grey * _DARKENED).astype(np.uint8), cv2.COLOR_GRAY2RGB)
    dark[enlarge_labels(differ.astype(np.uint8), *image.shape[:2]) == 1] = _DIFFERENCE
    return np.asarray(dark, dtype=np.uint8)
