"""TCP connections from given local addresses, in turn: each has some 28,000 local ports for one destination.

A socket is bound to its address alone, and the kernel chooses the port when it connects: one that is free for this
destination. `create_connection(local_addr=…)` binds to port 0 instead. That takes a port that is free for all of them,
and with 10,000 open the search for it took 0.6 to 4.9 ms of CPU a connection, until it failed.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import sys
from collections.abc import Iterable
from typing import Any

_IP_BIND_ADDRESS_NO_PORT = 24
"""Linux; the socket module knows its name from Python 3.12 on."""


class LocalAddresses:
    """The local addresses of one pool. Every connection takes the next one of its destination's family."""

    __slots__ = ("_by_family", "_turn")

    def __init__(self, addresses: Iterable[str]) -> None:
        self._by_family: dict[int, list[Any]] = {}
        self._turn = 0
        for address in addresses:
            family, _, _, _, bindable = socket.getaddrinfo(
                address, 0, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
            )[0]
            self._by_family.setdefault(family, []).append(bindable)

    def __bool__(self) -> bool:
        return bool(self._by_family)

    async def connect(self, host: str, port: int) -> socket.socket:
        """A socket that is connected to *port* of *host*, an IP address. It belongs to the caller.

        Raises:
            OSError: from none of our addresses can it be reached; or none is of its family.
        """
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        ours = self._by_family.get(family)
        if ours is None:
            raise OSError(f"no local address for {'IPv6' if family == socket.AF_INET6 else 'IPv4'} was given")
        turn, self._turn = self._turn, self._turn + 1
        failure: OSError | None = None
        for step in range(len(ours)):
            try:
                return await _connect(family, ours[(turn + step) % len(ours)], host, port)
            except OSError as error:
                if error.errno != errno.EADDRNOTAVAIL:
                    raise
                failure = error  # of this address the ports are used up: on to the next
        assert failure is not None
        raise failure


async def _connect(family: int, bindable: Any, host: str, port: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        if sys.platform == "linux":
            sock.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
        sock.bind(bindable)
        await asyncio.get_running_loop().sock_connect(sock, (host, port))
    except BaseException:
        sock.close()
        raise
    return sock
