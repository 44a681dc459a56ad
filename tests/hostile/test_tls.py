"""TLS that breaks: in the handshake and in a record, by FIN, RST and wrong bytes; in every client that has it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme
import uvloop

from hybridpress.clients.http import HttpSettings
from hybridpress.clients.kit import Clients
from hybridpress.errors import ClientError, ConnectionClosedError, RequestTimeoutError, TLSError
from tests.clients.http.scripted import Remembering
from tests.clients.thrift.apache import IDL
from tests.hostile.clients import BODY, HTTP, always, thrift_frame, websocket_reply
from tests.hostile.server import Answer, Fault, Peer, Server, misbehaving, silence
from tests.support.descriptors import down_to, n_sockets


async def ask_http(kit: Clients, port: int) -> None:
    assert (await kit.http().get(f"https://127.0.0.1:{port}/", name="step")).body == BODY


async def ask_session(kit: Clients, port: int) -> None:
    context = {"name": "step"}
    async with kit.session.post(f"https://127.0.0.1:{port}/", trace_request_ctx=context) as reply:
        assert await reply.read() == BODY


async def ask_stream(kit: Clients, port: int) -> None:
    pieces = [piece async for piece in kit.http().stream(f"https://127.0.0.1:{port}/", name="step")]
    assert b"".join(pieces) == BODY


async def ask_thrift(kit: Clients, port: int) -> None:
    client = kit.thrift(IDL, "Everybody", None, {"port": port, "tls": True})
    assert await client.add(1, 2) == 3


async def ask_tcp(kit: Clients, port: int) -> None:
    client = kit.tcp("127.0.0.1", port, tls=True, timeout=None, max_bytes=None, name="step")
    assert await client.ask(b"ping\n", until=b"\n") == b"pong\n"


async def ask_websocket(kit: Clients, port: int) -> None:
    options: dict[str, Any] = {"name": "step", "timeout": None, "headers": None, "protocols": (), "max_bytes": None}
    async with kit.websocket(f"wss://127.0.0.1:{port}/", **options) as ws:
        assert await ws.ask("ping") == "pong"


KINDS: dict[str, tuple[Callable[[Clients, int], Awaitable[None]], Answer]] = {
    "http": (ask_http, always(HTTP)),
    "session": (ask_session, always(HTTP)),
    "stream": (ask_stream, always(HTTP)),
    "thrift": (ask_thrift, thrift_frame),
    "tcp": (ask_tcp, always(b"pong\n")),
    "websocket": (ask_websocket, websocket_reply),
}


def errors(name: str, *ours: type[BaseException]) -> tuple[type[BaseException], ...]:
    return (aiohttp.ClientError, OSError) if name == "session" else ours


class Secured:
    """The server's end of TLS, over a `Peer`: what it writes can be cut and changed before it is sent."""

    def __init__(self, peer: Peer, context: ssl.SSLContext) -> None:
        self.peer = peer
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_side=True)

    async def shake_hands(self, change: Callable[[bytes], bytes] = bytes) -> None:
        """Until both are agreed, or the client is gone."""
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                pass
            else:
                await self.peer.say(self._out.read())
                return
            await self.peer.say(change(self._out.read()))
            data = await self.peer.asked()
            if not data:
                raise ConnectionResetError
            self._in.write(data)

    async def asked(self) -> bytes:
        while True:
            try:
                return self._tls.read(65_536)
            except ssl.SSLWantReadError:
                data = await self.peer.asked()
                if not data:
                    return b""
                self._in.write(data)
            except ssl.SSLError:
                return b""

    def record(self, data: bytes) -> bytes:
        """*data* as it goes over the wire."""
        self._tls.write(data)
        return self._out.read()

    async def behave(self) -> None:
        await self.shake_hands()
        while data := await self.asked():
            await self.peer.say(self.record(self.peer.answer(data)))


def cut_handshake(context: ssl.SSLContext, after: int, how: str) -> Fault:
    async def talk(peer: Peer) -> None:
        await Secured(peer, context).shake_hands(lambda flight: flight[:after])
        raise AssertionError("the client takes a part for the whole")

    async def broken(peer: Peer) -> None:
        try:
            async with asyncio.timeout(0.02):
                await talk(peer)
        except TimeoutError:
            if how == "reset":
                peer.reset()

    return broken


def cut_record(context: ssl.SSLContext, keep: float, how: str) -> Fault:
    async def talk(peer: Peer) -> None:
        secured = Secured(peer, context)
        await secured.shake_hands()
        record = secured.record(peer.answer(await secured.asked()))
        await peer.say(record[: int(len(record) * keep)])
        if how == "reset":
            peer.reset()
        elif how == "silence":
            await silence(peer)

    return talk


def spoilt_record(context: ssl.SSLContext) -> Fault:
    async def talk(peer: Peer) -> None:
        secured = Secured(peer, context)
        await secured.shake_hands()
        record = bytearray(secured.record(peer.answer(await secured.asked())))
        record[-3] ^= 1
        await peer.say(bytes(record))
        await silence(peer)

    return talk


def instead(data: bytes) -> Fault:
    async def talk(peer: Peer) -> None:
        await peer.asked()
        await peer.say(data)
        await silence(peer)

    return talk


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def context(authority: trustme.CA) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(made)
    return made


@pytest.fixture(scope="module")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    path: Path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return str(path)


def run(test: Coroutine[Any, Any, Any]) -> Any:
    return uvloop.run(test)


@asynccontextmanager
async def asking(
    name: str, context: ssl.SSLContext, ca_file: str, fault: Fault, timeout_s: float
) -> AsyncIterator[tuple[Callable[[], Awaitable[None]], Remembering, Server]]:
    """As `clients.asking`, over TLS. What the loop complains of fails the test."""
    ask, answer = KINDS[name]

    async def behave(peer: Peer) -> None:
        await Secured(peer, context).behave()

    complaints: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, facts: complaints.append(facts))
    before = n_sockets()
    trace = Remembering()
    async with misbehaving(answer, fault, behave) as server:
        kit = Clients(HttpSettings(f"https://127.0.0.1:{server.port}", timeout_s=timeout_s, ca_file=ca_file), trace)
        try:
            yield lambda: ask(kit, server.port), trace, server
        finally:
            await kit.close()
    await down_to(before)
    assert not complaints


def n_failed(trace: Remembering) -> int:
    return sum(step.outcome[1] for name, step in trace.steps.items() if "first byte" not in name)


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("after", [0, 1, 5, 60, 500])
@pytest.mark.parametrize("name", KINDS)
def test_cut_in_the_handshake(name: str, after: int, how: str, context: ssl.SSLContext, ca_file: str) -> None:
    """Ended after some bytes of the server's hello: no TLS, and no connection left."""

    async def test() -> None:
        fault = cut_handshake(context, after, how)
        async with asking(name, context, ca_file, fault, 5.0) as (ask, trace, server):
            with pytest.raises(errors(name, TLSError, ConnectionClosedError)):
                await ask()
            assert n_failed(trace) == 1
            await ask()
            assert (n_failed(trace), server.n_connections) == (1, 2)

    run(test())


@pytest.mark.parametrize(
    "data", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x15\x03\x03\0\x02\x02\x28", b"\x16\x03\x03\0\x40" + b"\xff" * 64]
)
@pytest.mark.parametrize("name", KINDS)
def test_no_handshake(name: str, data: bytes, context: ssl.SSLContext, ca_file: str) -> None:
    """Another language, an alert, nonsense: told as a handshake that failed."""

    async def test() -> None:
        async with asking(name, context, ca_file, instead(data), 5.0) as (ask, trace, server):
            with pytest.raises(errors(name, TLSError)):
                await ask()
            assert n_failed(trace) == 1
            await ask()
            assert (n_failed(trace), server.n_connections) == (1, 2)

    run(test())


@pytest.mark.parametrize("name", KINDS)
def test_a_handshake_that_stands_still(name: str, context: ssl.SSLContext, ca_file: str) -> None:
    """It has the time of the exchange, no more."""

    async def test() -> None:
        async with asking(name, context, ca_file, silence, 0.2) as (ask, trace, _):
            with pytest.raises(errors(name, RequestTimeoutError)):
                await ask()
            assert n_failed(trace) == 1
            await ask()
            assert n_failed(trace) == 1

    run(test())


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("keep", [0.0, 0.1, 0.5, 0.95])
@pytest.mark.parametrize("name", KINDS)
def test_cut_in_a_record(name: str, keep: float, how: str, context: ssl.SSLContext, ca_file: str) -> None:
    """A record that is not whole is nothing: the connection was closed before its reply was complete."""

    async def test() -> None:
        async with asking(name, context, ca_file, cut_record(context, keep, how), 5.0) as (ask, trace, server):
            with pytest.raises(errors(name, ConnectionClosedError)):
                await ask()
            assert n_failed(trace) == 1
            await ask()
            assert (n_failed(trace), server.n_connections) == (1, 2)

    run(test())


@pytest.mark.parametrize("name", KINDS)
def test_a_spoilt_record(name: str, context: ssl.SSLContext, ca_file: str) -> None:
    """A record that somebody changed ends the connection."""

    async def test() -> None:
        async with asking(name, context, ca_file, spoilt_record(context), 5.0) as (ask, trace, server):
            with pytest.raises(errors(name, ClientError)):
                await ask()
            assert n_failed(trace) == 1
            await ask()
            assert (n_failed(trace), server.n_connections) == (1, 2)

    run(test())
