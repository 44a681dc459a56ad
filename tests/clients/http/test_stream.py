"""Replies that are read while they come."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridpress.clients.http.events import Event, EventReader
from hybridpress.errors import (
    ClientError,
    ConnectError,
    ConnectionClosedError,
    ProtocolError,
    RequestError,
    RequestTimeoutError,
    StatusError,
)
from tests.clients.http.scripted import Remembering, answering, client_of, run, serving
from tests.support.ports import free_port

EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\r\n"
BODY = ": a comment\n\ndata: one\n\nevent: tick\rid: 7\r\ndata: Zürich\ndata:two\nretry: 9\n\ndata\n\n".encode()
FOUND = [Event("one"), Event("Zürich\ntwo", "tick", "7", 9), Event("", "message", "7", 9)]


@given(st.lists(st.integers(1, len(BODY) - 1)))
def test_events_in_pieces(cuts: list[int]) -> None:
    """However the body is cut, the same events come of it."""
    places = [0, *sorted(set(cuts)), len(BODY)]
    reader = EventReader(1000)
    found = [event for a, b in itertools.pairwise(places) for event in reader.feed(BODY[a:b])]
    assert found == FOUND


def test_events() -> None:
    """Events come one by one; the first byte, each event and the whole are steps; the end of the connection ends it."""

    async def test() -> None:
        trace = Remembering()
        async with serving(answering(EVENTS + BODY, then="close")) as server, client_of(server.url, trace) as client:
            found = [event async for event in client.stream("/events", headers={"X-Id": "7"})]
            assert found == FOUND
            assert b"\r\nX-Id: 7\r\n" in server.requests[0]
        assert trace.outcomes == {"GET /events first byte": (1, 0), "GET /events event": (3, 0), "GET /events": (1, 0)}
        ((_, bytes_out, bytes_in),) = trace.steps["GET /events"].answered
        assert (bytes_out, bytes_in) == (len(server.requests[0]), len(EVENTS + BODY))

    run(test())


@pytest.mark.parametrize("body", [b"3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n", b""], ids=["chunked", "with a length"])
def test_bytes(body: bytes) -> None:
    """What is no event stream comes as bytes."""
    head = b"HTTP/1.1 200 OK\r\n" + (b"Transfer-Encoding: chunked" if body else b"Content-Length: 7")
    reply = b"HTTP/1.1 100 Continue\r\n\r\n" + head + b"\r\n\r\n" + (body or b"abcdefg")

    async def test() -> None:
        async with serving(answering(reply)) as server, client_of(server.url) as client:
            async with client.stream("/x/{n}", method="POST", json=[1], n=3) as stream:
                assert stream.status == 200
                assert b"".join([piece async for piece in stream if isinstance(piece, bytes)]) == b"abcdefg"
            assert server.requests[0].startswith(b"POST /x/3 ")

    run(test())


def test_left_early() -> None:
    """Leaving the loop closes the connection, and the step is done."""

    async def test() -> None:
        trace = Remembering()
        async with serving(answering(EVENTS + BODY)) as server, client_of(server.url, trace) as client:
            async for event in client.stream("/events"):
                assert event == Event("one")
                break
            assert trace.outcomes["GET /events"] == (1, 0)
            async with asyncio.timeout(5):
                while client._engine.live:
                    await asyncio.sleep(0)

    run(test())


def test_more_than_is_taken() -> None:
    """A server that is faster than the scenario is held back, and nothing is lost."""
    n_bytes = 8_000_000
    reply = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % n_bytes + b"x" * n_bytes

    async def test() -> None:
        async with serving(answering(reply)) as server, client_of(server.url) as client:
            n_came = 0
            async for piece in client.stream("/"):
                n_came += len(piece)
                await asyncio.sleep(0)
            assert n_came == n_bytes

    run(test())


@pytest.mark.parametrize(
    ("reply", "then", "kind", "text"),
    [
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", "wait", StatusError, "GET /: status 503 Busy"),
        (b"", "close", ConnectionClosedError, "0 bytes of it came"),
        (b"", "wait", RequestTimeoutError, r"waiting for the reply: .* 0\.1 s were given"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", "close", ConnectionClosedError, "reply was complete"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", "wait", RequestTimeoutError, "timed out"),
        (b"SSH-2.0-OpenSSH_9\r\n", "wait", ProtocolError, "does not begin with HTTP/1"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "wait", ProtocolError, "not lawful HTTP/1"),
    ],
)
def test_what_goes_wrong(reply: bytes, then: str, kind: type[ClientError], text: str) -> None:
    """A typed error, one failed step for the whole, and no connection left."""

    async def test() -> None:
        trace = Remembering()
        async with serving(answering(reply, then=then)) as server, client_of(server.url, trace) as client:
            with pytest.raises(ClientError, match=text) as raised:
                async for _ in client.stream("/", timeout=0.1):
                    pass
            assert type(raised.value) is kind
            assert trace.outcomes["GET /"] == (0, 1)
            async with asyncio.timeout(5):
                while client._engine.live:
                    await asyncio.sleep(0)

    run(test())


def test_refused() -> None:
    """Nobody listens."""

    async def test() -> None:
        trace = Remembering()
        async with client_of(f"http://127.0.0.1:{free_port()}", trace) as client:
            with pytest.raises(ConnectError):
                async for _ in client.stream("/"):
                    pass
        assert trace.outcomes == {"GET / first byte": (0, 1), "GET /": (0, 1)}

    run(test())


@pytest.mark.parametrize(
    ("options", "text"),
    [({"redirects": 1}, "a stream has no option redirects"), ({"data": iter([b"x"])}, "not chunks")],
)
def test_what_it_does_not_do(options: dict[str, Any], text: str) -> None:
    """Told at once."""

    async def test() -> None:
        async with client_of("http://127.0.0.1:9") as client:
            with pytest.raises(RequestError, match=text):
                client.stream("/", **options)

    run(test())
