"""What the HTTP clients of a worker share: connections, deadlines, and what was worked out about URLs before."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Final

from hybridpress.clients.http.connection import Connection
from hybridpress.clients.http.deadlines import Deadlines
from hybridpress.clients.http.exchange import Request
from hybridpress.clients.http.message import asks_to_close, checked, checked_method, header_lines
from hybridpress.clients.http.pool import Pool
from hybridpress.clients.http.response import UNKNOWN, Response
from hybridpress.clients.http.settings import HttpSettings
from hybridpress.clients.http.url import Origin, Template, Url, is_absolute, parse
from hybridpress.errors import RequestError
from hybridpress.hot import RouteBase, Waits

if TYPE_CHECKING:
    import ssl

    from hybridpress.clients.http.client import HttpClient
    from hybridpress.clients.http.response import Head
    from hybridpress.clients.trace import Step, Trace

MAX_REMEMBERED: Final = 1024  # URLs; a scenario that writes more should use a template or params


Key = str | tuple[str, str, str | None, bool]
"""A URL as the scenario wrote it, for a GET with nothing else; else method, URL, name, and whether a JSON body comes
with each request. (The tuple's making and hash would cost the plain GET 0.1 µs.)
"""


class HttpEngine:
    """Connections, deadlines and remembered URLs of one worker. Made inside its running loop.

    A timeout's error comes up to 50 ms late (less for short timeouts): see `Deadlines`.
    """

    def __init__(self, settings: HttpSettings, trace: Trace) -> None:
        self.settings = settings
        self.trace = trace
        self.waits = Waits(asyncio.get_running_loop())
        self.base = None if settings.base_url is None else parse(settings.base_url)
        self.timeout_ns = timeout_ns(settings.timeout_s)
        self.fields = checked(settings.headers)
        self.header_lines = header_lines(self.fields)
        self.closes = asks_to_close(self.fields)
        self.remembered: dict[Key, Request] = {}
        self.live: set[Connection] = set()
        self.deadlines = Deadlines(self.live, self.timeout_ns)
        self._pools: dict[Origin, Pool] = {}
        self._routes: dict[tuple[str, str, str | None], Route] = {}
        self.dialing = asyncio.Semaphore(settings.max_connecting)
        self._tls: ssl.SSLContext | None = None

    def client(self) -> HttpClient:
        """The client of one slot."""
        if self.settings.follows:
            from hybridpress.clients.http.following import FollowingClient, FollowingCookieClient

            return FollowingCookieClient(self) if self.settings.cookies else FollowingClient(self)
        from hybridpress.clients.http.client import CookieClient, HttpClient

        return CookieClient(self) if self.settings.cookies else HttpClient(self)

    async def close(self) -> None:
        """Close every connection and stop the timer; exchanges under way are cut."""
        self.deadlines.close()
        for pool in self._pools.values():
            pool.closed = True
        for connection in list(self.live):
            connection.close()
        for _ in range(1000):  # closing takes the loop some turns
            if not self.live:
                break
            await asyncio.sleep(0)

    def pool(self, origin: Origin) -> Pool:
        """The connections to *origin*."""
        pool = self._pools.get(origin)
        if pool is None:
            pool = self._pools[origin] = Pool(
                origin,
                live=self.live,
                dialing=self.dialing,
                tls=self.tls_context() if origin.scheme == "https" else None,
                max_body_bytes=self.settings.max_body_bytes,
                local_addresses=self.settings.local_addresses,
            )
        return pool

    def route(self, method: str, url: str, name: str | None) -> Route:
        """What is the same for every request of this method, URL or template, and name."""
        key = (method, url, name)
        route = self._routes.get(key)
        if route is None:
            if len(self._routes) >= MAX_REMEMBERED:
                self._routes.clear()
            route = self._routes[key] = Route(self, method, url, name)
        return route

    def allowed_ns(self, timeout: float) -> int:
        """*timeout* s of one request as ns; from now on the deadlines allow for it."""
        allowed = timeout_ns(timeout)
        self.deadlines.allow_for(allowed)
        return allowed

    def tls_context(self) -> ssl.SSLContext:
        if self._tls is None:
            from hybridpress.clients.http.tls import client_context

            self._tls = client_context(verify=self.settings.verify, ca_file=self.settings.ca_file)
        return self._tls

    def __repr__(self) -> str:
        idle = sum(not connection.closed for pool in self._pools.values() for connection in pool.idle)
        return f"<HttpEngine [Connections: {len(self.live) - idle} active, {idle} idle]>"


class Route(RouteBase):
    """Method, place and name of requests that differ only in what is filled in."""

    __slots__ = (
        "host_line",
        "method",
        "name",
        "pool",
        "target",
        "trace",
        "userinfo",
    )

    idle: list[Connection]
    likely: Head
    step: Step

    def __init__(self, engine: HttpEngine, method: str, url: str, name: str | None) -> None:
        self.method = checked_method(method)
        template = Template(url, engine.base)
        origin = template.url.origin
        self.target = template.target
        self.userinfo = template.url.userinfo
        self.pool = engine.pool(origin)
        self.idle = self.pool.idle  # for `exchange`, which would else look it up in two steps
        self.waits = engine.waits
        self.reply_type = Response
        self.host_line = f"Host: {origin.authority}\r\n".encode()
        self.name = name or f"{self.method} {_path_of_step(url, template.url, engine.base)}"
        self.trace = engine.trace
        self.step = engine.trace.step(self.name)
        self.likely = UNKNOWN  # the head that the last reply had, and so the next may have


def _path_of_step(url: str, parsed: Url, base: Url | None) -> str:
    """The path as the scenario wrote it, its places open; after the origin, if that is not the base's."""
    written = url.partition("#")[0].partition("?")[0]
    if not is_absolute(url):
        return "/" + written.lstrip("/")
    path = "/" + written.split("://", 1)[1].partition("/")[2]
    return path if base is not None and base.origin == parsed.origin else f"{parsed.origin}{path}"


def timeout_ns(timeout_s: float) -> int:
    """*timeout_s* in ns; raises RequestError if it is no time to wait."""
    if not 0 < timeout_s < math.inf:
        raise RequestError(f"timeout must be a number of seconds above 0, got {timeout_s!r}")
    return int(timeout_s * 1e9)
