"""How connections are made, and what is said when they are not."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme
import uvloop

from hybridpress.clients.http import HttpEngine, HttpSettings
from hybridpress.clients.http.connection import Connection
from hybridpress.errors import ConnectError, ConnectionClosedError, RequestError, RequestTimeoutError, TLSError
from tests.clients.http.scripted import OK, Remembering, answering, client_of, in_turn, run, serving
from tests.support.ports import free_port


def test_refused() -> None:
    """A port on which nobody listens: one failed exchange, in plain words, without bytes."""

    async def test() -> None:
        trace = Remembering()
        port = free_port()
        async with client_of(f"http://127.0.0.1:{port}", trace) as http:
            with pytest.raises(ConnectError) as caught:
                await http.get("/")
            assert (
                str(caught.value) == caught.value.summary == f"cannot connect to 127.0.0.1:{port}: connection refused"
            )
            ((_, *sizes),) = trace.steps["GET /"].broken
            assert sizes == [0, 0]

    run(test())


def test_no_such_socket(tmp_path: Path) -> None:
    """A Unix socket that is not there."""

    async def test() -> None:
        async with client_of(f"http+unix://{str(tmp_path).replace('/', '%2F')}%2Fnone") as http:
            with pytest.raises(ConnectError, match=r"cannot connect to .*/none: no such file or directory"):
                await http.get("/")

    run(test())


def test_no_file_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that may open no more files says so, and what to do."""

    async def test() -> None:
        engine = HttpEngine(HttpSettings(base_url="http://127.0.0.1:1"), Remembering())
        http = engine.client()
        with pytest.raises(ConnectError, match="connection refused"):
            await http.get("/")
        spare = [os.open(os.devnull, os.O_RDONLY)]
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (spare[0] + 1, limits[1]))
        try:
            with pytest.raises(ConnectError) as caught:
                await http.get("/")
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            os.close(spare[0])
        assert caught.value.summary == "cannot connect to 127.0.0.1:1: too many open files"
        assert "raise the limit (ulimit -n)" in str(caught.value)
        await engine.close()

    run(test())


def test_a_full_unix_socket(tmp_path: Path) -> None:
    """A Unix socket whose backlog is full does not make its client wait, as TCP does: it is tried until it has room."""

    async def test() -> None:
        path = str(tmp_path / "s")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen(0)
            async with client_of(f"http+unix://{path.replace('/', '%2F')}") as http:
                pool = http._engine.route("GET", "/", None).pool
                await pool.connect(5)  # waits to be accepted
                with pytest.raises(RequestTimeoutError, match="timed out connecting"):
                    await pool.connect(0.02)
                another = asyncio.create_task(pool.connect(5))
                await asyncio.sleep(0)
                listener.accept()[0].close()
                await another

    run(test())


def fake_names(monkeypatch: pytest.MonkeyPatch, addresses: list[Any]) -> list[str]:
    """Names resolve to *addresses*; returns what was asked, as it is asked."""
    asked: list[str] = []

    async def getaddrinfo(_: Any, host: str, port: int, **__: Any) -> list[Any]:
        asked.append(host)
        if not addresses:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    class Loop(uvloop.Loop):
        getaddrinfo: Any = None

    Loop.getaddrinfo = getaddrinfo
    monkeypatch.setattr(uvloop, "Loop", Loop)
    return asked


def run_with_names(test: Any) -> None:
    with asyncio.Runner(loop_factory=uvloop.Loop) as runner:
        runner.run(test)


def test_no_such_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that leads nowhere, asked for anew each time."""
    asked = fake_names(monkeypatch, [])

    async def test() -> None:
        async with client_of("http://nope.invalid") as http:
            for _ in range(2):
                with pytest.raises(ConnectError) as caught:
                    await http.get("/")
                assert caught.value.summary == 'cannot resolve host "nope.invalid"'

    run_with_names(test())
    assert asked == ["nope.invalid"] * 2


def test_names_are_resolved_once_and_all_addresses_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """One lookup for many slots; the address that accepted is tried first from then on."""
    addresses = ["127.0.0.2", "127.0.0.1"]
    asked = fake_names(monkeypatch, addresses)

    async def test() -> None:
        async with serving(in_turn(OK)) as server, client_of(f"http://a.test:{server.port}") as http:
            await asyncio.gather(*(http.get("/") for _ in range(10)))
            assert server.n_connections == 10
            assert asked == ["a.test"]
            assert http._engine.route("GET", "/", None).pool._addresses[0] == ("127.0.0.1", server.port)

    run_with_names(test())


def test_names_are_resolved_again_when_nobody_accepts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name may lead elsewhere by now."""
    addresses = ["127.0.0.2"]
    asked = fake_names(monkeypatch, addresses)

    async def test() -> None:
        async with serving(in_turn(OK)) as server, client_of(f"http://a.test:{server.port}") as http:
            with pytest.raises(ConnectError, match=f"cannot connect to a.test:{server.port}: connection refused"):
                await http.get("/")
            addresses[:] = ["127.0.0.1"]
            await http.get("/")
            assert asked == ["a.test"] * 2

    run_with_names(test())


def test_connecting_takes_turns() -> None:
    """No more connects at once than are allowed; the wait is part of the exchange's time."""

    async def test() -> None:
        async with serving(in_turn(OK)) as server:
            engine = HttpEngine(HttpSettings(base_url=server.url, max_connecting=2), Remembering())
            client = engine.client()
            pool = engine.route("GET", "/", None).pool
            dialing = highest = 0
            dial = type(pool)._dial

            async def counted(self: Any) -> Connection:
                nonlocal dialing, highest
                dialing += 1
                highest = max(highest, dialing)
                try:
                    return await dial(self)
                finally:
                    dialing -= 1

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(type(pool), "_dial", counted)
                await asyncio.gather(*(client.get("/") for _ in range(20)))
            assert (highest, server.n_connections) == (2, 20)
            await engine.close()

    run(test())


def test_timeouts_while_connecting() -> None:
    """Connecting is part of the exchange: a server that does not take connections runs into the timeout."""

    async def test() -> None:
        trace = Remembering()
        with socket.socket() as full:
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            port = full.getsockname()[1]
            fillers = [socket.socket() for _ in range(4)]
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex(("127.0.0.1", port))
            async with client_of(f"http://127.0.0.1:{port}", trace, max_connecting=1) as http:
                outcomes = await asyncio.gather(
                    *(http.get("/", timeout=timeout_s) for timeout_s in (0.2, 0.05)), return_exceptions=True
                )
            for filler in fillers:
                filler.close()
        assert [type(outcome) for outcome in outcomes] == [RequestTimeoutError] * 2
        assert str(outcomes[0]) == f"timed out connecting: 127.0.0.1:{port}, 0.2 s were given"
        assert "timed out waiting for its turn to connect" in str(outcomes[1])
        assert trace.outcomes == {"GET /": (0, 2)}

    run(test())


def test_small_requests_are_sent_at_once() -> None:
    """TCP_NODELAY is on: a request never waits for the acknowledgement of the one before."""

    async def test() -> None:
        async with serving(in_turn(OK)) as server, client_of(server.url) as http:
            await http.get("/")
            (connection,) = http._engine.live
            assert connection.transport is not None
            sock = connection.transport.get_extra_info("socket")
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

    run(test())


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return context


def test_tls(authority: trustme.CA, tls: ssl.SSLContext, tmp_path: Path) -> None:
    """With its authority named, or unverified, a server is spoken to; its name is sent; connections are kept."""
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(ca_file)
    names: list[str | None] = []
    tls.sni_callback = lambda _, name, __: names.append(name)

    async def test() -> None:
        async with serving(in_turn(OK), tls=tls) as server:
            url = server.url.replace("127.0.0.1", "localhost")
            for settings in ({"ca_file": str(ca_file)}, {"verify": False}):
                async with client_of(url, **settings) as http:
                    for _ in range(3):
                        assert (await http.get("/")).body == b"ok"
            assert server.n_connections == 2
            assert names == ["localhost"] * 2

    run(test())


def test_untrusted_certificates(tls: ssl.SSLContext) -> None:
    """An unknown authority is an error that says what to do."""

    async def test() -> None:
        trace = Remembering()
        async with serving(in_turn(OK), tls=tls) as server, client_of(server.url, trace) as http:
            with pytest.raises(TLSError, match=r"not trusted: .*ca_file, or turn verify off") as caught:
                await http.get("/")
            assert isinstance(caught.value, ConnectError)
            assert trace.outcomes == {"GET /": (0, 1)}

    run(test())


def test_a_server_without_tls() -> None:
    """An https URL of a port that speaks plain HTTP, or hangs up."""

    async def test() -> None:
        for talk in (answering(b"HTTP/1.1 400 Bad Request\r\n\r\n"), answering(then="close")):
            async with serving(talk) as server, client_of(server.url.replace("http", "https")) as http:
                with pytest.raises((TLSError, RequestTimeoutError), match=r"TLS|timed out"):
                    await http.get("/", timeout=0.1)

    run(test())


def test_a_bad_ca_file(tmp_path: Path) -> None:
    """A file without certificates is named before anything is sent."""
    (tmp_path / "bad").write_text("x")

    async def test() -> None:
        for name in ("bad", "none"):
            async with client_of("https://127.0.0.1:1", ca_file=str(tmp_path / name)) as http:
                with pytest.raises(RequestError, match="ca_file must be"):
                    http.get("/")

    run(test())


def test_a_server_that_hangs_up_at_once() -> None:
    """Accepted and closed again: the exchange fails, and nothing waits for its timeout."""

    async def test() -> None:
        async with serving(answering(then="close")) as server, client_of(server.url) as http:
            with pytest.raises(ConnectionClosedError):
                await http.get("/")

    run(test())
