"""gRPC calls of all four kinds, against grpcio's own server, and the statuses that they end with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme
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
    if request == b"peer":
        return str(context.peer()).encode()
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


def echo_server() -> aio.Server:
    """A server of the four methods, not on any port yet."""
    server = aio.server()
    handlers = {
        "Say": grpc.unary_unary_rpc_method_handler(say),
        "Repeat": grpc.unary_stream_rpc_method_handler(repeat),
        "Join": grpc.stream_unary_rpc_method_handler(join),
        "Chat": grpc.stream_stream_rpc_method_handler(chat),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    return server


@asynccontextmanager
async def echoing(**settings: Any) -> AsyncIterator[tuple[Clients, Remembering, str]]:
    """The clients of a worker, what they measure, and where the server is."""
    server = echo_server()
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    trace = Remembering()
    kit = Clients(HttpSettings(timeout_s=5.0, **settings), trace)
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


@pytest.mark.parametrize(
    ("of_run", "option", "n_channels"), [(1, {}, 1), (3, {}, 3), (1, {"channels": 3}, 3), (4, {"channels": 2}, 2)]
)
def test_several_channels(of_run: int, option: dict[str, int], n_channels: int) -> None:
    """Calls go over a worker's channels in turn, each a connection: as many as the run has, or the stub asks for."""

    async def test() -> None:
        async with echoing(grpc_channels=of_run) as (kit, _, target):
            stub = kit.grpc(EchoStub, target, **option)
            peers = [await stub.Say(b"peer") for _ in range(2 * n_channels)]
            assert len(set(peers)) == n_channels
            assert peers[:n_channels] == peers[n_channels:]

    run(test())


def test_a_server_that_dies_in_a_call() -> None:
    """The call that it was about, and those after it, end with a status; none hangs."""

    async def test() -> None:
        server = echo_server()
        target = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        await server.start()
        trace = Remembering()
        kit = Clients(HttpSettings(timeout_s=5.0), trace)
        stub = kit.grpc(EchoStub, target)
        assert await stub.Say(b"x") == b"x"
        call = asyncio.ensure_future(stub.Say(b"sleep"))
        await asyncio.sleep(0)
        await server.stop(None)
        for ended in (call, stub.Say(b"x")):
            with pytest.raises(GrpcError, match=r"UNAVAILABLE|CANCELLED"):
                await ended
        await kit.close()
        assert trace.outcomes == {"echo.Echo/Say": (1, 2)}

    run(test())


def test_tls(tmp_path: Path) -> None:
    """A certificate is verified against the run's own authority; without it, the call is refused."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    certificate = authority.issue_cert("localhost")
    pairs = [(certificate.private_key_pem.bytes(), certificate.cert_chain_pems[0].bytes())]

    async def test() -> None:
        server = echo_server()
        port = server.add_secure_port("localhost:0", grpc.ssl_server_credentials(pairs))
        await server.start()
        for ca_file, is_trusted in [(str(tmp_path / "ca.pem"), True), (None, False)]:
            kit = Clients(HttpSettings(timeout_s=5.0, ca_file=ca_file), Remembering())
            call = kit.grpc(EchoStub, f"localhost:{port}", tls=True).Say(b"x")
            if is_trusted:
                assert await call == b"x"
            else:
                with pytest.raises(GrpcError, match="UNAVAILABLE"):
                    await call
            await kit.close()
        kit = Clients(HttpSettings(verify=False), Remembering())
        with pytest.raises(RequestError, match="always verifies certificates: name the authority with --ca-file"):
            kit.grpc(EchoStub, f"localhost:{port}", tls=True)
        await kit.close()
        await server.stop(None)

    run(test())
