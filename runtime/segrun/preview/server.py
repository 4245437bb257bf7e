"""A web server of a run: a thread with its own event loop, so that no viewer holds up the run."""

import asyncio
import ipaddress
import re
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from urllib.parse import quote

from aiohttp import web

from segdata.errors import InputError
from segrun.preview.guard import guard, security_headers

CONNECTIONS = 256
"""About how many connections may be open at once: a flood must not take the run's own file descriptors."""

_METRICS_TYPE = "text/plain; version=1.0.0; charset=utf-8"  # Prometheus' exposition formats, text

_SEND_BUFFER = 1 << 18  # bytes: whatever the system buffers of a stream is older than the newest frame
_LARGEST_REQUEST = 1 << 14  # bytes; the names of all classes at once
_GRACE = 1.0  # seconds that open requests have to end

_LOOPBACK = "127.0.0.1"
_ADDRESS = re.compile(r"((\[(?P<ipv6>[^\[\]/]+)\]|(?P<host>[^:\[\]/]*)):)?(?P<port>[0-9]{1,5})")


class Server:
    """Serves /metrics, the text of `metrics`, behind the guard; subclasses add routes and a page."""

    _page = ""

    def __init__(self, address: str, token: str | None, metrics: Callable[[], str]) -> None:
        """Start serving; raise InputError if that is impossible at `address`, or needs a `token`."""
        self._metrics, self._token = metrics, token
        self._stop = asyncio.Event()
        self._socket = _listen(*parse_address(address), token)
        self._started: Future[asyncio.AbstractEventLoop] = Future()
        self._thread = threading.Thread(target=self._run, name="preview", daemon=True)
        try:
            self._thread.start()
            self._loop = self._started.result()
        except BaseException:
            self._socket.close()
            raise

    def url_of(self, path: str) -> str:
        """Return the address of a path, with the token in it if one is set."""
        return _url(self._socket, path, self._token)

    def close(self) -> None:
        """End the streams, close every connection and wait for the thread; may be called more than once."""
        if self._thread.is_alive():
            with suppress(RuntimeError):  # someone else has just closed it
                self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            if self._started.done():
                raise  # Python prints the error: the run goes on without the preview
            self._started.set_exception(error)

    async def _serve(self) -> None:
        runner = web.AppRunner(
            self._application(),
            access_log=None,
            handler_cancellation=True,  # a viewer that has gone frees its place at once
            keepalive_timeout=15.0,
            shutdown_timeout=_GRACE,
        )
        await runner.setup()
        server = runner.server
        assert server is not None  # set up

        def connection() -> asyncio.Protocol:
            return server() if len(server.connections) < CONNECTIONS else _TurnedAway()

        loop = asyncio.get_running_loop()
        listening = await loop.create_server(connection, sock=self._socket)
        self._started.set_result(loop)
        await self._stop.wait()
        listening.close()
        self._end()
        transports = [handler.transport for handler in server.connections]
        await runner.cleanup()
        # Closing a transport sends its buffer first, and a viewer that does not read keeps that waiting.
        for transport in transports:
            if transport is not None and transport.get_write_buffer_size():
                transport.abort()

    def _application(self) -> web.Application:
        application = web.Application(middlewares=[guard(self._token)], client_max_size=_LARGEST_REQUEST)
        application.on_response_prepare.append(security_headers(self._page))
        application.router.add_get("/metrics", self._show_metrics)
        self._add_routes(application.router)
        return application

    def _add_routes(self, router: web.UrlDispatcher) -> None:
        """Add further routes."""

    def _end(self) -> None:
        """End what is being served."""

    async def _show_metrics(self, _: web.Request) -> web.Response:
        return web.Response(text=self._metrics(), headers={"Content-Type": _METRICS_TYPE})


def parse_address(address: str) -> tuple[str, int]:
    """Return host and port of "HOST:PORT", "[IPV6]:PORT", ":PORT" or "PORT"; without a host it is this machine only.

    Port 0 is one that is free. Raises InputError for anything else.
    """
    parts = _ADDRESS.fullmatch(address)
    if parts is None or int(parts["port"]) > 65535:
        raise InputError(f"got {address!r} to serve at, need HOST:PORT such as {_LOOPBACK}:8080 or [::1]:8080")
    return parts["ipv6"] or parts["host"] or _LOOPBACK, int(parts["port"])


class _TurnedAway(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


def _listen(host: str, port: int, token: str | None) -> socket.socket:
    if token is not None and not re.fullmatch(r"[!-~]+", token):
        raise InputError(
            "the token is empty or has characters other than ASCII letters, digits and signs; choose another"
        )
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        here_only = ipaddress.ip_address(str(address[0]).partition("%")[0]).is_loopback
        if token is None and not here_only:
            raise InputError(f"other machines can reach {host}: add --token WORD, or serve at 127.0.0.1:{port}")
        listening = socket.create_server(address, family=family)
    except (OSError, ValueError) as error:  # ValueError: an impossible host name
        reason = str(getattr(error, "strerror", None) or error).partition(" (")[0]
        raise InputError(f"cannot serve at {host}, port {port}: {reason}; choose another HOST:PORT") from error
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)  # the connections inherit it
    return listening


def _url(listening: socket.socket, path: str, token: str | None) -> str:
    address, port = listening.getsockname()[:2]
    shown = socket.gethostname() if address in ("0.0.0.0", "::") else address
    netloc = f"[{shown}]:{port}" if ":" in shown else f"{shown}:{port}"
    return f"http://{netloc}/{path}" + (f"?token={quote(token, safe='')}" if token else "")
