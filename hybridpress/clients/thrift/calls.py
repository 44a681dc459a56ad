"""One call: its message out, its outcome in, both reported to its step. Over sockets, or as a POST over HTTP."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from hybridpress.clients.http import HttpEngine
from hybridpress.clients.thrift.codec import IncompleteError
from hybridpress.clients.thrift.connection import BufferedWire, Declared, FramedWire, ThriftWire
from hybridpress.clients.wire import WirePool, Wires, with_facts
from hybridpress.clock import now_ns
from hybridpress.errors import (
    ClientError,
    ConnectionClosedError,
    FrameTooLargeError,
    ProtocolError,
    RequestTimeoutError,
)

if TYPE_CHECKING:
    from hybridpress.clients.thrift.client import Service, ThriftOptions
    from hybridpress.clients.trace import Observer, Step

_MAX_SEQUENCE = 0x7FFFFFFF


class CallMaker(Protocol):
    """One method, as a call sees it."""

    name: str
    is_oneway: bool

    def encode(self, sequence: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes: ...
    def decode(self, data: bytes, sequence: int) -> Any: ...
    def told(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes: ...


class Calls(Protocol):
    """A way to a server."""

    address: str

    def step(self, service: Service, name: str) -> Step:
        """Where the calls of a method are counted."""

    async def call(self, method: CallMaker, step: Step, /, *args: Any, **kwargs: Any) -> Any:
        """Make one call."""


class SocketCalls:
    """Calls over TCP or TLS: framed, or buffered, which has no frames."""

    def __init__(self, wires: Wires, options: ThriftOptions) -> None:
        self._trace = wires.trace
        limit = options.max_frame_bytes or wires.settings.max_body_bytes
        self._is_framed = options.transport == "framed"
        kind: type[ThriftWire] = FramedWire if self._is_framed else BufferedWire
        self._pool: WirePool[ThriftWire] = wires.pool(
            options.host.strip("[]"),
            options.port,
            partial(kind, limit),
            kind=f"thrift {options.transport} {limit}",
            tls=options.tls,
        )
        self.address = self._pool.origin.address
        self._timeout_ns = int((options.timeout or wires.settings.timeout_s) * 1e9)
        wires.deadlines.allow_for(self._timeout_ns)
        self._create_future = wires.create_future
        self._sequence = 0

    def step(self, service: Service, name: str) -> Step:
        return self._trace.step(f"{service.name}.{name}")

    async def call(self, method: CallMaker, step: Step, /, *args: Any, **kwargs: Any) -> Any:
        """Make one call: one `done` or `failed`. It is timed from when its bytes are ready to when those of the reply
        are there. A declared exception is an answer, and counts as one.

        A call that is cancelled drops its connection and is not reported: it has no outcome.
        """
        self._sequence = sequence = self._sequence % _MAX_SEQUENCE + 1
        data = method.encode(sequence, args, kwargs)
        if self._is_framed:
            data = len(data).to_bytes(4) + data
        started_ns = now_ns()
        wire = self._pool.at_rest()
        if wire is None:
            try:
                wire = await self._pool.opened(self._timeout_ns / 1e9)
            except ClientError as error:
                raise self._failed(error, step, started_ns, 0, 0) from error.__cause__
        if method.is_oneway:
            await self._send(wire, step, data, started_ns)
            return None
        future = self._create_future()
        wire.method = method
        wire.sequence = sequence
        wire.begin(future, started_ns + self._timeout_ns)
        wire.write(data)
        try:
            outcome = await future
        except BaseException:
            wire.drop()
            raise
        if self._trace.observer is not None:
            show(self._trace.observer, method, args, kwargs, outcome, wire.end_ns - started_ns)
        if isinstance(outcome, ClientError):
            self._pool.rest(wire)  # if it is still open
            raise self._failed(outcome, step, started_ns, len(data), wire.bytes_in, wire.end_ns)
        self._pool.rest(wire)
        step.done(wire.end_ns - started_ns, len(data), wire.bytes_in)
        if type(outcome) is Declared:
            raise outcome.error
        return outcome

    async def _send(self, wire: ThriftWire, step: Step, data: bytes, started_ns: int) -> None:
        """A call that nothing comes back for: it is done when the system has taken it."""
        wire.write(data)
        if wire.paused:
            try:
                async with asyncio.timeout(self._timeout_ns / 1e9):
                    await wire.drained()
            except TimeoutError:
                wire.drop()
                late = RequestTimeoutError("timed out sending the request")
                raise self._failed(late, step, started_ns, len(data), 0) from None
            except BaseException:
                wire.drop()
                raise
        if wire.closed:
            error = ConnectionClosedError("the server closed the connection before the call was sent")
            raise self._failed(error, step, started_ns, len(data), 0)
        self._pool.rest(wire)
        step.done(now_ns() - started_ns, len(data), 0)

    def _failed(
        self, error: ClientError, step: Step, started_ns: int, bytes_out: int, bytes_in: int, end_ns: int = 0
    ) -> BaseException:
        step.failed((end_ns or now_ns()) - started_ns, bytes_out, bytes_in)
        return with_facts(error, self.address, self._timeout_ns, bytes_in)


def show(observer: Observer, method: CallMaker, args: Any, kwargs: Any, outcome: Any, duration_ns: int) -> None:
    """Tell *observer* of a call, as text."""
    error = outcome if isinstance(outcome, ClientError) else None
    told = "" if error else f"raises {outcome.error!r}" if isinstance(outcome, Declared) else repr(outcome)
    observer.exchange(method.name, method.told(args, kwargs), told.encode(), duration_ns, error)


class _Noted:
    """A trace that keeps what the HTTP client reports of its last exchange, for the call to report as its own.

    The client reports right before it returns, so what stands here then is of that exchange.
    """

    observer: Observer | None = None

    def __init__(self) -> None:
        self.last = (0, 0, 0)
        self.refusal: Exception | None = None

    def step(self, name: str) -> Step:
        return self

    def done(self, duration_ns: int, bytes_out: int, bytes_in: int) -> None:
        self.last = (duration_ns, bytes_out, bytes_in)

    failed = done

    def resent(self) -> None:
        """Never: calls are POST requests."""

    def fail(self, error: Exception) -> None:
        self.refusal = error


class HttpCalls:
    """Calls as bodies of POST requests. Connections are those of an HTTP client of its own."""

    def __init__(self, wires: Wires, options: ThriftOptions) -> None:
        self._trace = wires.trace
        self._noted = _Noted()
        self._engine = HttpEngine(wires.settings, self._noted)
        self._http = self._engine.client()
        host = f"[{options.host}]" if ":" in options.host else options.host
        self._url = f"{'https' if options.tls else 'http'}://{host}:{options.port}/{options.path.lstrip('/')}"
        self.address = self._url
        self._timeout_s = options.timeout or wires.settings.timeout_s
        self._headers = {
            "Content-Type": "application/x-thrift",
            "Accept": "application/x-thrift",
            **dict(options.headers),
        }
        self._max_bytes = options.max_frame_bytes or wires.settings.max_body_bytes
        self._sequence = 0

    def step(self, service: Service, name: str) -> Step:
        return self._trace.step(f"{service.name}.{name}")

    async def call(self, method: CallMaker, step: Step, /, *args: Any, **kwargs: Any) -> Any:
        """Make one call: one `done` or `failed`, timed as an HTTP exchange is. A status of 400 and above is raised."""
        self._sequence = sequence = self._sequence % _MAX_SEQUENCE + 1
        data = method.encode(sequence, args, kwargs)
        outcome: Any
        try:
            reply = await self._http.post(
                self._url, data=data, headers=self._headers, timeout=self._timeout_s, name=method.name
            )
        except ClientError as error:
            outcome = error
        else:
            outcome = self._outcome(method, reply.body, sequence)
        if self._noted.refusal is not None:
            outcome, self._noted.refusal = self._noted.refusal, None
        duration_ns, bytes_out, bytes_in = self._noted.last
        if self._trace.observer is not None:
            show(self._trace.observer, method, args, kwargs, outcome, duration_ns)
        if isinstance(outcome, ClientError):
            step.failed(duration_ns, bytes_out, bytes_in)
            raise outcome
        step.done(duration_ns, bytes_out, bytes_in)
        if isinstance(outcome, Declared):
            raise outcome.error
        return outcome

    def _outcome(self, method: CallMaker, body: bytes, sequence: int) -> Any:
        if len(body) > self._max_bytes:
            return FrameTooLargeError(
                f"the reply is over the limit of {self._max_bytes:,} bytes", f"it has {len(body):,}"
            )
        if method.is_oneway:
            return None
        try:
            return method.decode(body, sequence)
        except IncompleteError:
            return ProtocolError("the reply is not lawful Thrift", "its body ends before it does")

    async def close(self) -> None:
        """Close its connections."""
        await self._engine.close()
