"""What reads replies, fed with any bytes in any pieces, and what must hold of it. For Hypothesis, and for `fuzz.py`.

Each function takes bytes and how long their pieces are, and fails by an AssertionError, or by what a reader lets out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Final, cast

from hybridpress.clients.http.compression import decompressed
from hybridpress.clients.http.connection import MAX_CHUNKS
from hybridpress.clients.http.cookies import CookieJar
from hybridpress.clients.http.events import EventReader
from hybridpress.clients.http.redirects import next_url
from hybridpress.clients.http.response import Headers
from hybridpress.clients.http.stream import StreamWire
from hybridpress.clients.http.url import Origin
from hybridpress.clients.thrift.client import ThriftOptions
from hybridpress.clients.thrift.codec import IncompleteError
from hybridpress.clients.thrift.connection import BufferedWire, Declared, FramedWire, ThriftWire
from hybridpress.clients.thrift.method import IdlService, Method
from hybridpress.errors import ClientError, ProtocolError
from tests.clients.http.test_connection import Bench, FakeTransport, future
from tests.clients.thrift.apache import IDL
from tests.hostile.clients import BODY, CHUNKED, EVENTS, HTTP, INTERIM
from tests.support.mutations import pieces

LIMIT: Final = 10_000
"""The largest body, event or frame that is taken here."""
PROTOCOLS: Final[dict[str, dict[str, Any]]] = {
    "binary": {},
    "loose": {"strict": False},
    "compact": {"protocol": "compact"},
    "json": {"protocol": "json"},
}
COOKIE: Final = HTTP.replace(b"Content-Type", b"Set-Cookie: a=b; Path=/; Max-Age=9\r\nLocation: /next\r\nContent-Type")


def read_http(data: bytes, lengths: Sequence[int]) -> None:
    """A connection: a reply, an error of ours, or it waits until its time is over; then it is usable or gone."""
    bench = Bench(max_body_bytes=LIMIT)
    assert bench.ask(HTTP) is None  # so that there is a likely head
    waiting = bench.send()
    for piece in pieces(data, lengths):
        bench.connection.data_received(piece)
    assert len(bench.connection.chunks) <= 2 * MAX_CHUNKS
    if not waiting.done():
        bench.connection.expire()
    outcome = waiting.result()
    connection = bench.connection
    if isinstance(outcome, BaseException):
        assert isinstance(outcome, ClientError), repr(outcome)
        assert str(outcome).isprintable()
        assert bench.transport.aborted
        assert connection.closed
        return
    head = connection.head if outcome is None else outcome
    assert len(connection.body) <= LIMIT
    assert 100 <= head.status < 1000
    assert not set(head.reason) & set("\r\n")
    take_headers(head.headers, connection.body)
    if not connection.closed:
        assert bench.ask(HTTP) is None
        assert (bench.connection.body, bench.connection.closed) == (BODY, False)


def take_headers(headers: Headers, body: bytes) -> None:
    """What a client does with the headers of a reply."""
    jar = CookieJar()
    jar.take(headers.getall("set-cookie"), Origin("http", "a.test", 80), "/")
    assert not set(jar.header(Origin("http", "a.test", 80), "/")) & set("\r\n\0")
    try:
        decompressed(body, headers, LIMIT)
        if "location" in headers:
            next_url("http://a.test/", headers["location"])
    except ClientError:
        pass


class Transport(FakeTransport):
    """One that can be held back."""

    def __init__(self) -> None:
        super().__init__()
        self._reads = True

    def pause_reading(self) -> None:
        self._reads = False

    def resume_reading(self) -> None:
        self._reads = True

    def is_reading(self) -> bool:
        return self._reads


def waiting_on(wire: Any) -> asyncio.Future[Any]:
    """A future for the exchange that *wire* is now about."""
    made = future()
    wire.begin(made, 1 << 62)
    return made


def outcome_of(made: asyncio.Future[Any], wire: Any) -> Any:
    """How the exchange ended; if it has not, as its time is over."""
    if not made.done():
        wire.expire()
    outcome = made.result()
    assert not isinstance(outcome, BaseException) or isinstance(outcome, ClientError), repr(outcome)
    return outcome


def read_stream(data: bytes, lengths: Sequence[int]) -> None:
    """A reply that is read while it comes, its events too."""
    wire = StreamWire(lambda _: None)
    wire.connection_made(cast("asyncio.Transport", Transport()))
    reader = EventReader(LIMIT)
    for piece in pieces(data, lengths):
        made = waiting_on(wire)
        wire.data_received(piece)
        if made.done() and isinstance(made.result(), ClientError):
            assert wire.closed
            return
        while (body := wire.take()) is not None:
            try:
                reader.feed(body)
            except ClientError:
                return
    wire.connection_lost(None)
    assert wire.closed


def read_events(data: bytes, lengths: Sequence[int]) -> None:
    """Events: the same however they are cut."""
    try:
        whole = EventReader(LIMIT).feed(data)
        reader = EventReader(LIMIT)
        parts = [event for piece in pieces(data, lengths) for event in reader.feed(piece)]
    except ClientError:
        return
    assert parts == whole


@cache
def echo(protocol: str) -> Method:
    """The method whose reply has all types."""
    options = ThriftOptions("127.0.0.1", 1, **PROTOCOLS[protocol])
    return IdlService(IDL, "Everybody", None, options).method("echo")


def lawful_thrift(protocol: str) -> bytes:
    """A reply that has all types."""
    from tests.hot.test_thrift import FULL

    method = echo(protocol)
    return method._codec.write("echo", 2, 1, method._result_type(success=FULL))


def thrift_in(protocol: str) -> Callable[[bytes, Sequence[int]], None]:
    """A Thrift reply, by itself and over either transport."""

    def read(data: bytes, lengths: Sequence[int]) -> None:
        method = echo(protocol)
        try:
            outcome = method.decode(data, 1)
        except IncompleteError:
            outcome = None
        assert not isinstance(outcome, BaseException) or isinstance(outcome, ClientError)
        if isinstance(outcome, ClientError):
            assert str(outcome)
        kinds: list[type[ThriftWire]] = [FramedWire, BufferedWire]
        for kind in kinds:
            wire = kind(LIMIT, lambda _: None)
            transport = Transport()
            wire.connection_made(cast("asyncio.Transport", transport))
            wire.method, wire.sequence = method, 1
            made = waiting_on(wire)
            framed = kind is FramedWire and len(data) % 3 != 0  # sometimes it is no frame
            for piece in pieces(len(data).to_bytes(4) + data if framed else data, lengths):
                wire.data_received(piece)
            found = outcome_of(made, wire)
            assert len(wire.buffer) <= 2 * LIMIT + len(data)
            if isinstance(found, ProtocolError):
                assert transport.aborted
            elif not isinstance(found, ClientError | Declared) and found is not None:
                assert hasattr(found, "thrift_spec")

    return read


READERS: Final[dict[str, tuple[Callable[[bytes, Sequence[int]], None], list[bytes]]]] = {
    "http": (read_http, [HTTP, CHUNKED, INTERIM, COOKIE, b"HTTP/1.0 200 OK\r\n\r\nbody"]),
    "stream": (read_stream, [EVENTS, HTTP, CHUNKED, INTERIM]),
    "events": (read_events, [b": hello\n\ndata: one\r\ndata: two\r\n\r\nevent: x\nid: 7\nretry: 9\ndata\n\n"]),
    **{f"thrift {name}": (thrift_in(name), [lawful_thrift(name)]) for name in PROTOCOLS},
}
"""Each reader, and lawful bytes to begin with. (WebSockets are read by aiohttp, over sockets: `test_fuzz.py`.)"""
