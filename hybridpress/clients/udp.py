"""`self.udp(host, port)`: datagrams out and back. What does not come back in time is counted as lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from hybridpress.clients.wire import Wire, Wires, checked_place
from hybridpress.clock import now_ns
from hybridpress.errors import ClientError, ConnectError, DatagramLostError, RequestError

if TYPE_CHECKING:
    from hybridpress.clients.trace import Step

Matches = Callable[[bytes], bool]


class UdpWire(Wire):
    """One socket, for one datagram and its answer at a time. One that is late finds its socket closed."""

    __slots__ = ("matches",)

    matches: Matches | None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # what Wire asks of it, a datagram transport has too
        self.write = cast("asyncio.DatagramTransport", transport).sendto

    def datagram_received(self, data: bytes, _: Any) -> None:
        """Take *data* for the answer, if it can be."""
        if not self.is_waiting():
            self.drop()  # a second answer: the next one could not be told from it
        elif self.matches is None or self.matches(data):
            self.bytes_in = len(data)
            self.end_ns = now_ns()
            self.answer(data)

    def error_received(self, error: OSError) -> None:
        """The system was told that nobody is there."""
        text = (error.strerror or str(error)).lower()
        self.fail(ConnectError(f"the datagram was refused: {text}"))

    def expire(self) -> None:
        self.fail(DatagramLostError("no datagram came back in time"))


class UdpClient:
    """A way to one port, for all slots of a worker."""

    def __init__(self, wires: Wires, host: str, port: int, *, timeout: float | None, name: str) -> None:
        self._host, self._port = checked_place(host, port)
        timeout_s = wires.settings.timeout_s if timeout is None else timeout
        if not 0 < timeout_s < 1e9:
            raise RequestError(f"timeout must be a number of seconds above 0, got {timeout!r}")
        self._wires = wires
        self.address = f"[{self._host}]:{port}" if ":" in self._host else f"{self._host}:{port}"
        self._name = name or f"UDP {self.address}"
        self._timeout_ns = int(timeout_s * 1e9)
        wires.deadlines.allow_for(self._timeout_ns)
        self._idle: list[UdpWire] = []

    def __repr__(self) -> str:
        return f"<UdpClient of {self.address}>"

    async def ask(self, data: bytes, *, matches: Matches | None = None, name: str | None = None) -> bytes:
        """Send a datagram and return the one that comes back: one step, "UDP host:port" if it has no *name*.

        With *matches*, datagrams for which it is false are passed over.

        Raises:
            DatagramLostError: none came back in time.
            ConnectError: nobody is there, as far as the system was told.
        """
        step = self._wires.trace.step(name or self._name)
        started_ns = now_ns()
        wire = await self._wire(step, started_ns)
        wire.matches = matches
        future = self._wires.create_future()
        wire.begin(future, started_ns + self._timeout_ns)
        wire.write(data)
        try:
            outcome = await future
        except BaseException:
            wire.drop()
            raise
        error = outcome if isinstance(outcome, ClientError) else None
        if self._wires.trace.observer is not None:
            told = b"" if error else outcome
            self._wires.trace.observer.exchange(self._name, data, told, wire.end_ns - started_ns, error)
        if error is not None:
            step.failed(wire.end_ns - started_ns, len(data), 0)
            detail = f"{self.address}, {self._timeout_ns / 1e9:g} s were given"
            raise type(error)(error.summary, detail if isinstance(error, DatagramLostError) else self.address)
        step.done(wire.end_ns - started_ns, len(data), len(outcome))
        if not wire.closed:
            self._idle.append(wire)
        answer: bytes = outcome
        return answer

    async def send(self, data: bytes, *, name: str | None = None) -> None:
        """Send a datagram that is not answered: a step that is done once the system has taken it."""
        step = self._wires.trace.step(name or self._name)
        started_ns = now_ns()
        wire = await self._wire(step, started_ns)
        wire.write(data)
        step.done(now_ns() - started_ns, len(data), 0)
        self._idle.append(wire)

    async def _wire(self, step: Step, started_ns: int) -> UdpWire:
        """A socket at rest, or else a new one."""
        while self._idle:
            wire = self._idle.pop()
            if not wire.closed:
                return wire
        loop = asyncio.get_running_loop()
        try:
            _, protocol = await loop.create_datagram_endpoint(
                lambda: cast("asyncio.DatagramProtocol", UdpWire(self._wires.live.discard)),
                remote_addr=(self._host, self._port),
            )
        except OSError as error:
            step.failed(now_ns() - started_ns, 0, 0)
            text = (error.strerror or str(error)).lower()
            raise ConnectError(f"cannot send to {self.address}: {text}") from error
        made = cast("UdpWire", protocol)
        self._wires.live.add(made)
        return made
