"""The HTTP client of a run in which some iterations are followed: it tells the server their ids, as `traceparent`.

A client of its own, so that the one of all other runs need not ask for each request whether its iteration is followed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any

from hybridpress.clients.follow import HEADER, Following, following
from hybridpress.clients.http.client import CookieClient, HttpClient
from hybridpress.clients.http.response import Response
from hybridpress.clients.http.stream import HttpStream


def _verb(method: str) -> Any:
    plain = getattr(HttpClient, method.lower())

    def ask(self: FollowingClient, url: str, **options: Any) -> Awaitable[Response]:
        mine = following.get()
        return plain(self, url, **options) if mine is None else self._followed(mine, method, url, options)

    ask.__name__ = method.lower()
    ask.__qualname__ = f"FollowingClient.{method.lower()}"
    ask.__doc__ = plain.__doc__
    return ask


class FollowingClient(HttpClient):
    """An `HttpClient` whose requests carry the id of their iteration, where that is followed."""

    __slots__ = ()

    get = _verb("GET")
    post = _verb("POST")
    put = _verb("PUT")
    patch = _verb("PATCH")
    delete = _verb("DELETE")
    head = _verb("HEAD")
    options = _verb("OPTIONS")

    def request(self, method: str, url: str, **options: Any) -> Awaitable[Response]:
        mine = following.get()
        if mine is None or mine.is_request:
            return super().request(method, url, **options)
        return self._followed(mine, method, url, options)

    def stream(self, url: str, **options: Any) -> HttpStream:
        """A stream has several steps: the server is told the id of the iteration."""
        mine = following.get()
        if mine is not None:
            options["headers"] = _with_id(mine, options.get("headers"))
        return super().stream(url, **options)

    async def _followed(self, mine: Following, method: str, url: str, options: dict[str, Any]) -> Response:
        request = mine.request()
        token = following.set(request)
        try:
            return await self.request(method, url, **{**options, "headers": _with_id(request, options.get("headers"))})
        finally:
            following.reset(token)


class FollowingCookieClient(FollowingClient, CookieClient):
    """The same, with cookies."""

    __slots__ = ()


def _with_id(mine: Following, headers: Mapping[str, str] | None) -> dict[str, str]:
    """*headers* with the id; one that the scenario gives itself stays as it is."""
    given = dict(headers or {})
    return given if any(name.lower() == HEADER for name in given) else {**given, HEADER: mine.header}
