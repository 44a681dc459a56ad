"""The target's gRPC side: hybridpress.Echo, whose messages are plain bytes. Say sends one back, Repeat three times.

Calls are counted as "hybridpress.Echo/Say", with status 200. grpcio binds the port by itself: the socket that the
parent holds only keeps it for us.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from typing import Any, Final

import grpc
from grpc import aio

from hybridpress.errors import RunError
from hybridpress.target import counters
from hybridpress.target.counters import Counters

SERVICE: Final = "hybridpress.Echo"
METHODS: Final = ("Say", "Repeat")
N_REPEATS: Final = 3
ANSWERS: Final = tuple((f"{SERVICE}/{method}", 200) for method in METHODS)


async def serve_grpc(kept: socket.socket, all_counters: Counters, counts: memoryview[int]) -> aio.Server:
    """Begin to serve on the address of *kept*."""
    say, repeat = (all_counters.slots(path)[status] for path, status in ANSWERS)

    async def say_back(request: bytes, _: Any) -> bytes:
        counts[say] += 1
        counts[counters.BYTES_IN] += len(request)
        counts[counters.BYTES_OUT] += len(request)
        return request

    async def say_again(request: bytes, _: Any) -> AsyncIterator[bytes]:
        counts[repeat] += 1
        counts[counters.BYTES_IN] += len(request)
        for _turn in range(N_REPEATS):
            counts[counters.BYTES_OUT] += len(request)
            yield request

    server = aio.server(options=[("grpc.so_reuseport", 1)])
    handlers = {
        "Say": grpc.unary_unary_rpc_method_handler(say_back),
        "Repeat": grpc.unary_stream_rpc_method_handler(say_again),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    host, port = kept.getsockname()[:2]
    if not server.add_insecure_port(f"[{host}]:{port}" if ":" in host else f"{host}:{port}"):
        raise RunError(f"cannot serve gRPC on {host}:{port}")
    await server.start()
    return server
