"""edgeseg as a library: segment images, or go through a video."""

import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt

from segdata.errors import InputError
from segdata.images.resize import enlarge_labels, resize_frame
from segdata.labels import LabelMap
from segdata.video.label_video import read_labels
from segdata.video.reader import Decoded
from segrun.frame import Frame, FrameMaker, Segmented
from segrun.options import Arithmetic, RunnerName, RunOptions
from segrun.runners.base import Frames, Inferred
from segrun.runners.open import open_runner
from segrun.segmented_image import ImageLike, SegmentedImage, to_rgb
from segrun.sources.excerpt import excerpt
from segrun.sources.open import open_source


class Segmenter:
    """A model, ready to use: for an `image`, many `images` or a `video`. Use it in a `with` block, or close it.

    Called with an array it gives the labels alone.

    Any number of threads may share one, as the handlers of a web server do; the one that opened it closes it.

    `classes` are the names that the ids in labels stand for, `colours` their RGB colours, `chosen` which way to run the
    network was the fastest here ("" if there was only one). `has_confidence` says that it also gives a confidence.
    """

    def __init__(
        self, model: Path | str | None = None, runner: RunnerName = "auto", arithmetic: Arithmetic = "auto"
    ) -> None:
        """Open a shipped model by its name, such as "unet-128", or an artefact of one frame written by seg-export.

        It runs in the fastest way here, which is measured once; `arithmetic` pins what floats are computed in.

        Raises what `open_runner` does, and InputError if the artefact takes several frames at once.
        """
        self._runner = open_runner(None if model is None else Path(model), runner, arithmetic=arithmetic)
        self.spec = self._runner.spec
        self.chosen = self._runner.chosen
        self.classes, self.colours = self.spec.class_names, self.spec.colours
        self.has_confidence = self._runner.has_confidence
        if self._runner.batch != 1:
            self.close()
            raise InputError(f"{model} takes {self._runner.batch} frames at once, need 1; export it with --batch 1")

    def __call__(self, image: npt.NDArray[np.uint8]) -> LabelMap:
        """Return the class of each pixel, uint8 [H, W], of `image`, RGB uint8 [H, W, 3] of any size.

        The network sees the image at its own size; its labels are enlarged to the nearest. Raises InputError for an
        array of another shape or type.
        """
        return self.image(image).labels

    def image(self, image: ImageLike) -> SegmentedImage:
        """Return `image` with its labels: RGB uint8 [H, W, 3], an image of Pillow, or the path of an image file.

        Raises InputError for anything else.
        """
        pixels, name = to_rgb(image)
        found = self._runner.infer(resize_frame(pixels, self.spec.height, self.spec.width)[None])
        labels, *confidence = (enlarge_labels(values[0], *pixels.shape[:2]) for values in found if values is not None)
        return SegmentedImage(pixels, labels, self.classes, self.colours, name, *confidence)

    def images(self, images: Iterable[ImageLike]) -> Iterator[SegmentedImage]:
        """Yield each of `images` with its labels, as `image` does; each is taken when it is asked for."""
        return map(self.image, images)

    def video(
        self,
        video: Path | str,
        *,
        start: float = 0,
        duration: float | None = None,
        every: int = 1,
        labels: Path | str | None = None,
    ) -> Generator[Segmented, None, None]:
        """Yield each frame of `video` with its labels: a file, an image folder, a webcam's number or an address.

        `start` and `duration` are seconds, `every` takes every Nth frame. `frame.picture.to_rgb()` of an item is the
        image, its `labels` the classes at the network's size, `shares` how much of it each class covers. A frame of a
        live source is yielded before the next is read. The argument `labels` is a NAME.labels.mkv that seg-run wrote of
        the same frames: they are read instead of computed. Raises InputError if there is no such video, or no such
        labels.
        """
        source = open_source(str(video), RunOptions(inputs=(str(video),)))
        waiting: deque[Frame] = deque()

        def small_images() -> Iterator[Frames]:
            make = FrameMaker(self.spec)
            started = time.perf_counter()
            for item in excerpt(source, start, duration, every):
                if isinstance(item, Decoded):
                    waiting.append(make(item, started))
                    yield waiting[-1].small[None]
                    started = time.perf_counter()

        small = small_images()
        if labels is not None:
            stream: Iterator[Inferred] = _stored(small, Path(labels))
        elif source.live:
            stream = (self._runner.infer(image) for image in small)
        else:
            stream = self._runner.infer_stream(small)
        try:
            for found in stream:
                confidence = None if found.confidence is None else found.confidence[0]
                yield Segmented(waiting.popleft(), found.labels[0], self.classes, time.perf_counter(), confidence)
        finally:
            source.close()

    def close(self) -> None:
        """Release the model."""
        self._runner.close()

    def __enter__(self) -> "Segmenter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _stored(small: Iterator[Frames], path: Path) -> Iterator[Inferred]:
    """Yield the labels of each frame from a NAME.labels.mkv; raise InputError if there are fewer than frames."""
    labels = read_labels(path)
    for _ in small:
        stored = next(labels, None)
        if stored is None:
            raise InputError(f"{path}: ends before the video; need the labels of the same frames, complete")
        yield Inferred(stored.labels[None])
