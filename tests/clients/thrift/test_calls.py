"""Calls that do not go well: each ends with a typed error, is counted, and leaves no connection behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvloop

from hybridpress.clients.http import HttpSettings
from hybridpress.clients.kit import Clients
from hybridpress.clients.thrift.codec import BinaryCodec
from hybridpress.clients.trace import Observer
from hybridpress.errors import (
    ClientError,
    ConnectError,
    ConnectionClosedError,
    FrameTooLargeError,
    ProtocolError,
    RequestError,
    RequestTimeoutError,
    SequenceError,
    StatusError,
    ThriftApplicationError,
)
from tests.clients.http.scripted import Remembering, Talk, answering, in_turn, serving
from tests.clients.thrift.apache import IDL
from tests.support.descriptors import down_to, n_sockets
from tests.support.ports import free_port

Answer = Callable[[bytes], bytes | None]
TRANSPORTS = ["framed", "buffered"]


def run(test: Coroutine[Any, Any, Any]) -> Any:
    return uvloop.run(test)


def reply(number: int, *, name: str = "add", kind: int = 2, value: int = 3) -> bytes:
    """A message that answers add(1, 2), rightly or not."""
    head = b"\x80\x01\0" + bytes([kind]) + len(name).to_bytes(4) + name.encode() + number.to_bytes(4)
    return head + b"\x0a\0\0" + value.to_bytes(8) + b"\0"


def framed(message: bytes) -> bytes:
    return len(message).to_bytes(4) + message


class Server:
    """Answers each call with what *answer* makes of it: bytes, or None to hang up."""

    def __init__(self, answer: Answer, talk: Talk | None = None) -> None:
        self.answer = answer
        self.talk = talk or self.answer_each
        self.port = 0
        self.n_connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.n_connections += 1
        try:
            await self.talk(reader, writer)
        except ConnectionError:
            writer.close()

    async def answer_each(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while call := await reader.read(65_536):
                answered = self.answer(call)
                if answered is None:
                    break
                writer.write(answered)
        finally:
            writer.close()


@asynccontextmanager
async def answered(
    answer: Answer, *, talk: Talk | None = None, **options: Any
) -> AsyncIterator[tuple[Any, Remembering, Server]]:
    """A client of a server of our own, what it measures, and the server. At the end no connection is left."""
    server = Server(answer, talk)
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = listener.sockets[0].getsockname()[1]
    trace = Remembering()
    kit = Clients(HttpSettings(timeout_s=options.pop("timeout", 5.0)), trace)
    try:
        yield kit.thrift(IDL, "Everybody", None, {"port": server.port, **options}), trace, server
    finally:
        await kit.close()
        assert repr(kit.wires) == "<Wires [Connections: 0 active, 0 idle]>"
        listener.close()
        await listener.wait_closed()


def number_in(call: bytes) -> int:
    """The number of the call add(1, 2), framed or not."""
    at = call.index(b"add") + 3
    return int.from_bytes(call[at : at + 4])


def right(call: bytes) -> bytes:
    return framed(reply(number_in(call)))


BROKEN: dict[str, tuple[Answer, type[ClientError], str]] = {
    "hangs up": (lambda _: None, ConnectionClosedError, "before its reply was complete"),
    "half a frame": (lambda call: right(call)[:-5], RequestTimeoutError, "reading the reply"),
    "half a header": (lambda call: right(call)[:2], RequestTimeoutError, "reading the reply"),
    "silence": (lambda _: b"", RequestTimeoutError, "waiting for the reply"),
    "a frame that ends early": (lambda call: framed(reply(number_in(call))[:-4]), ProtocolError, "ends before it does"),
    "an empty frame": (lambda _: framed(b""), ProtocolError, "ends before it does"),
    "noise in a frame": (lambda _: framed(b"\xde\xad\xbe\xef" * 8), ProtocolError, "not lawful Thrift"),
    "noise": (lambda _: b"\xde\xad\xbe\xef" * 8, ProtocolError, "not a frame"),
    "HTTP": (lambda _: b"HTTP/1.1 400 Bad Request\r\n\r\n", ProtocolError, 'speaks HTTP: transport="http"'),
    "no frame": (lambda call: reply(number_in(call)), ProtocolError, 'transport="buffered"'),
    "a long frame": (lambda _: b"\x40\0\0\0", FrameTooLargeError, "1,073,741,824"),
    "another's answer": (lambda call: framed(reply(number_in(call) + 1)), SequenceError, "answers another call"),
    "another method": (lambda call: framed(reply(number_in(call), name="sub")), ProtocolError, "'sub'"),
    "a call": (lambda call: framed(reply(number_in(call), kind=1)), ProtocolError, "of type 1"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_framed(case: str) -> None:
    """What is no lawful reply is told as what it is; one failed step; the next call has a connection of its own."""
    answer, kind, text = BROKEN[case]
    answers: list[Answer] = [answer]

    def answer_in_turn(call: bytes) -> bytes | None:
        return answers.pop()(call) if answers else right(call)

    async def test() -> None:
        before = n_sockets()
        async with answered(answer_in_turn, timeout=0.1) as made:
            client, trace, server = made
            with pytest.raises(ClientError) as raised:
                await client.add(1, 2)
            assert type(raised.value) is kind
            assert text in str(raised.value)
            assert trace.outcomes == {"Everybody.add": (0, 1)}
            assert await client.add(1, 2) == 3
            assert trace.outcomes == {"Everybody.add": (1, 1)}
            assert server.n_connections == 2
        await down_to(before)

    run(test())


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (lambda _: None, ConnectionClosedError),
        (lambda call: reply(number_in(call))[:-5], RequestTimeoutError),
        (lambda _: b"\xde\xad\xbe\xef" * 8, ProtocolError),
        (lambda _: b"HTTP/1.1 400 Bad Request\r\n\r\n", ProtocolError),
        (lambda call: reply(number_in(call) + 1), SequenceError),
    ],
)
def test_buffered(answer: Answer, kind: type[ClientError]) -> None:
    """The same without frames."""
    answers = [answer]

    async def test() -> None:
        serve: Answer = lambda call: answers.pop()(call) if answers else reply(number_in(call))  # noqa: E731
        async with answered(serve, transport="buffered", timeout=0.1) as (client, trace, _):
            with pytest.raises(ClientError) as raised:
                await client.add(1, 2)
            assert type(raised.value) is kind
            assert await client.add(1, 2) == 3
            assert trace.outcomes == {"Everybody.add": (1, 1)}

    run(test())


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_refused(transport: str) -> None:
    """Nobody listens: a typed error with the address, counted."""

    async def test() -> None:
        trace = Remembering()
        kit = Clients(HttpSettings(timeout_s=5.0), trace)
        client = kit.thrift(IDL, "Everybody", None, {"port": free_port(), "transport": transport})
        with pytest.raises(ConnectError, match=r"cannot connect to 127\.0\.0\.1:\d+: connection refused"):
            await client.add(1, 2)
        await kit.close()
        assert trace.outcomes == {"Everybody.add": (0, 1)}

    run(test())


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_reply_in_pieces(transport: str) -> None:
    """A reply that comes byte by byte is one reply; the connection is kept for the next call."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while call := await reader.read(65_536):
            answer = reply(number_in(call))
            for byte in framed(answer) if transport == "framed" else answer:
                writer.write(bytes([byte]))
                await asyncio.sleep(0)
        writer.close()

    async def test() -> None:
        async with answered(right, talk=talk, transport=transport) as (client, trace, server):
            for _ in range(3):
                assert await client.add(1, 2) == 3
            assert server.n_connections == 1
            assert trace.outcomes == {"Everybody.add": (3, 0)}

    run(test())


def test_a_long_message_without_a_frame() -> None:
    """A reply of some MB that comes in many pieces is read, though nothing tells where it ends."""
    value = b"x" * 3_000_000
    message = b"\x80\x01\0\x02\0\0\0\x04blob%b\x0b\0\0" + len(value).to_bytes(4) + value + b"\0"

    async def test() -> None:
        def answer(call: bytes) -> bytes:
            at = call.index(b"blob") + 4
            return message.replace(b"%b", call[at : at + 4], 1)

        async with answered(answer, transport="buffered") as (client, trace, _):
            assert len(await client.blob(len(value))) == len(value)
            ((_, bytes_out, bytes_in),) = trace.steps["Everybody.blob"].answered
            assert bytes_in == len(message) + 2
            assert bytes_out > 20

    run(test())


def test_a_late_answer_is_never_taken_for_the_next_one() -> None:
    """A call that timed out drops its connection, and with it whatever comes late."""
    first: list[tuple[asyncio.StreamWriter, bytes]] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while call := await reader.read(65_536):
            if not first:
                first.append((writer, right(call)))
                continue
            late_writer, late = first[0]
            if not late_writer.transport.is_closing():
                late_writer.write(late)
            writer.write(right(call))
        writer.close()

    async def test() -> None:
        async with answered(right, talk=talk, timeout=0.05) as (client, trace, _):
            with pytest.raises(RequestTimeoutError, match=r"0\.05 s were given"):
                await client.add(1, 2)
            assert await client.add(1, 2) == 3
            assert trace.outcomes == {"Everybody.add": (1, 1)}

    run(test())


def test_cancelled() -> None:
    """A call that is cancelled has no outcome, and its connection is dropped."""

    async def test() -> None:
        asked = asyncio.Event()

        def answer(_: bytes) -> bytes:
            asked.set()
            return b""

        async with answered(answer) as (client, trace, _):
            call = asyncio.ensure_future(client.add(1, 2))
            await asked.wait()
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            assert trace.outcomes == {}

    run(test())


def test_refusals_keep_the_connection() -> None:
    """A server that could not do the call answered lawfully: typed, with kind and text; the connection stays."""
    from thriftpy2.thrift import TApplicationException

    codec = BinaryCodec()

    async def test() -> None:
        def answer(call: bytes) -> bytes:
            return framed(codec.write("add", 3, number_in(call), TApplicationException(1, "no such thing")))

        async with answered(answer) as (client, trace, server):
            for _ in range(2):
                with pytest.raises(ThriftApplicationError) as raised:
                    await client.add(1, 2)
                assert raised.value.kind == 1
                assert raised.value.summary == "Everybody.add: unknown method"
                assert str(raised.value) == "Everybody.add: unknown method: no such thing"
            assert trace.outcomes == {"Everybody.add": (0, 2)}
            assert server.n_connections == 1

    run(test())


def test_a_frame_over_the_limit_of_the_client() -> None:
    """max_frame_bytes is the limit of one client, --max-body that of all."""

    async def test() -> None:
        async with answered(right, max_frame_bytes=10) as (client, _, _):
            with pytest.raises(FrameTooLargeError, match="limit of 10 bytes"):
                await client.add(1, 2)

    run(test())


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (b"500 Internal Server Error", b"sorry", StatusError),
        (b"200 OK", b"sorry, no Thrift here", ProtocolError),
        (b"200 OK", b"\x80\x01\0\x02", ProtocolError),
        (b"200 OK", reply(99), SequenceError),
    ],
)
def test_over_http(status: bytes, body: bytes, kind: type[ClientError]) -> None:
    """Whatever is wrong with a reply over HTTP is raised, and is one failed step of the call's name."""
    answer = b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)

    async def test() -> None:
        async with serving(in_turn(answer)) as server:
            trace = Remembering()
            kit = Clients(HttpSettings(), trace)
            client = kit.thrift(
                IDL,
                "Everybody",
                None,
                {"port": server.port, "transport": "http", "path": "/rpc", "headers": {"X-Id": "7"}},
            )
            with pytest.raises(ClientError) as raised:
                await client.add(1, 2)
            assert type(raised.value) is kind
            await kit.close()
            (request,) = server.requests
            assert request.startswith(b"POST /rpc HTTP/1.1\r\n")
            assert b"\r\nContent-Type: application/x-thrift\r\n" in request
            assert b"\r\nX-Id: 7\r\n" in request
            assert trace.outcomes == {"Everybody.add": (0, 1)}
            ((_, bytes_out, bytes_in),) = trace.steps["Everybody.add"].broken
            assert (bytes_out, bytes_in) == (len(request), len(answer))

    run(test())


def test_over_http_that_breaks() -> None:
    """A connection that is cut is told as HTTP tells it."""

    async def test() -> None:
        async with serving(answering(b"HTTP/1.1 200", then="close")) as server:
            trace = Remembering()
            kit = Clients(HttpSettings(), trace)
            client = kit.thrift(IDL, "Everybody", None, {"port": server.port, "transport": "http"})
            with pytest.raises(ConnectionClosedError):
                await client.ping()
            await kit.close()
            assert trace.outcomes == {"Everybody.ping": (0, 1)}

    run(test())


WRONG: list[tuple[Callable[[Any], Awaitable[Any]], str]] = [
    (lambda client: client.add(1, 2, 3), r"Everybody.add\(\) takes a, b: got \(1, 2, 3\)"),
    (lambda client: client.add(c=1), r"takes a, b: got \(c=1\)"),
    (lambda client: client.add("one", 2), "an argument of Everybody.add.. cannot be sent"),
    (lambda client: client.add(1 << 63, 2), "an argument of Everybody.add.. cannot be sent"),
    (lambda client: client.ping(1), r"takes no arguments: got \(1\)"),
]


@pytest.mark.parametrize(("wrong", "text"), WRONG)
def test_wrong_arguments(wrong: Callable[[Any], Awaitable[Any]], text: str) -> None:
    """What does not fit the IDL is told before anything is sent, and harms no later call."""

    async def test() -> None:
        async with answered(right) as (client, trace, server):
            with pytest.raises(RequestError, match=text):
                await wrong(client)
            assert server.n_connections == 0
            assert await client.add(1, 2) == 3
            assert trace.outcomes == {"Everybody.add": (1, 0)}

    run(test())


@pytest.mark.parametrize(
    ("source", "service", "options", "text"),
    [
        ("nowhere.thrift", None, {}, "there is no IDL file nowhere.thrift"),
        (__file__, None, {}, "is not a lawful IDL file"),
        (IDL, "Nobody", {}, "has no service 'Nobody': Base, Everybody"),
        (IDL, None, {}, "say which service of .*: Base, Everybody"),
        (7, None, {}, "named by its IDL file or its class, got 7"),
        (IDL, "Base", {"port": 0}, "port must be a number from 1 to 65535, got 0"),
        (IDL, "Base", {"host": ""}, "host must be a name"),
        (IDL, "Base", {"transport": "fast"}, "transport must be one of framed, buffered, http, got 'fast'"),
        (IDL, "Base", {"protocol": "xml"}, "protocol must be one of binary, compact, json, got 'xml'"),
        (IDL, "Base", {"path": "/x"}, 'path and headers are for transport="http"'),
        (IDL, "Base", {"protocol": "json", "strict": False}, "strict is a matter of the binary protocol"),
        (IDL, "Base", {"timeout": 0}, "timeout must be a number of seconds above 0"),
        (IDL, "Base", {"max_frame_bytes": 0}, "max_frame_bytes must be above 0"),
        (IDL, "Base", {"colour": "red"}, r"self\.thrift\(\) cannot be called so: .*'colour'"),
    ],
)
def test_a_client_that_cannot_be(source: Any, service: str | None, options: dict[str, Any], text: str) -> None:
    """One clear message when the client is asked for."""

    async def test() -> None:
        kit = Clients(HttpSettings(), Remembering())
        try:
            with pytest.raises(RequestError, match=text):
                kit.thrift(source, service, None, {"port": 9, **options})
        finally:
            await kit.close()

    run(test())


def test_unknown_methods_are_told_with_the_known_ones() -> None:
    """A slip of the pen in a scenario is told as Python does, with what there is."""

    async def test() -> None:
        async with answered(right) as (client, _, _):
            with pytest.raises(AttributeError, match="Everybody has no method 'sub'; it has add, blob, echo"):
                client.sub  # noqa: B018 (the look is the test)
            assert "add" in dir(client)

    run(test())


def test_observed() -> None:
    """--once shows calls as text."""
    seen: list[tuple[Any, ...]] = []

    class Looking:
        def exchange(self, *facts: Any) -> None:
            seen.append(facts)

    looking: Observer = Looking()

    async def test() -> None:
        async with answered(right) as (client, trace, _):
            trace.observer = looking
            await client.add(1, b=2)
        ((name, call, answer, duration_ns, error),) = seen
        assert (name, call, answer, error) == ("Everybody.add", b"Everybody.add(a=1, b=2)", b"3", None)
        assert duration_ns > 0

    run(test())
