"""The fast HTTP/1.1 client of one slot.

`get` and its siblings are plain functions: they find a ready request, or make one, and return the one coroutine that
sends it (`exchange`). What many requests share is the engine's; a slot's own are its default headers and cookies.
"""

from __future__ import annotations

from collections.abc import Awaitable, Collection, Iterator, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol

from hybridpress.clients.http.compression import ACCEPTED
from hybridpress.clients.http.cookies import CookieJar
from hybridpress.clients.http.engine import MAX_REMEMBERED, HttpEngine, Key, Route
from hybridpress.clients.http.exchange import Request
from hybridpress.clients.http.message import (
    UNSET,
    Body,
    Chunks,
    Fields,
    asks_to_close,
    basic_auth,
    checked,
    encode_body,
    encode_json,
    header_lines,
)
from hybridpress.clients.http.redirects import Again, next_method, next_url
from hybridpress.clients.http.response import Response
from hybridpress.clients.http.url import Params, parse, with_params
from hybridpress.errors import RequestError, TooManyRedirectsError
from hybridpress.hot import exchange

if TYPE_CHECKING:
    from hybridpress.clients.http.stream import HttpStream

_HAVE_BODIES = frozenset({"POST", "PUT", "PATCH"})  # these say Content-Length: 0 when they have none
_NO_VALUES: Final[Mapping[str, object]] = {}


class _Verb(Protocol):
    """What `get`, `post` and their siblings take; `HttpClient.request` tells what it means."""

    def __call__(
        self,
        url: str,
        *,
        params: Params | None = None,
        headers: Mapping[str, str] | None = None,
        json: Any = UNSET,
        data: Body | None = None,
        timeout: float | None = None,
        name: str | None = None,
        auth: tuple[str, str] | None = None,
        redirects: int = 0,
        decompress: bool = False,
        expect: int | Collection[int] | None = None,
        **values: object,
    ) -> Awaitable[Response]: ...


def _verb(method: str) -> Any:
    def ask(
        self: HttpClient, url: str, *, json: Any = UNSET, name: str | None = None, **options: Any
    ) -> Awaitable[Response]:
        if options:
            return self.request(method, url, json=json, name=name, **options)
        has_body = json is not UNSET
        key = (method, url, name, has_body)
        request = self._remembered.get(key)
        if request is not None:
            return exchange(request, encode_json(json) if has_body else None)
        return self._first(key, method, url, name, json)

    ask.__name__ = method.lower()
    ask.__qualname__ = f"HttpClient.{method.lower()}"
    ask.__doc__ = f"Send a {method} request; the options are those of `request`."
    return ask


class HttpClient:
    """The HTTP client of one slot: `await self.http.get("/")`. Cheap to make, nothing to close."""

    __slots__ = ("_closes", "_engine", "_fields", "_headers", "_lines", "_remembered")

    _keeps_cookies: ClassVar[bool] = False

    if TYPE_CHECKING:
        get: _Verb
    else:

        def get(self, url: str, *, name: str | None = None, **options: Any) -> Awaitable[Response]:
            """Send a GET request; the options are those of `request`."""
            if options:
                return self.request("GET", url, name=name, **options)
            key = url if name is None else ("GET", url, name, False)
            request = self._remembered.get(key)
            return self._first(key, "GET", url, name) if request is None else exchange(request)

    post: _Verb = _verb("POST")
    put: _Verb = _verb("PUT")
    patch: _Verb = _verb("PATCH")
    delete: _Verb = _verb("DELETE")
    head: _Verb = _verb("HEAD")
    options: _Verb = _verb("OPTIONS")

    def __init__(self, engine: HttpEngine) -> None:
        self._engine = engine
        self._headers: SlotHeaders | None = None
        self._fields = engine.fields  # headers of the run and the slot
        self._lines = engine.header_lines  # the same as bytes
        self._closes = engine.closes  # whether they end the connection
        self._remembered = engine.remembered

    @property
    def headers(self) -> MutableMapping[str, str]:
        """Headers sent with each request of this slot: `self.http.headers["Authorization"] = "Bearer …"`."""
        if self._headers is None:
            self._headers = SlotHeaders(self)
        return self._headers

    @property
    def cookies(self) -> CookieJar:
        """The cookies of this slot, where the run keeps them."""
        raise RequestError("cookies are not kept: switch them on in the settings of the run")

    def request(
        self,
        method: str,
        url: str,
        *,
        params: Params | None = None,
        headers: Mapping[str, str] | None = None,
        json: Any = UNSET,
        data: Body | None = None,
        timeout: float | None = None,
        name: str | None = None,
        auth: tuple[str, str] | None = None,
        redirects: int = 0,
        decompress: bool = False,
        expect: int | Collection[int] | None = None,
        **values: object,
    ) -> Awaitable[Response]:
        """Send a request and await the reply.

        Args:
            method: "GET" or any other word but CONNECT.
            url: below the base URL, or whole; `"/vm/{id}", id=7` asks for /vm/7 and counts as "GET /vm/{id}".
            params: added to the query, encoded.
            headers: for this request; they win over those of the slot, and these over those of the run.
            json: a body as JSON; None is the JSON null.
            data: a body: bytes, str, a mapping (sent as a form) or an (async) iterable of bytes (sent in chunks).
            timeout: seconds for the whole exchange, connecting included; left out, the run's own.
            name: of the step it counts as; left out, "METHOD path".
            auth: user and password, sent as basic auth.
            redirects: how many are followed, each an exchange of its own that counts as "… (redirected)".
            decompress: ask for gzip or deflate and unpack the body; without it, the body is as it was sent.
            expect: the status or statuses that are right, all others fail; left out, 400 and above fail.
            values: for the places of *url*, percent-encoded.

        A status that fails is counted and fails the iteration; nothing is raised, and the reply is returned.

        Raises:
            RequestError: at once, before anything is sent: a bad URL, header or body.
            ClientError: when awaited: there is no whole reply.
        """
        follows = redirects > 0
        request = self._prepared(
            method, url, params, headers, json, data, timeout, name, auth, decompress, expect, values, follows=follows
        )
        if not follows:
            return self._exchange(request)
        again = Again(headers, json, data, timeout, auth or self._engine.route(method, url, name).userinfo,
                       decompress, expect)  # fmt: skip
        return self._follow(request, again, redirects)

    def stream(self, url: str, *, method: str = "GET", **options: Any) -> HttpStream:
        """A reply that is read while it comes: `async for event in self.http.stream("/events")`.

        Yields `Event`s (data, event, id) where it is text/event-stream, else bytes as they come. *options* are those of
        `request` but for redirects, decompress and expect; `timeout` is that of each wait. A status of 400 and above
        is raised, as StatusError.
        """
        from hybridpress.clients.http.stream import HttpStream

        for name in ("redirects", "decompress", "expect"):
            if name in options:
                raise RequestError(f"a stream has no option {name}")
        names = ("params", "headers", "json", "data", "timeout", "name", "auth")
        given = {name: options.pop(name) for name in names if name in options}
        request = self._prepared(method, url, **given, values=options)
        if request.upload is not None:
            raise RequestError("the body of a stream's request must be bytes, not chunks")
        return HttpStream(self._engine, request)

    def _first(self, key: Key, method: str, url: str, name: str | None, json: Any = UNSET) -> Awaitable[Response]:
        """Send a request that has nothing but these, and remember it under *key* for the next time."""
        has_body = json is not UNSET
        request = self._prepared(method, url, name=name, awaits_json=has_body)
        if len(self._remembered) >= MAX_REMEMBERED:
            self._remembered.clear()
        self._remembered[key] = request
        return exchange(request, encode_json(json) if has_body else None)

    def _prepared(
        self,
        method: str,
        url: str,
        params: Params | None = None,
        headers: Mapping[str, str] | None = None,
        json: Any = UNSET,
        data: Body | None = None,
        timeout: float | None = None,
        name: str | None = None,
        auth: tuple[str, str] | None = None,
        decompress: bool = False,
        expect: int | Collection[int] | None = None,
        values: Mapping[str, object] = _NO_VALUES,
        *,
        follows: bool = False,
        stranger: bool = False,
        awaits_json: bool = False,
    ) -> Request:
        """The request as bytes, with what its exchange must know. A *stranger* is not told who we are.

        One that *awaits_json* ends with "Content-Length: ", and its exchange is given the body each time.
        """
        engine = self._engine
        route = engine.route(method, url, name)
        method = route.method
        target = route.target(values)
        if params is not None:
            target = with_params(target, params)
        body: bytes | None = None
        upload: Chunks | None = None
        content_type = b""
        if json is not UNSET:
            if data is not None:
                raise RequestError("a request has one body: json or data, not both")
            body = encode_json(json)
            content_type = b"application/json"
        elif awaits_json:
            content_type = b"application/json"
        elif data is not None:
            body, upload, content_type = encode_body(data)
        lines, closes, names = self._lines, self._closes, self._fields
        if headers is not None or auth or route.userinfo or decompress or stranger or self._keeps_cookies:
            names = self._fields_of(route, target, headers, auth, decompress=decompress, stranger=stranger)
            lines, closes = header_lines(names), asks_to_close(names)
        start = f"{method} {target} HTTP/1.1\r\n".encode()
        if "host" not in names:
            start += route.host_line
        if content_type and "content-type" not in names:
            lines += b"Content-Type: %b\r\n" % content_type
        if awaits_json:
            data_bytes = b"%b%bContent-Length: " % (start, lines)
        elif upload is not None:
            data_bytes = b"%b%bTransfer-Encoding: chunked\r\n\r\n" % (start, lines)
        elif body is not None or method in _HAVE_BODIES:
            body = body or b""
            data_bytes = b"%b%bContent-Length: %d\r\n\r\n%b" % (start, lines, len(body), body)
        else:
            data_bytes = b"%b%b\r\n" % (start, lines)
        return Request(
            route,
            target,
            data_bytes,
            engine.timeout_ns if timeout is None else engine.allowed_ns(timeout),
            upload,
            (expect,) if isinstance(expect, int) else expect,
            decompress=decompress,
            follows=follows,
            closes=closes,
        )

    def _fields_of(
        self,
        route: Route,
        target: str,
        headers: Mapping[str, str] | None,
        auth: tuple[str, str] | None,
        *,
        decompress: bool,
        stranger: bool,
    ) -> Fields:
        """All headers of a request that has some of its own."""
        fields = dict(self._fields)
        if stranger:
            fields.pop("authorization", None)
            fields.pop("cookie", None)
        if decompress:
            fields["accept-encoding"] = ("Accept-Encoding", ACCEPTED)
        auth = auth or route.userinfo
        if auth is not None:
            fields["authorization"] = ("Authorization", basic_auth(*auth))
        cookie = self._cookie(route, target)
        if cookie:
            fields["cookie"] = ("Cookie", cookie)
        if headers is not None:
            fields.update(checked(headers))
        return fields

    def _cookie(self, route: Route, target: str) -> str:
        """The cookies that go with a request."""
        return ""

    async def _follow(self, request: Request, again: Again, redirects: int) -> Response:
        """Exchange *request*, and then whatever its replies lead to."""
        name = f"{request.name} (redirected)"
        stranger = False
        origin = request.route.pool.origin
        response = await self._exchange(request)
        for left in range(redirects, -1, -1):
            location = response.location
            if location is None:
                return response
            if not left:
                break
            url = next_url(response.url, location)
            method = next_method(response.status, request.method)
            again.become(method, request.method)
            stranger = stranger or parse(url).origin != origin
            request = self._prepared(
                method, url, None, again.headers_for(stranger=stranger), again.json, again.data, again.timeout, name,
                None if stranger else again.auth, again.decompress, again.expect, follows=True, stranger=stranger,
            )  # fmt: skip
            response = await self._exchange(request)
        raise TooManyRedirectsError("more redirects than were allowed", f"{redirects}, the next leads to {location}")

    def _exchange(self, request: Request) -> Awaitable[Response]:
        return exchange(request)

    def _headers_changed(self, own: Fields) -> None:
        engine = self._engine
        if own:
            self._fields = {**engine.fields, **own}
            self._lines = header_lines(self._fields)
            self._closes = asks_to_close(self._fields)
            self._remembered = {}
        else:
            self._fields = engine.fields
            self._lines = engine.header_lines
            self._closes = engine.closes
            self._remembered = engine.remembered


class CookieClient(HttpClient):
    """An `HttpClient` that keeps the cookies it is given, for its slot alone."""

    __slots__ = ("_jar",)

    _keeps_cookies = True

    def __init__(self, engine: HttpEngine) -> None:
        super().__init__(engine)
        self._jar = CookieJar()

    @property
    def cookies(self) -> CookieJar:
        return self._jar

    def _cookie(self, route: Route, target: str) -> str:
        return self._jar.header(route.pool.origin, target)

    def _first(self, key: Key, method: str, url: str, name: str | None, json: Any = UNSET) -> Awaitable[Response]:
        return self.request(method, url, name=name, json=json)  # never remembered: its cookies may be others by then

    async def _exchange(self, request: Request) -> Response:
        response: Response = await exchange(request)
        if "set-cookie" in response.headers:
            self._jar.take(response.headers.getall("set-cookie"), request.route.pool.origin, request.target)
        return response


class SlotHeaders(MutableMapping[str, str]):
    """Headers of one slot, names in any case. What was remembered with the old ones is forgotten on a change."""

    __slots__ = ("_client", "_fields")

    def __init__(self, client: HttpClient) -> None:
        self._client = client
        self._fields: Fields = {}

    def __getitem__(self, name: str) -> str:
        return self._fields[name.lower()][1]

    def __setitem__(self, name: str, value: str) -> None:
        self._fields.update(checked({name: value}))
        self._client._headers_changed(self._fields)  # noqa: SLF001  # they are one thing in two parts

    def __delitem__(self, name: str) -> None:
        del self._fields[name.lower()]
        self._client._headers_changed(self._fields)  # noqa: SLF001  # as above

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self._fields.values())

    def __len__(self) -> int:
        return len(self._fields)

    def __repr__(self) -> str:
        return f"<SlotHeaders {', '.join(self)}>"  # without values: they may be secrets
