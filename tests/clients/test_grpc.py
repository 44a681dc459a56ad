"""gRPC calls of all four kinds, against grpcio's own server, and the statuses that they end with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
import uvloop
from grpc import aio

from hybridpress.clients.http import HttpSettings
from hybridpress.clients.kit import Clients
from hybridpress.errors import GrpcError, RequestError
from tests.clients.http.scripted import Remembering
from tests.support.ports import free_port

SERVICE = "echo.Echo"


def run(test: Coroutine[Any, Any, Any]) -> Any:
    return uvloop.run(test)


class EchoStub:
    """A stub as the compiler writes it, but for messages that are plain bytes."""

    def __init__(self, channel: Any) -> None:
        self.Say = channel.unary_unary(f"/{SERVICE}/Say", request_serializer=None, response_deserializer=None)
        self.Repeat = channel.unary_stream(f"/{SERVICE}/Repeat", request_serializer=None, response_deserializer=None)
        self.Join = channel.stream_unary(f"/{SERVICE}/Join", request_serializer=None, response_deserializer=None)
        self.Chat = channel.stream_stream(f"/{SERVICE}/Chat", request_serializer=None, response_deserializer=None)


async def say(request: bytes, context: Any) -> bytes:
    metadata = dict(context.invocation_metadata())
    if request == b"who":
        return str(metadata.get("x-slot")).encode()
    if request == b"refuse":
        await context.abort(grpc.StatusCode.PERMISSION_DENIED, "not you")
    if request == b"sleep":
        await asyncio.Event().wait()
    return request


async def repeat(request: bytes, context: Any) -> AsyncIterator[bytes]:
    for _ in range(3):
        yield request
    if request == b"break":
        await context.abort(grpc.StatusCode.DATA_LOSS, "in the middle")


async def join(requests: Any, _: Any) -> bytes:
    return b"".join([request async for request in requests])


async def chat(requests: Any, _: Any) -> AsyncIterator[bytes]:
    async for request in requests:
        yield request.upper()


@asynccontextmanager
async def echoing() -> AsyncIterator[tuple[Clients, Remembering, str]]:
    server = aio.server()
    handlers = {
        "Say": grpc.unary_unary_rpc_method_handler(say),
        "Repeat": grpc.unary_stream_rpc_method_handler(repeat),
        "Join": grpc.stream_unary_rpc_method_handler(join),
        "Chat": grpc.stream_stream_rpc_method_handler(chat),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    trace = Remembering()
    kit = Clients(HttpSettings(timeout_s=5.0), trace)
    try:
        yield kit, trace, f"127.0.0.1:{port}"
    finally:
        await kit.close()
        await server.stop(None)


def test_all_kinds() -> None:
    """One reply or many, to one message or many; each call is a step, of streams the messages too."""

    async def test() -> None:
        async with echoing() as (kit, trace, target):
            stub = kit.grpc(EchoStub, target, metadata={"x-slot": "7"})
            assert await stub.Say(b"hello") == b"hello"
            assert await stub.Say(b"who") == b"7"
            assert [reply async for reply in stub.Repeat(b"x")] == [b"x"] * 3

            async def parts() -> AsyncIterator[bytes]:
                yield b"a"
                yield b"b"

            assert await stub.Join(parts()) == b"ab"
            talk = stub.Chat()
            await talk.write(b"one")
            assert await talk.read() == b"ONE"
            await talk.done_writing()
            assert await talk.read() is aio.EOF
            assert trace.outcomes == {
                "echo.Echo/Say": (2, 0),
                "echo.Echo/Repeat first": (1, 0),
                "echo.Echo/Repeat message": (2, 0),
                "echo.Echo/Repeat": (1, 0),
                "echo.Echo/Join": (1, 0),
                "echo.Echo/Chat first": (1, 0),
                "echo.Echo/Chat": (1, 0),
            }
            assert trace.steps["echo.Echo/Say"].answered[0][1:] == (5, 5)

    run(test())


def test_statuses() -> None:
    """What is not OK is raised with its code, and is a failed step: refused, too late, nobody there, broken off."""

    async def test() -> None:
        async with echoing() as (kit, trace, target):
            stub = kit.grpc(EchoStub, target)
            nobody = kit.grpc(EchoStub, f"127.0.0.1:{free_port()}")
            calls: list[tuple[Any, str]] = [
                (stub.Say(b"refuse"), "PERMISSION_DENIED"),
                (stub.Say(b"sleep", timeout=0.05), "DEADLINE_EXCEEDED"),
                (nobody.Say(b"?"), "UNAVAILABLE"),
            ]
            for call, code in calls:
                with pytest.raises(GrpcError, match=f"echo.Echo/Say: {code}") as raised:
                    await call
                assert raised.value.code == code
            with pytest.raises(GrpcError, match="DATA_LOSS: in the middle"):
                async for _ in stub.Repeat(b"break"):
                    pass
            assert trace.outcomes["echo.Echo/Say"] == (0, 3)
            assert trace.outcomes["echo.Echo/Repeat"] == (0, 1)

    run(test())


def test_left_early() -> None:
    """A stream that is left is cancelled, and its step is done."""

    async def test() -> None:
        async with echoing() as (kit, trace, target):
            async for reply in kit.grpc(EchoStub, target).Repeat(b"x"):
                assert reply == b"x"
                break
            assert trace.outcomes["echo.Echo/Repeat"] == (1, 0)

    run(test())


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"channels": 0}, "channels must be 1 or more, got 0"),
        ({"timeout": -1}, "timeout must be a number of seconds above 0"),
        ({"target": ""}, "target must be like"),
    ],
)
def test_what_cannot_be(options: dict[str, Any], text: str) -> None:
    """Told when the stub is asked for."""

    async def test() -> None:
        kit = Clients(HttpSettings(), Remembering())
        with pytest.raises(RequestError, match=text):
            kit.grpc(EchoStub, **{"target": "127.0.0.1:9", **options})
        await kit.close()

    run(test())


def test_several_channels() -> None:
    """Calls go over the channels of a worker in turn, each a connection."""

    async def test() -> None:
        async with echoing() as (kit, _, target):
            stub = kit.grpc(EchoStub, target, channels=3)
            for _ in range(6):
                assert await stub.Say(b"x") == b"x"

    run(test())
