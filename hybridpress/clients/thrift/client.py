"""`self.thrift(…)`: clients whose methods are those of a Thrift service. What one worker's slots share stands here."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from hybridpress.clients.thrift.calls import HttpCalls, SocketCalls
from hybridpress.clients.wire import Wires, checked_place
from hybridpress.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping

    from hybridpress.clients.thrift.calls import CallMaker, Calls

TRANSPORTS: Final = ("framed", "buffered", "http")
PROTOCOLS: Final = ("binary", "compact", "json")


@dataclass(frozen=True, slots=True)
class ThriftOptions:
    """How a server is spoken to. Every mistake is told when the client is asked for, before anything is sent."""

    host: str
    port: int
    transport: str = "framed"
    protocol: str = "binary"
    strict: bool = True  # binary: messages begin with a version
    multiplexed: str | bool = False  # under this name, or the service's own
    tls: bool = False
    path: str = "/"  # of the HTTP transport
    headers: tuple[tuple[str, str], ...] = ()  # of the HTTP transport
    timeout: float | None = None  # seconds for a whole call, connecting included; None: the run's
    max_frame_bytes: int | None = None  # of a reply; None: the run's limit of bodies

    def checked(self) -> ThriftOptions:
        """These options, if they can be used.

        Raises:
            RequestError: one of them cannot.
        """
        checked_place(self.host, self.port)
        for name, value, known in (
            ("transport", self.transport, TRANSPORTS),
            ("protocol", self.protocol, PROTOCOLS),
        ):
            if value not in known:
                raise RequestError(f"{name} must be one of {', '.join(known)}, got {value!r}")
        if self.transport != "http" and (self.path != "/" or self.headers):
            raise RequestError(f'path and headers are for transport="http", not for {self.transport!r}')
        if self.protocol != "binary" and not self.strict:
            raise RequestError(f"strict is a matter of the binary protocol, not of {self.protocol!r}")
        if self.timeout is not None and not 0 < self.timeout < 1e9:
            raise RequestError(f"timeout must be a number of seconds above 0, got {self.timeout!r}")
        if self.max_frame_bytes is not None and self.max_frame_bytes < 1:
            raise RequestError(f"max_frame_bytes must be above 0, got {self.max_frame_bytes!r}")
        return self


class Service(Protocol):
    """A service whose methods can be called, whoever wrote its types."""

    @property
    def name(self) -> str: ...
    @property
    def methods(self) -> Collection[str]: ...

    def method(self, name: str) -> CallMaker:
        """What turns the arguments of method *name* into a message, and a message into an outcome."""


class ThriftClient:
    """A client of one service: `await client.add(1, 2)`. Shared by the slots of a worker.

    Arguments are those of the IDL, by place or by name. A declared exception is raised as itself.

    Each method raises, when awaited:
        RequestError: the arguments do not fit; nothing was sent.
        ThriftApplicationError: the server could not do the call.
        ClientError: there is no lawful reply; one of its subclasses tells why.
    """

    def __init__(self, service: Service, calls: Calls) -> None:
        self._service = service
        self._calls = calls

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]: ...

    else:

        def __getattr__(self, name):
            if name.startswith("__") or name not in self._service.methods:
                known = ", ".join(sorted(self._service.methods))
                raise AttributeError(f"{self._service.name} has no method {name!r}; it has {known}")
            made = partial(self._calls.call, self._service.method(name), self._calls.step(self._service, name))
            self.__dict__[name] = made  # from now on it is found at once
            return made

    def __dir__(self) -> list[str]:
        return sorted(self._service.methods)

    def __repr__(self) -> str:
        return f"<ThriftClient of {self._service.name} at {self._calls.address}>"


class Thrift:
    """The Thrift clients of one worker. Made inside its running loop, when first needed."""

    def __init__(self, wires: Wires) -> None:
        self._wires = wires
        self._clients: dict[Any, ThriftClient] = {}
        self._http: list[HttpCalls] = []

    def client(self, source: Any, service: str | None, near: Path | None, options: Mapping[str, Any]) -> ThriftClient:
        """The client for these; the same one for the same.

        Raises:
            RequestError: the service or an option cannot be used.
        """
        headers = options.get("headers")
        try:
            chosen = ThriftOptions(**{**options, "headers": tuple(dict(headers or {}).items())})
        except TypeError as error:
            raise RequestError(f"self.thrift() cannot be called so: {str(error).partition(' ')[2]}") from error
        key = (str(source) if isinstance(source, Path) else source, service, chosen)
        client = self._clients.get(key)
        if client is None:
            client = self._clients[key] = self._made(source, service, near, chosen.checked())
        return client

    def _made(self, source: Any, name: str | None, near: Path | None, options: ThriftOptions) -> ThriftClient:
        from hybridpress.clients.thrift.generated import GeneratedService, is_generated
        from hybridpress.clients.thrift.method import IdlService

        service: Service = (
            GeneratedService(source, options) if is_generated(source) else IdlService(source, name, near, options)
        )
        if options.transport == "http":
            calls = HttpCalls(self._wires, options)
            self._http.append(calls)
            return ThriftClient(service, calls)
        return ThriftClient(service, SocketCalls(self._wires, options))

    async def close(self) -> None:
        """Close what is not closed with the worker's other connections."""
        for calls in self._http:
            await calls.close()
