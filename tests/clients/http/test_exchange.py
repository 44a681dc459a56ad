"""One exchange: how often it is counted, what its errors say, and what becomes of its connection."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Iterator

import pytest

from hybridpress.clients.http import HttpEngine, HttpSettings, Response
from hybridpress.clients.http import deadlines as deadlines_module
from hybridpress.clients.http.connection import NEVER
from hybridpress.errors import (
    BodyTooLargeError,
    ClientError,
    ConnectionClosedError,
    ProtocolError,
    RequestError,
    RequestTimeoutError,
    StatusError,
)
from tests.clients.http.scripted import (
    OK,
    Remembering,
    Server,
    Talk,
    answering,
    client_of,
    in_turn,
    read_request,
    run,
    serving,
)
from tests.support.nginx import BODY, Nginx

NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone"


def test_keep_alive_against_nginx(nginx: Nginx) -> None:
    """Many exchanges, one connection; nginx counted as many as we did."""

    async def test() -> None:
        trace = Remembering()
        before = nginx.n_requests()
        async with client_of(nginx.url, trace) as http:
            for _ in range(50):
                response = await http.get("/")
                assert (response.status, response.body) == (200, BODY)
            assert (await http.head("/")).body == b""
            assert (await http.post("/", data=b"x" * 300_000)).status in {200, 405}
            assert repr(http._engine) == "<HttpEngine [Connections: 0 active, 1 idle]>"
            await http.get("/", headers={"Connection": "close"})
            assert repr(http._engine) == "<HttpEngine [Connections: 0 active, 0 idle]>"
        assert nginx.n_requests() - before == 53
        assert sum(sum(outcome) for outcome in trace.outcomes.values()) == 53

    run(test())


def test_the_last_used_connection_is_taken_first() -> None:
    """Connections that the load does not need stay idle, and may close."""

    async def test() -> None:
        async with serving(in_turn(OK)) as server, client_of(server.url) as http:
            await asyncio.gather(*(http.get("/") for _ in range(3)))
            assert server.n_connections == 3
            idle = http._engine.route("GET", "/", None).pool.idle
            last = idle[-1]
            for _ in range(5):
                await http.get("/")
                assert idle[-1] is last
            assert server.n_connections == 3

    run(test())


@pytest.mark.parametrize(
    ("reply", "expect", "fails"),
    [
        (OK, None, False),
        (NOT_FOUND, None, True),
        (NOT_FOUND, 404, False),
        (NOT_FOUND, {200, 404}, False),
        (OK, 404, True),
        (OK, range(200, 300), False),
        (NOT_FOUND, range(200, 300), True),
    ],
)
def test_statuses(reply: bytes, expect: int | set[int] | None, fails: bool) -> None:
    """A status that is not right fails the step and the iteration; the reply is returned all the same."""

    async def test() -> None:
        trace = Remembering()
        async with serving(in_turn(reply)) as server, client_of(server.url, trace) as http:
            response = await http.get("/x", expect=expect)
            assert response.body in {b"ok", b"none"}
            assert trace.steps["GET /x"].outcome == ((0, 1) if fails else (1, 0))
            assert [type(error) for error in trace.failures] == ([StatusError] if fails else [])
            assert server.n_connections == 1

    run(test())


def test_a_status_that_fails_fails_each_time() -> None:
    """A reply like the one before is judged anew: what one request takes for right may be wrong for the next."""

    async def test() -> None:
        trace = Remembering()
        async with (
            serving(in_turn(*[NOT_FOUND] * 3, *[OK] * 6, NOT_FOUND)) as server,
            client_of(server.url, trace) as http,
        ):
            for _ in range(3):
                assert (await http.get("/")).status == 404
            assert trace.outcomes == {"GET /": (0, 3)}
            for expect in (None, None, 404, 404, 200, None):
                assert (await http.get("/", expect=expect)).body == b"ok"
            assert trace.outcomes == {"GET /": (4, 5)}
            assert (await http.get("/")).status == 404
            assert trace.outcomes == {"GET /": (4, 6)}
            assert [type(error) for error in trace.failures] == [StatusError] * 6
            assert all(
                sizes == [len(server.requests[0]), len(NOT_FOUND)] for _, *sizes in trace.steps["GET /"].broken[:3]
            )
            assert all(sizes == [len(server.requests[0]), len(OK)] for _, *sizes in trace.steps["GET /"].broken[3:5])
            assert server.n_connections == 1

    run(test())


def test_what_is_counted_is_what_came() -> None:
    """The bytes of a reply like one before are its own, not those of another request in between."""

    async def test() -> None:
        trace = Remembering()
        async with (
            serving(in_turn(OK, OK, NOT_FOUND, OK, NOT_FOUND, OK)) as server,
            client_of(server.url, trace) as http,
        ):
            for path, expect in [("/", None), ("/", None), ("/x", 404), ("/", 200), ("/x", 404), ("/", None)]:
                await http.get(path, expect=expect)
            assert server.n_connections == 1
            assert [bytes_in for _, _, bytes_in in trace.steps["GET /"].answered] == [len(OK)] * 4
            assert [bytes_in for _, _, bytes_in in trace.steps["GET /x"].answered] == [len(NOT_FOUND)] * 2

    run(test())


def test_what_a_failed_status_says() -> None:
    """The step and the status group the failures, the reply's words are the example."""

    async def test() -> None:
        trace = Remembering()
        async with serving(in_turn(NOT_FOUND)) as server, client_of(server.url, trace) as http:
            await http.get("/vm/{id}", id=7)
        (error,) = trace.failures
        assert isinstance(error, StatusError)
        assert error.summary == "GET /vm/{id}: status 404 Not Found"
        assert str(error) == "GET /vm/{id}: status 404 Not Found: none"

    run(test())


async def failure_of(exchange: Awaitable[Response]) -> ClientError:
    """The error that *exchange* raises."""
    with pytest.raises(ClientError) as caught:
        await exchange
    return caught.value


@pytest.mark.parametrize("how", ["fin", "reset"])
def test_a_connection_closed_while_idle_is_replaced(how: str) -> None:
    """The server closed a kept connection as the request left: asked once more on a new one, counted once."""

    def first_connection_dies(server: Server) -> Talk:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            dies = server.n_connections == 1
            while request := await read_request(reader):
                server.requests.append(request)
                if dies and len(server.requests) == 2:
                    if how == "reset":
                        writer.transport.abort()
                    return
                writer.write(OK)

        return talk

    async def test() -> None:
        trace = Remembering()
        async with serving(first_connection_dies) as server, client_of(server.url, trace) as http:
            await http.get("/")
            assert (await http.get("/")).body == b"ok"
            assert (server.n_connections, len(server.requests)) == (2, 3)
            assert trace.outcomes == {"GET /": (2, 0)}
            assert trace.steps["GET /"].n_resent == 1

    run(test())


def test_a_reply_that_nobody_asked_for_is_not_the_next_one() -> None:
    """A server that answers twice, with the same head, loses its connection; the next request has its own reply."""

    def first_connection_answers_twice(server: Server) -> Talk:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            is_first = server.n_connections == 1
            while request := await read_request(reader):
                server.requests.append(request)
                writer.write(OK)
                if is_first and len(server.requests) == 3:
                    await answered.wait()
                    writer.write(OK.replace(b"ok", b"no"))

        return talk

    answered = asyncio.Event()

    async def test() -> None:
        trace = Remembering()
        async with serving(first_connection_answers_twice) as server, client_of(server.url, trace) as http:
            for _ in range(3):
                assert (await http.get("/")).body == b"ok"
            answered.set()
            async with asyncio.timeout(10):
                while http._engine.live:
                    await asyncio.sleep(0)
            assert (await http.get("/")).body == b"ok"
            assert (server.n_connections, len(server.requests)) == (2, 4)
            assert trace.outcomes == {"GET /": (4, 0)}

    run(test())


def test_what_is_not_idempotent_is_not_sent_twice() -> None:
    """A POST may have been carried out before the connection broke: it fails."""

    async def test() -> None:
        trace = Remembering()
        async with serving(answering(OK, b"", then="close")) as server, client_of(server.url, trace) as http:
            await http.post("/")
            error = await failure_of(http.post("/"))
            assert isinstance(error, ConnectionClosedError)
            assert error.summary == "the server closed the connection before its reply was complete"
            assert server.n_connections == 1
            assert trace.outcomes == {"POST /": (1, 1)}

    run(test())


@pytest.mark.parametrize("part", [b"", b"HTTP", OK[:-1]])
def test_a_fresh_connection_that_breaks_is_an_error(part: bytes) -> None:
    """Nothing is tried again on a new connection, nor once a part of the reply came."""

    async def test() -> None:
        trace = Remembering()
        async with serving(answering(part, then="close")) as server, client_of(server.url, trace) as http:
            error = await failure_of(http.get("/"))
            assert isinstance(error, ConnectionClosedError)
            assert str(error).endswith(f"127.0.0.1:{server.port}, {len(part)} bytes of it came")
            assert server.n_connections == 1
            assert trace.outcomes == {"GET /": (0, 1)}
            ((_, bytes_out, bytes_in),) = trace.steps["GET /"].broken
            assert (bytes_out, bytes_in) == (len(server.requests[0]), len(part))

    run(test())


def test_a_part_of_a_reply_on_a_kept_connection_is_an_error() -> None:
    """Not idle any more: the server had begun to answer."""

    async def test() -> None:
        async with serving(answering(OK, OK[:9], then="close")) as server, client_of(server.url) as http:
            await http.get("/")
            assert isinstance(await failure_of(http.get("/")), ConnectionClosedError)
            assert server.n_connections == 1

    run(test())


def test_a_connection_that_closed_in_time_is_not_used() -> None:
    """A close that was seen before the next request costs nothing: even a POST goes to a new connection."""

    async def test() -> None:
        async with serving(answering(OK, then="close")) as server, client_of(server.url) as http:
            for _ in range(3):
                await http.post("/")
                while http._engine.live:
                    await asyncio.sleep(0)
            assert server.n_connections == 3

    run(test())


def test_dead_connections_do_not_pile_up() -> None:
    """A server that closes idle connections leaves no trace of them in the pool."""

    async def test() -> None:
        async with serving(answering(OK, then="close")) as server, client_of(server.url) as http:
            for _ in range(3):
                await asyncio.gather(*(http.get("/") for _ in range(80)))
                while http._engine.live:
                    await asyncio.sleep(0)
            assert len(http._engine.route("GET", "/", None).pool.idle) <= 130
            assert server.n_connections == 240

    run(test())


def test_http_1_0() -> None:
    """The body goes on until the server closes."""

    async def test() -> None:
        reply = b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * 100_000
        async with serving(answering(reply, then="close")) as server, client_of(server.url) as http:
            for _ in range(2):
                assert len((await http.get("/")).body) == 100_000
            assert server.n_connections == 2

    run(test())


def test_head() -> None:
    """HEAD is answered by a head, and its connection goes on."""

    async def test() -> None:
        head = OK[: -len(b"ok")]
        async with serving(in_turn(head, OK, head, OK)) as server, client_of(server.url) as http:
            for _ in range(2):
                response = await http.head("/")
                assert (response.body, response.headers["content-length"]) == (b"", "2")
                assert (await http.get("/")).body == b"ok"
            assert server.n_connections == 1

    run(test())


def test_large_bodies_both_ways() -> None:
    """Megabytes pass, in pieces, and the connection is used again."""

    async def test() -> None:
        big = b"x" * 3_000_000
        reply = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(big) + big
        async with serving(in_turn(reply)) as server, client_of(server.url) as http:
            for _ in range(3):
                assert (await http.post("/", data=big)).body == big
            assert all(request.endswith(big) for request in server.requests)
            assert server.n_connections == 1

    run(test())


def test_unlawful_replies_are_counted() -> None:
    """An error of the protocol is one failed exchange, and says what came."""

    async def test() -> None:
        trace = Remembering()
        async with serving(in_turn(b"SSH-2.0-x\r\n")) as server, client_of(server.url, trace) as http:
            error = await failure_of(http.get("/"))
            assert isinstance(error, ProtocolError)
            assert str(error) == "the reply does not begin with HTTP/1: b'SSH-2.0-x\\r\\n'"
            assert trace.outcomes == {"GET /": (0, 1)}
            assert not http._engine.route("GET", "/", None).pool.idle

    run(test())


def test_a_body_over_the_limit() -> None:
    """It fails the exchange, and the connection is dropped."""

    async def test() -> None:
        async with serving(in_turn(OK)) as server, client_of(server.url, max_body_bytes=1) as http:
            error = await failure_of(http.get("/"))
            assert isinstance(error, BodyTooLargeError)
            assert str(error) == "the reply's body is over the limit: 1 bytes"

    run(test())


@pytest.mark.parametrize(
    ("reply", "phase"),
    [(b"", "waiting for the reply"), (b"HTTP/1.1", "reading the reply"), (OK[:-1], "reading the reply")],
)
@pytest.mark.parametrize("kept", [False, True])
def test_timeouts_tell_their_phase(reply: bytes, phase: str, kept: bool) -> None:
    """The exchange fails when its time is over, not much later; the connection is dropped."""

    async def test() -> None:
        trace = Remembering()
        replies = [OK, reply] if kept else [reply]
        async with serving(answering(*replies)) as server, client_of(server.url, trace, timeout_s=9) as http:
            if kept:
                await http.get("/")
            error = await failure_of(http.get("/", timeout=0.03))
            assert isinstance(error, RequestTimeoutError)
            assert isinstance(error, TimeoutError)
            assert str(error) == f"timed out {phase}: 127.0.0.1:{server.port}, 0.03 s were given"
            ((duration_ns, _, bytes_in),) = trace.steps["GET /"].broken
            assert duration_ns >= 30_000_000
            assert bytes_in == len(reply)
            assert repr(http._engine) == "<HttpEngine [Connections: 0 active, 0 idle]>"

    run(test())


def test_an_idle_connection_has_all_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The deadline of an exchange that is over ends nothing: its connection is used again, however long after."""

    async def test() -> None:
        trace = Remembering()
        async with serving(in_turn(OK)) as server, client_of(server.url, trace) as http:
            for _ in range(3):
                await http.get("/")
            (connection,) = http._engine.live
            assert connection.deadline_ns < NEVER
            assert not connection.is_waiting()
            with monkeypatch.context() as patch:
                patch.setattr(deadlines_module, "now_ns", lambda: connection.deadline_ns + 1)
                http._engine.deadlines._look()
            assert repr(http._engine) == "<HttpEngine [Connections: 0 active, 1 idle]>"
            assert (await http.get("/")).body == b"ok"
            assert server.n_connections == 1
            assert trace.outcomes == {"GET /": (4, 0)}

    run(test())


def test_a_timeout_while_sending() -> None:
    """A server that does not read a body in chunks: the timeout says so."""

    async def body() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 1_000_000

    def deaf(server: Server) -> Talk:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await asyncio.Event().wait()

        return talk

    async def test() -> None:
        async with serving(deaf) as server, client_of(server.url) as http:
            error = await failure_of(http.post("/", data=body(), timeout=0.05))
            assert error.summary == "timed out sending the request"

    run(test())


def test_an_early_reply_ends_the_upload() -> None:
    """A server that answers before it has read the body: the reply counts, the rest is not sent."""
    reply = b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n"
    closed = []

    async def body() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x" * 1000
                await asyncio.sleep(0)
        finally:
            closed.append(True)

    def impatient(server: Server) -> Talk:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(reply)
            await reader.read()

        return talk

    async def test() -> None:
        trace = Remembering()
        async with serving(impatient) as server, client_of(server.url, trace) as http:
            for _ in range(2):
                assert (await http.post("/", data=body())).status == 413
            assert server.n_connections == 2
            assert trace.outcomes == {"POST /": (0, 2)}
        assert closed

    run(test())


def test_a_body_that_fails_fails_the_exchange() -> None:
    """What the scenario's own iterable raises reaches the scenario, and counts."""

    def body() -> Iterator[bytes]:
        yield b"x"
        raise KeyError("word")

    async def test() -> None:
        trace = Remembering()
        async with serving(in_turn(OK)) as server, client_of(server.url, trace) as http:
            with pytest.raises(KeyError):
                await http.post("/", data=body())
            with pytest.raises(RequestError, match="made of bytes"):
                await http.post("/", data=["text"])  # type: ignore[list-item]
            assert trace.outcomes == {"POST /": (0, 2)}
            assert not http._engine.route("POST", "/", None).pool.idle

    run(test())


def test_expect_continue_does_no_harm() -> None:
    """The body follows without waiting; 100 Continue is passed over."""

    async def test() -> None:
        reply = b"HTTP/1.1 100 Continue\r\n\r\n" + OK
        async with serving(in_turn(reply)) as server, client_of(server.url) as http:
            for _ in range(2):
                response = await http.post("/", data=b"abc", headers={"Expect": "100-continue"})
                assert response.body == b"ok"
            assert server.n_connections == 1

    run(test())


@pytest.mark.parametrize("uploading", [False, True])
def test_a_cancelled_exchange_drops_its_connection(uploading: bool) -> None:
    """Nothing is counted, nothing is left, nobody complains later."""

    async def body() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 100_000

    async def test() -> None:
        complaints = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        trace = Remembering()
        async with serving(answering(b"")) as server, client_of(server.url, trace) as http:
            ask = http.post("/", data=body()) if uploading else http.get("/")
            task = asyncio.ensure_future(ask)
            while not http._engine.live:
                await asyncio.sleep(0.001)
            await asyncio.sleep(0.002)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert trace.outcomes == {}
            for _ in range(10):
                await asyncio.sleep(0)
            assert not http._engine.live
            task = asyncio.ensure_future(http.get("/"))
            await asyncio.sleep(0)
            task.cancel()  # while it connects
            with pytest.raises(asyncio.CancelledError):
                await task
        gc.collect()
        assert not complaints

    run(test())


def test_closing_the_engine_cuts_what_is_under_way() -> None:
    """An exchange under way fails at once, and nothing new is begun."""

    async def test() -> None:
        async with serving(answering(b"")) as server:
            engine = HttpEngine(HttpSettings(base_url=server.url), Remembering())
            task = asyncio.ensure_future(engine.client().get("/"))
            while not engine.live:
                await asyncio.sleep(0.001)
            await asyncio.sleep(0.001)
            await engine.close()
            assert "the client was closed" in str(await failure_of(task))
            assert "the client was closed" in str(await failure_of(engine.client().get("/")))
            await engine.close()

    run(test())


class Seen:
    """An observer that remembers."""

    def __init__(self) -> None:
        self.exchanges: list[tuple[str, bytes, bytes, BaseException | None]] = []

    def exchange(self, name: str, request: bytes, reply: bytes, duration_ns: int, error: BaseException | None) -> None:
        assert duration_ns > 0
        self.exchanges.append((name, request, reply, error))


def test_an_observer_sees_every_exchange() -> None:
    """Whole request, whole reply with its chunks joined, and the error if there was one."""
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

    async def test() -> None:
        seen = Seen()
        trace = Remembering(seen)
        replies = in_turn(OK, chunked + b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", NOT_FOUND, b"garbage")
        async with serving(replies) as server, client_of(server.url, trace) as http:
            await http.get("/")
            await http.get("/")
            await http.post("/", data=b"xyz")
            error = await failure_of(http.get("/"))
            assert [reply for _, _, reply, _ in seen.exchanges] == [OK, chunked + b"abc", NOT_FOUND, b""]
            assert [request for _, request, _, _ in seen.exchanges] == server.requests
            assert [problem for *_, problem in seen.exchanges] == [None, None, None, error]
            assert [name for name, *_ in seen.exchanges] == ["GET /", "GET /", "POST /", "GET /"]

    run(test())


def test_a_duration_ends_with_the_reply() -> None:
    """What the loop does between the last byte and the scenario's next line is not the server's time."""

    async def test() -> None:
        trace = Remembering()
        async with serving(in_turn(OK)) as server, client_of(server.url, trace) as http:
            responses = []
            for _ in range(3):
                task = asyncio.ensure_future(http.get("/"))
                responses.append(await task)
            durations_ns = [duration_ns for duration_ns, _, _ in trace.steps["GET /"].answered]
            assert durations_ns == [response.elapsed_ns for response in responses]
            assert min(durations_ns) > 0

    run(test())
