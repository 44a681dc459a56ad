"""Questions and answers over TCP, and what becomes of them when the server does not play along."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvloop

from hybridpress.clients.http import HttpSettings
from hybridpress.clients.kit import Clients
from hybridpress.clients.tcp import TcpClient
from hybridpress.errors import (
    ClientError,
    ConnectError,
    ConnectionClosedError,
    FrameTooLargeError,
    RequestError,
    RequestTimeoutError,
)
from tests.clients.http.scripted import Remembering
from tests.support.ports import free_port


def run(test: Coroutine[Any, Any, Any]) -> Any:
    return uvloop.run(test)


class Server:
    """Answers whatever comes with what *answer* makes of it; None hangs up."""

    def __init__(self, answer: Callable[[bytes], bytes | None]) -> None:
        self.answer = answer
        self.n_connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.n_connections += 1
        try:
            while data := await reader.read(65_536):
                answer = self.answer(data)
                if answer is None:
                    break
                writer.write(answer)
        except ConnectionError:
            pass
        finally:
            writer.close()


@asynccontextmanager
async def asking(
    answer: Callable[[bytes], bytes | None], **options: Any
) -> AsyncIterator[tuple[TcpClient, Remembering, Server]]:
    """A client of a server that answers so. At the end no connection is left."""
    server = Server(answer)
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    trace = Remembering()
    kit = Clients(HttpSettings(timeout_s=5.0), trace)
    try:
        port = listener.sockets[0].getsockname()[1]
        yield (
            kit.tcp("127.0.0.1", port, **{"tls": False, "timeout": None, "max_bytes": None, "name": "tcp", **options}),
            trace,
            server,
        )
    finally:
        await kit.close()
        assert not kit.wires.live
        listener.close()
        await listener.wait_closed()


def test_endings() -> None:
    """An answer ends at a delimiter, after so many bytes, or where its own length says; connections are kept."""

    async def test() -> None:
        async with asking(lambda data: data) as (client, trace, server):
            assert await client.ask(b"a line\n", until=b"\n") == b"a line\n"
            assert await client.ask(b"12345678", exactly=8, name="eight") == b"12345678"
            for n_length in (1, 2, 4, 8):
                assert await client.ask(b"x" * 200, prefix=n_length) == b"x" * 200
            assert await client.ask(b"y" * 1_000_000, prefix=4) == b"y" * 1_000_000
            assert server.n_connections == 1
            assert trace.outcomes == {"tcp": (6, 0), "eight": (1, 0)}
            (_, bytes_out, bytes_in) = trace.steps["tcp"].answered[-1]
            assert (bytes_out, bytes_in) == (1_000_004, 1_000_004)

    run(test())


def test_one_of_the_slots_own() -> None:
    """A connection of one's own: connecting is a step, the server may speak first, several answers come at once."""

    async def test() -> None:
        async with asking(lambda _: b"one\ntwo\nthree") as (client, trace, _):
            async with client.connection() as connection:
                await connection.send(b"go")
                assert await connection.read(until=b"\n") == b"one\n"
                assert await connection.read(until=b"\n") == b"two\n"
                assert await connection.read(exactly=5) == b"three"
            assert trace.outcomes == {"tcp connect": (1, 0), "tcp": (3, 0)}

    run(test())


@pytest.mark.parametrize(
    ("answer", "how", "kind", "text"),
    [
        (lambda _: None, {"until": b"\n"}, ConnectionClosedError, "0 bytes of it came"),
        (lambda _: b"half", {"until": b"\n"}, RequestTimeoutError, "reading the reply"),
        (lambda _: b"", {"exactly": 1}, RequestTimeoutError, "waiting for the reply"),
        (lambda _: b"\xff\xff\xff\xff", {"prefix": 4}, FrameTooLargeError, "limit of 1,000 bytes"),
        (lambda _: b"x" * 1001, {"until": b"\n"}, FrameTooLargeError, "limit of 1,000 bytes"),
    ],
)
def test_what_goes_wrong(
    answer: Callable[[bytes], bytes | None], how: dict[str, Any], kind: type[ClientError], text: str
) -> None:
    """A typed error, one failed step, no connection kept."""

    async def test() -> None:
        async with asking(answer, timeout=0.1, max_bytes=1_000) as (client, trace, _):
            with pytest.raises(kind, match=text):
                await client.ask(b"question", **how)
            assert trace.outcomes == {"tcp": (0, 1)}
            assert client.pool.idle == []

    run(test())


def test_more_than_was_asked_for() -> None:
    """Bytes behind the answer end a shared connection: they would be taken for the next answer."""

    async def test() -> None:
        async with asking(lambda _: b"yes\nno\n") as (client, _, server):
            for _ in range(2):
                assert await client.ask(b"?", until=b"\n") == b"yes\n"
            assert server.n_connections == 2

    run(test())


def test_refused() -> None:
    """Nobody listens: typed, counted as the step that it would have been."""

    async def test() -> None:
        trace = Remembering()
        kit = Clients(HttpSettings(timeout_s=5.0), trace)
        port = free_port()
        client = kit.tcp("127.0.0.1", port, tls=False, timeout=None, max_bytes=None, name="")
        with pytest.raises(ConnectError, match="connection refused"):
            await client.ask(b"?", exactly=1)
        with pytest.raises(ConnectError):
            async with client.connection():
                pass
        await kit.close()
        assert trace.outcomes == {f"TCP 127.0.0.1:{port}": (0, 1), f"TCP 127.0.0.1:{port} connect": (0, 1)}

    run(test())


@pytest.mark.parametrize(
    ("how", "text"),
    [
        ({}, "say how the answer ends"),
        ({"until": b"x", "exactly": 1}, "say how the answer ends"),
        ({"until": b""}, "until must be some bytes"),
        ({"exactly": 0}, "exactly must be a number of bytes above 0"),
        ({"prefix": 3}, "prefix must be 1, 2, 4 or 8 bytes"),
        ({"prefix": 1}, "300 bytes are too many for a prefix of 1"),
    ],
)
def test_bad_questions(how: dict[str, Any], text: str) -> None:
    """Told before anything is sent."""

    async def test() -> None:
        async with asking(lambda data: data) as (client, trace, _):
            with pytest.raises(RequestError, match=text):
                await client.ask(b"x" * 300, **how)
            assert trace.outcomes == {}

    run(test())


@pytest.mark.parametrize(
    ("host", "port", "timeout", "text"),
    [
        ("", 1, None, "host must be a name"),
        ("localhost", 70_000, None, "port must be a number from 1 to 65535"),
        ("localhost", 1, -1.0, "timeout must be a number of seconds above 0"),
    ],
)
def test_bad_places(host: str, port: int, timeout: float | None, text: str) -> None:
    """A client that cannot be is told when it is asked for."""

    async def test() -> None:
        kit = Clients(HttpSettings(), Remembering())
        with pytest.raises(RequestError, match=text):
            kit.tcp(host, port, tls=False, timeout=timeout, max_bytes=None, name="")
        with pytest.raises(RequestError, match=text):
            kit.udp(host, port, timeout=timeout, name="")
        await kit.close()

    run(test())
