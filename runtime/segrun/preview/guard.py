"""Access control of the preview, and what browsers may do with it."""

import base64
import hashlib
import hmac
import re
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

_LOOPBACK_HOST = re.compile(r"(localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\])(:\d{1,5})?", re.ASCII | re.IGNORECASE)


def guard(token: str | None) -> Middleware:
    """Return a middleware that rejects every request without the `token`, in its query or as a Bearer.

    Without a token, only requests to a loopback name pass: a page on the web can point its own name at this machine
    (DNS rebinding), and could then read what the browser of this machine's user gets here.
    """

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if token is None:
            if not _LOOPBACK_HOST.fullmatch(request.headers.get("Host", "")):
                raise web.HTTPForbidden(text="This preview is for its own machine: open it as localhost.\n")
        elif not _carries(request, token):
            raise web.HTTPUnauthorized(
                text="The token is missing or wrong: open the address that seg-run printed.\n",
                headers={"WWW-Authenticate": "Bearer"},
            )
        return await handler(request)

    return check


def of_this_page(request: web.Request) -> bool:
    """Return whether a request comes from a page of this server, or from no page at all: browsers say the origin."""
    origin = request.headers.get("Origin")
    return origin is None or urlsplit(origin).netloc == request.host


def security_headers(page: str) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    """Return a hook that adds the headers of a strict policy to every response. `page` has one style and one script.

    The policy names their hashes, so that nothing else in the page can run.
    """
    headers = {
        "Content-Security-Policy": (
            f"default-src 'none'; img-src 'self' data:; connect-src 'self'; script-src {_source(page, 'script')}; "
            f"style-src {_source(page, 'style')}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        ),
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Server": "edgeseg",
    }

    async def add(_: web.Request, response: web.StreamResponse) -> None:
        response.headers.update(headers)

    return add


def _carries(request: web.Request, token: str) -> bool:
    scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
    given = bearer.strip() if scheme.lower() == "bearer" else request.query.get("token", "")
    # As bytes, whatever came: compare_digest takes only ASCII text.
    return hmac.compare_digest(given.encode(errors="surrogatepass"), token.encode())


def _source(page: str, tag: str) -> str:
    inside = page.partition(f"<{tag}>")[2].partition(f"</{tag}>")[0]
    return f"'sha256-{base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()}'"
