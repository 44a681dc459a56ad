"""One connection to a Thrift server: a call out in one write, its reply in, framed or not.

A reply is decoded where its last byte arrives, so that the exchange is woken once, with the outcome.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, Protocol

from hybridpress.clients.thrift.codec import IncompleteError
from hybridpress.clients.wire import Wire
from hybridpress.clock import now_ns
from hybridpress.errors import FrameTooLargeError, ProtocolError

HEADER_BYTES: Final = 4
_TRY_AT_ONCE_BYTES: Final = 64 * 1024
"""A message without a frame is tried at each of its pieces up to here; from here on when it grew by a quarter, or when
nothing more came for some ms. So a long one is read a few times over, not once for each piece.
"""
_TRY_LATER_S: Final = 0.002


class Answered(Protocol):
    """The call under way, as its connection sees it."""

    def decode(self, data: bytes, sequence: int) -> Any:
        """The outcome that the message in *data* tells.

        Raises:
            IncompleteError: it is not whole.
        """


class Declared:
    """An outcome: the server answered with an exception that the IDL declares."""

    __slots__ = ("error",)

    def __init__(self, error: BaseException) -> None:
        self.error = error


class ThriftWire(Wire):
    """What both transports share."""

    __slots__ = ("buffer", "max_frame_bytes", "method", "sequence")

    def __init__(self, max_frame_bytes: int, on_lost: Callable[[Any], None]) -> None:
        super().__init__(on_lost)
        self.max_frame_bytes = max_frame_bytes
        self.buffer = bytearray()
        self.method: Answered
        self.sequence = 0

    def decoded(self, data: bytes) -> None:
        """End the exchange with what *data* tells; raises IncompleteError if it is not whole."""
        outcome = self.method.decode(data, self.sequence)
        self.answer(outcome)
        if isinstance(outcome, ProtocolError):
            self.drop()  # who knows what it sends next

    def too_large(self, size: int) -> None:
        self.fail(
            FrameTooLargeError(
                f"the reply is over the limit of {self.max_frame_bytes:,} bytes",
                f"it says it has {size:,}; raise max_frame_bytes, or --max-body",
            )
        )


class FramedWire(ThriftWire):
    """Each message is preceded by its length, in four bytes."""

    __slots__ = ()

    def data_received(self, data: bytes) -> None:
        if self.future is None or self.future.done():
            self.drop()  # nobody asked
            return
        self.end_ns = now_ns()
        self.bytes_in += len(data)
        buffer = self.buffer
        if buffer:
            buffer += data
            if len(buffer) < HEADER_BYTES:
                return
            size = int.from_bytes(buffer[:HEADER_BYTES])
        elif len(data) < HEADER_BYTES:
            buffer += data
            return
        else:
            size = int.from_bytes(data[:HEADER_BYTES])
        if size > self.max_frame_bytes:
            self._refuse(size, bytes(buffer or data))
            return
        n_left = size + HEADER_BYTES - self.bytes_in
        if n_left > 0:
            if not buffer:
                buffer += data
            return
        message = bytes(buffer[HEADER_BYTES : HEADER_BYTES + size]) if buffer else data[HEADER_BYTES:]
        buffer.clear()
        try:
            self.decoded(message)
        except IncompleteError:
            self.fail(ProtocolError("the reply is not lawful Thrift", "its frame ends before it does"))
            return
        if n_left < 0:
            self.drop()  # more than was asked for

    def _refuse(self, size: int, data: bytes) -> None:
        if size < 1 << 31 and not data.startswith(b"HTTP"):
            self.too_large(size)
            return
        hint = f"it begins with {data[:16]!r}"
        if data.startswith((b"\x80\x01", b"\x82", b"[")):
            hint = 'the server answers without frames: transport="buffered"'
        elif data.startswith(b"HTTP"):
            hint = 'the server speaks HTTP: transport="http"'
        self.fail(ProtocolError("the reply is not a frame", hint))


class BufferedWire(ThriftWire):
    """Messages come one after another, with nothing between: the end of one is where it can be read."""

    __slots__ = ("retry", "tried_bytes")

    def __init__(self, max_frame_bytes: int, on_lost: Callable[[Any], None]) -> None:
        super().__init__(max_frame_bytes, on_lost)
        self.tried_bytes = 0
        self.retry: asyncio.TimerHandle | None = None

    def begin(self, future: asyncio.Future[Any], deadline_ns: int) -> None:
        super().begin(future, deadline_ns)
        self.tried_bytes = 0

    def data_received(self, data: bytes) -> None:
        if self.future is None or self.future.done():
            self.drop()
            return
        self.end_ns = now_ns()
        self.bytes_in += len(data)
        buffer = self.buffer
        if not buffer:
            self._try(data)
            return
        buffer += data
        if self.bytes_in > self.max_frame_bytes:
            self.too_large(self.bytes_in)
        elif self.bytes_in <= _TRY_AT_ONCE_BYTES or self.bytes_in >= self.tried_bytes * 5 // 4:
            self._try(bytes(buffer))
        elif self.retry is None:
            self.retry = asyncio.get_running_loop().call_later(_TRY_LATER_S, self._try_again)

    def _try(self, data: bytes) -> None:
        self.tried_bytes = len(data)
        try:
            self.decoded(data)
        except IncompleteError:
            if not self.buffer:
                self.buffer += data
            return
        self.buffer.clear()

    def _try_again(self) -> None:
        self.retry = None
        if self.is_waiting() and self.tried_bytes < self.bytes_in:
            self._try(bytes(self.buffer))

    def drop(self) -> None:
        super().drop()
        if self.retry is not None:
            self.retry.cancel()
            self.retry = None
