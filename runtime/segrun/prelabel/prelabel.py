"""A video or a folder of images -> the frames worth labelling, with a model's labels, for a tool to correct."""

import csv
import io
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from segdata.command_line.progress import SILENT, Progress
from segdata.errors import InputError
from segdata.files import replacing
from segdata.formats.writing.base import LabelledImage, Place, write_file
from segdata.formats.writing.open import DATASETS
from segdata.formats.writing.space import label_space_of, write_label_space
from segdata.labels import LabelMap
from segdata.text import without_password
from segdata.video.reader import Decoded
from segrun.frame import Frame, FrameMaker
from segrun.options import RunOptions
from segrun.prelabel.options import PrelabelOptions
from segrun.runners.base import Confidence
from segrun.segmenter import Segmenter
from segrun.sinks.annotations import encoded_image, image_name
from segrun.sources.base import Source
from segrun.sources.excerpt import excerpt
from segrun.sources.image import ImageSource
from segrun.sources.open import is_live, open_source

ORDER = "order.csv"
"""The list of the chosen frames: rank, file, seconds, and how unsure the model is of it, 0 to 1."""

_LEVELS = 4  # of each colour in a histogram
_LEAST = 1e-6  # so that difference decides among frames that a model is sure of


@dataclass(frozen=True)
class PrelabelReport:
    """How many frames were looked at and chosen, and how unsure the model is of all and of the chosen, a mean 0 to 1.

    `by_confidence` says how that was found: by the probability of the labels, or else by mirroring the frames.
    """

    looked: int
    chosen: int
    unsure: float
    unsure_of_chosen: float
    by_confidence: bool


def prelabel(options: PrelabelOptions, progress: Progress = SILENT) -> PrelabelReport:
    """Look at a video or a folder of images, and write the frames worth labelling to `options.output`.

    The frames are read twice; in between, little of each is kept. `progress` counts those of the first time. Raises
    InputError if the output exists, or if the source has no end or no frame.
    """
    if options.output.exists():
        raise InputError(f"{options.output}: is there already; remove it, or name another folder")
    if is_live(options.source):
        raise InputError(f"{without_password(options.source)}: has no end; record it first, and name the video")
    with Segmenter(options.model) as segmenter:
        unsure, histograms = _looked_at(segmenter, options, progress)
        chosen = choose(unsure, histograms, options.budget)
        with replacing(options.output) as temporary:
            _write(segmenter, options, unsure, chosen.tolist(), temporary)
    return PrelabelReport(
        looked=len(unsure),
        chosen=len(chosen),
        unsure=float(unsure.mean()),
        unsure_of_chosen=float(unsure[chosen].mean()),
        by_confidence=segmenter.has_confidence,
    )


def _looked_at(
    segmenter: Segmenter, options: PrelabelOptions, progress: Progress
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float32]]:
    """Return how unsure the model is of each of N frames, [N], and their histograms, [N, 64]."""
    unsure, histograms = [], []
    with closing(_open(options)) as source:
        total = source.expected_frames
    progress.start(None if total is None else -(-total // options.every))
    for found in segmenter.video(options.source, every=options.every):
        small = found.frame.small
        mirrored = None if segmenter.has_confidence else segmenter(np.ascontiguousarray(small[:, ::-1]))
        unsure.append(unsureness(found.labels, found.confidence, mirrored))
        histograms.append(histogram(small))
        progress.advance()
    if not unsure:
        raise InputError(f"{options.source}: no frame could be decoded; the file is broken: get it again")
    return np.asarray(unsure), np.stack(histograms)


def _write(
    segmenter: Segmenter,
    options: PrelabelOptions,
    unsure: npt.NDArray[np.float64],
    chosen: list[int],
    folder: Path,
) -> None:
    """Write the `chosen` frames, least sure first, with the model's labels."""
    ranks = {index: rank for rank, index in enumerate(chosen, start=1)}
    digits = len(str(len(chosen)))
    space = label_space_of(segmenter.spec.label_space, segmenter.classes, segmenter.colours)
    writer = DATASETS[options.format](Place(folder), space)
    rows: dict[int, tuple[str, float, float]] = {}
    try:
        with closing(_open(options)) as source:
            files = source.files() if isinstance(source, ImageSource) else {}
            for index, frame in enumerate(_frames(source, segmenter, options)):
                if index not in ranks:
                    continue
                file = files.get(frame.name)
                item = LabelledImage(
                    file_name=f"{ranks[index]:0{digits}}_{image_name(frame, file)}",
                    labels=segmenter(frame.small),
                    height=frame.picture.height,
                    width=frame.picture.width,
                    image=encoded_image(frame.picture, file),
                    predicted=True,
                    confidence=1 - float(unsure[index]),
                )
                writer.write(item)
                rows[ranks[index]] = item.file_name, frame.source_seconds, float(unsure[index])
        writer.finish()
    finally:
        writer.discard()
    write_label_space(folder, space)
    write_file(folder / ORDER, _as_csv(rows))


def _open(options: PrelabelOptions) -> Source:
    return open_source(options.source, RunOptions(inputs=(options.source,)))


def _frames(source: Source, segmenter: Segmenter, options: PrelabelOptions) -> Iterator[Frame]:
    """Yield the frames that `Segmenter.video` gives."""
    make = FrameMaker(segmenter.spec)
    for item in excerpt(source, 0, None, options.every):
        if isinstance(item, Decoded):
            yield make(item, time.perf_counter())


def _as_csv(rows: dict[int, tuple[str, float, float]]) -> str:
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("rank", "file", "seconds", "unsure"))
    for rank, (name, seconds, unsure) in sorted(rows.items()):
        table.writerow((rank, name, f"{seconds:.3f}", f"{unsure:.5f}"))
    return text.getvalue()


def unsureness(labels: LabelMap, confidence: Confidence | None, mirrored: LabelMap | None) -> float:
    """Return how unsure a model is of its labels, uint8 [h, w]: 0 to 1.

    That is one minus the mean probability, where it gives a `confidence`, uint8 [h, w]; else the share of pixels with
    another class when the frame is mirrored: `mirrored`, uint8 [h, w], are the labels of the mirrored frame.
    """
    if confidence is not None:
        return 1 - float(confidence.mean()) / 255
    assert mirrored is not None, "one of the two is known"
    return float(np.mean(labels != mirrored[:, ::-1]))


def histogram(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return the shares of 4x4x4 colours in an RGB image, uint8 [h, w, 3]: float32 [64], of sum 1."""
    counts = cv2.calcHist([image], [0, 1, 2], None, [_LEVELS] * 3, [0, 256] * 3)
    return np.asarray(counts / np.float32(image.shape[0] * image.shape[1]), np.float32).ravel()


def choose(unsure: npt.NDArray[np.float64], histograms: npt.NDArray[np.float32], budget: int) -> npt.NDArray[np.int64]:
    """Return which `budget` of N frames to label, all if there are fewer, least sure first: int64 [min(budget, N)].

    Each step takes the frame with the largest product of unsureness, float64 [N], and difference from the nearest frame
    taken so far. Two frames differ by the share of their pixels with other colours: half the sum of the differences of
    their `histograms`, float32 [N, 64].
    """
    nearest = np.ones(len(unsure))
    weight = unsure + _LEAST
    chosen: list[int] = []
    while len(chosen) < min(budget, len(unsure)):
        taken = int(np.argmax(np.where(nearest < 0, -1, weight * nearest)))
        chosen.append(taken)
        nearest = np.minimum(nearest, np.abs(histograms - histograms[taken]).sum(axis=1) / 2)
        nearest[chosen] = -1
    order = np.asarray(chosen, np.int64)
    return order[np.argsort(-unsure[order], kind="stable")]
