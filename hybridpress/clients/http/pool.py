"""Keep-alive connections to one origin, and how new ones are made. Knows nothing of requests."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from hybridpress.clients.http.connection import Connection
from hybridpress.clients.http.local import LocalAddresses
from hybridpress.clients.http.url import Origin
from hybridpress.errors import ConnectError, ConnectionClosedError, RequestTimeoutError, TLSError

if TYPE_CHECKING:
    import ssl

_BACKLOG_FULL_S = 0.005
"""So long a Unix socket whose backlog is full is left alone. (TCP has the kernel wait and try again.)"""

_WAYS_OUT = {
    errno.EMFILE: "each connection is an open file: raise the limit (ulimit -n), or ask for more --processes",
    errno.ENFILE: "the whole machine has too many open files: raise fs.file-max",
    errno.EADDRNOTAVAIL: "no local port (or address) is left for it: keep connections alive, add --local-address, "
    "or widen ip_local_port_range",
}
"""What a user can do, where the system's own words do not say."""


class Pool:
    """The connections to one origin, those at rest in `idle`: the last one used is taken first.

    There is no limit on their number, the slots are one; `dialing` bounds how many connect at once.
    """

    __slots__ = (
        "_addresses",
        "_dialing",
        "_live",
        "_local_addresses",
        "_n_dead",
        "_resolving",
        "_tls",
        "closed",
        "idle",
        "max_body_bytes",
        "origin",
    )

    def __init__(
        self,
        origin: Origin,
        *,
        live: set[Connection],
        dialing: asyncio.Semaphore,
        tls: ssl.SSLContext | None,
        max_body_bytes: int,
        local_addresses: Iterable[str] = (),
    ) -> None:
        self.origin = origin
        self.idle: list[Connection] = []
        self._live = live
        self._dialing = dialing
        self._tls = tls
        self._local_addresses = LocalAddresses(local_addresses)
        self.max_body_bytes = max_body_bytes
        self._addresses: list[tuple[str, int]] = []
        self._resolving = asyncio.Lock()
        self._n_dead = 0
        self.closed = False

    def __repr__(self) -> str:
        return f"<Pool {self.origin} [Idle: {sum(not connection.closed for connection in self.idle)}]>"

    async def connect(self, timeout_s: float) -> Connection:
        """A new connection.

        Raises:
            ConnectError: there is no such host, or none of its addresses accepts.
            TLSError: the handshake failed.
            RequestTimeoutError: it took longer than *timeout_s*, the wait for one's turn included.
        """
        if self.closed:
            raise ConnectError(f"cannot connect to {self.origin.address}: the client was closed")
        phase = "waiting for its turn to connect"
        try:
            async with asyncio.timeout(timeout_s), self._dialing:
                phase = "connecting"
                return await self._dial()
        except TimeoutError:
            raise RequestTimeoutError(f"timed out {phase}") from None

    def _new(self) -> Connection:
        return Connection(self.max_body_bytes, self._lost)

    def _lost(self, connection: Connection) -> None:
        self._live.discard(connection)
        self._n_dead += 1
        if self._n_dead > 64 and self._n_dead > len(self.idle) // 2:  # they are skipped when met; keep them few
            self.idle[:] = [other for other in self.idle if not other.closed]
            self._n_dead = 0

    async def _dial(self) -> Connection:
        origin = self.origin
        loop = asyncio.get_running_loop()
        if origin.unix_path is not None:
            return self._made(await self._dial_unix(origin.unix_path))
        tls: dict[str, Any] = {}
        if self._tls is not None:
            tls = {"ssl": self._tls, "server_hostname": origin.host}
        failure: OSError | None = None
        addresses = self._addresses or await self._resolve()
        for address in addresses:
            try:
                if self._local_addresses:
                    sock = await self._local_addresses.connect(*address)
                    _, connection = await loop.create_connection(self._new, sock=sock, **tls)
                else:
                    _, connection = await loop.create_connection(self._new, *address, **tls)
            except OSError as error:
                if self._tls is not None and not isinstance(error, ConnectionRefusedError):
                    raise _tls_error(origin, error) from error
                failure = error
            else:
                if address is not addresses[0]:  # the one that accepts is tried first from now on
                    self._addresses = [address, *(other for other in addresses if other is not address)]
                return self._made(connection)
        self._addresses = []  # the name may lead elsewhere by now
        assert failure is not None
        raise _connect_error(origin, failure) from failure

    async def _dial_unix(self, path: str) -> Connection:
        while True:
            try:
                _, connection = await asyncio.get_running_loop().create_unix_connection(self._new, path)
            except BlockingIOError:
                await asyncio.sleep(_BACKLOG_FULL_S)
            except OSError as error:
                raise _connect_error(self.origin, error) from error
            else:
                return connection

    def _made(self, connection: Connection) -> Connection:
        if connection.closed:
            raise ConnectionClosedError("the server closed the connection as soon as it was made")
        self._live.add(connection)
        return connection

    async def _resolve(self) -> list[tuple[str, int]]:
        async with self._resolving:
            if self._addresses:
                return self._addresses
            host = self.origin.host
            try:
                found = await asyncio.get_running_loop().getaddrinfo(
                    host, self.origin.port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
                )
            except OSError as error:
                raise ConnectError(f'cannot resolve host "{host}"', _reason(error)) from error
            except UnicodeError as error:
                raise ConnectError(f'cannot resolve host "{host}"', "it is no host name") from error
            addresses = []
            for family, _, _, _, address in found:
                if family == socket.AF_INET6 and len(address) == 4 and address[3]:
                    addresses.append((f"{address[0]}%{address[3]}", self.origin.port))
                else:
                    addresses.append((str(address[0]), self.origin.port))
            if not addresses:
                raise ConnectError(f'cannot resolve host "{host}"', "it has no address")
            self._addresses = list(dict.fromkeys(addresses))
            return self._addresses


def _reason(error: OSError) -> str:
    """Why it failed, in the system's own words, lower case as part of a sentence."""
    text = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error.strerror or error)
    return text[:1].lower() + text[1:]


def _connect_error(origin: Origin, error: OSError) -> ConnectError:
    return ConnectError(f"cannot connect to {origin.address}: {_reason(error)}", _WAYS_OUT.get(error.errno or 0, ""))


def _tls_error(origin: Origin, error: OSError) -> ConnectError:
    import ssl

    if isinstance(error, ssl.SSLCertVerificationError):
        return TLSError(
            f"the certificate of {origin.address} is not trusted: {error.verify_message}",
            "name its authority with ca_file, or turn verify off",
        )
    if isinstance(error, ssl.SSLError):
        return TLSError(
            f"the TLS handshake with {origin.address} failed: {error.reason or error}", "does it speak TLS on this port"
        )
    if isinstance(error, ConnectionError):
        return TLSError(f"the TLS handshake with {origin.address} failed: {_reason(error)}")
    return _connect_error(origin, error)
