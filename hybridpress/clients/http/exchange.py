"""One request, one reply: the hot path of every HTTP run.

`exchange` is one coroutine with one future in it: no timer, no lookup, no inner coroutine. What most requests do not
need stands behind `Request.plain` and `Request.simple`, worked out before. Change it only with numbers from
bench/test_http_client.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Collection
from contextlib import aclosing
from typing import TYPE_CHECKING

from hybridpress.clients.http.compression import decompressed
from hybridpress.clients.http.connection import Connection, Outcome
from hybridpress.clients.http.message import LAST_CHUNK, Chunks, encode_chunk
from hybridpress.clients.http.response import Response
from hybridpress.clock import now_ns
from hybridpress.errors import ClientError, ConnectionClosedError, RequestError, RequestTimeoutError, StatusError

if TYPE_CHECKING:
    from hybridpress.clients.http.engine import Route

_IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"})  # RFC 9110, 9.2.2


class Request:
    """A request ready to be sent, as often as one likes if its body is bytes."""

    __slots__ = (
        "closes",
        "data",
        "decompress",
        "expect",
        "follows",
        "plain",
        "route",
        "simple",
        "size",
        "target",
        "timeout_ns",
        "upload",
    )

    def __init__(
        self,
        route: Route,
        target: str,
        data: bytes,
        timeout_ns: int,
        upload: Chunks | None = None,
        expect: Collection[int] | None = None,
        *,
        decompress: bool = False,
        follows: bool = False,
        closes: bool = False,
    ) -> None:
        self.route = route
        self.target = target
        self.data = data  # head and body; the head alone if there is an upload
        self.size = len(data)
        self.timeout_ns = timeout_ns
        self.upload = upload  # a body still to come
        self.expect = expect  # the statuses that are right; None: those below 400
        self.decompress = decompress
        self.follows = follows  # a redirect is no answer yet
        self.closes = closes  # it asks the server to close
        # The connection need not know anything about it, and neither need anybody once the reply is there
        self.plain = route.method != "HEAD" and upload is None and not closes
        self.simple = expect is None and not decompress and route.trace.observer is None

    @property
    def name(self) -> str:
        return self.route.name

    @property
    def method(self) -> str:
        return self.route.method

    @property
    def url(self) -> str:
        return f"{self.route.pool.origin}{self.target}"


async def exchange(request: Request, body: bytes | None = None) -> Response:
    """Send *request*, return the reply, and report both to its step: one `done` or `failed`, a second try included.

    *body* is that of a request whose bytes end with "Content-Length: ".

    A cancelled exchange drops its connection and is not reported: it has no outcome.

    Raises:
        ClientError: there is no reply; one of its subclasses tells why.
    """
    route = request.route
    pool = route.pool
    idle = pool.idle
    data = request.data if body is None else b"%b%d\r\n\r\n%b" % (request.data, len(body), body)
    fresh = False
    started_ns = now_ns()
    while idle:
        connection = idle.pop()
        if not connection.closed:
            break
    else:
        connection = await _connect(request, started_ns)
        fresh = True
    while True:
        future = pool.create_future()
        connection.deadline_ns = started_ns + request.timeout_ns
        try:
            if request.plain:
                connection.future = future
                connection.likely = route.likely
                connection.write(data)
                failure = await future
            else:
                failure = await _special(request, connection, future, data)
        except BaseException:
            connection.drop()
            raise
        if failure is None:
            break
        connection = await _try_again(request, connection, failure, started_ns, data, fresh=fresh)
        fresh = True
    duration_ns = connection.end_ns - started_ns
    head = connection.head
    response = Response()
    response.status = head.status
    response.body = connection.body
    response.elapsed_ns = duration_ns
    response._head = head  # noqa: SLF001  # Response has no __init__, for speed
    response._asked = request  # noqa: SLF001  # as above
    bytes_in = connection.bytes_in
    if head is not route.likely and head.reply_bytes >= 0:
        route.likely = head
    if not connection.closed:
        idle.append(connection)
    if request.simple and response.status < 400:
        route.step.done(duration_ns, request.size if body is None else len(data), bytes_in)
        return response
    return _judged(request, response, bytes_in, data)


def _judged(request: Request, response: Response, bytes_in: int, data: bytes) -> Response:
    """*response* to what was sent, *data*, reported as what the request takes it for."""
    status = response.status
    raw_body = response.body
    expect = request.expect
    if request.follows and response.location is not None:
        failed = False
    else:
        failed = status >= 400 if expect is None else status not in expect
    error: ClientError | None = None
    if request.decompress:
        try:
            response.body = decompressed(raw_body, response.headers, request.route.pool.max_body_bytes)
        except ClientError as broken:
            error = broken
    bytes_out = len(data) if request.upload is None else request.size
    if failed or error is not None:
        request.route.step.failed(response.elapsed_ns, bytes_out, bytes_in)
    else:
        request.route.step.done(response.elapsed_ns, bytes_out, bytes_in)
    if error is None and failed:
        reply = f"{status} {response.reason}".rstrip()
        said = response.body[:160].decode("utf-8", "replace").strip()
        request.route.trace.fail(StatusError(f"{request.name}: status {reply}", said))
    observer = request.route.trace.observer
    if observer is not None:
        observer.exchange(request.name, data, response.raw_head + response.body, response.elapsed_ns, error)
    if error is not None:
        raise error
    return response


async def _connect(request: Request, started_ns: int) -> Connection:
    left_ns = started_ns + request.timeout_ns - now_ns()
    try:
        return await request.route.pool.connect(left_ns / 1e9)
    except ClientError as error:
        raise _reported(request, error, started_ns, b"", 0) from error.__cause__


async def _try_again(
    request: Request, connection: Connection, failure: BaseException, started_ns: int, data: bytes, *, fresh: bool
) -> Connection:
    """A fresh connection, if the old one was closed by the server while idle and asking twice does no harm.

    Raises:
        ClientError: *failure* stands.
    """
    if (
        not fresh
        and connection.bytes_in == 0
        and request.upload is None
        and request.method in _IDEMPOTENT
        and isinstance(failure, ConnectionClosedError)
    ):
        return await _connect(request, started_ns)
    raise _reported(request, failure, started_ns, data, connection.bytes_in)


def _reported(request: Request, error: BaseException, started_ns: int, data: bytes, bytes_in: int) -> BaseException:
    """*error* with the facts that its raiser did not know, reported."""
    duration_ns = now_ns() - started_ns
    origin = request.route.pool.origin
    if isinstance(error, RequestTimeoutError):
        error = RequestTimeoutError(error.summary, f"{origin.address}, {request.timeout_ns / 1e9:g} s were given")
    elif isinstance(error, ConnectionClosedError):
        error = ConnectionClosedError(error.summary, f"{origin.address}, {bytes_in:,} bytes of it came")
    bytes_out = len(data) if request.upload is None else request.size
    request.route.step.failed(duration_ns, bytes_out, bytes_in)
    if request.route.trace.observer is not None:
        request.route.trace.observer.exchange(request.name, data or request.data, b"", duration_ns, error)
    return error


async def _special(request: Request, connection: Connection, future: asyncio.Future[Outcome], data: bytes) -> Outcome:
    """What `exchange` does for a plain request, for the others: HEAD, a body in chunks, "Connection: close"."""
    connection.begin(
        future, head_only=request.method == "HEAD", sending=request.upload is not None, closes=request.closes
    )
    connection.write(data)
    if request.upload is None:
        return await future
    sender = asyncio.create_task(_send(request.upload, request, connection))
    try:
        outcome = await future
    finally:
        if not sender.done():  # the reply came early, or the exchange was cancelled
            sender.cancel()
            await asyncio.wait([sender])
    return outcome


async def _send(upload: Chunks, request: Request, connection: Connection) -> None:
    """Send the chunks of *upload* as fast as the server takes them, until there is a reply."""
    try:
        async with aclosing(_drawn(upload)) as chunks:
            async for chunk in chunks:
                if not chunk:
                    continue  # would end the body
                encoded = encode_chunk(chunk)
                request.size += len(encoded)
                connection.write(encoded)
                await connection.drained()
                await asyncio.sleep(0)  # an iterable that never waits must not hold up the loop
                if connection.closed:
                    return
        request.size += len(LAST_CHUNK)
        connection.write(LAST_CHUNK)
        connection.sending = False
    except Exception as error:  # noqa: BLE001  # of the scenario's own iterable: raised again by the exchange
        connection.fail(error)


async def _drawn(upload: Chunks) -> AsyncGenerator[bytes, None]:
    if isinstance(upload, AsyncIterable):
        async for chunk in upload:
            yield _checked(chunk)
    else:
        for chunk in upload:
            yield _checked(chunk)


def _checked(chunk: bytes) -> bytes:
    if not isinstance(chunk, bytes | bytearray | memoryview):
        raise RequestError(f"a body in chunks is made of bytes, got {type(chunk).__name__}")
    return bytes(chunk)
