"""One connection to a server: bytes of a request out, one reply in, again and again.

httptools parses the replies. In front of it stands one shortcut. Servers answer one route mostly with the same head,
byte for byte, as long as its Date stands still; and the same head frames its body as it did before. So when all the
bytes of a reply come at once, and begin with the head that the route was answered with last, they need no parser. That
saves 1.5 to 2 µs of an exchange's 8 to 10 (bench/test_http_client.py). Whatever differs goes through the parser.

A connection ends an exchange by resolving its future with the likely head, with None (the parser read the reply), or
with the error that ended it: errors are values here, raised by who awaits, so none is ever "never retrieved".
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, cast

import httptools

from hybridpress.clients.http.response import Head
from hybridpress.clock import now_ns
from hybridpress.errors import (
    BodyTooLargeError,
    ClientError,
    ConnectionClosedError,
    ProtocolError,
    RequestTimeoutError,
)
from hybridpress.hot import ConnectionBase

NEVER: Final = 1 << 62  # ns: a deadline that does not come
MAX_HEAD_BYTES: Final = 256 * 1024
MAX_INTERIM_REPLIES: Final = 32  # 1xx replies before the real one
MAX_CHUNKS: Final = 4096  # of a body, each by itself: one of two bytes takes forty
HEAD_END: Final = b"\r\n\r\n"

Outcome = Head | BaseException | None
"""How an exchange ended: a whole reply under the likely head, one that the parser read (None), or an error."""


class Connection(ConnectionBase):
    """One connection, owned by a pool; used by one exchange at a time."""

    __slots__ = (
        "body_bytes",
        "buffer",
        "bytes_in",
        "chunked",
        "chunks",
        "complete",
        "drain",
        "head",
        "head_only",
        "keep_alive",
        "max_body_bytes",
        "n_interim",
        "n_joined",
        "on_lost",
        "parser",
        "partial",
        "paused",
        "sending",
        "surplus",
        "transport",
    )

    future: asyncio.Future[Outcome] | None
    likely: Head | None

    def __init__(self, max_body_bytes: int, on_lost: Callable[[Connection], None]) -> None:
        self.max_body_bytes = max_body_bytes
        self.on_lost = on_lost
        self.transport: asyncio.Transport | None = None
        self.parser: httptools.HttpResponseParser | None = None
        self.closed = False
        self.paused = False
        self.drain: asyncio.Future[None] | None = None
        # Of the exchange under way
        self.future = None
        self.deadline_ns = NEVER
        self.likely = None  # if the next bytes may be a whole reply: the head it may have
        self.head_only = False  # HEAD: the reply has no body
        self.sending = False  # the request's body is not wholly written
        self.bytes_in = 0
        # Of the reply as far as it came; a finished one stays until the next exchange
        self.buffer: bytearray | None = None  # the head so far
        self.partial: Head | None = None  # the head, while the body comes
        self.chunks: list[bytes] = []
        self.body_bytes = 0
        self.n_interim = self.n_joined = 0
        self.complete = self.surplus = self.chunked = False
        self.keep_alive = False
        self.head: Head
        self.body = b""
        self.end_ns = 0

    # What a pool and an exchange call

    def begin(self, future: asyncio.Future[Outcome], *, head_only: bool, sending: bool, closes: bool) -> None:
        """Await one reply, resolving *future*. A plain request writes `future` and `likely` by itself instead."""
        self.future = future
        self.likely = None
        self.bytes_in = 0
        self.head_only = head_only
        self.sending = sending
        self.surplus = closes

    def is_waiting(self) -> bool:
        """Whether an exchange is under way. The deadline of one that is over may still stand there."""
        return self.future is not None and not self.future.done()

    def expire(self) -> None:
        """The exchange's time is over."""
        if self.likely is not None:
            self.bytes_in = 0
        if self.sending:
            phase = "sending the request"
        elif self.bytes_in:
            phase = "reading the reply"
        else:
            phase = "waiting for the reply"
        self.fail(RequestTimeoutError(f"timed out {phase}"))

    def fail(self, error: BaseException) -> None:
        """End the exchange with *error*, and the connection with it."""
        future = self.future
        if self.likely is not None:  # nothing came: what stands there is of the exchange before
            self.bytes_in = 0
        self.drop()
        if future is not None and not future.done():
            future.set_result(error)

    def drop(self) -> None:
        """Close at once, whatever is under way."""
        self.closed = True
        self.likely = None
        self.future = None
        if self.transport is not None:
            self.transport.abort()
        if self.drain is not None and not self.drain.done():
            self.drain.set_result(None)

    def close(self) -> None:
        """Close because nobody needs it any more."""
        self.fail(ConnectionClosedError("the client was closed before the reply was complete"))

    async def drained(self) -> None:
        """Wait while the transport's buffer is full."""
        if self.paused and not self.closed:
            self.drain = asyncio.get_running_loop().create_future()
            await self.drain

    # What the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.write = self.transport.write

    def pause_writing(self) -> None:
        self.paused = True
        if self.likely is not None:  # a reply to half a request ends the connection: that is for the general path
            self.likely = None
            self.bytes_in = 0

    def resume_writing(self) -> None:
        self.paused = False
        if self.drain is not None and not self.drain.done():
            self.drain.set_result(None)

    def received(self, data: bytes) -> None:
        """Take bytes that are no reply under the likely head: `data_received` leaves them to the general path."""
        if self.likely is not None:
            self.likely = None
            self.bytes_in = 0
        if not self.is_waiting():
            self.drop()  # nobody asked
            return
        self.bytes_in += len(data)
        try:
            self._feed(data)
        except httptools.HttpParserError as error:
            if self.complete:
                self.surplus = True
            else:
                self.fail(ProtocolError("the reply is not lawful HTTP/1", str(error)))
        except ClientError as error:
            self.fail(error)
        if self.complete and not self.closed:
            self._finish()

    def eof_received(self) -> None:
        """The server is done. The loop now closes the connection: nobody may take it any more."""
        if self.future is None or self.future.done():
            self.closed = True

    def connection_lost(self, exc: Exception | None) -> None:
        if self.future is not None and not self.future.done():
            if exc is None and self.partial is not None and self.partial.ends_with_connection():
                self.keep_alive = False
                self._finish()
            else:
                self.fail(cut_by(exc))
        self.drop()
        self.transport = self.parser = None  # they hold this connection
        self.write = nowhere
        self.on_lost(self)

    # The general path

    def _feed(self, data: bytes) -> None:
        while self.partial is None:
            end = data.find(HEAD_END) + 4
            if self.buffer is None and 4 <= end <= MAX_HEAD_BYTES and data.startswith(b"HTTP/1."):
                raw = data[:end]
                data = data[end:]
            else:
                raw, data = self._collect_head(data)
                if not raw:
                    return
            status = self._parse_head(raw)
            if status < 200 and status != 101:
                self.n_interim += 1
                if status < 100 or self.n_interim > MAX_INTERIM_REPLIES:
                    raise ProtocolError("too many 1xx replies" if status >= 100 else f"status {status} is none")
                self.complete = False
                if not data:
                    return
                continue
            self.partial = Head(raw, status)
            if status == 101:
                self.keep_alive = False
            if self.head_only:
                self.keep_alive = self.partial.keeps_alive()
                self.complete = True
                self.parser = None  # it waits for a body that does not come
        if data:
            if self.complete:
                self.surplus = True
            else:
                assert self.parser is not None
                self.parser.feed_data(data)
                if len(self.chunks) > self.n_joined + MAX_CHUNKS:
                    self._join()
                if self.body_bytes > self.max_body_bytes:
                    limit = f"{self.max_body_bytes:,} bytes"
                    raise BodyTooLargeError("the reply's body is over the limit", limit)

    def _join(self) -> None:
        """Make one piece of the chunks that came since the last time."""
        first = self.n_joined
        self.chunks[first:] = [b"".join(self.chunks[first:])]
        self.n_joined = first + 1

    def _parse_head(self, raw: bytes) -> int:
        """The status that *raw* tells; the parser now knows how the body is framed."""
        parser = self.parser
        if parser is None:
            parser = self.parser = httptools.HttpResponseParser(self)
        self.complete = False
        try:
            parser.feed_data(raw)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            if not self.complete:  # 101 pauses the parser, all else is an error
                raise
        status: int = parser.get_status_code()
        return status

    def _collect_head(self, data: bytes) -> tuple[bytes, bytes]:
        """A head that comes in pieces, and what follows it; nothing yet if it is not complete."""
        if self.buffer is None:
            self.buffer = bytearray()
        buffer = self.buffer
        searched = max(0, len(buffer) - 3)
        buffer += data
        if not buffer.startswith(b"HTTP/1."[: len(buffer)]):
            raise ProtocolError("the reply does not begin with HTTP/1", repr(bytes(buffer[:32])))
        end = buffer.find(HEAD_END, searched) + 4
        if end > MAX_HEAD_BYTES or (end < 4 and len(buffer) > MAX_HEAD_BYTES):
            raise ProtocolError(f"the head of the reply is over {MAX_HEAD_BYTES // 1024} KiB")
        if end >= 4:
            self.buffer = None
            return bytes(buffer[:end]), bytes(buffer[end:])
        if b"\n\n" in buffer:
            raise ProtocolError("the reply is not lawful HTTP/1", "its lines end without CR")
        return b"", b""

    def _finish(self) -> None:
        """The reply is complete: hand it over, and make ready for the next."""
        head = self.partial
        future = self.future
        assert head is not None
        assert future is not None
        chunks = self.chunks
        self.end_ns = now_ns()
        self.head = head
        self.body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        usable = self.keep_alive and not self.surplus and not self.sending and not self.paused
        if usable and not self.chunked and not self.head_only:
            head.reply_bytes = head.head_bytes + self.body_bytes  # the parser says so
        self.partial = None
        self.chunks = []
        self.body_bytes = self.n_interim = self.n_joined = 0
        self.complete = self.surplus = self.chunked = self.head_only = False
        if not usable:
            self.drop()
        future.set_result(None)

    # What httptools calls while it reads. Without on_header: it then makes no headers at all

    def on_message_begin(self) -> None:
        if self.complete:
            self.surplus = True

    def on_body(self, body: bytes) -> None:
        if not self.complete:
            self.chunks.append(body)
            self.body_bytes += len(body)

    def on_chunk_header(self) -> None:
        self.chunked = True

    def on_message_complete(self) -> None:
        if not self.complete and self.parser is not None:
            self.keep_alive = self.parser.should_keep_alive()
            self.complete = True


def cut_by(exc: Exception | None) -> ConnectionClosedError:
    """What it means for an exchange under way that its connection is gone: ended by the server, or broken by *exc*."""
    if exc is None:
        return ConnectionClosedError("the server closed the connection before its reply was complete")
    text = (getattr(exc, "strerror", None) or str(exc) or type(exc).__name__).lower()
    return ConnectionClosedError(f"the connection broke before the reply was complete, {text}")


def nowhere(_: bytes) -> None:
    """Where a closed connection writes to."""
