"""Lawful and unlawful bytes on a raw socket, and what a connection makes of them."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from hybridpress.target import Target
from hybridpress.target.routes import ALPHABET, HOME_BODY, MAX_BODY_BYTES

GET_HOME = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
HOME_REPLY = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 128\r\n\r\n" + HOME_BODY


class Wire:
    """A raw connection that reads one reply after the other."""

    def __init__(self, target: Target) -> None:
        self.socket = socket.create_connection((target.host, target.port), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._unread = b""

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def _more(self) -> None:
        piece = self.socket.recv(65_536)
        assert piece, f"closed after {self._unread[:200]!r}"
        self._unread += piece

    def reply(self, *, has_body: bool = True) -> tuple[int, dict[str, str], bytes]:
        """The next reply, which must carry Content-Length when it has a body."""
        while b"\r\n\r\n" not in self._unread:
            self._more()
        head, _, self._unread = self._unread.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
        length = int(headers.get("content-length", 0)) if has_body else 0
        while len(self._unread) < length:
            self._more()
        body, self._unread = self._unread[:length], self._unread[length:]
        return int(lines[0].split(" ")[1]), headers, body

    def read_to_end(self) -> bytes:
        """All that is left until the server closes."""
        pieces = [self._unread]
        while piece := self.socket.recv(2**20):
            pieces.append(piece)
        return b"".join(pieces)


@contextmanager
def connect(target: Target) -> Iterator[Wire]:
    wire = Wire(target)
    try:
        yield wire
    finally:
        wire.socket.close()


REQUESTS = [
    GET_HOME,
    b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: a/b\r\nContent-Length: 11\r\n\r\nhello world",
    b"POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\nT: x\r\n\r\n",
]


@pytest.mark.parametrize("request_bytes", REQUESTS, ids=["get", "post", "chunked"])
def test_a_request_may_be_split_anywhere(target: Target, request_bytes: bytes) -> None:
    """Two pieces, cut at any byte, get the reply that the whole gets; the connection goes on after it."""
    with connect(target) as wire:
        wire.send(request_bytes)
        whole = wire.reply()
        assert whole[0] == 200
        for cut in range(1, len(request_bytes)):
            wire.send(request_bytes[:cut])
            time.sleep(0.0003)  # lets the server see the pieces apart, mostly; either way must do
            wire.send(request_bytes[cut:])
            assert wire.reply() == whole
        wire.send(request_bytes)
        assert wire.reply() == whole


def test_a_request_may_come_byte_by_byte(target: Target) -> None:
    """A request in pieces of one byte is one request."""
    with connect(target) as wire:
        for request_bytes in REQUESTS:
            for byte in request_bytes:
                wire.send(bytes([byte]))
            assert wire.reply()[0] == 200


def test_the_reply_is_known_to_the_byte(target: Target) -> None:
    """No date, no server name: the same bytes, the first time and from memory."""
    with connect(target) as wire:
        for _ in range(3):
            wire.send(GET_HOME)
            assert wire.reply() == (
                200,
                {"content-type": "text/plain; charset=utf-8", "content-length": "128"},
                HOME_BODY,
            )
        wire.send(GET_HOME.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        assert wire.read_to_end() == HOME_REPLY.replace(b"128\r\n", b"128\r\nConnection: close\r\n")


def test_pipelined_requests_are_answered_in_order(target: Target) -> None:
    """Replies come in the order of requests, though the first are slow or long."""
    paths = [b"/delay/5", b"/bytes/7", b"/bytes/900000", b"/", b"/delay/0", b"/status/204", b"/nope", b"/bytes/3"]
    with connect(target) as wire:
        wire.send(b"".join(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % path for path in paths))
        seen = [(status, len(body)) for status, _, body in (wire.reply() for _ in paths)]
        wire.send(GET_HOME)
        assert wire.reply()[2] == HOME_BODY
    wanted = [(200, 16), (200, 7), (200, 900_000), (200, 128), (200, 16), (204, 0), (404, seen[6][1]), (200, 3)]
    assert seen == wanted


@pytest.mark.parametrize("path", [b"/", b"/chunked/4", b"/delay/0"])
def test_a_thousand_pipelined_requests(target: Target, path: bytes) -> None:
    """However many requests come at once, each gets its reply; the last one closes."""
    with connect(target) as wire:
        request = b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % path
        wire.send(request * 999 + request.replace(b"Host: x", b"Connection: close"))
        assert wire.read_to_end().count(b"HTTP/1.1 200 OK\r\n") == 1000


@pytest.mark.slow
def test_a_client_that_does_not_read_costs_no_memory(target: Target) -> None:
    """A client that asks without reading is not read any further, and loses nothing when it reads at last."""
    request = b"GET /bytes/60000 HTTP/1.1\r\nHost: x\r\n\r\n"
    with connect(target) as wire:
        wire.socket.settimeout(0.2)
        with pytest.raises(TimeoutError):
            wire.send(request * 1_000_000)
        assert psutil.Process(target.pids[0]).memory_info().rss < 200 * 2**20
        wire.socket.settimeout(10)
        for _ in range(100):
            assert wire.reply()[2][:26] == ALPHABET


def test_http_1_0_closes_unless_asked_to_keep(target: Target) -> None:
    """HTTP/1.0: closed after the reply; kept, and said so, when the client asks for that."""
    with connect(target) as wire:
        for _ in range(3):
            wire.send(b"GET /bytes/9 HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n")
            status, headers, body = wire.reply()
            assert (status, headers["connection"], body) == (200, "keep-alive", b"abcdefghi")
        wire.send(b"GET /bytes/9 HTTP/1.0\r\n\r\n")
        assert wire.read_to_end().endswith(b"Connection: close\r\n\r\nabcdefghi")


def test_chunks_are_not_sent_to_http_1_0(target: Target) -> None:
    """HTTP/1.0 knows no chunks: the body ends with the connection, whatever was asked."""
    with connect(target) as wire:
        wire.send(b"GET /chunked/50 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        head, _, body = wire.read_to_end().partition(b"\r\n\r\n")
        assert b"chunked" not in head
        assert body == (ALPHABET * 2)[:50]


def test_who_expects_continue_gets_it(target: Target) -> None:
    """Expect: 100-continue is answered before the body is sent."""
    with connect(target) as wire:
        wire.send(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        assert wire.reply(has_body=False)[0] == 100
        wire.send(b"abc")
        assert wire.reply()[2] == b"abc"


def test_an_upgrade_is_declined(target: Target) -> None:
    """A request to upgrade is answered as if that had not been asked, and the connection closed."""
    with connect(target) as wire:
        wire.send(GET_HOME.replace(b"\r\n\r\n", b"\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"))
        assert wire.read_to_end().endswith(HOME_BODY)


def test_the_form_for_proxies_is_understood(target: Target) -> None:
    """GET http://host/path is GET /path."""
    with connect(target) as wire:
        wire.send(b"GET http://x:80/bytes/2?q HTTP/1.1\r\nHost: x\r\n\r\nGET http://x HTTP/1.1\r\nHost: x\r\n\r\n")
        assert [wire.reply()[2], wire.reply()[2]] == [b"ab", HOME_BODY]


@pytest.mark.parametrize("path", [b"/json", b"/bytes/2000000", b"/"])
def test_a_client_that_asks_no_more_still_gets_its_reply(target: Target, path: bytes) -> None:
    """A reply that is on its way when the client closes its side is sent whole; then the connection is closed."""
    with connect(target) as wire:
        wire.send(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % path)
        wire.socket.shutdown(socket.SHUT_WR)
        assert wire.reply()[0] == 200
        assert wire.read_to_end() == b""


GARBAGE = [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # a TLS hello
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET / HTTP/1.1\r\nNo colon\r\n\r\n",
    b"GET / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    b"GET / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /echo HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    b"POST /echo HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n",
    b"POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"\x00" * 100,
    b"hello",
]


@pytest.mark.parametrize("garbage", GARBAGE)
def test_garbage_is_400_and_closed(target: Target, garbage: bytes) -> None:
    """What is not HTTP gets 400 with the reason, and the connection is closed; counted as malformed."""
    before = target.stats()["paths"].get("(malformed)", {}).get("400", 0)
    with connect(target) as wire:
        wire.send(garbage)
        status, headers, body = wire.reply()
        assert (status, headers["connection"]) == (400, "close")
        assert body.startswith(b"malformed request: ")
        assert wire.read_to_end() == b""
    assert target.stats()["paths"]["(malformed)"]["400"] == before + 1


def test_garbage_after_requests_is_told_after_their_replies(target: Target) -> None:
    """Requests before the garbage are answered first, late ones too."""
    with connect(target) as wire:
        wire.send(b"GET /delay/10 HTTP/1.1\r\nHost: x\r\n\r\n" + GET_HOME + b"\x00garbage")
        assert [wire.reply()[0] for _ in range(3)] == [200, 200, 400]
        assert wire.read_to_end() == b""


@pytest.mark.slow
def test_random_bytes_never_end_the_server(target: Target) -> None:
    """Noise, and requests with noise in them, are survived; the next client is served."""
    draw = random.Random(7)
    for _ in range(300):
        noise = bytearray(draw.choice(REQUESTS) * draw.randint(1, 3))
        for _ in range(draw.randint(1, 8)):
            noise[draw.randrange(len(noise))] = draw.randrange(256)
        with connect(target) as wire:
            wire.send(bytes(noise))
            wire.socket.shutdown(socket.SHUT_WR)
            try:
                wire.read_to_end()
            except ConnectionResetError:
                pass
    with connect(target) as wire:
        wire.send(GET_HOME)
        assert wire.reply()[2] == HOME_BODY
    assert [process["pid"] for process in target.stats()["processes"]] == target.pids


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"y" * 70_000,
        b"GET /" + b"y" * 70_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 20_000 + b"\r\n",
        GET_HOME * 2000 + b"GET / HTTP/1.1\r\nX: " + b"y" * 500_000,
    ],
    ids=["a header", "a header without end", "a URL", "many headers", "after others"],
)
def test_a_head_too_large_is_431(target: Target, head: bytes) -> None:
    """More than 64 KiB of head gets 431, and the connection is closed."""
    with connect(target) as wire:
        wire.send(head)
        replies = wire.read_to_end()
        assert replies.count(b"HTTP/1.1 431 ") == 1
        assert replies.count(b"HTTP/1.1 200 ") == (2000 if head.startswith(GET_HOME) else 0)


def test_a_head_of_60_kib_is_not_too_large(target: Target) -> None:
    """Up to 64 KiB of head are taken, also after many requests in the same bytes."""
    request = GET_HOME.replace(b"Host: x", b"Host: x\r\nX: " + b"y" * 60_000)
    with connect(target) as wire:
        wire.send(request * 20)
        for _ in range(20):
            assert wire.reply()[2] == HOME_BODY


@pytest.mark.slow
def test_a_body_too_large_is_413(target: Target) -> None:
    """More than 64 MiB of body get 413: by Content-Length at once, in chunks once they are over."""
    with connect(target) as wire:
        wire.send(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (MAX_BODY_BYTES + 1))
        assert wire.reply()[0] == 413
        assert wire.read_to_end() == b""
    with connect(target) as wire:
        wire.send(b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        chunk = b"100000\r\n" + b"x" * 2**20 + b"\r\n"
        for _ in range(65):
            wire.send(chunk)
        assert wire.reply()[0] == 413


@pytest.mark.slow
def test_a_body_of_64_mib_comes_back(target: Target) -> None:
    """The longest body is echoed whole."""
    body = random.Random(3).randbytes(2**20) * 64
    with connect(target) as wire:
        wire.send(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body))
        wire.send(body)
        wire.socket.shutdown(socket.SHUT_WR)
        assert wire.read_to_end().endswith(body)


@pytest.mark.slow
def test_who_leaves_before_the_reply_is_abandoned() -> None:
    """A client that closes while its reply is not due counts as abandoned, and not as answered."""
    with Target() as target:
        with connect(target) as wire:
            wire.send(b"GET /delay/60000 HTTP/1.1\r\nHost: x\r\n\r\n" * 3)
            _until(lambda: target.stats()["waiting"] == 1)
            assert target.stats()["connections"] == {"accepted": 1, "open": 1}
        _until(lambda: target.stats()["abandoned"] == 3)
        stats = target.stats()
    assert (stats["requests"], stats["waiting"], stats["connections"]["open"]) == (0, 0, 0)


@pytest.mark.slow
def test_bytes_are_counted_to_the_last_one() -> None:
    """Bytes in and out are those that the client sent and received, asking for the counts left out."""
    request = b"GET /bytes/1000 HTTP/1.1\r\nHost: x\r\n\r\n"
    with Target() as target:
        with connect(target) as wire:
            target.stats()
            for _ in range(10):
                wire.send(request)
                wire.reply()
            last = b"GET /chunked/900000 HTTP/1.1\r\nConnection: close\r\n\r\n"
            wire.send(last)
            streamed = len(wire.read_to_end())
        stats = target.stats()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 1000\r\n\r\n"
    assert stats["bytes"] == {"in": 10 * len(request) + len(last), "out": 10 * (len(head) + 1000) + streamed}
    assert stats["requests"] == 11


def test_asking_for_counts_is_not_counted(target: Target) -> None:
    """/stats, over its own connection, changes no count; over a press's connection only the request is left out."""
    target.reset()
    first = target.stats()
    assert first["connections"]["accepted"] == first["requests"] == first["bytes"]["in"] == 0
    with connect(target) as wire:
        wire.send(GET_HOME)
        wire.reply()
        wire.send(b"GET /stats HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b'"requests":1' in wire.reply()[2]
    stats = target.stats()
    assert (stats["requests"], stats["connections"]["accepted"], stats["bytes"]["in"]) == (1, 1, len(GET_HOME))


def _until(is_so: object, within_s: float = 5.0) -> None:
    assert callable(is_so)
    deadline = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < deadline, "did not come about"
        time.sleep(0.005)
