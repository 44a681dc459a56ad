"""Servers that are no gRPC servers: grpcio tells a status, which is a typed error, counted, within its deadline."""

from __future__ import annotations

import asyncio

import psutil
import pytest
import uvloop

from hybridpress.clients.http import HttpSettings
from hybridpress.clients.kit import Clients
from hybridpress.errors import GrpcError
from tests.clients.http.scripted import OK, Remembering
from tests.clients.test_grpc import SERVICE, EchoStub, echo_server
from tests.hostile.clients import always
from tests.hostile.server import Fault, endless, garbage, half_close, hang_up, misbehaving, reset, saying, silence

SETTINGS = b"\0\0\0\4\0\0\0\0\0"
FAULTS: dict[str, Fault] = {
    "accepts and says nothing": silence,
    "hangs up": hang_up,
    "resets": reset,
    "closes its half": half_close,
    "garbage": garbage,
    "HTTP/1.1": saying(OK),
    "settings, then nothing": saying(SETTINGS),
    "settings, then a frame too large": saying(SETTINGS + b"\xff\xff\xff\0\0\0\0\0\1"),
    "settings, then pings without end": endless(SETTINGS, b"\0\0\x08\6\0\0\0\0\0" + b"x" * 8),
}


async def served() -> None:
    """A server that is one is served."""
    server = echo_server()
    target = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    kit = Clients(HttpSettings(timeout_s=5.0), Remembering())
    assert await kit.grpc(EchoStub, target).Say(b"x") == b"x"
    await kit.close()
    await server.stop(None)


async def gone(port: int) -> None:
    """Wait until no connection to *port* is left. (All sockets cannot be counted: grpcio keeps some of its own.)"""
    async with asyncio.timeout(5):
        while any(end.raddr and end.raddr.port == port for end in psutil.Process().net_connections("tcp")):
            await asyncio.sleep(0.01)


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_faults(fault: str) -> None:
    """Each call ends with a status, one failed step; no connection is left; afterwards a real server is served."""

    async def test() -> None:
        trace = Remembering()
        kit = Clients(HttpSettings(timeout_s=5.0), trace)
        async with asyncio.timeout(20), misbehaving(always(OK), *[FAULTS[fault]] * 100) as server:
            stub = kit.grpc(EchoStub, f"127.0.0.1:{server.port}", timeout=0.3)
            for n in range(1, 3):
                with pytest.raises(GrpcError) as raised:
                    await stub.Say(b"x")
                assert raised.value.code in {"UNAVAILABLE", "DEADLINE_EXCEEDED"}
                assert trace.outcomes == {f"{SERVICE}/Say": (0, n)}
            await kit.close()
        await gone(server.port)
        await served()

    uvloop.run(test())
