"""What any server may do to any client: a typed error, one failed step, and the next one to ask is served as ever.

After each, this process has no more sockets than before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import aiohttp
import pytest
import uvloop

from hybridpress.clients.http import HttpSettings
from hybridpress.clients.kit import Clients
from hybridpress.errors import ClientError, ConnectError, ConnectionClosedError, RequestTimeoutError
from tests.clients.http.scripted import Remembering
from tests.hostile.clients import BODY, HTTP, KINDS, asking, n_failed
from tests.hostile.server import (
    Fault,
    cut,
    deafness,
    endless,
    garbage,
    half_close,
    hang_up,
    reset,
    saying,
    silence,
    trickle,
)
from tests.support.descriptors import down_to, n_sockets
from tests.support.ports import free_port

OF_A_SESSION = (aiohttp.ClientError, TimeoutError)
"""The session raises aiohttp's own, which are counted by their names as ours are."""
PATIENCE_S = 0.15
FAULTS: dict[str, tuple[Fault, tuple[type[BaseException], ...]]] = {
    "accepts and says nothing": (silence, (RequestTimeoutError,)),
    "never reads": (deafness, (RequestTimeoutError,)),
    "a byte at a time, for ever so long": (trickle(0.1), (RequestTimeoutError,)),
    "hangs up": (hang_up, (ConnectionClosedError,)),
    "resets": (reset, (ConnectionClosedError,)),
    "closes its half": (half_close, (ConnectionClosedError,)),
    "garbage": (garbage, (ClientError,)),
    "ones": (saying(b"\xff" * 4096), (ClientError,)),
    "ones without end": (endless(b"", b"\xff" * 65_536), (ClientError,)),
}


def run(test: Coroutine[Any, Any, Any]) -> Any:
    return uvloop.run(test)


def expected(name: str, errors: tuple[type[BaseException], ...]) -> tuple[type[BaseException], ...]:
    return OF_A_SESSION if name == "session" else errors


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", KINDS)
def test_faults(name: str, fault: str) -> None:
    """The error says what happened, within the time that was given; one step failed; the next one has its answer."""
    kind = KINDS[name]
    talk, errors = FAULTS[fault]
    # A stream waits so long for each piece; that it comes to an end is not to be had of a server that goes on.
    if name == "stream" and fault == "a byte at a time, for ever so long":
        talk = trickle(2 * PATIENCE_S)

    async def test() -> None:
        before = n_sockets()
        async with asyncio.timeout(20), asking(kind, talk, timeout_s=PATIENCE_S) as (ask, trace, server):
            with pytest.raises(expected(name, errors)) as raised:
                await ask()
            assert str(raised.value) or name == "session"
            assert n_failed(trace, kind) == 1
            await ask()
            assert n_failed(trace, kind) == 1
            assert server.n_connections == 2
            assert server.n_most_sent < 100 << 20
        await down_to(before)

    run(test())


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("name", KINDS)
def test_cut_at_every_byte(name: str, how: str) -> None:
    """A reply that ends after any number of its bytes is an error, never a short reply, and harms no other."""
    kind = KINDS[name]

    async def test() -> None:
        before = n_sockets()
        n_cut = 0
        async with asyncio.timeout(60), asking(kind) as (ask, trace, server):
            while True:
                server._left.append(cut(n_cut, how))
                try:
                    await ask()
                except expected(name, (ConnectionClosedError,)):
                    n_cut += 1
                    # Of a session's request, reading the body is no part.
                    assert n_failed(trace, kind) == n_cut or (name == "session" and n_cut > len(HTTP) - len(BODY))
                else:
                    break
            assert server.n_connections == n_cut + 1
        assert n_cut >= len(kind.answer(b"add....")) - 1
        await down_to(before)

    run(test())


@pytest.mark.parametrize("name", KINDS)
def test_refused(name: str) -> None:
    """Nobody listens: told with the address."""
    kind = KINDS[name]

    async def test() -> None:
        before = n_sockets()
        port = free_port()
        trace = Remembering()
        kit = Clients(HttpSettings(f"http://127.0.0.1:{port}", timeout_s=5.0), trace)
        with pytest.raises(expected(name, (ConnectError,)), match=rf"127\.0\.0\.1:{port}"):
            await kind.ask(kit, port)
        assert n_failed(trace, kind) == 1
        await kit.close()
        await down_to(before)

    run(test())


@pytest.mark.parametrize("name", KINDS)
def test_many_at_once(name: str) -> None:
    """Of many that ask at the same time, those whose server fails fail, and those whose server answers are served."""
    kind = KINDS[name]
    faults = [hang_up, reset, garbage, silence, cut(3, "reset")] * 4

    async def test() -> None:
        before = n_sockets()
        async with asyncio.timeout(20), asking(kind, *faults, timeout_s=0.3) as (ask, trace, _):
            outcomes = await asyncio.gather(*(ask() for _ in range(60)), return_exceptions=True)
            broken = [outcome for outcome in outcomes if outcome is not None]
            assert len(broken) == n_failed(trace, kind) == len(faults)
            assert all(isinstance(error, expected(name, (ClientError,))) for error in broken)
        await down_to(before)

    run(test())
