"""WebSockets: what goes over them, and how they end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvloop
from aiohttp import WSMsgType, web

from hybridpress.clients.http import HttpSettings
from hybridpress.clients.kit import Clients
from hybridpress.errors import (
    ClientError,
    ConnectError,
    ConnectionClosedError,
    FrameTooLargeError,
    ProtocolError,
    RequestError,
    RequestTimeoutError,
    StatusError,
    WebSocketClosedError,
)
from tests.clients.http.scripted import Remembering
from tests.support.ports import free_port

Talk = Callable[[web.WebSocketResponse], Awaitable[None]]
DEFAULTS: dict[str, Any] = {"name": None, "timeout": None, "headers": None, "protocols": (), "max_bytes": None}


def run(test: Coroutine[Any, Any, Any]) -> Any:
    return uvloop.run(test)


async def echo(ws: web.WebSocketResponse) -> None:
    async for message in ws:
        if message.type is WSMsgType.TEXT:
            await ws.send_str(message.data)
        else:
            await ws.send_bytes(message.data)


@asynccontextmanager
async def talking(talk: Talk) -> AsyncIterator[tuple[Clients, Remembering, int]]:
    """The clients of a worker whose base URL is that of a server that talks so at /ws."""

    async def handle(request: web.Request) -> web.StreamResponse:
        ws = web.WebSocketResponse(protocols=("chat",))
        await ws.prepare(request)
        await talk(ws)
        return ws

    app = web.Application()
    app.router.add_get("/ws", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    trace = Remembering()
    kit = Clients(HttpSettings(f"http://127.0.0.1:{port}", timeout_s=5.0), trace)
    try:
        yield kit, trace, port
    finally:
        await kit.close()
        assert not kit.wires.live
        await runner.cleanup()


def test_messages() -> None:
    """Text, bytes and JSON come back as what they are; connecting, round trips and messages are steps of their own."""

    async def test() -> None:
        async with talking(echo) as (kit, trace, port):
            async with kit.websocket("/ws", **{**DEFAULTS, "protocols": ["chat"]}) as ws:
                assert ws.protocol == "chat"
                assert await ws.ask("Zürich") == "Zürich"
                assert await ws.ask(b"\x00\xff") == b"\x00\xff"
                assert await ws.ask_json({"a": [1, None]}) == {"a": [1, None]}
                await ws.send("one")
                await ws.send_json([2])
                await ws.ping(b"x")
                assert await ws.receive() == "one"
                assert await ws.receive_json() == [2]
            assert ws.close_code == 1000
            assert trace.outcomes == {
                "WS /ws connect": (1, 0),
                "WS /ws": (3, 0),
                "WS /ws send": (2, 0),
                "WS /ws receive": (2, 0),
            }
            assert trace.steps["WS /ws"].answered[0][1:] == (7, 6)
            async with kit.websocket(f"ws://127.0.0.1:{port}/ws", **{**DEFAULTS, "name": "mine"}) as ws:
                await ws.close(4001, "enough")
                assert ws.close_code is not None

    run(test())


async def _close(ws: web.WebSocketResponse) -> None:
    await ws.receive()
    await ws.close(code=4002, message=b"full")


async def _cut(ws: web.WebSocketResponse) -> None:
    await ws.receive()
    transport = ws._req.transport  # type: ignore[union-attr]
    assert transport is not None
    transport.abort()


async def _silence(ws: web.WebSocketResponse) -> None:
    await ws.receive()
    await ws.receive()


async def _garbage(ws: web.WebSocketResponse) -> None:
    await ws.receive()
    transport = ws._req.transport  # type: ignore[union-attr]
    assert transport is not None
    transport.write(b"\xff\xff\xff\xff")
    await ws.receive()


async def _too_long(ws: web.WebSocketResponse) -> None:
    await ws.receive()
    await ws.send_str("x" * 2_000)
    await ws.receive()


@pytest.mark.parametrize(
    ("talk", "kind", "text"),
    [
        (_close, WebSocketClosedError, "closed the WebSocket with code 4002: full"),
        (_cut, ConnectionClosedError, "without a word"),
        (_silence, RequestTimeoutError, r"timed out waiting for a message: 0\.1 s were given"),
        (_garbage, ProtocolError, "not lawful WebSocket"),
        (_too_long, FrameTooLargeError, "over the limit"),
    ],
)
def test_ends(talk: Talk, kind: type[ClientError], text: str) -> None:
    """A typed error and one failed step, whatever ends it."""

    async def test() -> None:
        async with talking(talk) as (kit, trace, _):
            async with kit.websocket("/ws", **{**DEFAULTS, "timeout": 0.1, "max_bytes": 1_000}) as ws:
                with pytest.raises(ClientError, match=text) as raised:
                    await ws.ask("?")
                assert type(raised.value) is kind
            assert trace.outcomes == {"WS /ws connect": (1, 0), "WS /ws": (0, 1)}
            if isinstance(raised.value, WebSocketClosedError):
                assert raised.value.code == 4002

    run(test())


def test_no_websocket() -> None:
    """Nobody there, no such path, no such URL: typed, a failed connect, nothing left."""

    async def test() -> None:
        async with talking(echo) as (kit, trace, _):
            for url, kind in [
                ("/nowhere", StatusError),
                (f"ws://127.0.0.1:{free_port()}/", ConnectError),
                ("ws://[/", RequestError),
            ]:
                with pytest.raises(ClientError) as raised:
                    async with kit.websocket(url, **{**DEFAULTS, "name": "it"}):
                        pass
                assert type(raised.value) is kind
            assert trace.outcomes == {"it connect": (0, 3)}
            with pytest.raises(RequestError, match="timeout must be"):
                kit.websocket("/ws", **{**DEFAULTS, "timeout": 0})

    run(test())


def test_what_is_no_message() -> None:
    """A message is text or bytes; anything else is told before it is sent."""

    async def test() -> None:
        async with talking(echo) as (kit, _, _), kit.websocket("/ws", **DEFAULTS) as ws:
            wrong: Any = {"a": 1}
            with pytest.raises(RequestError, match=r"a message is a str or bytes, got dict; for JSON: send_json"):
                await ws.ask(wrong)
            await ws.send("{")
            with pytest.raises(ProtocolError, match="not JSON"):
                await ws.receive_json()

    run(test())


def test_cancelled() -> None:
    """A wait that is cancelled is no timeout, and has no outcome."""

    async def test() -> None:
        async with talking(_silence) as (kit, trace, _), kit.websocket("/ws", **DEFAULTS) as ws:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.02):
                    await ws.ask("?")
            assert trace.outcomes == {"WS /ws connect": (1, 0)}

    run(test())
