"""Shows a run live in browsers: `seg-run --serve`."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segdata.images.image_file import as_png
from segdata.spec import ModelSpec
from segdata.video.picture import Picture
from segdata.video.reader import Decoded
from segrun.counters import Counters
from segrun.drawing.drawing import Drawing
from segrun.drawing.look import Look
from segrun.frame import Segmented
from segrun.preview.controls import Controls
from segrun.preview.figures import Figures
from segrun.preview.live import LiveJpeg
from segrun.preview.metrics import RunMetrics
from segrun.preview.page_server import PreviewServer, Snapshot
from segrun.sinks.base import Items, Output, Sink
from segrun.sinks.png import safe_name

_LATE = 0.5  # seconds of delay after which a file does not try to catch up


@dataclass(frozen=True)
class Undrawn:
    """A frame that is drawn only if someone looks at it."""

    segmented: Segmented
    drawing: Drawing

    def to_rgb(self) -> npt.NDArray[np.uint8]:
        """Return the drawn picture, RGB uint8 [H, W, 3]."""
        return self.drawing.draw(self.segmented).to_rgb()


class PreviewSink(Sink):
    """Shows the run on a web page, as its frames come, to any viewer; the run does not wait for viewers.

    `address` is what the user opens, with the token in it if one is set. The page's picture is drawn separately, as
    its viewers set it: they cannot change an output. A file that has no output is played as they want it.
    """

    def __init__(self, address: str, token: str | None, spec: ModelSpec, look: Look = Look()) -> None:  # noqa: B008
        """Serve a run with the classes of `spec` at `address` (see `parse_address`), with this look to begin with.

        `token` is the word that every request must have; needed wherever other machines can reach the address. Raises
        InputError if the address cannot be served, or needs a token.
        """
        super().__init__()
        self._spec = spec
        self._live = LiveJpeg()
        self._figures = Figures(spec.class_names, spec.colours)
        self._metrics = RunMetrics()
        self._newest: Segmented | None = None  # that is shown
        self.controls = Controls(look, spec.class_names)
        self.controls.on_look = self._draw_anew
        self._drawing = Drawing(spec, look)
        self._server = PreviewServer(
            address, token, self._metrics.text, self._live, self._figures.now, self.controls, self._snapshot
        )
        self.address: str = self._server.url_of("")

    @classmethod
    def opened(cls, output: Output) -> "PreviewSink":
        """Return the sink of the page at `--serve`."""
        assert output.options.serve is not None
        return cls(output.options.serve, output.options.token, output.spec, Look.asked(output.options))

    def follow(self, counters: Callable[[], Counters]) -> None:
        """Add this run to /metrics."""
        self._metrics.follow(counters)

    def played(self, items: Items, again: Callable[[], Items], stays: bool) -> Items:
        """Return the frames when they are due, repeatedly if viewers want that."""
        return played(items, again, self.controls, stays)

    def write(self, segmented: Segmented, picture: Picture | None) -> None:
        """Show one frame; a viewer that still receives the one before skips it."""
        self._figures.add(segmented)
        self.controls.has_confidence = segmented.confidence is not None
        if not self.controls.paused or self.controls.plays or self._newest is None:
            self._newest = segmented
            self._live.show(Undrawn(segmented, self._drawing))

    def finish(self) -> None:
        """End every stream after its last frame, and close the server."""
        self.controls.close()
        self._server.close()

    def discard(self) -> None:
        """Close the server."""
        self.finish()

    def _draw_anew(self) -> None:
        self._drawing = Drawing(self._spec, self.controls.look)
        if self._newest is not None:
            self._live.show(Undrawn(self._newest, self._drawing))

    def _snapshot(self) -> Snapshot | None:
        if self._newest is None:
            return None
        shown = Undrawn(self._newest, Drawing(self._spec, self.controls.look)).to_rgb()
        return Snapshot(f"{safe_name(self._newest.frame.name)}.png", as_png(shown))


def played(items: Items, again: Callable[[], Items], controls: Controls, stays: bool) -> Iterator[Decoded]:
    """Yield the frames of `items` when they are due, and then those of `again()`, each time a viewer wants that.

    If the file `stays`, its end waits for such a viewer, or for `controls` to be closed.
    """
    controls.plays = True
    while True:
        yield from _in_time(items, controls)
        if not controls.begins_again(stays):
            return
        items = again()


def _in_time(items: Items, controls: Controls) -> Iterator[Decoded]:
    due, before = time.perf_counter(), None
    for item in items:
        if not isinstance(item, Decoded):
            continue
        now, seconds = time.perf_counter(), float(item.seconds)
        due += 0.0 if before is None else seconds - before
        before = seconds
        if due < now - _LATE:  # the machine is too slow for it, or it was paused
            due = now
        if not controls.wait(due):
            return
        yield item
