"""A server that answers with given bytes, and a trace that remembers what it was told."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import uvloop

from hybridpress.clients.http import HttpClient, HttpEngine, HttpSettings
from hybridpress.clients.trace import Observer, Trace

T = TypeVar("T")
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
_LIMIT = 1 << 26
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def run(test: Coroutine[Any, Any, T]) -> T:
    """Run *test* on the loop that workers use."""
    return uvloop.run(test)


class Counted:
    """A step that remembers each exchange by itself."""

    def __init__(self) -> None:
        self.broken: list[tuple[int, int, int]] = []
        self.n_resent = 0
        self.answered: list[tuple[int, int, int]] = []
        """Duration, bytes out and bytes in of each exchange that was answered."""

    def done(self, duration_ns: int, bytes_out: int, bytes_in: int) -> None:
        self.answered.append((duration_ns, bytes_out, bytes_in))

    def failed(self, duration_ns: int, bytes_out: int, bytes_in: int) -> None:
        self.broken.append((duration_ns, bytes_out, bytes_in))

    def resent(self) -> None:
        self.n_resent += 1

    @property
    def outcome(self) -> tuple[int, int]:
        return len(self.answered), len(self.broken)


class Remembering:
    """A `Trace` that remembers steps, and failures that were not raised."""

    def __init__(self, observer: Observer | None = None) -> None:
        self.observer = observer
        self.steps: dict[str, Counted] = {}
        self.failures: list[Exception] = []

    def step(self, name: str) -> Counted:
        return self.steps.setdefault(name, Counted())

    def fail(self, error: Exception) -> None:
        self.failures.append(error)

    @property
    def outcomes(self) -> dict[str, tuple[int, int]]:
        """Steps with an outcome: how often done, how often failed."""
        return {name: step.outcome for name, step in self.steps.items() if step.outcome != (0, 0)}


class Server:
    """Serves connections one after another with *talk*; keeps what it was sent."""

    def __init__(self) -> None:
        self.url = ""
        self.port = 0
        self.requests: list[bytes] = []
        self.n_connections = 0


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """One request with its body; what came of it, if the client went away."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        lower = head.lower()
        if b"transfer-encoding: chunked" in lower:
            return head + await reader.readuntil(b"0\r\n\r\n")
        length = 0
        for line in lower.split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        return head + await reader.readexactly(length)
    except asyncio.IncompleteReadError as error:
        return error.partial


@asynccontextmanager
async def serving(
    talk: Callable[[Server], Talk], *, tls: ssl.SSLContext | None = None, unix: str = "", host: str = "127.0.0.1"
) -> AsyncIterator[Server]:
    """A server on a free port; at the end it goes, and all its connections with it."""
    server = Server()
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        server.n_connections += 1
        try:
            await talk(server)(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()
            tasks.discard(task)

    if unix:
        listener = await asyncio.start_unix_server(serve, unix, limit=_LIMIT)
    else:
        listener = await asyncio.start_server(serve, host, 0, ssl=tls, limit=_LIMIT)
        server.port = listener.sockets[0].getsockname()[1]
        shown = f"[{host}]" if ":" in host else host
        server.url = f"{'https' if tls else 'http'}://{shown}:{server.port}"
    try:
        yield server
    finally:
        listener.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await listener.wait_closed()


def answering(*replies: bytes, then: str = "wait") -> Callable[[Server], Talk]:
    """Each connection gets these *replies*, one for each request; *then* it waits for the client, or closes."""

    def for_server(server: Server) -> Talk:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            for reply in replies:
                request = await read_request(reader)
                if not request:
                    return
                server.requests.append(request)
                writer.write(reply)
            if then == "wait":
                await reader.read()

        return talk

    return for_server


def in_turn(*replies: bytes) -> Callable[[Server], Talk]:
    """One reply for each request, over all connections; the last one again and again."""
    left = list(replies)

    def for_server(server: Server) -> Talk:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while request := await read_request(reader):
                server.requests.append(request)
                writer.write(left.pop(0) if len(left) > 1 else left[0])

        return talk

    return for_server


@asynccontextmanager
async def client_of(url: str | None, trace: Trace | None = None, **settings: Any) -> AsyncIterator[HttpClient]:
    """A client with an engine of its own, closed at the end."""
    engine = HttpEngine(HttpSettings(base_url=url, **settings), trace or Remembering())
    try:
        yield engine.client()
    finally:
        await engine.close()
