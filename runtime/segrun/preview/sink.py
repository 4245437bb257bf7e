"""Shows a run live in browsers: `seg-run --serve`."""

from collections.abc import Callable

from segdata.labels import Colour
from segdata.video.picture import Picture
from segrun.counters import Counters
from segrun.frame import Segmented
from segrun.preview.address import parse_address
from segrun.preview.figures import Figures
from segrun.preview.live import LiveJpeg
from segrun.preview.metrics import RunMetrics
from segrun.preview.server import PreviewServer
from segrun.sinks.base import Output, Sink


class PreviewSink(Sink):
    """Shows the drawn pictures on a web page, as they come, to whoever looks; the run waits for none of them.

    `address` is what the user opens, with the token in it if one is set.
    """

    shows = True

    def __init__(self, address: str, token: str | None, classes: tuple[str, ...], colours: tuple[Colour, ...]) -> None:
        """Serve at `address` (see `parse_address`); `colours` are the RGB of `classes`, one each.

        `token` is the word that every request must have; needed wherever other machines can reach the address. Raises
        InputError if the address cannot be served, or not without a token.
        """
        super().__init__()
        host, port = parse_address(address)
        self._live = LiveJpeg()
        self._figures = Figures(classes, colours)
        self._metrics = RunMetrics()
        self._server = PreviewServer(host, port, token, self._metrics.text, self._live, self._figures.now)
        self.address: str = self._server.url_of("")

    @classmethod
    def opened(cls, output: Output) -> "PreviewSink":
        """Return the sink of the page at `--serve`."""
        assert output.options.serve is not None
        return cls(output.options.serve, output.options.token, output.spec.class_names, output.spec.colours)

    def follow(self, counters: Callable[[], Counters]) -> None:
        """Have /metrics tell of this run."""
        self._metrics.follow(counters)

    def write(self, segmented: Segmented, picture: Picture | None) -> None:
        """Show one frame; a viewer that still receives the one before skips it."""
        assert picture is not None  # a sink that shows gets it
        self._figures.add(segmented)
        self._live.show(picture)

    def finish(self) -> None:
        """End every stream after its last frame, and close the server."""
        self._server.close()

    def discard(self) -> None:
        """Close the server."""
        self._server.close()
