"""Connections that carry one question and one answer at a time, for the protocols that are not HTTP.

A connection ends an exchange by resolving its future with the answer or with the error that ended it: errors are values
here, raised by who awaits. Pools, deadlines and the limit of connects under way are those of the HTTP client.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from hybridpress.clients.http.connection import NEVER, cut_by, nowhere
from hybridpress.clients.http.deadlines import Deadlines
from hybridpress.clients.http.pool import Pool
from hybridpress.clients.http.url import Origin
from hybridpress.clock import now_ns
from hybridpress.errors import ClientError, ConnectionClosedError, RequestError, RequestTimeoutError

if TYPE_CHECKING:
    import ssl

    from hybridpress.clients.http.connection import Connection
    from hybridpress.clients.http.settings import HttpSettings
    from hybridpress.clients.trace import Trace


class Wire(asyncio.Protocol):
    """One connection, owned by a pool or by who opened it; one exchange at a time.

    What a protocol adds is `data_received`.
    """

    __slots__ = (
        "bytes_in",
        "closed",
        "deadline_ns",
        "drain",
        "end_ns",
        "future",
        "on_lost",
        "paused",
        "transport",
        "write",
    )

    write: Callable[[bytes], None]

    def __init__(self, on_lost: Callable[[Any], None]) -> None:
        self.on_lost = on_lost
        self.transport: asyncio.Transport | None = None
        self.closed = False
        self.paused = False
        self.drain: asyncio.Future[None] | None = None
        # Of the exchange under way
        self.future: asyncio.Future[Any] | None = None
        self.deadline_ns = NEVER
        self.bytes_in = 0
        self.end_ns = 0  # when the last bytes of the answer came

    # What a pool and an exchange call

    def begin(self, future: asyncio.Future[Any], deadline_ns: int) -> None:
        """Await one answer, resolving *future*."""
        self.future = future
        self.deadline_ns = deadline_ns
        self.bytes_in = 0

    def is_waiting(self) -> bool:
        """Whether an exchange is under way. The deadline of one that is over may still stand there."""
        return self.future is not None and not self.future.done()

    def expire(self) -> None:
        """The exchange's time is over."""
        phase = "reading the reply" if self.bytes_in else "waiting for the reply"
        self.fail(RequestTimeoutError(f"timed out {phase}"))

    def answer(self, outcome: Any) -> None:
        """The exchange ended with *outcome*. An answer that nobody waits for any more ends the connection."""
        future = self.future
        if future is None or future.done():
            self.drop()
        else:
            future.set_result(outcome)

    def fail(self, error: BaseException) -> None:
        """End the exchange with *error*, and the connection with it."""
        future = self.future
        self.drop()
        if future is not None and not future.done():
            self.end_ns = now_ns()
            future.set_result(error)

    def drop(self) -> None:
        """Close at once, whatever is under way."""
        self.closed = True
        self.future = None
        if self.transport is not None:
            self.transport.abort()
        if self.drain is not None and not self.drain.done():
            self.drain.set_result(None)

    def abandon(self) -> None:
        """Close because nobody needs it any more."""
        self.fail(ConnectionClosedError("the client was closed before the reply was complete"))

    async def drained(self) -> None:
        """Wait while the transport's buffer is full."""
        if self.paused and not self.closed:
            self.drain = asyncio.get_running_loop().create_future()
            await self.drain

    # What the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.write = self.transport.write

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False
        if self.drain is not None and not self.drain.done():
            self.drain.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.is_waiting():
            self.fail(self.cut(exc))
        self.drop()
        self.transport = None
        self.write = nowhere
        self.on_lost(self)

    def cut(self, exc: Exception | None) -> ClientError:
        """What it means for the exchange under way that the connection is gone."""
        return cut_by(exc)


W = TypeVar("W", bound=Wire)


class WirePool(Pool, Generic[W]):
    """The connections to one place, each made by *make*. Has the rules of the HTTP pool, which see."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable[[Callable[[Any], None]], W], origin: Origin, **shared: Any) -> None:
        super().__init__(origin, **shared)
        self._make = make

    def _new(self) -> Connection:
        # The pool only asks whether a connection is closed; it never looks at what goes over it.
        return cast("Connection", self._make(self._lost))

    def at_rest(self) -> W | None:
        """The connection that was used last, if one is at rest."""
        idle = self.idle
        while idle:
            wire = idle.pop()
            if not wire.closed:
                return cast("W", wire)
        return None

    def rest(self, wire: W) -> None:
        """Keep *wire* for the next exchange."""
        if not wire.closed:
            self.idle.append(cast("Connection", wire))

    async def opened(self, timeout_s: float) -> W:
        """A new connection; raises what `connect` does."""
        return cast("W", await self.connect(timeout_s))


class Wires:
    """What all such connections of one worker share. Made inside its running loop, when first needed."""

    def __init__(self, settings: HttpSettings, trace: Trace) -> None:
        self.settings = settings
        self.trace = trace
        self.create_future = asyncio.get_running_loop().create_future
        self.live: set[Any] = set()
        self.deadlines = Deadlines(self.live, int(settings.timeout_s * 1e9))
        self._pools: dict[Any, Pool] = {}
        self._dialing = asyncio.Semaphore(settings.max_connecting)
        self._tls: ssl.SSLContext | None = None

    def pool(
        self, host: str, port: int, make: Callable[[Callable[[Any], None]], W], *, kind: str, tls: bool = False
    ) -> WirePool[W]:
        """The connections to *port* of *host*; one pool for each *kind* of connection."""
        origin = Origin("https" if tls else "http", host, port)
        pool = self._pools.get((kind, origin))
        if pool is None:
            pool = self._pools[kind, origin] = WirePool(
                make,
                origin,
                live=self.live,
                dialing=self._dialing,
                tls=self._tls_context() if tls else None,
                max_body_bytes=self.settings.max_body_bytes,
                local_addresses=self.settings.local_addresses,
            )
        return cast("WirePool[W]", pool)

    async def close(self) -> None:
        """Close every connection and stop the timer; exchanges under way are cut."""
        self.deadlines.close()
        for pool in self._pools.values():
            pool.closed = True
        for wire in list(self.live):
            wire.abandon()
        for _ in range(1000):  # closing takes the loop some turns
            if not self.live:
                break
            await asyncio.sleep(0)

    def _tls_context(self) -> ssl.SSLContext:
        if self._tls is None:
            from hybridpress.clients.http.tls import client_context

            self._tls = client_context(verify=self.settings.verify, ca_file=self.settings.ca_file)
        return self._tls

    def __repr__(self) -> str:
        idle = sum(not wire.closed for pool in self._pools.values() for wire in pool.idle)
        return f"<Wires [Connections: {len(self.live) - idle} active, {idle} idle]>"


def with_facts(error: BaseException, address: str, timeout_ns: int, bytes_in: int) -> BaseException:
    """*error* of a connection, with the facts that its raiser did not know."""
    if isinstance(error, RequestTimeoutError):
        return RequestTimeoutError(error.summary, f"{address}, {timeout_ns / 1e9:g} s were given")
    if isinstance(error, ConnectionClosedError):
        return ConnectionClosedError(error.summary, f"{address}, {bytes_in:,} bytes of it came")
    return error


def checked_place(host: object, port: object) -> tuple[str, int]:
    """*host* and *port*, if they can be ones.

    Raises:
        RequestError: they cannot.
    """
    if not isinstance(host, str) or not host:
        raise RequestError(f'host must be a name or an address such as "127.0.0.1", got {host!r}')
    if not isinstance(port, int) or not 0 < port < 65_536:
        raise RequestError(f"port must be a number from 1 to 65535, got {port!r}")
    return host.strip("[]"), port
