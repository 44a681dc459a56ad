"""Who may read and steer: stands before every handler of the page. Knows requests, not what they are for.

Three ways in are closed. A stranger on the network needs the token. Another site in the user's own browser is told by
the Origin that the browser sends with it, and gets nothing that it could read. A name that an attacker makes point here
(DNS rebinding) is not one of ours.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from aiohttp import web

from hybridpress.web.address import Access

MOST_BODY_BYTES = 16 * 2**10
WITHOUT_TOKEN = frozenset({"/static/live.css"})
"""What the page that asks for the token is made of."""

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}

_ENTER = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>hybridpress</title><link rel="stylesheet" href="/static/live.css"></head>
<body><main class="enter"><h1>hybridpress</h1>
<p>This page shows and steers a run. Who has the token that the command printed with its address may enter.</p>
<form method="get" action="/"><label for="token">Token</label>
<input id="token" name="token" type="password" autocomplete="off" required autofocus>
<button type="submit">Open</button></form></main></body></html>
"""
# Not a redirect: after a link on another site, a browser would follow that without a strict cookie.
_ENTERED = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>hybridpress</title>
<meta http-equiv="refresh" content="0;url=/"></head>
<body><p><a href="/">Open the page</a></p></body></html>
"""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Guard:
    """Lets through what *access* allows."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._cookie = f"hybridpress-{access.port}"  # cookies do not know of ports: each page has one of its own

    def install(self, app: web.Application) -> None:
        """Stand before all that *app* does."""
        app.on_response_prepare.append(self._add_headers)
        app.middlewares.append(self._watch)

    @web.middleware
    async def _watch(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if (why := self._why_not_called(request)) is not None:
            return refused(421, why)
        if self._access.token is not None and not self._has_token(request):
            if request.path == "/" and request.method == "GET":
                return self._enter(request)
            if request.path not in WITHOUT_TOKEN:
                return refused(401, "this page is open to those who have its token")
        if (why := self._why_foreign(request)) is not None:
            return refused(403, why)
        if request.method not in {"GET", "HEAD"} and request.content_type != "application/json":
            return refused(415, "changes are asked for in JSON: Content-Type must be application/json")
        return await handler(request)

    def _why_not_called(self, request: web.Request) -> str | None:
        """Why the name by which we were called is none of ours."""
        hosts = request.headers.getall("Host", [])
        name = _name_in(hosts[0]) if len(hosts) == 1 else None
        if name is not None and (name in self._access.names or (self._access.by_address and _is_address(name))):
            return None
        return "this page does not go by that name: open it by the address that the command printed"

    def _has_token(self, request: web.Request) -> bool:
        assert self._access.token is not None
        cookie = request.cookies.get(self._cookie, "")
        bearer = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return any([_same(cookie, self._access.token), _same(bearer, self._access.token)])

    def _enter(self, request: web.Request) -> web.StreamResponse:
        """Give the cookie to who has the token in the address; ask others for it."""
        assert self._access.token is not None
        if not _same(request.query.get("token", ""), self._access.token):
            return web.Response(status=401, text=_ENTER, content_type="text/html")
        response = web.Response(text=_ENTERED, content_type="text/html")
        response.set_cookie(self._cookie, self._access.token, httponly=True, samesite="Strict", path="/")
        return response

    @staticmethod
    def _why_foreign(request: web.Request) -> str | None:
        """Why this was not asked for by our own page, or by somebody without a browser."""
        origin = request.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc.lower() != request.headers["Host"].lower():
            return "another site asked for this"
        site = request.headers.get("Sec-Fetch-Site", "none")
        is_visit = request.path == "/" and request.headers.get("Sec-Fetch-Dest") == "document"
        if site not in {"same-origin", "none"} and not is_visit:
            return "another site asked for this"
        return None

    async def _add_headers(self, _: web.Request, response: web.StreamResponse) -> None:
        response.headers.update(HEADERS)
        response.headers.pop("Server", None)


def refused(status: int, text: str) -> web.Response:
    """A refusal, with its reason."""
    return web.json_response({"ok": False, "text": text}, status=status)


def _same(given: str, wanted: str) -> bool:
    """Whether they are equal; how long that takes says nothing of where they differ."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), wanted.encode())


def _name_in(host: str) -> str | None:
    """The name or address in a Host header, without the port; None: there is none."""
    try:
        parts = urlsplit(f"//{host}")
        parts.port  # noqa: B018 (says whether it is one)
    except ValueError:
        return None
    return parts.hostname if parts.netloc == host and "@" not in host and not parts.path else None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
