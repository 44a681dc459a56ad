"""How bytes become one reply, wherever they are cut, and what ends a connection."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridpress.clients.http.connection import MAX_HEAD_BYTES, MAX_INTERIM_REPLIES, Connection, Outcome
from hybridpress.clients.http.response import UNKNOWN, Head
from hybridpress.errors import BodyTooLargeError, ConnectionClosedError, ProtocolError


class FakeTransport:
    """Knows whether it was aborted."""

    def __init__(self) -> None:
        self.aborted = False

    def write(self, data: bytes) -> None:
        pass

    def abort(self) -> None:
        self.aborted = True


class NoLoop:
    """All that a future needs of a loop while nobody awaits it."""

    def get_debug(self) -> bool:
        return False


def future() -> asyncio.Future[Outcome]:
    """A future that needs no loop."""
    return asyncio.Future(loop=cast("asyncio.AbstractEventLoop", NoLoop()))


class Bench:
    """A connection without a socket, and what it makes of pieces of bytes."""

    def __init__(self, max_body_bytes: int = 1_000_000) -> None:
        self.lost: list[Connection] = []
        self.transport = FakeTransport()
        self.connection = Connection(max_body_bytes, self.lost.append)
        self.connection.connection_made(cast(asyncio.Transport, self.transport))
        self.likely = UNKNOWN
        # Of the last whole reply, as an exchange finds them
        self.head = UNKNOWN
        self.bytes_in = 0
        self.was_likely = False

    def send(self) -> asyncio.Future[Outcome]:
        """What an exchange does to send a plain request: its future."""
        self.connection.likely = self.likely
        self.connection.future = waiting = future()
        return waiting

    def ask(
        self, *pieces: bytes, head_only: bool = False, then: str = "", closes: bool = False
    ) -> BaseException | str | None:
        """How one exchange ended whose reply comes in *pieces*: None by a whole reply; "waiting" if it has not."""
        if head_only or closes:
            waiting = future()
            self.connection.begin(waiting, head_only=head_only, sending=False, closes=closes)
        else:
            waiting = self.send()
        assert self.connection.is_waiting()
        for piece in pieces:
            if piece:
                self.connection.data_received(piece)
        if then == "eof":
            self.connection.eof_received()
            self.connection.connection_lost(None)
        assert self.connection.is_waiting() is not waiting.done()
        if not waiting.done():
            return "waiting"
        outcome = waiting.result()
        if isinstance(outcome, BaseException):
            return outcome
        self.was_likely = outcome is not None
        if outcome is None:
            self.head, self.bytes_in = self.connection.head, self.connection.bytes_in
        else:
            assert outcome is self.likely
            self.head, self.bytes_in = outcome, outcome.reply_bytes
        if self.head.reply_bytes >= 0:
            self.likely = self.head
        return None

    @property
    def seen(self) -> tuple[int, bytes, bytes, bool]:
        """What the reply is taken for: status, head, body, and whether the connection can be used again."""
        connection = self.connection
        return self.head.status, self.head.raw, connection.body, not connection.closed


def reply(*lines: str, body: bytes = b"") -> bytes:
    return "\r\n".join([*lines, "", ""]).encode() + body


LENGTH = reply("HTTP/1.1 200 OK", "Content-Length: 5", body=b"hello")
CHUNKED = reply("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", body=b"3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n")
TRAILERS = reply("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", body=b"5\r\nhello\r\n0\r\nSum: 5\r\nMore: x\r\n\r\n")
NO_CONTENT = reply("HTTP/1.1 204 No Content", "X: y")
NOT_MODIFIED = reply("HTTP/1.1 304 Not Modified", "Content-Length: 5")
CLOSING = reply("HTTP/1.1 200 OK", "Connection: close", "Content-Length: 5", body=b"hello")
OLD = reply("HTTP/1.0 200 OK", "Content-Length: 5", body=b"hello")
OLD_KEPT = reply("HTTP/1.0 200 OK", "Connection: keep-alive", "Content-Length: 5", body=b"hello")
CONTINUED = reply("HTTP/1.1 100 Continue") + reply("HTTP/1.1 103 Early Hints", "Link: </a>") + LENGTH
SWITCHING = reply("HTTP/1.1 101 Switching Protocols", "Connection: upgrade", "Upgrade: websocket")
OFFERING = reply("HTTP/1.1 200 OK", "Upgrade: h2c", "Connection: Upgrade", "Content-Length: 5", body=b"hello")

REPLIES = {
    "length": (LENGTH, 200, b"hello", True),
    "chunked": (CHUNKED, 200, b"hello", True),
    "trailers": (TRAILERS, 200, b"hello", True),
    "no content": (NO_CONTENT, 204, b"", True),
    "not modified": (NOT_MODIFIED, 304, b"", True),
    "closing": (CLOSING, 200, b"hello", False),
    "1.0": (OLD, 200, b"hello", False),
    "1.0 kept": (OLD_KEPT, 200, b"hello", True),
    "interim replies": (CONTINUED, 200, b"hello", True),
    "switching": (SWITCHING, 101, b"", False),
    "upgrade offered": (OFFERING, 200, b"hello", True),
}


@pytest.mark.parametrize("case", REPLIES.values(), ids=REPLIES.keys())
def test_a_reply_means_the_same_wherever_it_is_cut(case: tuple[bytes, int, bytes, bool]) -> None:
    """Cut in two at every place, and into single bytes, a reply gives the same status, body and reuse."""
    raw, status, body, reusable = case
    cuts = [(raw[:at], raw[at:]) for at in range(len(raw))] + [tuple(bytes([byte]) for byte in raw)]
    for pieces in cuts:
        bench = Bench()
        assert bench.ask(*pieces) is None, pieces
        assert (bench.seen[0], *bench.seen[2:]) == (status, body, reusable), pieces
        assert bench.bytes_in == len(raw)


@pytest.mark.parametrize("case", REPLIES.values(), ids=REPLIES.keys())
def test_a_head_seen_before_changes_nothing(case: tuple[bytes, int, bytes, bool]) -> None:
    """A second reply with the same bytes, now perhaps without the parser, means what the first meant."""
    raw, status, body, reusable = case
    for at in range(len(raw)):
        bench = Bench()
        for turn in range(3):
            assert bench.ask(raw[:at], raw[at:]) is None
            assert (bench.seen[0], *bench.seen[2:]) == (status, body, reusable)
            assert bench.bytes_in == len(raw)
            assert bench.was_likely is (turn > 0 and at == 0 and bench.head.reply_bytes == len(raw))
            if not reusable:
                assert bench.transport.aborted
                break


def test_the_shortcut_is_taken_for_replies_with_a_length_only() -> None:
    """Only a head that alone tells the length of its body can be likely."""
    for raw, promised in [(LENGTH, len(LENGTH)), (NO_CONTENT, len(NO_CONTENT)), (CHUNKED, -1), (CLOSING, -1)]:
        bench = Bench()
        for was_likely in (False, promised >= 0):
            if not bench.connection.closed:
                bench.ask(raw)
            assert bench.head.reply_bytes == promised
            assert bench.was_likely is was_likely


def test_a_likely_head_is_handed_on_as_it_is() -> None:
    """The same head is one object, so that its headers are parsed once."""
    bench = Bench()
    bench.ask(LENGTH)
    first = bench.head
    bench.ask(LENGTH.replace(b"hello", b"world"))
    assert bench.head is first
    assert bench.was_likely
    assert bench.connection.body == b"world"


def test_a_body_of_another_length_is_not_taken_for_the_likely_one() -> None:
    """Same size in all, other head: the parser reads it."""
    bench = Bench()
    bench.ask(LENGTH)
    other = reply("HTTP/1.1 404 OK", "Content-Length: 5", body=b"hello")
    assert len(other) == len(LENGTH)
    bench.ask(other)
    assert bench.seen[0] == 404
    assert not bench.was_likely


@given(st.lists(st.sampled_from(list(REPLIES.values())), min_size=1, max_size=6), st.data())
def test_any_replies_cut_anywhere(cases: list[tuple[bytes, int, bytes, bool]], data: st.DataObject) -> None:
    """On one connection, replies of all kinds, cut into any pieces, are each read as if alone."""
    bench = Bench()
    for raw, status, body, reusable in cases:
        at = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=5)))
        pieces = [raw[start:end] for start, end in zip([0, *at], [*at, len(raw)], strict=True)]
        assert bench.ask(*pieces) is None
        assert (bench.seen[0], *bench.seen[2:]) == (status, body, reusable)
        assert bench.bytes_in == len(raw)
        if not reusable:
            return


@settings(max_examples=25)
@given(
    st.integers(200, 599).filter(lambda status: status not in {204, 304}),
    st.binary(max_size=300),
    st.lists(
        st.tuples(st.from_regex(r"X-[A-Za-z0-9]{1,10}", fullmatch=True), st.from_regex(r"[!-~]{0,20}", fullmatch=True))
    ),
    st.booleans(),
    st.data(),
)
def test_what_a_server_says_is_what_is_read(
    status: int, body: bytes, headers: list[tuple[str, str]], chunked: bool, data: st.DataObject
) -> None:
    """Status, headers and body come back as they were put in, with a length or in chunks."""
    lines = [f"HTTP/1.1 {status} Some Reason", *(f"{name}: {value}" for name, value in headers)]
    if chunked:
        size = data.draw(st.integers(1, 50))
        chunks = [body[at : at + size] for at in range(0, len(body), size)]
        encoded = b"".join(b"%X\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
        raw = reply(*lines, "Transfer-Encoding: chunked", body=encoded)
    else:
        raw = reply(*lines, f"Content-Length: {len(body)}", body=body)
    at = data.draw(st.integers(0, len(raw)))
    bench = Bench()
    assert bench.ask(raw[:at], raw[at:]) is None
    assert bench.head.status == status
    assert bench.head.reason == "Some Reason"
    assert bench.connection.body == body
    assert list(bench.head.headers.pairs[:-1]) == headers


@pytest.mark.parametrize("raw", [LENGTH, CHUNKED, reply("HTTP/1.1 200 OK"), NO_CONTENT], ids=range(4))
def test_head_has_no_body(raw: bytes) -> None:
    """The reply to HEAD ends with its head, whatever the head says; the connection goes on."""
    head = raw[: raw.index(b"\r\n\r\n") + 4]
    for at in range(len(head)):
        bench = Bench()
        assert bench.ask(head[:at], head[at:], head_only=True) is None
        assert bench.seen[2:] == (b"", True)
        assert bench.head.reply_bytes == -1
        assert bench.ask(LENGTH) is None
        assert bench.seen[2:] == (b"hello", True)


def test_a_body_after_head_is_surplus() -> None:
    """A server that sends a body to HEAD all the same loses the connection, whatever was asked on it before."""
    for n_before in range(3):
        bench = Bench()
        for _ in range(n_before):
            bench.ask(LENGTH)
        assert bench.ask(LENGTH, head_only=True) is None
        assert bench.seen[2:] == (b"", False)


@pytest.mark.parametrize("raw", [LENGTH, CHUNKED, NO_CONTENT], ids=["length", "chunked", "no content"])
@pytest.mark.parametrize("extra", [b"x", b"\r\n", LENGTH, b"HTTP/1.1 200"])
def test_bytes_after_the_reply_end_the_connection(raw: bytes, extra: bytes) -> None:
    """The reply stands, but nobody uses a connection on which more came than was asked for."""
    for second in (False, True):
        bench = Bench()
        if second:
            bench.ask(raw)
        assert bench.ask(raw + extra) is None
        if extra == b"\r\n" and raw != NO_CONTENT:
            continue  # the parser swallows an empty line between messages, as RFC 9112, 2.2 wants it
        assert not bench.seen[3]
        assert bench.transport.aborted


def test_bytes_that_nobody_asked_for_end_the_connection() -> None:
    """Bytes before the first request, or between two, are no reply to the next, not even if they are like the last one:
    whether the parser read that or not.
    """
    for n_before in range(4):
        for stray in (LENGTH, LENGTH.replace(b"hello", b"world"), b"HTTP/1.1 408 Request Timeout\r\n\r\n", b"x"):
            bench = Bench()
            for turn in range(n_before):
                assert bench.ask(LENGTH) is None
                assert bench.was_likely is (turn > 0)
            assert not bench.connection.is_waiting()
            bench.connection.data_received(stray)
            assert bench.connection.closed
            assert bench.transport.aborted
            assert not bench.connection.is_waiting()


def test_a_second_reply_in_the_same_turn_is_not_the_reply() -> None:
    """Two replies to one request, before the exchange could go on: the first stands, and is the connection's last."""
    for n_before in range(3):
        bench = Bench()
        for _ in range(n_before):
            bench.ask(LENGTH)
        assert bench.ask(LENGTH, LENGTH.replace(b"hello", b"world")) is None
        assert bench.seen[2:] == (b"hello", False)
        assert bench.transport.aborted


def test_a_body_may_end_with_the_connection() -> None:
    """Without length and chunks, all that comes until the server closes is the body."""
    for head in (["HTTP/1.1 200 OK"], ["HTTP/1.0 200 OK"], ["HTTP/1.1 200 OK", "Transfer-Encoding: gzip"]):
        raw = reply(*head, body=b"hello")
        for at in range(len(raw) + 1):
            bench = Bench()
            assert bench.ask(raw[:at], raw[at:]) == "waiting"
            bench = Bench()
            assert bench.ask(raw[:at], raw[at:], then="eof") is None
            assert bench.seen[2:] == (b"hello", False)
            assert bench.lost == [bench.connection]


@pytest.mark.parametrize("raw", [LENGTH, CHUNKED, CONTINUED], ids=["length", "chunked", "interim"])
def test_a_reply_cut_off_is_an_error(raw: bytes) -> None:
    """A server that goes before its reply is complete did not answer."""
    for at in range(len(raw)):
        bench = Bench()
        assert isinstance(bench.ask(raw[:at], then="eof"), ConnectionClosedError), at


@pytest.mark.parametrize(
    "raw",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x15\x03\x01\x00\x02\x02\x46",
        b"\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/2.0 200 OK\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 050 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nBad Header\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n",
    ],
)
def test_what_is_not_http_is_an_error_at_once(raw: bytes) -> None:
    """Unlawful bytes fail the exchange when they come, not when its time is over."""
    bench = Bench()
    assert isinstance(bench.ask(raw), ProtocolError)
    assert bench.transport.aborted


def test_a_head_has_a_limit() -> None:
    """A head that never ends is an error, whether it comes at once or byte by byte."""
    for size in (1 << 20, 4096):
        raw = b"HTTP/1.1 200 OK\r\nX: " + b"x" * (MAX_HEAD_BYTES + 10) + b"\r\n\r\n"
        bench = Bench()
        outcome = bench.ask(*[raw[at : at + size] for at in range(0, len(raw), size)])
        assert isinstance(outcome, ProtocolError)
    assert Bench().ask(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\nContent-Length: 0\r\n\r\n") is None


def test_interim_replies_have_a_limit() -> None:
    """A server may say "wait" some times, not for ever."""
    interim = reply("HTTP/1.1 100 Continue")
    assert Bench().ask(interim * MAX_INTERIM_REPLIES + LENGTH) is None
    assert isinstance(Bench().ask(interim * (MAX_INTERIM_REPLIES + 1)), ProtocolError)


def test_a_body_has_a_limit() -> None:
    """A body over the limit fails the exchange and ends the connection; one at the limit is read."""
    chunked = reply("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", body=b"5\r\nhello\r\n" * 20)
    for raw in (
        reply("HTTP/1.1 200 OK", "Content-Length: 11", body=b"x" * 11),
        chunked,
        reply("HTTP/1.1 200 OK", body=b"x" * 11),
    ):
        bench = Bench(max_body_bytes=10)
        assert isinstance(bench.ask(raw), BodyTooLargeError)
        assert bench.transport.aborted
    assert Bench(max_body_bytes=10).ask(reply("HTTP/1.1 200 OK", "Content-Length: 10", body=b"x" * 10)) is None


def test_a_request_that_closes_is_the_last() -> None:
    """Who asked to close does not use the connection again, even if the server would, as it did before."""
    for n_before in range(3):
        bench = Bench()
        for _ in range(n_before):
            bench.ask(LENGTH)
        assert bench.ask(LENGTH, closes=True) is None
        assert bench.seen[2:] == (b"hello", False)
        assert bench.bytes_in == len(LENGTH)


def test_a_reply_to_a_cancelled_exchange_ends_the_connection() -> None:
    """When the exchange was cancelled in the very turn in which its reply comes, nothing breaks."""
    for known in (False, True):
        bench = Bench()
        if known:
            bench.ask(LENGTH)
        waiting = bench.send()
        waiting.cancel()
        assert not bench.connection.is_waiting()
        bench.connection.data_received(LENGTH)
        assert bench.connection.closed
        assert bench.transport.aborted
        assert waiting.cancelled()


def test_a_reply_before_the_request_is_written_ends_the_connection() -> None:
    """A server that answers while the transport still holds back bytes of a plain request: answered, not reused."""
    bench = Bench()
    bench.ask(LENGTH)
    waiting = bench.send()
    bench.connection.pause_writing()
    bench.connection.data_received(LENGTH)
    assert waiting.result() is None
    assert bench.connection.bytes_in == len(LENGTH)
    assert bench.connection.closed


def test_a_lost_connection_holds_nothing() -> None:
    """With the garbage collector frozen, cycles would stay: a lost connection lets go of transport and parser."""
    bench = Bench()
    bench.ask(LENGTH)
    bench.connection.connection_lost(None)
    assert bench.connection.transport is None
    assert bench.connection.parser is None
    bench.connection.write(b"nowhere")


def test_heads_tell_whether_they_keep_the_connection() -> None:
    """By version and Connection header, for replies to HEAD, which the parser cannot judge."""
    table = [
        ("HTTP/1.1", "x", True),
        ("HTTP/1.1", "Close", False),
        ("HTTP/1.1", "x, close", False),
        ("HTTP/1.0", "x", False),
        ("HTTP/1.0", "Keep-Alive", True),
    ]
    for version, words, kept in table:
        assert Head(reply(f"{version} 200 OK", f"Connection: {words}"), 200).keeps_alive() is kept
