"""Shows several runs on one page, their newest pictures side by side: `seg-run --together --serve`."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from segdata.spec import ModelSpec
from segdata.video.picture import Picture, Reformatter
from segrun.drawing.rows import drawable
from segrun.frame import Segmented
from segrun.preview.figures import Figures, InputStats, Stats, stats_of
from segrun.preview.live import LiveJpeg
from segrun.preview.metrics import FollowedSink, RunMetrics
from segrun.preview.page_server import PreviewServer

_WIDTH, _SHAPE = 1280, 9 / 16  # of the wall in pixels, and of each picture on it, height to width
_LETTERS = 0.55  # of the font's own size
_GROUND = 24  # the grey around the pictures
_ENDED = 0.35  # how bright the last picture of an ended run is


@dataclass(frozen=True)
class Tile:
    """What is known of one run: its newest picture, None before the first, and whether it has ended."""

    name: str
    picture: Picture | None = None
    ended: bool = False


class WallSink(FollowedSink):
    """Shows one of the runs on the wall."""

    shows = True

    def __init__(self, wall: "Wall", metrics: RunMetrics, name: str) -> None:
        super().__init__(metrics, name)
        self._wall = wall
        self.tile = Tile(name)
        self.figures = Figures(wall.spec.class_names, wall.spec.colours)

    def write(self, segmented: Segmented, picture: Picture | None) -> None:
        """Show one frame."""
        self.figures.add(segmented)
        self._show(Tile(self.tile.name, picture))

    def finish(self) -> None:
        """Darken the last picture: no more will come."""
        self._show(Tile(self.tile.name, self.tile.picture, ended=True))

    def discard(self) -> None:
        """Do as `finish`."""
        self.finish()

    def _show(self, tile: Tile) -> None:
        self.tile = tile
        self._wall.show()


class Wall:
    """A page at `address` with the newest picture of each run; runs do not wait for viewers."""

    def __init__(self, address: str, token: str | None, spec: ModelSpec, metrics: RunMetrics) -> None:
        """Serve at `address`; raise InputError if that is impossible, or needs a `token`."""
        self.spec = spec
        self._metrics = metrics
        self._sinks: list[WallSink] = []
        self._live = LiveJpeg()
        self._server = PreviewServer(address, token, metrics.text, self._live, self._stats)
        self.address = self._server.url_of("")

    def sink(self, name: str) -> WallSink:
        """Return the sink of another run."""
        self._sinks.append(WallSink(self, self._metrics, name))
        return self._sinks[-1]

    def show(self) -> None:
        """Show the newest pictures, which are put together only if there is a viewer."""
        self._live.show(Mosaic(tuple(sink.tile for sink in self._sinks)))

    def close(self) -> None:
        """End every stream and close the server."""
        self._server.close()

    def _stats(self) -> Stats:
        found = stats_of([sink.figures for sink in self._sinks])
        found["inputs"] = [
            InputStats(
                name=sink.tile.name,
                fps=sink.figures.seen().fps,
                frames=sink.counters().frames_shown,
                dropped=sink.counters().frames_dropped,
                ended=sink.tile.ended,
            )
            for sink in self._sinks
        ]
        return found


@dataclass(frozen=True)
class Mosaic:
    """The pictures of several runs as one."""

    tiles: tuple[Tile, ...]

    def to_rgb(self) -> npt.NDArray[np.uint8]:
        """Return the wall, RGB uint8 [H, W, 3]: rows of pictures of one size, each with its name."""
        columns = math.ceil(math.sqrt(len(self.tiles)))
        rows = math.ceil(len(self.tiles) / columns)
        width = _WIDTH // columns
        height = round(width * _SHAPE)
        wall = np.full((rows * height, columns * width, 3), _GROUND, np.uint8)
        for index, tile in enumerate(self.tiles):
            row, column = divmod(index, columns)
            _draw(wall[row * height : (row + 1) * height, column * width : (column + 1) * width], tile)
        return wall


def _draw(place: npt.NDArray[np.uint8], tile: Tile) -> None:
    """Draw a tile in the middle of `place`, as large as fits, with its name in the corner."""
    if tile.picture is not None:
        scale = min(place.shape[0] / tile.picture.height, place.shape[1] / tile.picture.width)
        height, width = (max(1, round(side * scale)) for side in (tile.picture.height, tile.picture.width))
        image = Reformatter().rgb(tile.picture, height, width)
        top, left = (place.shape[0] - height) // 2, (place.shape[1] - width) // 2
        brightness = _ENDED if tile.ended else 1.0
        place[top : top + height, left : left + width] = cv2.convertScaleAbs(image, alpha=brightness)
    state = " (ended)" if tile.ended else "" if tile.picture is not None else " (no frame yet)"
    text = drawable(tile.name) + state
    (width, height), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, _LETTERS, 1)
    place[: height + below + 16, : width + 16] //= 3
    cv2.putText(place, text, (8, height + 8), cv2.FONT_HERSHEY_SIMPLEX, _LETTERS, (255, 255, 255), 1, cv2.LINE_AA)
