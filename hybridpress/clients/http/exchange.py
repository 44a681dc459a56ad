"""One request, one reply, whatever they are.

A request that is `quick`, goes over a connection at rest, and is answered as the one before is not seen here: that is
`hybridpress.hot.exchange`, which calls `Request.exchange` or `Request.conclude` for all the others.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Collection, Coroutine
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from hybridpress.clients.http.compression import decompressed
from hybridpress.clients.http.connection import Connection, Outcome
from hybridpress.clients.http.message import LAST_CHUNK, Chunks, encode_chunk
from hybridpress.clients.http.response import Response
from hybridpress.clock import now_ns
from hybridpress.errors import ClientError, ConnectionClosedError, RequestError, RequestTimeoutError, StatusError
from hybridpress.hot import RequestBase

if TYPE_CHECKING:
    from hybridpress.clients.http.engine import Route

_IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"})  # RFC 9110, 9.2.2


class Request(RequestBase):
    """A request ready to be sent, as often as one likes if its body is bytes."""

    __slots__ = (
        "closes",
        "decompress",
        "expect",
        "follows",
        "plain",
        "size",
        "target",
        "upload",
    )

    route: Route

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
        self.plain = route.method != "HEAD" and upload is None and not closes  # the connection need not know of it
        # Nor need anybody once the reply is there, if its status is below 400
        self.quick = self.plain and expect is None and not decompress and route.trace.observer is None

    @property
    def name(self) -> str:
        return self.route.name

    @property
    def method(self) -> str:
        return self.route.method

    @property
    def url(self) -> str:
        return f"{self.route.pool.origin}{self.target}"

    def exchange(self, data: bytes, started_ns: int) -> Coroutine[Any, Any, Response]:
        """The whole exchange: any request, over any connection."""
        return _exchange(self, data, started_ns)

    def conclude(
        self, connection: Connection, outcome: Outcome, data: bytes, started_ns: int
    ) -> Coroutine[Any, Any, Response]:
        """The rest of an exchange over a connection that was at rest, once it ended with *outcome*."""
        return _concluded(self, connection, outcome, data, started_ns)


async def _exchange(request: Request, data: bytes, started_ns: int) -> Response:
    """Send *data* over a connection at rest, or else over a new one."""
    route = request.route
    idle = route.idle
    fresh = True
    while idle:
        connection = idle.pop()
        if not connection.closed:
            fresh = False
            break
    else:
        connection = await _connect(request, started_ns)
    outcome = await _sent(request, connection, data, started_ns)
    return await _concluded(request, connection, outcome, data, started_ns, fresh=fresh)


async def _sent(request: Request, connection: Connection, data: bytes, started_ns: int) -> Outcome:
    """Send *data* over *connection*; how that ended."""
    future: asyncio.Future[Outcome] = request.route.waits.create_future()
    connection.deadline_ns = started_ns + request.timeout_ns
    try:
        if not request.plain:
            return await _special(request, connection, future, data)
        connection.future = future
        connection.likely = request.route.likely
        connection.write(data)
        return await future
    except BaseException:
        connection.drop()
        raise


async def _concluded(
    request: Request, connection: Connection, outcome: Outcome, data: bytes, started_ns: int, *, fresh: bool = False
) -> Response:
    """The reply that *outcome* stands for, reported; a second try if the server had closed an idle connection."""
    if isinstance(outcome, BaseException):
        connection = await _try_again(request, connection, outcome, started_ns, data, fresh=fresh)
        outcome = await _sent(request, connection, data, started_ns)
        if isinstance(outcome, BaseException):
            raise _reported(request, outcome, started_ns, data, connection.bytes_in)
    route = request.route
    if outcome is not None:
        head, bytes_in = outcome, outcome.reply_bytes
    else:
        head, bytes_in = connection.head, connection.bytes_in
        if head.reply_bytes >= 0 and head.status < 400:  # a quick exchange takes a likely reply for a right one
            route.likely = head
    response = Response()
    response.status = head.status
    response.body = connection.body
    response.elapsed_ns = connection.end_ns - started_ns
    response._head = head  # noqa: SLF001  # Response has no __init__, for speed
    response._asked = request  # noqa: SLF001  # as above
    if not connection.closed:
        route.idle.append(connection)
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
        request.route.step.resent()
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
