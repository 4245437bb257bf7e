"""Shows a run live in browsers: `seg-run --serve`."""

import re

from segdata.errors import InputError
from segdata.labels import Colour
from segdata.video.picture import Picture
from segrun.frame import Segmented
from segrun.preview.figures import Figures
from segrun.preview.live import LiveJpeg
from segrun.preview.server import PreviewServer
from segrun.sinks.base import Output, Sink

_LOOPBACK = "127.0.0.1"
_ADDRESS = re.compile(r"((\[(?P<ipv6>[^\[\]/]+)\]|(?P<host>[^:\[\]/]*)):)?(?P<port>[0-9]{1,5})")


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
        self._server = PreviewServer(host, port, token, self._live, self._figures.now)
        self.address: str = self._server.url

    @classmethod
    def opened(cls, output: Output) -> "PreviewSink":
        """Return the sink of the page at `--serve`."""
        assert output.options.serve is not None
        return cls(output.options.serve, output.options.token, output.spec.class_names, output.spec.colours)

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


def parse_address(address: str) -> tuple[str, int]:
    """Return host and port of "HOST:PORT", "[IPV6]:PORT", ":PORT" or "PORT"; without a host it is this machine only.

    Port 0 is one that is free. Raises InputError for anything else.
    """
    parts = _ADDRESS.fullmatch(address)
    if parts is None or int(parts["port"]) > 65535:
        raise InputError(f"got {address!r} to serve at, need HOST:PORT such as {_LOOPBACK}:8080 or [::1]:8080")
    return parts["ipv6"] or parts["host"] or _LOOPBACK, int(parts["port"])
