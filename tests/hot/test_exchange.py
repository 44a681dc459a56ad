"""The quick way of an exchange: to whoever awaits it, it is a coroutine like any other."""

from __future__ import annotations

import asyncio
import gc
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any, cast

import pytest

from hybridpress.clients.http import HttpClient, Response
from hybridpress.clients.trace import Trace, Untraced
from hybridpress.errors import ConnectionClosedError
from tests.clients.http.scripted import OK, Remembering, Server, answering, client_of, in_turn, run, serving

Way = Callable[[Awaitable[Response]], Awaitable[Response]]


@asynccontextmanager
async def warm(trace: Trace | None = None, n: int = 1, **settings: Any) -> AsyncIterator[tuple[HttpClient, Server]]:
    """A client with *n* connections at rest, whose next reply is likely to be as the last one."""
    async with serving(in_turn(OK)) as server, client_of(server.url, trace, **settings) as http:
        await asyncio.gather(*(http.get("/") for _ in range(n)))
        await http.get("/")
        yield http, server


async def _gather(asked: Awaitable[Response]) -> Response:
    return (await asyncio.gather(asked))[0]


async def _wait_for(asked: Awaitable[Response]) -> Response:
    return await asyncio.wait_for(asked, 5)


async def _task(asked: Awaitable[Response]) -> Response:
    return await asyncio.create_task(cast("Coroutine[Any, Any, Response]", asked))


async def _shield(asked: Awaitable[Response]) -> Response:
    return await asyncio.shield(asked)


async def _timeout(asked: Awaitable[Response]) -> Response:
    async with asyncio.timeout(5):
        return await asked


async def _group(asked: Awaitable[Response]) -> Response:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(cast("Coroutine[Any, Any, Response]", asked))
    return task.result()


@pytest.mark.parametrize("way", [_gather, _wait_for, _task, _shield, _timeout, _group])
def test_it_may_be_awaited_in_any_way(way: Way) -> None:
    """Alone, in a task, with others or under a timeout: there is one request and one reply."""

    async def test() -> None:
        trace = Remembering()
        async with warm(trace) as (http, server):
            before = len(server.requests)
            for _ in range(3):
                response = await way(http.get("/"))
                assert (response.status, response.name, response.method) == (200, "GET /", "GET")
            assert len(server.requests) - before == 3
            assert server.n_connections == 1
        assert trace.outcomes == {"GET /": (5, 0)}

    run(test())


def test_many_at_once() -> None:
    """Replies that come in one turn of the loop each wake the one who asked."""

    async def test() -> None:
        trace = Remembering()
        async with warm(trace, n=50) as (http, server):
            for _ in range(5):
                responses = await asyncio.gather(*(http.get("/") for _ in range(50)))
                assert len({id(response) for response in responses}) == 50
            assert server.n_connections == 50
        assert trace.outcomes["GET /"] == (301, 0)

    run(test())


def test_a_task_keeps_its_context() -> None:
    """Whoever is woken by a reply goes on in its own context."""
    number: ContextVar[int] = ContextVar("number")

    async def ask(http: HttpClient, n: int) -> None:
        number.set(n)
        for _ in range(5):
            await http.get("/")
            assert number.get() == n

    async def test() -> None:
        async with warm(n=9) as (http, _):
            await asyncio.gather(*(ask(http, n) for n in range(9)))
            with pytest.raises(LookupError):
                number.get()

    run(test())


def test_another_reply_than_the_likely_one() -> None:
    """A reply under another head, and an error, reach the one who asked."""

    async def test() -> None:
        other = b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone"
        trace = Remembering()
        async with (
            serving(answering(OK, OK, other, OK, OK[:9], then="close")) as server,
            client_of(server.url, trace) as http,
        ):
            assert [(await http.get("/")).status for _ in range(4)] == [200, 200, 404, 200]
            with pytest.raises(ConnectionClosedError):
                await http.post("/", json=1)
            assert server.n_connections == 1
        assert trace.outcomes["GET /"] == (3, 1)

    run(test())


@pytest.mark.parametrize("waits", [False, True])
def test_cancelled(*, waits: bool) -> None:
    """A cancelled exchange is not counted, and drops its connection if it had one already."""

    async def test() -> None:
        trace = Remembering()
        async with warm(trace) as (http, server):
            task = asyncio.create_task(cast("Coroutine[Any, Any, Response]", http.get("/")))
            if waits:
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert (await http.get("/")).status == 200
            assert server.n_connections == (2 if waits else 1)
        assert trace.outcomes["GET /"] == (3, 0)

    run(test())


def test_a_reply_and_a_cancellation_in_one_turn() -> None:
    """Who is cancelled after the reply was read, and before it could go on, has no reply; the connection is gone."""

    async def test() -> None:
        trace = Remembering()
        async with warm(trace) as (http, _):
            task = asyncio.create_task(cast("Coroutine[Any, Any, Response]", http.get("/")))
            await asyncio.sleep(0)
            (connection,) = http._engine.live
            likely = connection.likely
            assert likely is not None
            connection.data_received(OK)
            assert not connection.is_waiting()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert connection.closed
        assert trace.outcomes["GET /"] == (2, 0)

    run(test())


def test_a_second_reply_in_one_turn_ends_the_connection() -> None:
    """The first of two replies is the reply; a connection that sends more than it was asked is not used again."""

    async def test() -> None:
        async with warm() as (http, server):
            task = asyncio.create_task(cast("Coroutine[Any, Any, Response]", http.get("/")))
            await asyncio.sleep(0)
            (connection,) = http._engine.live
            connection.data_received(OK)
            connection.data_received(OK)
            assert connection.closed
            assert (await task).status == 200
            assert (await http.get("/")).status == 200
            assert server.n_connections == 2

    run(test())


def test_it_may_be_driven_by_hand() -> None:
    """send(), throw() and close() do what they do to a coroutine."""

    async def test() -> None:
        async with warm() as (http, _):
            made = cast("Coroutine[Any, Any, Response]", http.get("/"))
            made.close()
            with pytest.raises(RuntimeError, match="already awaited"):
                await made
            made = cast("Coroutine[Any, Any, Response]", http.get("/"))
            made.send(None)
            (connection,) = http._engine.live
            with pytest.raises(ZeroDivisionError):
                made.throw(ZeroDivisionError())
            assert connection.closed
            made = cast("Coroutine[Any, Any, Response]", http.get("/"))
            await made
            with pytest.raises(RuntimeError, match="already awaited"):
                made.send(None)

    run(test())


def test_one_that_was_never_awaited_warns() -> None:
    """A forgotten `await` sends nothing, and Python says so."""

    async def test() -> None:
        async with warm() as (http, server):
            before = len(server.requests)
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                http.get("/")
                gc.collect()
            assert any("never awaited" in str(warning.message) for warning in caught)
            assert len(server.requests) == before

    run(test())


def test_what_ends_the_process_reaches_the_loop() -> None:
    """A SystemExit in a task that a reply woke is the loop's, and the other replies of that turn still wake theirs."""
    woken = []

    async def ask(http: HttpClient, n: int) -> None:
        await http.get("/")
        woken.append(n)
        if n == 0:
            raise SystemExit(7)

    async def test() -> None:
        async with warm(n=3) as (http, _):
            await asyncio.gather(*(ask(http, n) for n in range(3)))

    with pytest.raises(SystemExit):
        run(test())
    assert 0 in woken


def test_nothing_is_left_behind() -> None:
    """Exchanges free what they hold without the collector's help."""

    async def test() -> None:
        async with warm(Untraced()) as (http, _):
            for _ in range(100):
                await http.get("/")
            gc.collect()
            gc.disable()
            try:
                before = len(gc.get_objects())
                for _ in range(1_000):
                    await http.get("/")
                assert len(gc.get_objects()) - before < 100
            finally:
                gc.enable()

    run(test())
