"""Compares an artefact with its reference on an unlabelled video: agreement, flicker, the worst frames."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from segbench.quality.flicker import Flicker
from segbench.results import QualityResult, WorstFrame
from segdata.errors import InputError
from segdata.metrics import confusion_matrix, pixel_accuracy
from segdata.video.reader import Decoded, VideoReader
from segrun.frame import Frame, FrameMaker
from segrun.runners.base import Runner

APART = 1.0  # seconds; the neighbours of a bad frame are as bad, and show the same


class WorstFrames:
    """Finds the `count` worst frames that are `APART` or more from each other.

    Its memory does not grow with the video: only the worst frame of each whole second is a candidate. Each one taken
    rules out at most two others, those of the seconds before and after it, so it is enough to keep the worst
    `3 * count` seconds.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._of_second: dict[int, WorstFrame] = {}

    def add(self, frame: WorstFrame) -> None:
        """Take the next frame."""
        second = int(frame.seconds // APART)
        kept = self._of_second.get(second)
        if kept is None or frame.equal_pixels < kept.equal_pixels:
            self._of_second[second] = frame
        if len(self._of_second) > 3 * self._count:
            del self._of_second[max(self._of_second, key=lambda one: _badness(self._of_second[one]))]

    def chosen(self) -> tuple[WorstFrame, ...]:
        """Return the frames, worst first; fewer than `count` if the video is too short for them."""
        taken: list[WorstFrame] = []
        for frame in sorted(self._of_second.values(), key=_badness):
            if all(abs(frame.seconds - other.seconds) >= APART for other in taken):
                taken.append(frame)
        return tuple(taken[: self._count])


def _badness(frame: WorstFrame) -> tuple[float, float]:
    """Return the sort key: the worst frame first; of equally bad ones, the earliest."""
    return frame.equal_pixels, frame.seconds


WORST_FRAMES = 4


def video_quality(
    runner: Runner,
    reference: Runner,
    video: Path,
    limit: int | None,
    names: tuple[str, str] | None = None,
) -> QualityResult:
    """Run both on the first `limit` frames of `video` (all, if None) and compare what they say.

    `names` are what the result calls artefact and reference; their precisions, if None. Memory does not grow with the
    video. Raises InputError if the two differ in classes or size or take several frames at once, if `limit` is below 1,
    or if no frame of `video` can be decoded.
    """
    _check_comparable(runner, reference)
    if limit is not None and limit < 1:
        raise InputError(f"got a limit of {limit} frames, need 1 or more")
    classes = runner.spec.class_names
    matrix = np.zeros((len(classes), len(classes)), dtype=np.int64)
    flicker, worst, frames = Flicker(), WorstFrames(WORST_FRAMES), 0
    for seconds, frame in islice(timed_frames(video, runner), limit):
        labels, expected = runner(frame.small[None])[0], reference(frame.small[None])[0]
        counts = confusion_matrix(expected, labels, len(classes))
        matrix += counts
        worst.add(WorstFrame(seconds, pixel_accuracy(counts)))
        flicker.add(frame.small, (labels, expected))
        frames += 1
    if not frames:
        raise InputError(f"{video}: no frame could be decoded; the file is broken: get it again")
    seen = matrix.sum(axis=1)
    artefact_name, reference_name = names or (runner.precision, reference.precision)
    artefact_flicker, reference_flicker = flicker.shares
    return QualityResult(
        artefact=artefact_name,
        reference=reference_name,
        frames=frames,
        equal_pixels=pixel_accuracy(matrix),
        class_agreement={
            name: float(matrix[index, index] / seen[index]) if seen[index] else None
            for index, name in enumerate(classes)
        },
        flicker=artefact_flicker,
        reference_flicker=reference_flicker,
        still_pixels=flicker.still_share,
        worst=worst.chosen(),
    )


def timed_frames(video: Path, runner: Runner) -> Iterator[tuple[float, Frame]]:
    """Yield each frame of `video` as `runner` takes it, and how many seconds after the first one it is shown."""
    make = FrameMaker(runner.spec)
    return ((seconds, make(item, started=0)) for seconds, item in timed(video))


def timed(video: Path) -> Iterator[tuple[float, Decoded]]:
    """Yield each frame of `video` as it was decoded, and how many seconds after the first one it is shown."""
    with VideoReader(video) as reader:
        first = None
        for item in reader.frames():
            first = item.seconds if first is None else first
            yield float(item.seconds - first), item


def _check_comparable(runner: Runner, reference: Runner) -> None:
    for one in (runner, reference):
        if one.batch != 1:
            raise InputError(f"got an artefact that takes {one.batch} frames at once, need 1; export it with --batch 1")
    if runner.spec.class_names != reference.spec.class_names:
        raise InputError(
            f"got an artefact of the classes of {runner.spec.label_space} and a reference of those of "
            f"{reference.spec.label_space}; need the same classes"
        )
    if (runner.spec.height, runner.spec.width) != (reference.spec.height, reference.spec.width):
        raise InputError(
            f"got an artefact of {runner.spec.width}x{runner.spec.height} and a reference of "
            f"{reference.spec.width}x{reference.spec.height}; need the same size: export both from one checkpoint"
        )
