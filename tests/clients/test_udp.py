"""Datagrams out and back, and those that are lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvloop

from hybridpress.clients.http import HttpSettings
from hybridpress.clients.kit import Clients
from hybridpress.clients.udp import UdpClient
from hybridpress.errors import ConnectError, DatagramLostError
from tests.clients.http.scripted import Remembering
from tests.support.ports import free_port


def run(test: Coroutine[Any, Any, Any]) -> Any:
    return uvloop.run(test)


class Server(asyncio.DatagramProtocol):
    """Sends back what *answer* makes of a datagram, each of these by itself."""

    transport: asyncio.DatagramTransport

    def __init__(self, answer: Callable[[bytes], list[bytes]]) -> None:
        self.answer = answer
        self.received: list[bytes] = []

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        self.received.append(data)
        for answer in self.answer(data):
            self.transport.sendto(answer, address)


@asynccontextmanager
async def asking(
    answer: Callable[[bytes], list[bytes]], patience_s: float = 5.0
) -> AsyncIterator[tuple[UdpClient, Remembering, Server]]:
    """A client of a server that answers so. At the end no socket is left."""
    trace = Remembering()
    kit = Clients(HttpSettings(timeout_s=5.0), trace)
    transport, server = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: Server(answer), local_addr=("127.0.0.1", 0)
    )
    try:
        port = transport.get_extra_info("sockname")[1]
        yield kit.udp("127.0.0.1", port, timeout=patience_s, name="udp"), trace, server
    finally:
        await kit.close()
        assert not kit.wires.live
        transport.close()


def test_round_trips() -> None:
    """What comes back is the answer; sockets are kept; sending alone is a step too."""

    async def test() -> None:
        async with asking(lambda data: [data[::-1]]) as (client, trace, _):
            assert await client.ask(b"abc") == b"cba"
            answers = await asyncio.gather(*(client.ask(b"%d" % n, name="many") for n in range(10, 30)))
            assert answers == [(b"%d" % n)[::-1] for n in range(10, 30)]
            assert trace.outcomes == {"udp": (1, 0), "many": (20, 0)}
            assert trace.steps["udp"].answered[0][1:] == (3, 3)

    run(test())


def test_sending_alone() -> None:
    """A datagram that is not answered is done once it is on its way."""

    async def test() -> None:
        async with asking(lambda _: []) as (client, trace, server):
            await client.send(b"note")
            async with asyncio.timeout(5):
                while not server.received:
                    await asyncio.sleep(0)
            assert server.received == [b"note"]
            assert trace.outcomes == {"udp": (1, 0)}

    run(test())


def test_lost() -> None:
    """What does not come back in time is lost: typed, counted, and a late answer is nobody's."""
    answers = [[], [b"yes"]]

    async def test() -> None:
        async with asking(lambda _: answers.pop(0), patience_s=0.05) as (client, trace, _):
            with pytest.raises(DatagramLostError, match=r"no datagram came back in time: .*0\.05 s were given"):
                await client.ask(b"1")
            assert await client.ask(b"2") == b"yes"
            assert trace.outcomes == {"udp": (1, 1)}

    run(test())


def test_answers_to_something_else() -> None:
    """With `matches`, other datagrams are passed over; without, a second answer ends the socket."""

    async def test() -> None:
        async with asking(lambda data: [b"noise", data]) as (client, trace, _):
            assert await client.ask(b"7", matches=lambda answer: answer == b"7") == b"7"
            assert await client.ask(b"8") == b"noise"
            assert await client.ask(b"9", matches=lambda answer: answer == b"9") == b"9"
            assert trace.outcomes == {"udp": (3, 0)}

    run(test())


def test_refused() -> None:
    """Where nobody is there, the system says so."""

    async def test() -> None:
        trace = Remembering()
        kit = Clients(HttpSettings(timeout_s=5.0), trace)
        client = kit.udp("127.0.0.1", free_port(), timeout=None, name="udp")
        with pytest.raises(ConnectError, match="refused"):
            await client.ask(b"?")
        await kit.close()
        assert trace.outcomes == {"udp": (0, 1)}

    run(test())
