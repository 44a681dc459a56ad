"""All the clients of one worker: opened when first used, closed together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from hybridpress.clients.http import HttpClient, HttpEngine, HttpSettings
from hybridpress.clients.trace import Trace, Untraced
from hybridpress.errors import RequestError

if TYPE_CHECKING:
    import aiohttp

    from hybridpress.clients.grpc import Grpc
    from hybridpress.clients.tcp import TcpClient
    from hybridpress.clients.thrift.client import Thrift, ThriftClient
    from hybridpress.clients.udp import UdpClient
    from hybridpress.clients.websocket import WebSocket
    from hybridpress.clients.wire import Wires

C = TypeVar("C")


class Clients:
    """One worker's clients. Made inside the worker's running loop."""

    def __init__(self, settings: HttpSettings, trace: Trace) -> None:
        self._settings = settings
        self._trace = trace
        self._engine = HttpEngine(settings, trace)
        if self._engine.base is not None:
            # Reading the system's certificates takes some 50 ms: now, not in the first request.
            self._engine.pool(self._engine.base.origin)
        self._session: aiohttp.ClientSession | None = None
        self._quiet_session: aiohttp.ClientSession | None = None  # what goes over it is counted by who asks for it
        self._wires: Wires | None = None
        self._thrift: Thrift | None = None
        self._grpc: Grpc | None = None
        self._of_ports: dict[Any, Any] = {}

    def http(self) -> HttpClient:
        """A client for one slot; connections are shared."""
        return self._engine.client()

    @property
    def session(self) -> aiohttp.ClientSession:
        if self._session is None:
            from hybridpress.clients.session import open_session

            self._session = open_session(self._settings, self._trace)
        return self._session

    @property
    def wires(self) -> Wires:
        """The connections of this worker that are not HTTP."""
        if self._wires is None:
            from hybridpress.clients.wire import Wires

            self._wires = Wires(self._settings, self._trace)
        return self._wires

    def thrift(self, source: Any, service: str | None, near: Path | None, options: dict[str, Any]) -> ThriftClient:
        """The client of a Thrift service, made when first asked for.

        Raises:
            RequestError: it cannot be made from these, or thriftpy2 is not installed.
        """
        if self._thrift is None:
            with needs("thrift", "self.thrift()"):
                from hybridpress.clients.thrift.client import Thrift

                self._thrift = Thrift(self.wires)
        return self._thrift.client(source, service, near, {"host": self.host, **options})

    def tcp(self, host: str, port: int, **options: Any) -> TcpClient:
        """The client of a TCP port, made when first asked for; raises RequestError if it cannot be."""
        from hybridpress.clients.tcp import TcpClient

        return self._one(TcpClient, host, port, options)

    def udp(self, host: str, port: int, **options: Any) -> UdpClient:
        """The client of a UDP port, made when first asked for; raises RequestError if it cannot be."""
        from hybridpress.clients.udp import UdpClient

        return self._one(UdpClient, host, port, options)

    def websocket(self, url: str, **options: Any) -> WebSocket:
        """A WebSocket, not connected yet; raises RequestError if it cannot be."""
        from hybridpress.clients.websocket import WebSocket

        if self._quiet_session is None:
            from hybridpress.clients.session import open_session

            self._quiet_session = open_session(self._settings, Untraced(), timeout_s=None)
            # A handshake that was cut would be tried a second time, and nobody would know.
            self._quiet_session._retry_connection = False  # noqa: SLF001  # there is no other door to it
        return WebSocket(self.wires, self._quiet_session, url, **options)

    def grpc(self, stub: Callable[[Any], C], target: str, **options: Any) -> C:
        """A generated stub whose calls are timed; raises RequestError if it cannot be, or grpcio is not installed."""
        if self._grpc is None:
            with needs("grpc", "self.grpc()"):
                from hybridpress.clients.grpc import Grpc

                self._grpc = Grpc(self._settings, self._trace)
        return self._grpc.stub(stub, target, **options)

    def _one(self, kind: Callable[..., C], host: str, port: int, options: dict[str, Any]) -> C:
        key = (kind, host, port, *options.items())
        client = self._of_ports.get(key)
        if client is None:
            client = self._of_ports[key] = kind(self.wires, host, port, **options)
        return cast("C", client)

    @property
    def host(self) -> str:
        """The host name of the run's base URL; this machine where there is none."""
        base = self._engine.base
        return base.origin.host if base is not None and base.origin.unix_path is None else "127.0.0.1"

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
        if self._quiet_session is not None:
            await self._quiet_session.close()
        if self._thrift is not None:
            await self._thrift.close()
        if self._grpc is not None:
            await self._grpc.close()
        if self._wires is not None:
            await self._wires.close()
        await self._engine.close()


@contextmanager
def needs(extra: str, what: str) -> Iterator[None]:
    """Say how to install what *what* needs, if it is not there."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.partition(".")[0] == "hybridpress":
            raise
        text = f"{what} needs one more package, {error.name}: pip install 'hybridpress[{extra}]'"
        raise RequestError(text) from error


async def probe(settings: HttpSettings) -> None:
    """Open one connection to the base URL and close it again; nothing is sent over it (TLS: the handshake is).

    Raises:
        ClientError: it cannot be opened.
    """
    engine = HttpEngine(settings, Untraced())
    try:
        if engine.base is not None:
            await engine.pool(engine.base.origin).connect(settings.timeout_s)
    finally:
        await engine.close()
