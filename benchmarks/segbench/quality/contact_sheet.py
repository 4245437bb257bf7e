"""Draws the frames on which an artefact agrees least with its reference: a row a frame."""

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from segbench.quality.agreement import timed_frames
from segbench.results import QualityResult, WorstFrame
from segdata.errors import InputError
from segdata.resize import enlarge_labels, resize_frame
from segrun.drawing.overlay import Overlay
from segrun.drawing.stamp import FINER, FONT, text_width
from segrun.frame import Frame
from segrun.runners.base import Runner

Image = npt.NDArray[np.uint8]

_TILE_WIDTH, _GAP, _LINE = 480, 8, 36  # pixels; a line is as high as a title or a caption
_LETTERS = 13.0  # pixels, of a capital
_PAPER, _INK = (250, 250, 250), (40, 42, 46)  # RGB
_DIFFERENCE = (255, 64, 0)  # RGB; stands out from a frame that is grey and dark
_OVERLAY, _DARKENED = 0.55, 0.4


def worst_strip(result: QualityResult, runner: Runner, reference: Runner, video: Path) -> Image:
    """Draw the worst frames of `result`, worst first, as RGB uint8 [H, W, 3].

    A row shows the frame, the reference's overlay, the artefact's, and in orange where they differ; below stand the
    frame's time and agreement. Only these frames are run again. Raises InputError if `video`
    does not have them.
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
    parts = [np.hstack([_text(title, _TILE_WIDTH + _GAP) for title in titles])]
    for worst in result.worst:
        parts += [rows[worst.seconds], _text(_caption(worst), parts[0].shape[1])]
    return _margined(np.vstack(parts))


def _caption(worst: WorstFrame) -> str:
    return f"{worst.seconds:.2f} s: {100 * worst.equal_pixels:.2f} % of the pixels have the reference's class"


def _tiles(frame: Frame, runner: Runner, reference: Runner) -> Image:
    labels, expected = runner(frame.small[None])[0], reference(frame.small[None])[0]
    image = frame.picture.to_rgb()
    overlay = Overlay(runner.spec.colours, _OVERLAY)
    overlays = [overlay.draw(frame.picture, shown).to_rgb() for shown in (expected, labels)]
    height = max(1, round(_TILE_WIDTH * image.shape[0] / image.shape[1]))
    shown = [resize_frame(tile, height, _TILE_WIDTH) for tile in (image, *overlays)]
    differences = enlarge_labels((labels != expected).astype(np.uint8), height, _TILE_WIDTH)
    grey = cv2.cvtColor(shown[0], cv2.COLOR_RGB2GRAY)
    dark = cv2.cvtColor((grey * _DARKENED).astype(np.uint8), cv2.COLOR_GRAY2RGB)
    dark[differences == 1] = _DIFFERENCE
    gap = np.full((height, _GAP, 3), _PAPER, dtype=np.uint8)
    return np.hstack([part for tile in (*shown, dark) for part in (tile, gap)])


def _text(text: str, width: int) -> Image:
    """Return a line of text, RGB uint8 [line, width, 3], drawn larger and averaged: smooth at this size."""
    covered = np.zeros((_LINE * FINER, width * FINER), np.uint8)
    origin = 2 * FINER, round((_LINE + _LETTERS) / 2) * FINER
    cv2.putText(covered, text, origin, FONT, _LETTERS * FINER / 21, 255, FINER + 1, cv2.LINE_AA)
    share = cv2.resize(covered, (width, _LINE), interpolation=cv2.INTER_AREA)[..., None] / 255
    return (share * _INK + (1 - share) * _PAPER).round().astype(np.uint8)


def _named(role: str, name: str) -> str:
    """Return a title that fits its column: the end of a name is kept, and of its letters those that the font has."""
    name = name.encode("ascii", "replace").decode()
    while text_width(f"{role}: {name}", _LETTERS) > _TILE_WIDTH:
        name = f"..{name[3:]}"
    return f"{role}: {name}"


def _margined(strip: Image) -> Image:
    return np.asarray(
        cv2.copyMakeBorder(strip, 0, _GAP, 2 * _GAP, _GAP, cv2.BORDER_CONSTANT, value=_PAPER), dtype=np.uint8
    )
