"""A server that misbehaves on the first connections it gets, and behaves on all that follow."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

RESET_AT_ONCE = struct.pack("ii", 1, 0)
Answer = Callable[[bytes], bytes]
"""The lawful answer to what came: of HTTP, a frame, a line."""


class Peer:
    """One connection, from the server's end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: Answer) -> None:
        self.reader = reader
        self.writer = writer
        self.answer = answer
        self.n_sent = 0

    async def asked(self) -> bytes:
        """What the client sends next; b"" once it is gone."""
        return await self.reader.read(65_536)

    async def say(self, data: bytes) -> None:
        """Send it, or find out that the client is gone."""
        self.writer.write(data)
        await self.writer.drain()
        await asyncio.sleep(0)  # a client that reads fast would have us here for ever
        self.n_sent += len(data)

    def half_close(self) -> None:
        """Send nothing more, and go on reading."""
        self.writer.write_eof()

    def reset(self) -> None:
        """End it as a server does that crashes: with RST."""
        self.raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_ONCE)
        self.writer.transport.abort()

    @property
    def raw(self) -> Any:
        return self.writer.get_extra_info("socket")

    async def behave(self) -> None:
        """Answer each question as it should be."""
        while data := await self.asked():
            await self.say(self.answer(data))


Fault = Callable[[Peer], Awaitable[None]]


class Server:
    """Counts its connections, and what the worst one was sent."""

    def __init__(self, answer: Answer, faults: Sequence[Fault]) -> None:
        self._answer = answer
        self._left = list(faults)
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        self.n_connections = 0
        self.n_most_sent = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.n_connections += 1
        peer = Peer(reader, writer, self._answer)
        try:
            await (self._left.pop(0)(peer) if self._left else peer.behave())
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self.n_most_sent = max(self.n_most_sent, peer.n_sent)
            writer.close()
            self._tasks.discard(task)

    async def end(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def misbehaving(answer: Answer, *faults: Fault) -> AsyncIterator[Server]:
    """A server with one of *faults* for each of its first connections."""
    server = Server(answer, faults)
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        await server.end()
        await listener.wait_closed()


# Faults that any protocol may meet


async def silence(peer: Peer) -> None:
    """Take the question, and say nothing."""
    while await peer.asked():
        pass


async def deafness(peer: Peer) -> None:
    """Not even read it."""
    await asyncio.Event().wait()


async def hang_up(peer: Peer) -> None:
    """Close, at once."""


async def reset(peer: Peer) -> None:
    """Take the question, and be gone."""
    await peer.asked()
    peer.reset()


async def half_close(peer: Peer) -> None:
    """Say that nothing will be said, and go on listening."""
    peer.half_close()
    await silence(peer)


async def garbage(peer: Peer) -> None:
    """Answer in no language."""
    await peer.asked()
    await peer.say(b"\xde\xad\xbe\xef" * 64)
    await silence(peer)


def trickle(pause_s: float) -> Fault:
    """Answer rightly, a byte at a time, with a pause after each."""

    async def talk(peer: Peer) -> None:
        while data := await peer.asked():
            for byte in peer.answer(data):
                await peer.say(bytes([byte]))
                await asyncio.sleep(pause_s)

    return talk


def endless(beginning: bytes, block: bytes) -> Fault:
    """Begin lawfully, and never come to an end."""

    async def talk(peer: Peer) -> None:
        await peer.asked()
        await peer.say(beginning)
        while True:
            await peer.say(block)

    return talk


def saying(data: bytes, *, then: Fault = silence) -> Fault:
    """Answer this, whatever was asked."""

    async def talk(peer: Peer) -> None:
        await peer.asked()
        await peer.say(data)
        await then(peer)

    return talk


def cut(after: int, how: str) -> Fault:
    """Answer rightly, but for all that comes after so many bytes: then close, by FIN or by RST."""

    async def talk(peer: Peer) -> None:
        left = after
        while data := await peer.asked():
            answer = peer.answer(data)
            await peer.say(answer[:left])
            left -= len(answer)
            if left <= 0:
                break
        if how == "reset":
            peer.reset()

    return talk
