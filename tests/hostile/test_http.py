"""What a server of HTTP may answer besides replies: a typed error at once, bounded memory, the next one unharmed."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
from collections.abc import Coroutine
from typing import Any

import pytest
import uvloop

from hybridpress.clients.http import compression
from hybridpress.clients.http.compression import MAX_MEMBERS, decompressed
from hybridpress.clients.http.connection import MAX_CHUNKS
from hybridpress.clients.http.response import Headers
from hybridpress.errors import (
    BodyTooLargeError,
    ClientError,
    ConnectionClosedError,
    ProtocolError,
    RequestTimeoutError,
)
from tests.clients.http.test_connection import Bench
from tests.hostile.clients import HTTP, KINDS, asking, n_failed
from tests.hostile.server import Fault, endless, hang_up, saying
from tests.support.descriptors import down_to, n_sockets

START = b"HTTP/1.1 200 OK\r\n"
CHUNKS = START + b"Transfer-Encoding: chunked\r\n\r\n"
EVENT_HEAD = START + b"Content-Type: text/event-stream\r\n\r\n"
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n"
LIMIT = 1 << 20
"""The largest body that is taken here."""
MIB = 1 << 20

ENDLESS: dict[str, tuple[Fault, type[ClientError], str]] = {
    "headers": (endless(START, b"X-More: of it\r\n" * 1000), ProtocolError, "head of the reply is over 256 KiB"),
    "one header": (endless(START + b"X: ", b"x" * 65_536), ProtocolError, "head of the reply is over 256 KiB"),
    "a reason": (endless(START[:-2], b"O" * 65_536), ProtocolError, "head of the reply is over 256 KiB"),
    "1xx replies": (endless(b"", INTERIM * 100), ProtocolError, "too many 1xx replies"),
    "1xx replies with headers": (endless(b"", INTERIM[:-2] + b"X: y\r\n" * 1000 + b"\r\n"), ProtocolError, "1xx"),
    "a body": (endless(START + b"\r\n", b"x" * 65_536), BodyTooLargeError, "over the limit"),
    "10 GB of it": (
        endless(START + b"Content-Length: 10000000000\r\n\r\n", b"x" * 65_536),
        BodyTooLargeError,
        "over the limit",
    ),
    "chunks": (endless(CHUNKS, b"ffff\r\n" + b"x" * 65_535 + b"\r\n"), BodyTooLargeError, "over the limit"),
    "small chunks": (endless(CHUNKS, b"2\r\nab\r\n" * 9000), BodyTooLargeError, "over the limit"),
    "one chunk": (endless(CHUNKS + b"fffffffffff\r\n", b"x" * 65_536), BodyTooLargeError, "over the limit"),
}
BROKEN: dict[str, tuple[bytes, type[ClientError], str]] = {
    "10 GB, of which little comes": (START + b"Content-Length: 10000000000\r\n\r\nabc", RequestTimeoutError, "reading"),
    "a negative length": (START + b"Content-Length: -5\r\n\r\nhello", ProtocolError, "not lawful"),
    "a length with a sign": (START + b"Content-Length: +5\r\n\r\nhello", ProtocolError, "not lawful"),
    "a length in hex": (START + b"Content-Length: 0x5\r\n\r\nhello", ProtocolError, "not lawful"),
    "two numbers as a length": (START + b"Content-Length: 5 5\r\n\r\nhello", ProtocolError, "not lawful"),
    "a list of lengths": (START + b"Content-Length: 5, 5\r\n\r\nhello", ProtocolError, "not lawful"),
    "a length over 64 bits": (START + b"Content-Length: " + b"9" * 30 + b"\r\n\r\nhello", ProtocolError, "not lawful"),
    "no length": (START + b"Content-Length: \r\n\r\nhello", ProtocolError, "not lawful"),
    "two lengths": (START + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", ProtocolError, "not lawful"),
    "a doubled length": (START + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", ProtocolError, "not lawful"),
    "length and chunks": (
        CHUNKS[:-2] + b"Content-Length: 5\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        ProtocolError,
        "not lawful",
    ),
    "chunks and length": (
        START + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ProtocolError,
        "not lawful",
    ),
    "a chunk of no number": (CHUNKS + b"zz\r\nhello\r\n0\r\n\r\n", ProtocolError, "not lawful"),
    "a negative chunk": (CHUNKS + b"-5\r\nhello\r\n0\r\n\r\n", ProtocolError, "not lawful"),
    "a chunk in 0x": (CHUNKS + b"0x5\r\nhello\r\n0\r\n\r\n", ProtocolError, "not lawful"),
    "a chunk over 64 bits": (CHUNKS + b"f" * 17 + b"\r\nhello\r\n", ProtocolError, "not lawful"),
    "a chunk of nothing": (CHUNKS + b"\r\nhello\r\n0\r\n\r\n", ProtocolError, "not lawful"),
    "a chunk longer than it says": (CHUNKS + b"3\r\nhello\r\n0\r\n\r\n", ProtocolError, "not lawful"),
    "a chunk shorter than it says": (CHUNKS + b"6\r\nhello\r\n0\r\n\r\n", ProtocolError, "not lawful"),
    "no status": (b"HTTP/1.1 OK\r\n\r\n", ProtocolError, "not lawful"),
    "status 99": (b"HTTP/1.1 099 Low\r\n\r\n", ProtocolError, ""),
    "status 1000": (b"HTTP/1.1 1000 High\r\n\r\n", ProtocolError, "not lawful"),
    "another version": (b"HTTP/9.9 200 OK\r\n\r\n", ProtocolError, "does not begin with HTTP/1"),
    "HTTP/1.9": (b"HTTP/1.9 200 OK\r\n\r\n", ProtocolError, "not lawful"),
    "1,000 1xx replies": (INTERIM * 1000 + HTTP, ProtocolError, "too many 1xx replies"),
    "a NUL in a header": (START + b"X: a\0b\r\nContent-Length: 0\r\n\r\n", ProtocolError, "not lawful"),
    "a CR in a header": (START + b"X: a\rSet-Cookie: b=c\r\nContent-Length: 0\r\n\r\n", ProtocolError, "not lawful"),
    "a header over two lines": (START + b"X: a\r\n b\r\nContent-Length: 0\r\n\r\n", ProtocolError, "not lawful"),
    "a header without a name": (START + b": a\r\nContent-Length: 0\r\n\r\n", ProtocolError, "not lawful"),
    "a blank in a name": (START + b"Content-Length : 0\r\n\r\n", ProtocolError, "not lawful"),
    "an escape in a header": (START + b"X: \x1b]0;owned\x07\r\nContent-Length: 0\r\n\r\n", ProtocolError, "not lawful"),
    "lines without CR": (b"HTTP/1.1 200 OK\nContent-Length: 0\n\n", ProtocolError, ""),
    "TLS": (b"\x15\x03\x03\0\x02\x02\x28", ProtocolError, "does not begin with HTTP/1"),
    "HTTP/2": (b"\0\0\x12\4\0\0\0\0\0", ProtocolError, "does not begin with HTTP/1"),
}


def run(test: Coroutine[Any, Any, Any]) -> Any:
    return uvloop.run(test)


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        *(("http", fault) for fault in ENDLESS),
        # A stream may go on for ever: it hands on what comes, and holds the server back.
        *(("stream", fault) for fault in ENDLESS if ENDLESS[fault][1] is not BodyTooLargeError),
    ],
)
def test_endless(name: str, fault: str) -> None:
    """What never ends is cut at its limit: little is kept of it, and the server is not listened to any longer."""
    kind = KINDS[name]
    talk, error, text = ENDLESS[fault]

    async def test() -> None:
        before = n_sockets()
        async with (
            asyncio.timeout(30),
            asking(kind, hang_up, talk, timeout_s=20.0, max_body_bytes=LIMIT) as (ask, trace, server),
        ):
            with pytest.raises(ConnectionClosedError):
                await ask()  # what is loaded when first needed is loaded now
            tracemalloc.start()
            try:
                with pytest.raises(error, match=text):
                    await ask()
                _, most = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
            assert most < 6 * MIB
            assert n_failed(trace, kind) == 2
            await ask()
            assert n_failed(trace, kind) == 2
            assert server.n_most_sent < 64 * MIB
        await down_to(before)

    run(test())


@pytest.mark.parametrize("fault", BROKEN)
@pytest.mark.parametrize("name", ["http", "stream"])
def test_unlawful(name: str, fault: str) -> None:
    """What is no lawful reply fails at once, not when the time is over; it is never taken for a short one."""
    kind = KINDS[name]
    reply, error, text = BROKEN[fault]
    if name == "stream" and fault == "10 GB, of which little comes":
        text = "timed out"

    async def test() -> None:
        before = n_sockets()
        timeout_s = 0.15 if error is RequestTimeoutError else 20.0
        async with asyncio.timeout(10), asking(kind, saying(reply), timeout_s=timeout_s) as (ask, trace, server):
            with pytest.raises(ClientError) as raised:
                await ask()
            assert type(raised.value) is error
            assert text in str(raised.value)
            assert str(raised.value).isprintable()
            assert n_failed(trace, kind) == 1
            await ask()
            assert (n_failed(trace, kind), server.n_connections) == (1, 2)
        await down_to(before)

    run(test())


@pytest.mark.parametrize(
    ("beginning", "block"),
    [
        (CHUNKS + b"5;", b"x" * 65_536),
        (CHUNKS + b"0\r\n", b"X: y\r\n" * 5000),
        (CHUNKS + b"0\r\nX: ", b"y" * 65_536),
    ],
    ids=["a chunk's extension", "trailers", "a trailer"],
)
def test_what_counts_for_nothing_ends_with_the_time(beginning: bytes, block: bytes) -> None:
    """What is neither head nor body is not kept, however much comes; the deadline ends it."""
    kind = KINDS["http"]

    async def test() -> None:
        async with asyncio.timeout(20), asking(kind, endless(beginning, block), timeout_s=0.3) as (ask, trace, _):
            tracemalloc.start()
            try:
                with pytest.raises((RequestTimeoutError, ProtocolError)):
                    await ask()
                _, most = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
            assert most < 6 * MIB
            assert n_failed(trace, kind) == 1
            await ask()

    run(test())


@pytest.mark.parametrize(
    "block",
    [b"x" * 65_536, b"data: x\n" * 5000, b"data:\n" * 9000],
    ids=["a line", "lines of data", "lines of no data"],
)
def test_an_event_without_end(block: bytes) -> None:
    """An event of a stream has a limit as a body has."""
    kind = KINDS["stream"]

    async def test() -> None:
        talk = endless(EVENT_HEAD + b"data: ", block)
        async with asyncio.timeout(20), asking(kind, talk, max_body_bytes=LIMIT) as (ask, trace, _):
            with pytest.raises(BodyTooLargeError, match="an event of the reply is over the limit"):
                await ask()
            assert n_failed(trace, kind) == 1
            await ask()

    run(test())


def test_comments_without_end_are_no_event() -> None:
    """Comments and unknown fields are not kept: a server may send them for hours to keep a connection alive."""
    from hybridpress.clients.http.events import EventReader

    reader = EventReader(1000)
    for _ in range(100):
        assert reader.feed(b": still there\nnothing: of note\nid: 7\n" * 100) == []
    (event,) = reader.feed(b"data: x\n\n")
    assert (event.data, event.id) == ("x", "7")


def test_a_stream_is_told_of_another_protocol() -> None:
    """101 to a request that asked for no upgrade is an error, and no noise of the event loop."""
    kind = KINDS["stream"]
    reply = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"

    async def test() -> None:
        complaints: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        async with asyncio.timeout(20), asking(kind, saying(reply)) as (ask, trace, _):
            with pytest.raises(ProtocolError, match="another protocol"):
                await ask()
            assert n_failed(trace, kind) == 1
            await ask()
        assert not complaints

    run(test())


@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_body_in_small_chunks_takes_what_its_bytes_take(size: int) -> None:
    """Of a body in chunks of some bytes no more is kept than the bytes, and a bound of chunks."""
    n_chunks = 5 * MAX_CHUNKS + 7
    piece = b"%d\r\n%b\r\n" % (size, b"abc"[:size])
    bench = Bench(max_body_bytes=LIMIT)
    assert bench.ask(CHUNKS, *[piece * 1000] * (n_chunks // 1000), piece * (n_chunks % 1000)) == "waiting"
    assert len(bench.connection.chunks) <= 2 * MAX_CHUNKS
    bench.connection.data_received(b"0\r\n\r\n")
    assert bench.connection.body == b"abc"[:size] * n_chunks
    assert bench.ask(HTTP) is None
    assert bench.connection.body == HTTP[-len(bench.connection.body) :]


def coded(name: str) -> Headers:
    return Headers((("Content-Encoding", name),))


def test_packed_bodies_that_are_many() -> None:
    """Members without number and codings one over the other are refused, and cost no more time than their bytes."""
    empty = gzip.compress(b"", mtime=0)
    assert decompressed(empty * 1000 + b"\0" * 100_000, coded("gzip"), 10) == b""
    with pytest.raises(ProtocolError, match="over 10,000 members"):
        decompressed(empty * (MAX_MEMBERS + 1), coded("gzip"), 10)
    body = b"x"
    for _ in range(compression.MAX_CODINGS):
        body = gzip.compress(body, mtime=0)
    assert decompressed(body, coded(", ".join(["gzip"] * compression.MAX_CODINGS)), 1000) == b"x"
    with pytest.raises(ProtocolError, match="too many codings"):
        decompressed(body, coded(", ".join(["gzip"] * (compression.MAX_CODINGS + 1))), 1000)


def test_a_packed_member_longer_than_a_piece() -> None:
    """Members of any length, one after another, are joined."""
    parts = [bytes(range(256)) * n for n in (1, 1000, 3, 2000)]
    packed = b"".join(gzip.compress(part, compresslevel=0, mtime=0) for part in parts)
    assert decompressed(packed, coded("gzip"), LIMIT) == b"".join(parts)
