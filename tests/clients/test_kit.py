"""One worker's clients, and the look at the host before a run."""

from __future__ import annotations

import asyncio
import importlib
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme
import uvloop

from hybridpress.clients.http import HttpSettings
from hybridpress.clients.kit import Clients, needs, probe
from hybridpress.clients.trace import Untraced
from hybridpress.errors import ConnectError, RequestError, RequestTimeoutError, TLSError
from tests.support.ports import free_port


def run(test: Coroutine[Any, Any, Any]) -> Any:
    return uvloop.run(test)


@dataclass
class Server:
    """Counts its connections, and keeps what came over them."""

    port: int = 0
    n_connections: int = 0
    received: list[bytes] = field(default_factory=list)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.n_connections += 1
        while data := await reader.read(65_536):
            self.received.append(data)
            if data.endswith(b"\r\n\r\n"):
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        self.received.append(b"")
        writer.close()


@asynccontextmanager
async def serving(tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    found = Server()
    server = await asyncio.start_server(found.talk, "127.0.0.1", 0, ssl=tls)
    found.port = server.sockets[0].getsockname()[1]
    async with server:
        yield found


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.001)


def test_clients_share_their_connections() -> None:
    """Each slot has a client of its own; one after another they use the same connection."""

    async def test() -> None:
        async with serving() as server:
            clients = Clients(HttpSettings(f"http://127.0.0.1:{server.port}"), Untraced())
            one, other = clients.http(), clients.http()
            assert one is not other
            one.headers["X-Slot"] = "1"
            assert "X-Slot" not in other.headers
            for client in (one, other):
                assert (await client.get("/")).status == 200
            assert server.n_connections == 1
            await clients.close()
            await until(lambda: server.received[-1] == b"")

    run(test())


def test_one_session() -> None:
    """The session is opened when it is first asked for, is the same from then on, and closed with the rest."""

    async def test() -> None:
        async with serving() as server:
            clients = Clients(HttpSettings(f"http://127.0.0.1:{server.port}"), Untraced())
            session = clients.session
            assert isinstance(session, aiohttp.ClientSession)
            assert clients.session is session
            async with session.get("/") as reply:
                assert await reply.text() == "ok"
            await clients.close()
            assert session.closed

    run(test())


def test_unused_clients() -> None:
    """Clients that nobody used are closed without having opened anything, as often as one likes."""

    async def test() -> None:
        clients = Clients(HttpSettings(), Untraced())
        await clients.close()
        await clients.close()

    run(test())


def test_the_probe_sends_nothing() -> None:
    """It opens one connection, sends not a byte, and closes it."""

    async def test() -> None:
        async with serving() as server:
            await probe(HttpSettings(f"http://127.0.0.1:{server.port}/prefix"))
            await until(lambda: server.received)
            assert (server.n_connections, server.received) == (1, [b""])

    run(test())


def test_without_a_host_there_is_nothing_to_probe() -> None:
    """Where requests name whole URLs, no host is known before the run."""
    run(probe(HttpSettings()))


def test_nobody_listens() -> None:
    """A refused connection is told with its address."""
    port = free_port()
    with pytest.raises(ConnectError, match=f"127.0.0.1:{port}"):
        run(probe(HttpSettings(f"http://127.0.0.1:{port}")))


def test_no_such_socket(tmp_path: Path) -> None:
    """The same for a socket that is not there."""
    with pytest.raises(ConnectError):
        run(probe(HttpSettings(f"http+unix://{str(tmp_path / 'no.sock').replace('/', '%2F')}")))


def test_a_host_that_does_not_answer() -> None:
    """A host that lets the handshake of TLS hang is given up when the time is over."""

    async def test() -> None:
        async with serving() as server:
            with pytest.raises(RequestTimeoutError):
                await probe(HttpSettings(f"https://127.0.0.1:{server.port}", timeout_s=0.05, verify=False))

    run(test())


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def test_the_certificate_is_looked_at(authority: trustme.CA, tmp_path: Path) -> None:
    """A certificate that is not trusted is told before the run; trusted, or not to be verified, it passes."""
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)

    async def test() -> None:
        async with serving(context) as server:
            url = f"https://127.0.0.1:{server.port}"
            with pytest.raises(TLSError):
                await probe(HttpSettings(url))
            await probe(HttpSettings(url, ca_file=str(ca_file)))
            await probe(HttpSettings(url, verify=False))

    run(test())


def test_what_an_extra_brings_is_named() -> None:
    """A client whose package is not installed says how to install it; what is broken inside it is not hidden."""
    text = r"self.x\(\) needs one more package, no_such: pip install 'hybridpress\[x\]'"
    with pytest.raises(RequestError, match=text), needs("x", "self.x()"):
        importlib.import_module("no_such.inside")
    with pytest.raises(ModuleNotFoundError), needs("x", "self.x()"):
        importlib.import_module("hybridpress.no_such")
