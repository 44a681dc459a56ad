"""`self.tcp(host, port)`: questions and answers over plain TCP or TLS, where an answer ends as the scenario says."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from hybridpress.clients.wire import Wire, WirePool, Wires, checked_place, with_facts
from hybridpress.clock import now_ns
from hybridpress.errors import ClientError, ConnectionClosedError, FrameTooLargeError, RequestError

if TYPE_CHECKING:
    from hybridpress.clients.trace import Step

Measure = Callable[[bytearray], int]
"""How many of these bytes are one whole answer; 0: more must come."""


class TcpWire(Wire):
    """One connection. In a pool, bytes that nobody asked for end it; one of a scenario's own keeps them."""

    __slots__ = ("buffer", "is_own", "max_bytes", "measure")

    def __init__(self, max_bytes: int, on_lost: Callable[[Any], None]) -> None:
        super().__init__(on_lost)
        self.buffer = bytearray()
        self.is_own = False
        self.max_bytes = max_bytes
        self.measure: Measure

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        self.bytes_in += len(data)
        self.end_ns = now_ns()
        if self.is_waiting():
            self.look()
        elif not self.is_own:
            self.drop()  # nobody asked
        elif len(self.buffer) > self.max_bytes and self.transport is not None:
            self.transport.pause_reading()

    def look(self) -> None:
        """End the exchange if the answer is whole, or too long."""
        n_bytes = self.measure(self.buffer)
        if max(n_bytes, len(self.buffer) if not n_bytes else 0) > self.max_bytes:
            limit = f"{self.max_bytes:,} bytes"
            self.fail(FrameTooLargeError(f"the reply is over the limit of {limit}", "raise max_bytes, or --max-body"))
        elif 0 < n_bytes <= len(self.buffer):
            answer = bytes(self.buffer[:n_bytes])
            del self.buffer[:n_bytes]
            self.answer(answer)
            if self.buffer and not self.is_own:
                self.drop()  # more than was asked for


def ending(until: bytes | None, exactly: int | None, prefix: int | None) -> tuple[Measure, int]:
    """How an answer ends, and how many bytes before it are its length.

    Raises:
        RequestError: not exactly one of them is given, or it cannot be.
    """
    if (until is not None) + (exactly is not None) + (prefix is not None) != 1:
        raise RequestError("say how the answer ends, with one of until=b'…', exactly=n, prefix=n")
    if until is not None:
        if not isinstance(until, bytes) or not until:
            raise RequestError(f"until must be some bytes, got {until!r}")
        return partial(_until, until), 0
    if exactly is not None:
        if exactly < 1:
            raise RequestError(f"exactly must be a number of bytes above 0, got {exactly!r}")
        return lambda _: exactly, 0
    if prefix not in (1, 2, 4, 8):
        raise RequestError(f"prefix must be 1, 2, 4 or 8 bytes, got {prefix!r}")
    return partial(_prefixed, prefix), prefix


def _until(delimiter: bytes, buffer: bytearray) -> int:
    found = buffer.find(delimiter)
    return found + len(delimiter) if found >= 0 else 0


def _prefixed(n_length: int, buffer: bytearray) -> int:
    return n_length + int.from_bytes(buffer[:n_length]) if len(buffer) >= n_length else 0


class TcpClient:
    """A way to one port, for all slots of a worker."""

    def __init__(
        self, wires: Wires, host: str, port: int, *, tls: bool, timeout: float | None, max_bytes: int | None, name: str
    ) -> None:
        host, port = checked_place(host, port)
        timeout_s = wires.settings.timeout_s if timeout is None else timeout
        if not 0 < timeout_s < 1e9:
            raise RequestError(f"timeout must be a number of seconds above 0, got {timeout!r}")
        self._trace = wires.trace
        self.max_bytes = max_bytes or wires.settings.max_body_bytes
        make = partial(TcpWire, self.max_bytes)
        self.pool: WirePool[TcpWire] = wires.pool(host, port, make, kind=f"tcp {self.max_bytes}", tls=tls)
        self.address = self.pool.origin.address
        self.name = name or f"TCP {self.address}"
        self.timeout_ns = int(timeout_s * 1e9)
        wires.deadlines.allow_for(self.timeout_ns)
        self._create_future = wires.create_future

    def __repr__(self) -> str:
        return f"<TcpClient of {self.address}>"

    async def ask(
        self,
        data: bytes,
        *,
        until: bytes | None = None,
        exactly: int | None = None,
        prefix: int | None = None,
        name: str | None = None,
    ) -> bytes:
        """Send *data* over a connection at rest, or a new one, and return the answer: one step.

        Args:
            data: what is sent.
            until: the answer ends with these bytes; they are part of it.
            exactly: the answer has so many bytes.
            prefix: the length of *data* is sent before it, in so many bytes (the first one counts most); the answer has
                its own before it, which is left out of what is returned.
            name: of the step; left out, "TCP host:port".

        Raises:
            RequestError: at once; nothing was sent.
            ClientError: there is no whole answer.
        """
        measure, n_length = ending(until, exactly, prefix)
        step = self._trace.step(name or self.name)
        started_ns = now_ns()
        wire = self.pool.at_rest()
        if wire is None:
            try:
                wire = await self.pool.opened(self.timeout_ns / 1e9)
            except ClientError as error:
                raise self.failed(error, step, started_ns, 0, 0) from error.__cause__
        answer = await self.exchange(wire, data, measure, n_length, step, started_ns)
        self.pool.rest(wire)
        return answer

    def connection(self) -> TcpConnection:
        """A connection of the scenario's own: `async with tcp.connection() as connection: …`."""
        return TcpConnection(self, self._trace.step(f"{self.name} connect"), self._trace.step(self.name))

    async def exchange(
        self, wire: TcpWire, data: bytes, measure: Measure, n_length: int, step: Step, started_ns: int
    ) -> bytes:
        """Send *data* (if there is any), await what *measure* takes for the answer, and report both to *step*."""
        if n_length and data:
            try:
                data = len(data).to_bytes(n_length) + data
            except OverflowError:
                raise RequestError(f"{len(data):,} bytes are too many for a prefix of {n_length}") from None
        future = self._create_future()
        wire.measure = measure
        wire.begin(future, started_ns + self.timeout_ns)
        if data:
            wire.write(data)
        if wire.buffer:
            wire.end_ns = started_ns  # it was there before it was asked for
            wire.look()
        if wire.closed and not future.done():
            future.set_result(ConnectionClosedError("the server closed the connection before its reply was complete"))
        try:
            outcome = await future
        except BaseException:
            wire.drop()
            raise
        if self._trace.observer is not None:
            error = outcome if isinstance(outcome, ClientError) else None
            self._trace.observer.exchange(self.name, data, b"" if error else outcome, wire.end_ns - started_ns, error)
        if isinstance(outcome, ClientError):
            raise self.failed(outcome, step, started_ns, len(data), wire.bytes_in)
        step.done(wire.end_ns - started_ns, len(data), wire.bytes_in)
        answer: bytes = outcome[n_length:]
        return answer

    def failed(self, error: ClientError, step: Step, started_ns: int, bytes_out: int, bytes_in: int) -> BaseException:
        """*error* with its facts, reported."""
        step.failed(now_ns() - started_ns, bytes_out, bytes_in)
        return with_facts(error, self.address, self.timeout_ns, bytes_in)


class TcpConnection:
    """One connection that a slot holds. Connecting is a step, and so is each `ask` or `read`."""

    def __init__(self, client: TcpClient, connecting: Step, step: Step) -> None:
        self._client = client
        self._connecting = connecting
        self._step = step
        self._wire: TcpWire

    async def __aenter__(self) -> Self:
        started_ns = now_ns()
        try:
            self._wire = await self._client.pool.opened(self._client.timeout_ns / 1e9)
        except ClientError as error:
            raise self._client.failed(error, self._connecting, started_ns, 0, 0) from error.__cause__
        self._wire.is_own = True
        self._connecting.done(now_ns() - started_ns, 0, 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, frames: TracebackType | None
    ) -> None:
        if self._wire.transport is not None and kind is None:
            self._wire.transport.close()
        else:
            self._wire.drop()

    async def send(self, data: bytes) -> None:
        """Send *data*; waits only while the system takes no more.

        Raises:
            ConnectionClosedError: the connection is gone.
        """
        self._wire.write(data)
        await self._wire.drained()
        if self._wire.closed:
            raise ConnectionClosedError("the server closed the connection", self._client.address)

    async def ask(
        self, data: bytes, *, until: bytes | None = None, exactly: int | None = None, prefix: int | None = None
    ) -> bytes:
        """Send *data* and return the answer, as `TcpClient.ask` does, over this connection."""
        measure, n_length = ending(until, exactly, prefix)
        if self._wire.transport is not None and not self._wire.transport.is_reading():
            self._wire.transport.resume_reading()
        return await self._client.exchange(self._wire, data, measure, n_length, self._step, now_ns())

    async def read(self, *, until: bytes | None = None, exactly: int | None = None, prefix: int | None = None) -> bytes:
        """The next answer, which the server sends by itself: as `ask`, with nothing sent."""
        return await self.ask(b"", until=until, exactly=exactly, prefix=prefix)
