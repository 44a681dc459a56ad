"""Connections go out from the addresses they are told to, in turn."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from typing import Any

import pytest

from hybridpress.clients.http import local
from hybridpress.clients.http.local import LocalAddresses
from hybridpress.clients.http.pool import Pool
from hybridpress.clients.http.url import Origin
from hybridpress.errors import ConnectError
from tests.clients.http.scripted import OK, client_of, in_turn, run, serving


def pool_to(port: int, *addresses: str, host: str = "127.0.0.1") -> Pool:
    return Pool(
        Origin("http", host, port),
        live=set(),
        dialing=asyncio.Semaphore(10),
        tls=None,
        max_body_bytes=1,
        local_addresses=addresses,
    )


def test_addresses_take_turns() -> None:
    """Each connection comes from the next address, and sends at once (TCP_NODELAY), as any other."""

    async def test() -> list[str]:
        found = []
        async with serving(in_turn(OK)) as server:
            pool = pool_to(server.port, "127.0.0.2", "127.0.0.3")
            for _ in range(4):
                connection = await pool.connect(5)
                assert connection.transport is not None
                sock = connection.transport.get_extra_info("socket")
                assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
                found.append(sock.getsockname()[0])
                connection.drop()
        return found

    assert run(test()) == ["127.0.0.2", "127.0.0.3"] * 2


def test_no_address_is_as_ever() -> None:
    """Without addresses, connections go out from where the system likes."""
    assert not LocalAddresses([])


def test_an_address_out_of_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the ports of one address are used up, the next takes its turn; when all are, the error names the way out."""
    connect, exhausted, tried = local._connect, {"127.0.0.2"}, []

    async def scarce(family: int, bindable: Any, host: str, port: int) -> socket.socket:
        tried.append(bindable[0])
        if bindable[0] in exhausted:
            raise OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
        return await connect(family, bindable, host, port)

    monkeypatch.setattr(local, "_connect", scarce)

    async def test() -> None:
        async with serving(in_turn(OK)) as server:
            pool = pool_to(server.port, "127.0.0.2", "127.0.0.3")
            (await pool.connect(5)).drop()
            assert tried == ["127.0.0.2", "127.0.0.3"]
            exhausted.add("127.0.0.3")
            with pytest.raises(ConnectError, match=r"cannot assign requested address: no local port .*--local-address"):
                await pool.connect(5)
            assert tried[2:] == ["127.0.0.3", "127.0.0.2"]

    run(test())


def test_refused_from_a_local_address() -> None:
    """A server that refuses is not asked again from another address; the socket is closed."""

    async def test() -> None:
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            with pytest.raises(ConnectError, match="connection refused"):
                await pool_to(nobody.getsockname()[1], "127.0.0.2", "127.0.0.3").connect(5)

    run(test())


def test_no_address_of_the_family() -> None:
    """An IPv6 destination is not reached from IPv4; the error says what is missing."""

    async def test() -> None:
        with pytest.raises(ConnectError, match="no local address for IPv6 was given"):
            await pool_to(1, "127.0.0.2", host="::1").connect(5)

    run(test())


def test_a_run_s_addresses_reach_its_pools() -> None:
    """What the settings name is where the client's connections come from."""

    async def test() -> None:
        async with serving(in_turn(OK)) as server, client_of(server.url, local_addresses=("127.0.0.2",)) as http:
            await http.get("/")
            (connection,) = http._engine.live
            assert connection.transport is not None
            assert connection.transport.get_extra_info("sockname")[0] == "127.0.0.2"

    run(test())
