"""The target's Thrift side: what it answers, to whom, and what it counts."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from typing import Any

import pytest
import thriftpy2
import uvloop

from hybridpress.clients.http import HttpSettings
from hybridpress.clients.kit import Clients
from hybridpress.clients.trace import Untraced
from hybridpress.errors import ThriftApplicationError
from hybridpress.target import Target
from hybridpress.target.thrift import IDL

WAYS = [
    {"transport": transport, "protocol": protocol, "strict": strict}
    for transport in ("framed", "buffered")
    for protocol, strict in [("binary", True), ("binary", False), ("compact", True), ("json", True)]
]


@pytest.fixture(scope="module")
def speaking() -> Iterator[Target]:
    """A target that speaks Thrift; count differences."""
    with Target(sides=["thrift"]) as target:
        yield target


def pressed(target: Target, use: Any, **options: Any) -> Any:
    """What *use* makes of a client of *target*, and how often the target counted each answer meanwhile."""

    async def test() -> Any:
        kit = Clients(HttpSettings(timeout_s=5.0), Untraced())
        try:
            client = kit.thrift(IDL, "Calculator", None, {"port": target.ports["thrift"], **options})
            return await use(client, kit)
        finally:
            await kit.close()

    target.reset()
    return uvloop.run(test())


@pytest.mark.parametrize("way", WAYS, ids=lambda way: "-".join(map(str, way.values())))
def test_answers(speaking: Target, way: dict[str, Any]) -> None:
    """Any framing and protocol is known by its first bytes; each call is counted once, under its method."""

    async def use(client: Any, _: Clients) -> None:
        await client.ping()
        for _turn in range(3):
            assert await client.add(2, 3) == 5
        assert await client.echo("Zürich") == "Zürich"
        types = thriftpy2.load(str(IDL))
        for operation, value in [(1, 9), (2, 5), (3, 14), (4, 3)]:
            assert await client.calculate(types.Work(7, 2, operation)) == value
        with pytest.raises(types.InvalidOperation) as raised:
            await client.calculate(types.Work(7, 0, 4))
        assert raised.value.why == "division by zero"
        with pytest.raises(ThriftApplicationError, match="internal error"):
            await client.add(1)
        await client.delay(1)
        await client.note("one")
        assert await client.echo("last") == "last"

    pressed(speaking, use, **way)
    counted = speaking.stats()
    assert counted["paths"] == {
        "Calculator.ping": {"200": 1},
        "Calculator.add": {"200": 3, "500": 1},
        "Calculator.echo": {"200": 2},
        "Calculator.calculate": {"200": 4, "400": 1},
        "Calculator.delay": {"200": 1},
        "Calculator.note": {"200": 1},
    }
    assert counted["waiting"] == counted["abandoned"] == 0


def test_unknown_methods(speaking: Target) -> None:
    """What the service has not is refused as Thrift refuses it."""

    async def use(_: Any, kit: Clients) -> None:
        everybody = kit.thrift(
            IDL.parents[2] / "tests/clients/thrift/everything.thrift",
            "Everybody",
            None,
            {"port": speaking.ports["thrift"]},
        )
        with pytest.raises(ThriftApplicationError, match="unknown method"):
            await everybody.notes()

    pressed(speaking, use)
    assert speaking.stats()["paths"] == {"Calculator.(unknown method)": {"500": 1}}


def test_garbage(speaking: Target) -> None:
    """What is no call ends the connection, and is counted."""
    speaking.reset()
    for garbage in (b"\0\0\0\x04\x80\x01\x00\x01", b"\x80\x02\x00\x00____", b"\x7f\xff\xff\xff\x80\x01\0\1"):
        with socket.create_connection(("127.0.0.1", speaking.ports["thrift"]), timeout=5) as end:
            end.sendall(garbage)
            assert end.recv(100) == b""
    assert speaking.stats()["paths"] == {"(malformed Thrift)": {"500": 3}}


def test_calls_in_pieces(speaking: Target) -> None:
    """A call that comes byte by byte is answered as one that comes at once, and so are several in one piece."""
    call = bytes.fromhex("80010001 00000004") + b"ping" + bytes.fromhex("00000007 00")
    frame = len(call).to_bytes(4) + call
    with socket.create_connection(("127.0.0.1", speaking.ports["thrift"]), timeout=5) as end:
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in frame:
            end.send(bytes([byte]))
        answer = end.recv(100)
        assert answer[4:8] == b"\x80\x01\x00\x02"
        end.sendall(frame * 3)
        answers = b""
        while len(answers) < 3 * len(answer):
            answers += end.recv(1000)
        assert answers == answer * 3


def test_who_leaves_is_abandoned(speaking: Target) -> None:
    """A call whose client left before its answer was due is told as abandoned."""

    async def use(client: Any, _: Clients) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await client.delay(60_000)
        while speaking.stats()["waiting"]:
            await asyncio.sleep(0)

    pressed(speaking, use)
    assert speaking.stats()["abandoned"] == 1
