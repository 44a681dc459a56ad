"""Names that fail, hang, change and lie, for every client that resolves them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import aiohttp
import pytest
import uvloop

from hybridpress.clients.http import HttpSettings
from hybridpress.clients.kit import Clients
from hybridpress.errors import ClientError, ConnectError, RequestTimeoutError
from tests.clients.http.scripted import Remembering
from tests.clients.thrift.apache import IDL
from tests.hostile.clients import BODY, HTTP, always, thrift_frame, websocket_reply
from tests.hostile.server import Answer, Server, misbehaving
from tests.support.descriptors import down_to, n_sockets

NAME = "server.test"


async def ask_http(kit: Clients, port: int) -> None:
    assert (await kit.http().get(f"http://{NAME}:{port}/", name="step")).body == BODY


async def ask_session(kit: Clients, port: int) -> None:
    async with kit.session.post(f"http://{NAME}:{port}/", trace_request_ctx={"name": "step"}) as reply:
        assert await reply.read() == BODY


async def ask_thrift(kit: Clients, port: int) -> None:
    assert await kit.thrift(IDL, "Everybody", None, {"host": NAME, "port": port}).add(1, 2) == 3


async def ask_tcp(kit: Clients, port: int) -> None:
    client = kit.tcp(NAME, port, tls=False, timeout=None, max_bytes=None, name="step")
    assert await client.ask(b"ping\n", until=b"\n") == b"pong\n"


async def ask_websocket(kit: Clients, port: int) -> None:
    options: dict[str, Any] = {"name": "step", "timeout": None, "headers": None, "protocols": (), "max_bytes": None}
    async with kit.websocket(f"ws://{NAME}:{port}/", **options) as ws:
        assert await ws.ask("ping") == "pong"


KINDS: dict[str, tuple[Callable[[Clients, int], Awaitable[None]], Answer]] = {
    "http": (ask_http, always(HTTP)),
    "session": (ask_session, always(HTTP)),
    "thrift": (ask_thrift, thrift_frame),
    "tcp": (ask_tcp, always(b"pong\n")),
    "websocket": (ask_websocket, websocket_reply),
}


class Names:
    """What the system says of a name: the addresses, or an error, or nothing for ever."""

    def __init__(self) -> None:
        self.addresses: list[str] = []
        self.hangs: asyncio.Event | None = None

    async def resolve(self, host: Any, port: int) -> list[Any]:
        if host != NAME:  # an address, which the loop has looked up too
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port))]
        if self.hangs is not None:
            await self.hangs.wait()
        if not self.addresses:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in self.addresses]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    found = Names()

    class Loop(uvloop.Loop):
        async def getaddrinfo(self, host: Any, port: Any, **_: Any) -> Any:
            return await found.resolve(host, port)

    monkeypatch.setattr(uvloop, "Loop", Loop)
    return found


def run(test: Coroutine[Any, Any, Any]) -> None:
    with asyncio.Runner(loop_factory=uvloop.Loop) as runner:
        runner.run(test)


def errors(name: str, *ours: type[BaseException]) -> tuple[type[BaseException], ...]:
    return (aiohttp.ClientError, TimeoutError) if name == "session" else ours


def n_failed(trace: Remembering) -> int:
    return sum(step.outcome[1] for step in trace.steps.values())


async def asked_and_closed(name: str, timeout_s: float, use: Callable[[Any], Awaitable[None]]) -> None:
    """Have *use* ask a server of this kind; no socket is left behind."""
    ask, answer = KINDS[name]
    before = n_sockets()
    trace = Remembering()
    async with misbehaving(answer) as server:
        kit = Clients(HttpSettings(timeout_s=timeout_s), trace)
        try:
            await use((lambda: ask(kit, server.port), trace, server))
        finally:
            await kit.close()
    await down_to(before)


Made = tuple[Callable[[], Awaitable[None]], Remembering, Server]


@pytest.mark.parametrize("name", KINDS)
def test_a_name_that_fails_for_a_while(name: str, names: Names) -> None:
    """Each that asks meanwhile fails, with the name in the text; the first after it is served."""

    async def use(made: Made) -> None:
        ask, trace, server = made
        for n in range(1, 4):
            with pytest.raises(errors(name, ConnectError), match=NAME):
                await ask()
            assert n_failed(trace) == n
        names.addresses = ["127.0.0.1"]
        await ask()
        assert (n_failed(trace), server.n_connections) == (3, 1)

    run(asked_and_closed(name, 5.0, use))


@pytest.mark.parametrize("name", KINDS)
def test_a_name_that_is_never_answered(name: str, names: Names) -> None:
    """It has the time of the exchange."""

    async def use(made: Made) -> None:
        ask, trace, server = made
        names.hangs = asyncio.Event()
        with pytest.raises(errors(name, RequestTimeoutError)):
            await ask()
        assert n_failed(trace) == 1
        names.addresses = ["127.0.0.1"]
        names.hangs.set()
        await ask()
        assert (n_failed(trace), server.n_connections) == (1, 1)

    run(asked_and_closed(name, 0.2, use))


@pytest.mark.parametrize("name", ["http", "thrift", "tcp"])
def test_a_name_that_leads_elsewhere(name: str, names: Names) -> None:
    """Where nobody listens any more, the name is asked again, and the next exchange goes to where it leads now.

    (What stands on aiohttp asks again after ten seconds.)
    """
    names.addresses = ["127.0.0.77"]

    async def use(made: Made) -> None:
        ask, trace, server = made
        with pytest.raises(errors(name, ConnectError), match="refused"):
            await ask()
        names.addresses = ["127.0.0.78", "127.0.0.1"]
        await ask()
        await ask()
        assert n_failed(trace) == 1
        assert server.n_connections >= 1

    run(asked_and_closed(name, 5.0, use))


@pytest.mark.parametrize("host", ["a" * 70 + ".test", "a..test", "."])
def test_what_is_no_name(host: str) -> None:
    """A name that cannot be is an error of its own, not one of Python's."""

    async def test() -> None:
        trace = Remembering()
        kit = Clients(HttpSettings(timeout_s=5.0), trace)
        with pytest.raises(ClientError, match=r"resolve host|no valid host"):
            await kit.http().get(f"http://{host}:1/", name="step")
        with pytest.raises(ClientError):
            await kit.tcp(host, 1, tls=False, timeout=None, max_bytes=None, name="step").ask(b"x", exactly=1)
        await kit.close()

    uvloop.run(test())
