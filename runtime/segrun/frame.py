"""What travels through the pipeline: frames, and segmented frames."""

import time
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property

import numpy as np
import numpy.typing as npt

from segdata.labels import IGNORE_INDEX, LabelMap, class_shares
from segdata.spec import ModelSpec
from segdata.video.picture import Picture, Reformatter
from segdata.video.reader import Decoded
from segrun.runners.base import Confidence


@dataclass(frozen=True)
class Frame:
    """One upright frame, shown at `pts * time_base` seconds, with the time it has taken so far.

    `shift` is how many seconds later that is than by the source's own clock, which may have started again or jumped.

    `small` is what the network sees of it, RGB uint8 [h, w, 3]. `name` is its number in the source, counted from zero,
    or its file's name: then it is `still`, an image by itself. `decoded_at` is when it was decoded, by
    `time.perf_counter`, in seconds; `decode_seconds` and `shrink_seconds` are how long decoding and shrinking took.
    """

    picture: Picture
    small: npt.NDArray[np.uint8]
    pts: int
    time_base: Fraction
    name: str
    decoded_at: float
    decode_seconds: float
    shrink_seconds: float
    shift: Fraction = Fraction(0)
    still: bool = False

    @property
    def seconds(self) -> float:
        """When the frame is shown, in seconds: always later than the frame before."""
        return float(self.pts * self.time_base)

    @property
    def source_seconds(self) -> float:
        """The time by the source's own clock, in seconds."""
        return float(self.pts * self.time_base - self.shift)


class FrameMaker:
    """Makes frames of what a source decoded: upright, and shrunk to the network's size. For one thread."""

    def __init__(self, spec: ModelSpec) -> None:
        self._height, self._width = spec.height, spec.width
        self._reformatter = Reformatter()
        self._count = 0

    def __call__(self, item: Decoded, started: float) -> Frame:
        """Return the frame of `item`, which was just decoded; `started` is when that began."""
        decoded = time.perf_counter()
        picture = self._reformatter.picture(item.frame, item.display)
        small = self._reformatter.image(item.frame, item.display, self._height, self._width)
        self._count += 1
        name: str | None = getattr(item, "name", None)
        return Frame(
            picture=picture,
            small=small,
            pts=item.pts,
            time_base=item.time_base,
            name=name or f"{self._count - 1:06}",
            decoded_at=decoded,
            decode_seconds=decoded - started,
            shrink_seconds=time.perf_counter() - decoded,
            shift=item.shift,
            still=name is not None,
        )


@dataclass(frozen=True)
class Segmented:
    """A frame and its labels, uint8 [h, w] class ids at the network's size; 255 where the network was not sure enough.

    `classes` are the names the ids stand for; `segmented_at` is when the labels were there, by `time.perf_counter`.
    `confidence` is 255 times the probability of each label, uint8 [h, w], None where the model gives none.
    """

    frame: Frame
    labels: LabelMap
    classes: tuple[str, ...]
    segmented_at: float
    confidence: Confidence | None = None

    def unsure_below(self, probability: float) -> "Segmented":
        """Return the same with 255 for each label whose probability, 0 to 1, is lower; it needs a confidence."""
        assert self.confidence is not None
        labels = np.where(self.confidence < probability * 255, np.uint8(IGNORE_INDEX), self.labels)
        return replace(self, labels=labels)

    @property
    def unsure(self) -> float:
        """The share of the picture, 0 to 1, that has no class because the network was not sure enough."""
        return float(np.mean(self.labels == IGNORE_INDEX))

    @cached_property
    def shares(self) -> dict[str, float]:
        """The share of the picture that each class covers, 0 to 1; classes that are not there are left out."""
        return class_shares(self.labels, self.classes)
