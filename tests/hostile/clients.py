"""Every client that stands on sockets of ours or aiohttp's, as one thing: ask once, over a server's lawful answers."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from hybridpress.clients.http import HttpSettings
from hybridpress.clients.kit import Clients
from tests.clients.http.scripted import Remembering
from tests.clients.thrift.apache import IDL
from tests.hostile.server import Fault, Server, misbehaving

BODY = b'{"ok": true}'
HTTP = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n%b\r\n7;note=x\r\n%b\r\n0\r\nSum: 12\r\n\r\n" % (
    BODY[:5],
    BODY[5:],
)
INTERIM = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + HTTP
EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
EVENTS += b"9\r\ndata: 1\n\n\r\n9\r\ndata: 2\n\n\r\n0\r\n\r\n"
_KEY = re.compile(rb"(?i)sec-websocket-key: (\S+)")
_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def always(data: bytes) -> Callable[[bytes], bytes]:
    return lambda _: data


def thrift_reply(call: bytes) -> bytes:
    """The answer to add(1, 2), without a frame."""
    at = call.index(b"add") + 3
    return b"\x80\x01\0\x02\0\0\0\x03add" + call[at : at + 4] + b"\x0a\0\0" + (3).to_bytes(8) + b"\0"


def thrift_frame(call: bytes) -> bytes:
    message = thrift_reply(call)
    return len(message).to_bytes(4) + message


def thrift_over_http(call: bytes) -> bytes:
    message = thrift_reply(call)
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(message), message)


def websocket_reply(data: bytes) -> bytes:
    """The handshake, then the same short answer to each message."""
    key = _KEY.search(data)
    if key is None:
        return b"\x88\x02\x03\xe8" if data[0] == 0x88 else b"\x81\x04pong"
    accept = base64.b64encode(hashlib.sha1(key[1] + _MAGIC, usedforsecurity=False).digest())
    head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    return head + b"Sec-WebSocket-Accept: %b\r\n\r\n" % accept


async def ask_http(kit: Clients, _: int) -> None:
    reply = await kit.http().get("/")
    assert reply.body == BODY


async def post_http(kit: Clients, _: int) -> None:
    reply = await kit.http().post("/", json={"a": 1})
    assert reply.body == BODY


async def ask_session(kit: Clients, _: int) -> None:
    async with kit.session.post("") as reply:  # a GET it would send twice by itself
        assert await reply.read() == BODY


async def ask_stream(kit: Clients, _: int) -> None:
    assert [getattr(event, "data", event) async for event in kit.http().stream("/")] == ["1", "2"]


def _ask_thrift(transport: str) -> Callable[[Clients, int], Awaitable[None]]:
    async def ask(kit: Clients, port: int) -> None:
        client = kit.thrift(IDL, "Everybody", None, {"port": port, "transport": transport})
        assert await client.add(1, 2) == 3

    return ask


async def ask_tcp(kit: Clients, port: int) -> None:
    client = kit.tcp("127.0.0.1", port, tls=False, timeout=None, max_bytes=None, name="tcp")
    assert await client.ask(b"ping\n", until=b"\n") == b"pong\n"


async def ask_tcp_by_length(kit: Clients, port: int) -> None:
    client = kit.tcp("127.0.0.1", port, tls=False, timeout=None, max_bytes=None, name="tcp")
    assert await client.ask(b"ping", prefix=4) == b"pong"


async def ask_websocket(kit: Clients, port: int) -> None:
    options: dict[str, Any] = {"name": "ws", "timeout": None, "headers": None, "protocols": (), "max_bytes": None}
    async with kit.websocket(f"ws://127.0.0.1:{port}/", **options) as ws:
        assert await ws.ask("ping") == "pong"


@dataclass(frozen=True)
class Kind:
    """One client: how it asks, what a lawful server answers, and the steps of which one fails when the asking does."""

    ask: Callable[[Clients, int], Awaitable[None]]
    answer: Callable[[bytes], bytes]
    steps: tuple[str, ...]


KINDS = {
    "http": Kind(ask_http, always(HTTP), ("GET /",)),
    "http, chunked": Kind(ask_http, always(CHUNKED), ("GET /",)),
    "http, after 103": Kind(ask_http, always(INTERIM), ("GET /",)),
    "http post": Kind(post_http, always(HTTP), ("POST /",)),
    "stream": Kind(ask_stream, always(EVENTS), ("GET /",)),
    "session": Kind(ask_session, always(HTTP), ("POST /",)),
    "thrift framed": Kind(_ask_thrift("framed"), thrift_frame, ("Everybody.add",)),
    "thrift buffered": Kind(_ask_thrift("buffered"), thrift_reply, ("Everybody.add",)),
    "thrift over http": Kind(_ask_thrift("http"), thrift_over_http, ("Everybody.add",)),
    "tcp": Kind(ask_tcp, always(b"pong\n"), ("tcp",)),
    "tcp by length": Kind(ask_tcp_by_length, always(b"\0\0\0\4pong"), ("tcp",)),
    "websocket": Kind(ask_websocket, websocket_reply, ("ws connect", "ws")),
}


@asynccontextmanager
async def asking(
    kind: Kind, *faults: Fault, **settings: Any
) -> AsyncIterator[tuple[Callable[[], Awaitable[None]], Remembering, Server]]:
    """How to ask a server that has *faults*, what is counted, and the server. At the end no connection is left."""
    trace = Remembering()
    async with misbehaving(kind.answer, *faults) as server:
        kit = Clients(HttpSettings(f"http://127.0.0.1:{server.port}", **{"timeout_s": 10.0, **settings}), trace)
        try:
            yield lambda: kind.ask(kit, server.port), trace, server
        finally:
            await kit.close()


def n_failed(trace: Remembering, kind: Kind) -> int:
    return sum(trace.steps[name].outcome[1] for name in kind.steps if name in trace.steps)
