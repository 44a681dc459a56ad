"""A reply that is read while it comes: `async for event in self.http.stream("/events")`.

Each stream has a connection of its own, which ends with it. Between two pieces there may be any amount of time, up to
the timeout; a server that is faster than the scenario is held back.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

import httptools

from hybridpress.clients.http.connection import HEAD_END, MAX_HEAD_BYTES, MAX_INTERIM_REPLIES
from hybridpress.clients.http.events import Event, EventReader
from hybridpress.clients.http.response import UNKNOWN, Head, Headers
from hybridpress.clients.wire import Wire, WirePool, with_facts
from hybridpress.clock import now_ns
from hybridpress.errors import ClientError, ProtocolError, StatusError

if TYPE_CHECKING:
    from hybridpress.clients.http.engine import HttpEngine
    from hybridpress.clients.http.exchange import Request

MAX_WAITING_BYTES: Final = 1 << 20
"""What may have come and not been taken; from there on the server is not read."""


class StreamWire(Wire):
    """One connection with one reply on it."""

    __slots__ = ("_buffer", "_n_interim", "_parser", "complete", "head", "pieces", "waiting_bytes")

    def __init__(self, on_lost: Callable[[Any], None]) -> None:
        super().__init__(on_lost)
        self._buffer = bytearray()
        self._n_interim = 0
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        self.head: Head = UNKNOWN
        self.pieces: deque[bytes] = deque()
        self.waiting_bytes = 0
        self.complete = False

    def data_received(self, data: bytes) -> None:
        self.bytes_in += len(data)
        self.end_ns = now_ns()
        if self._parser is None or self.complete:
            return
        try:
            while self.head is UNKNOWN and data:
                data = self._take_head(data)
            if data and not self.complete:
                self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._parser = None
            self.fail(ProtocolError("the reply is not lawful HTTP/1", str(error)))
            return
        except ProtocolError as error:
            self._parser = None
            self.fail(error)
            return
        if self.waiting_bytes > MAX_WAITING_BYTES and self.transport is not None:
            self.transport.pause_reading()
        if self.is_waiting() and (self.pieces or self.complete or self.head is not UNKNOWN):
            self.answer(None)

    def _take_head(self, data: bytes) -> bytes:
        """What follows the head in *data*; nothing yet if it is not whole."""
        assert self._parser is not None
        buffer = self._buffer
        searched = max(0, len(buffer) - 3)
        buffer += data
        end = buffer.find(HEAD_END, searched) + 4
        if not buffer.startswith(b"HTTP/1."[: len(buffer)]):
            raise ProtocolError("the reply does not begin with HTTP/1", repr(bytes(buffer[:32])))
        if end > MAX_HEAD_BYTES or (end < 4 and len(buffer) > MAX_HEAD_BYTES):
            raise ProtocolError(f"the head of the reply is over {MAX_HEAD_BYTES // 1024} KiB")
        if end < 4:
            if b"\n\n" in buffer:
                raise ProtocolError("the reply is not lawful HTTP/1", "its lines end without CR")
            return b""
        raw, rest = bytes(buffer[:end]), bytes(buffer[end:])
        self._buffer = bytearray()
        try:
            self._parser.feed_data(raw)
        except httptools.HttpParserUpgrade:
            raise ProtocolError("the server switches to another protocol, which nobody asked for") from None
        status = self._parser.get_status_code()
        if status < 200:  # an interim reply: the real one follows
            self._n_interim += 1
            if status < 100 or self._n_interim > MAX_INTERIM_REPLIES:
                raise ProtocolError("too many 1xx replies" if status >= 100 else f"status {status} is none")
            self._parser = httptools.HttpResponseParser(self)
            self.complete = False
            return rest
        self.head = Head(raw, status)
        return rest

    def take(self) -> bytes | None:
        """The next piece, if one has come."""
        if not self.pieces:
            return None
        piece = self.pieces.popleft()
        self.waiting_bytes -= len(piece)
        if not self.pieces and self.transport is not None and not self.transport.is_reading():
            self.transport.resume_reading()
        return piece

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is None and self.head is not UNKNOWN and self.head.ends_with_connection():
            self.complete = True
            if self.is_waiting():
                self.end_ns = now_ns()
                self.answer(None)
        self._parser = None  # it refers to us
        super().connection_lost(exc)

    close = Wire.abandon  # as the engine calls it

    # What httptools calls

    def on_body(self, body: bytes) -> None:
        self.pieces.append(body)
        self.waiting_bytes += len(body)

    def on_message_complete(self) -> None:
        self.complete = True


class HttpStream:
    """The pieces of one reply: events where it is text/event-stream, bytes as they come otherwise.

    Steps are "NAME first byte" (connecting included), "NAME event" for each event or piece, with the time since the one
    before, and "NAME" for the stream to its end, or until it was left.
    """

    def __init__(self, engine: HttpEngine, request: Request) -> None:
        self._engine = engine
        self._request = request
        self._timeout_ns = request.timeout_ns
        step = engine.trace.step
        self._first = step(f"{request.name} first byte")
        self._each = step(f"{request.name} event")
        self._whole = step(request.name)
        self._wire: StreamWire | None = None
        self._reader: EventReader | None = None
        self._ready: deque[Event | bytes] = deque()
        self._started_ns = self._last_ns = 0
        self._told_bytes = 0
        self._is_over = False

    @property
    def status(self) -> int:
        """The reply's status; 0 before its head has come."""
        return self._wire.head.status if self._wire is not None else 0

    @property
    def headers(self) -> Headers:
        """The reply's headers, once its head has come."""
        return self._wire.head.headers if self._wire is not None else UNKNOWN.headers

    async def __aenter__(self) -> Self:
        """Ask, and wait for the head of the reply.

        Raises:
            StatusError: its status is 400 or above.
            ClientError: there is none.
        """
        if self._wire is None:
            await self._open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, frames: TracebackType | None
    ) -> None:
        self.leave()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:  # Event or bytes, as the server says
        if self._wire is None:
            await self._open()
        wire = self._wire
        assert wire is not None
        if self._is_over:
            raise StopAsyncIteration
        while not self._ready:
            piece = wire.take()
            if piece is not None:
                self._ready.extend([piece] if self._reader is None else self._events(piece))
            elif wire.complete:
                self.leave()
                raise StopAsyncIteration
            else:
                await self._wait(wire)
        now = wire.end_ns
        self._each.done(max(0, now - self._last_ns), 0, 0)
        self._last_ns = now
        return self._ready.popleft()

    def _events(self, piece: bytes) -> list[Event]:
        assert self._reader is not None
        assert self._wire is not None
        try:
            return self._reader.feed(piece)
        except ClientError as error:
            self._wire.drop()
            raise self._failed(error, self._wire.bytes_in) from None

    def leave(self) -> None:
        """Read no more of it. Leaving the loop does it too."""
        if self._is_over or self._wire is None:
            return
        self._is_over = True
        duration_ns = now_ns() - self._started_ns
        self._whole.done(duration_ns, len(self._request.data), self._wire.bytes_in)
        self._show(duration_ns, None)
        self._wire.drop()

    def __del__(self) -> None:
        self.leave()

    async def _open(self) -> None:
        request = self._request
        self._started_ns = now_ns()
        pool = self._engine_pool()
        try:
            wire = await pool.opened(self._timeout_ns / 1e9)
        except ClientError as error:
            raise self._failed(error, 0) from error.__cause__
        self._wire = wire
        wire.write(request.data)
        await self._wait(wire)
        self._last_ns = wire.end_ns
        duration_ns = wire.end_ns - self._started_ns
        if wire.head.status >= 400:
            self._first.failed(duration_ns, len(request.data), wire.bytes_in)
            self._is_over = True
            wire.drop()
            self._whole.failed(duration_ns, len(request.data), wire.bytes_in)
            raise StatusError(f"{request.name}: status {wire.head.status} {wire.head.reason}".rstrip())
        self._first.done(duration_ns, 0, 0)
        if wire.head.headers.get("content-type", "").partition(";")[0].strip().lower() == "text/event-stream":
            self._reader = EventReader(self._engine.settings.max_body_bytes)

    def _engine_pool(self) -> WirePool[StreamWire]:
        engine, pool = self._engine, self._request.route.pool
        return WirePool(
            StreamWire,
            pool.origin,
            live=engine.live,
            dialing=engine.dialing,
            tls=engine.tls_context() if pool.origin.scheme == "https" else None,
            max_body_bytes=engine.settings.max_body_bytes,
            local_addresses=engine.settings.local_addresses,
        )

    async def _wait(self, wire: StreamWire) -> None:
        """Wait for more, or for the end."""
        if wire.closed:
            raise self._failed(wire.cut(None), wire.bytes_in)
        future = asyncio.get_running_loop().create_future()
        n_before = wire.bytes_in
        wire.begin(future, now_ns() + self._timeout_ns)
        wire.bytes_in = n_before
        try:
            outcome = await future
        except BaseException:
            self._is_over = True
            wire.drop()
            raise
        if isinstance(outcome, ClientError):
            raise self._failed(outcome, wire.bytes_in)

    def _show(self, duration_ns: int, error: BaseException | None) -> None:
        """Tell `--once` of the request and of the head of the reply."""
        observer = self._engine.trace.observer
        if observer is not None:
            head = self._wire.head.raw if self._wire is not None else b""
            observer.exchange(self._request.name, self._request.data, head, duration_ns, error)

    def _failed(self, error: ClientError, bytes_in: int) -> BaseException:
        self._is_over = True
        duration_ns = now_ns() - self._started_ns
        if not self._last_ns:
            self._first.failed(duration_ns, 0, 0)
        self._whole.failed(duration_ns, len(self._request.data), bytes_in)
        self._show(duration_ns, error)
        return with_facts(error, self._request.route.pool.origin.address, self._timeout_ns, bytes_in)
