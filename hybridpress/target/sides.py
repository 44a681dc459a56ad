"""What the target speaks besides HTTP, each on a port of its own: what it counts, and how a process begins to serve it.

A side's modules are loaded only where it is asked for: some need packages that are extras.
"""

from __future__ import annotations

import asyncio
import importlib.util
import socket
from functools import partial
from typing import Final

from hybridpress.errors import RunError
from hybridpress.target.counters import Counters
from hybridpress.target.echo import ECHOED, ECHOES, TcpEcho, UdpEcho

SIDES: Final = ("thrift", "tcp", "udp", "websocket", "grpc")
DATAGRAMS: Final = frozenset({"udp"})
"""Sides whose sockets have no connections to listen for."""
KEPT: Final = frozenset({"grpc"})
"""Sides whose processes bind the port once more, by themselves: the parent's sockets only keep it."""
_alive: list[object] = []
"""Servers that would end if nobody held them."""


def countable(sides: tuple[str, ...]) -> list[tuple[str, int]]:
    """Every (path, status) that these sides count.

    Raises:
        RunError: a package is missing that one of them needs.
    """
    found: list[tuple[str, int]] = []
    if "thrift" in sides:
        try:
            import thriftpy2  # noqa: F401
        except ImportError as error:
            text = "--thrift-port needs one more package, thriftpy2: pip install 'hybridpress[thrift]'"
            raise RunError(text) from error
        from hybridpress.target.thrift import countable_calls

        found += countable_calls()
    if "grpc" in sides:
        found += [("hybridpress.Echo/Say", ECHOED), ("hybridpress.Echo/Repeat", ECHOED)]
        if importlib.util.find_spec("grpc") is None:
            raise RunError("--grpc-port needs one more package, grpcio: pip install 'hybridpress[grpc]'")
    if "websocket" in sides:
        from hybridpress.target.websocket import ANSWERS

        found += ANSWERS
    return found + [(path, ECHOED) for side, path in ECHOES.items() if side in sides]


async def serve_side(
    side: str, listener: socket.socket, backlog: int, all_counters: Counters, counts: memoryview[int]
) -> None:
    """Begin to serve *side* on *listener*, on the loop that runs."""
    loop = asyncio.get_running_loop()
    if side == "thrift":
        from hybridpress.target.thrift import ThriftConnection, ThriftSite

        site = ThriftSite(loop, all_counters, counts)
        await loop.create_server(partial(ThriftConnection, site), sock=listener, backlog=backlog)
    elif side == "grpc":
        from hybridpress.target.grpc import serve_grpc

        _alive.append(await serve_grpc(listener, all_counters, counts))
    elif side == "websocket":
        from hybridpress.target.websocket import WebSocketEcho, WebSocketSite

        place = WebSocketSite(all_counters, counts)
        await loop.create_server(partial(WebSocketEcho, place), sock=listener, backlog=backlog)
    else:
        slot = all_counters.slots(ECHOES[side])[ECHOED]
        if side == "tcp":
            await loop.create_server(partial(TcpEcho, counts, slot), sock=listener, backlog=backlog)
        else:
            await loop.create_datagram_endpoint(partial(UdpEcho, counts, slot), sock=listener)
