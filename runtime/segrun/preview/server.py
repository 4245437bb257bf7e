"""The preview's web server: a thread with its own event loop, so that no viewer holds up the run."""

import asyncio
import ipaddress
import re
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from aiohttp import web

from segdata.errors import InputError
from segrun.preview.figures import Stats
from segrun.preview.guard import guard, security_headers
from segrun.preview.live import LiveJpeg

_PAGE = Path(__file__).with_name("page.html")

STREAMS = 32
"""How many may watch at once."""

CONNECTIONS = 256
"""About how many connections are open at once, so that a flood of them does not take the run's own file descriptors."""

PATIENCE = 30.0
"""After how many seconds a viewer that takes nothing is dropped."""

_METRICS_TYPE = "text/plain; version=1.0.0; charset=utf-8"  # Prometheus' exposition formats, text

_PART = b"--frame\r\nContent-Type: image/jpeg\r\n\r\n"
_SEND_BUFFER = 1 << 18  # bytes: what the system keeps of a stream is older than the newest frame
_GRACE = 1.0  # seconds that open requests have to end


class Server:
    """Serves /metrics, the text of `metrics`, behind the guard; what serves more adds its routes and its page."""

    _page = ""

    def __init__(self, host: str, port: int, token: str | None, metrics: Callable[[], str]) -> None:
        """Start serving; raise InputError if `host`:`port` cannot be, or not without a `token`."""
        self._metrics, self._token = metrics, token
        self._stop = asyncio.Event()
        self._socket = _listen(host, port, token)
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
        """End the streams, close every connection and wait for the thread; more than once does no harm."""
        if self._thread.is_alive():
            with suppress(RuntimeError):  # someone else has just closed it
                self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            if self._started.done():
                raise  # Python prints it: the run goes on without the preview
            self._started.set_exception(error)

    async def _serve(self) -> None:
        runner = web.AppRunner(
            self._application(),
            access_log=None,
            handler_cancellation=True,  # who has gone frees his place at once
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
        # To close a transport is to send first what waits in it, and a viewer that does not read keeps that waiting.
        for transport in transports:
            if transport is not None and transport.get_write_buffer_size():
                transport.abort()

    def _application(self) -> web.Application:
        application = web.Application(middlewares=[guard(self._token)])
        application.on_response_prepare.append(security_headers(self._page))
        application.router.add_get("/metrics", self._show_metrics)
        self._add_routes(application.router)
        return application

    def _add_routes(self, router: web.UrlDispatcher) -> None:
        """Add what is served besides."""

    def _end(self) -> None:
        """End what is being served."""

    async def _show_metrics(self, _: web.Request) -> web.Response:
        return web.Response(text=self._metrics(), headers={"Content-Type": _METRICS_TYPE})


class PreviewServer(Server):
    """Serves the page, the stream of `live`, its newest frame, and `stats`, besides the metrics."""

    def __init__(
        self,
        host: str,
        port: int,
        token: str | None,
        metrics: Callable[[], str],
        live: LiveJpeg,
        stats: Callable[[], Stats],
    ) -> None:
        """Start serving; raise as `Server` does."""
        self._live, self._stats = live, stats
        self._page = _PAGE.read_text(encoding="utf-8")
        self._streams = 0
        super().__init__(host, port, token, metrics)

    def _add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_get("/", self._show_page)
        router.add_get("/stream.mjpg", self._show_stream)
        router.add_get("/frame.jpg", self._show_frame)
        router.add_get("/stats", self._show_stats)

    def _end(self) -> None:
        self._live.end()

    async def _show_page(self, _: web.Request) -> web.Response:
        return web.Response(text=self._page, content_type="text/html")

    async def _show_stats(self, _: web.Request) -> web.Response:
        return web.json_response(self._stats())

    async def _show_frame(self, _: web.Request) -> web.Response:
        jpeg = await self._live.newest()
        if jpeg is None:
            raise web.HTTPServiceUnavailable(text="There is no frame yet.\n")
        return web.Response(body=jpeg, content_type="image/jpeg")

    async def _show_stream(self, request: web.Request) -> web.StreamResponse:
        if self._streams >= STREAMS:
            raise web.HTTPServiceUnavailable(text=f"{STREAMS} are watching already: close another page of this one.\n")
        self._streams += 1
        try:
            return await self._stream(request)
        finally:
            self._streams -= 1

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "multipart/x-mixed-replace; boundary=frame"})
        with suppress(ConnectionError):  # the viewer has gone, which aiohttp would report with a traceback
            await response.prepare(request)
            if request.method != "HEAD":
                await self._send_frames(request, response)
        return response

    async def _send_frames(self, request: web.Request, response: web.StreamResponse) -> None:
        seen, jpeg = 0, b""
        while (newer := await self._live.after(seen)) is not None:
            start = b"" if seen else _PART
            seen, jpeg = newer
            # Chromium shows a frame once the next part's head is there, so that comes with it.
            try:
                await asyncio.wait_for(response.write(b"".join([start, jpeg, b"\r\n", _PART])), PATIENCE)
            except asyncio.TimeoutError:
                if request.transport is not None:
                    request.transport.abort()
                return
        # The part that has begun is the last frame again: an empty one could be shown as a broken image.
        await response.write(jpeg + b"\r\n--frame--\r\n")


class _TurnedAway(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


def _listen(host: str, port: int, token: str | None) -> socket.socket:
    if token is not None and not re.fullmatch(r"[!-~]+", token):
        raise InputError("the token is empty or has other than ASCII letters, digits and signs; choose another")
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        here_only = ipaddress.ip_address(str(address[0]).partition("%")[0]).is_loopback
        if token is None and not here_only:
            raise InputError(f"other machines can reach {host}: add --token WORD, or serve at 127.0.0.1:{port}")
        listening = socket.create_server(address, family=family)
    except (OSError, ValueError) as error:  # ValueError: a host that no name can be
        reason = str(getattr(error, "strerror", None) or error).partition(" (")[0]
        raise InputError(
            f"cannot serve the preview at {host}, port {port}: {reason}; choose another HOST:PORT"
        ) from error
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)  # the connections inherit it
    return listening


def _url(listening: socket.socket, path: str, token: str | None) -> str:
    address, port = listening.getsockname()[:2]
    shown = socket.gethostname() if address in ("0.0.0.0", "::") else address
    netloc = f"[{shown}]:{port}" if ":" in shown else f"{shown}:{port}"
    return f"http://{netloc}/{path}" + (f"?token={quote(token, safe='')}" if token else "")
