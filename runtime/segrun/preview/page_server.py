"""Serves the live page of a run: its stream, its newest frame, its figures and its controls."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from aiohttp import web

from segdata.errors import InputError
from segrun.preview.controls import Controls
from segrun.preview.figures import Stats
from segrun.preview.guard import of_this_page
from segrun.preview.live import LiveJpeg
from segrun.preview.server import Server

_PAGE = Path(__file__).with_name("page.html")

STREAMS = 32
"""How many may watch at once."""

PATIENCE = 30.0
"""After how many seconds a viewer that reads nothing is dropped."""

_PART = b"--frame\r\nContent-Type: image/jpeg\r\n\r\n"


class Snapshot(NamedTuple):
    """An image as a viewer saves it: the name of its file, and the PNG."""

    name: str
    png: bytes


class PreviewServer(Server):
    """Serves the page, the stream of `live`, its newest frame and `stats`, in addition to the metrics."""

    def __init__(
        self,
        address: str,
        token: str | None,
        metrics: Callable[[], str],
        live: LiveJpeg,
        stats: Callable[[], Stats],
        controls: Controls | None = None,
        snapshot: Callable[[], Snapshot | None] = lambda: None,
    ) -> None:
        """Start serving; raise as `Server` does. With `controls`, viewers may change settings and save a `snapshot`."""
        self._live, self._stats = live, stats
        self._controls, self._snapshot = controls, snapshot
        self._page = _PAGE.read_text(encoding="utf-8")
        self._streams = 0
        super().__init__(address, token, metrics)

    def _add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_get("/", self._show_page)
        router.add_get("/stream.mjpg", self._show_stream)
        router.add_get("/frame.jpg", self._show_frame)
        router.add_get("/stats", self._show_stats)
        if self._controls is not None:
            router.add_get("/controls", self._show_controls)
            router.add_post("/controls", self._change_controls)
            router.add_get("/snapshot.png", self._show_snapshot)

    def _end(self) -> None:
        self._live.end()

    async def _show_page(self, _: web.Request) -> web.Response:
        return web.Response(text=self._page, content_type="text/html")

    async def _show_stats(self, _: web.Request) -> web.Response:
        return web.json_response(self._stats())

    async def _show_controls(self, _: web.Request) -> web.Response:
        assert self._controls is not None  # it has a route
        return web.json_response(self._controls.state())

    async def _change_controls(self, request: web.Request) -> web.Response:
        assert self._controls is not None
        if request.content_type != "application/json" or not of_this_page(request):
            raise web.HTTPForbidden(text="Only this page, or a program that sends application/json, changes things.\n")
        try:
            self._controls.change(await request.read())
        except InputError as error:
            raise web.HTTPBadRequest(text=f"{error}\n") from None
        return web.json_response(self._controls.state())

    async def _show_snapshot(self, _: web.Request) -> web.Response:
        snapshot = await asyncio.to_thread(self._snapshot)
        if snapshot is None:
            raise web.HTTPServiceUnavailable(text="There is no frame yet.\n")
        headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(snapshot.name)}"}
        return web.Response(body=snapshot.png, content_type="image/png", headers=headers)

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
            # Chromium shows a frame only when the next part's head is there, so it is sent along.
            try:
                await asyncio.wait_for(response.write(b"".join([start, jpeg, b"\r\n", _PART])), PATIENCE)
            except asyncio.TimeoutError:
                if request.transport is not None:
                    request.transport.abort()
                return
        # The part that has begun gets the last frame again: an empty one could be shown as a broken image.
        await response.write(jpeg + b"\r\n--frame--\r\n")
