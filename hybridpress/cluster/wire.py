"""Between an agent and its node's process: messages over a socket, each with its length before it."""

from __future__ import annotations

import asyncio
import socket
import struct

_LENGTH = struct.Struct("!I")


def send(link: socket.socket, message: bytes) -> None:
    """Send one message, and wait until it is sent."""
    link.sendall(_LENGTH.pack(len(message)) + message)


def receive(link: socket.socket) -> bytes | None:
    """The next message; None when the other end is gone."""
    head = _exactly(link, _LENGTH.size)
    return None if head is None else _exactly(link, _LENGTH.unpack(head)[0])


def write(writer: asyncio.StreamWriter, message: bytes) -> None:
    """Send one message, without waiting."""
    writer.write(_LENGTH.pack(len(message)))
    writer.write(message)


async def read(reader: asyncio.StreamReader) -> bytes | None:
    """The next message; None when the other end is gone."""
    try:
        head = await reader.readexactly(_LENGTH.size)
        return await reader.readexactly(_LENGTH.unpack(head)[0])
    except (asyncio.IncompleteReadError, OSError):
        return None


def _exactly(link: socket.socket, n_bytes: int) -> bytes | None:
    parts = []
    while n_bytes:
        try:
            part = link.recv(n_bytes)
        except OSError:
            return None
        if not part:
            return None
        parts.append(part)
        n_bytes -= len(part)
    return b"".join(parts)
