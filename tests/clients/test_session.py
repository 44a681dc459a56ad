"""aiohttp's session, timed as steps."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import aiohttp
import pytest
import trustme

from hybridpress.clients.http import HttpSettings
from hybridpress.clients.session import open_session
from hybridpress.errors import StatusError
from tests.clients.http.scripted import OK, Remembering, answering, in_turn, run, serving
from tests.support.ports import free_port

NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone"


def test_each_request_is_a_step() -> None:
    """Named by method and path, or as the scenario says; statuses of 400 and above fail, and are not raised."""

    async def test() -> None:
        trace = Remembering()
        async with serving(in_turn(OK, OK, OK, NOT_FOUND)) as server:
            settings = HttpSettings(base_url=server.url + "/api", headers={"User-Agent": "hybridpress/1"})
            async with open_session(settings, trace) as session:
                assert await (await session.get("a", params={"x": "1"})).read() == b"ok"
                async with session.post("a", data=b"xyz"):
                    pass
                async with session.get("b", trace_request_ctx={"name": "mine"}):
                    pass
                assert (await session.get("a")).status == 404
            assert server.requests[0].startswith(b"GET /api/a?x=1 ")
            assert b"User-Agent: hybridpress/1\r\n" in server.requests[0]
        assert trace.outcomes == {"GET /api/a": (1, 1), "POST /api/a": (1, 0), "mine": (1, 0)}
        (failure,) = trace.failures
        assert isinstance(failure, StatusError)
        assert failure.summary == "GET /api/a: status 404 Not Found"
        ((duration_ns, bytes_out, bytes_in),) = trace.steps["POST /api/a"].answered
        assert duration_ns > 0
        assert (bytes_out, bytes_in) == (3, 2)

    run(test())


def test_exceptions_fail_their_step() -> None:
    """Refused, cut off or too slow: one failed step each, and aiohttp's own exception for the scenario."""

    async def test() -> None:
        trace = Remembering()
        async with open_session(HttpSettings(base_url=f"http://127.0.0.1:{free_port()}"), trace) as session:
            with pytest.raises(aiohttp.ClientConnectionError):
                await session.get("/refused")
        async with (
            serving(answering(b"HTTP")) as server,
            open_session(HttpSettings(base_url=server.url, timeout_s=0.03), trace) as session,
        ):
            with pytest.raises(asyncio.TimeoutError):
                await session.get("/slow")
        async with (
            serving(answering(b"", then="close")) as server,
            open_session(HttpSettings(base_url=server.url), trace) as session,
        ):
            with pytest.raises(aiohttp.ClientError):
                await session.post("/cut")
        assert trace.outcomes == {"GET /refused": (0, 1), "GET /slow": (0, 1), "POST /cut": (0, 1)}

    run(test())


def test_unix_sockets(tmp_path: Path) -> None:
    """http+unix:// works as for the fast client."""

    async def test() -> None:
        path = str(tmp_path / "s")
        settings = HttpSettings(base_url=f"http+unix://{path.replace('/', '%2F')}")
        async with serving(in_turn(OK), unix=path), open_session(settings, Remembering()) as session:
            assert await (await session.get("x")).text() == "ok"

    run(test())


def test_tls(tmp_path: Path) -> None:
    """The same settings as for the fast client: an authority of one's own, or no verifying."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)

    async def test() -> None:
        async with serving(in_turn(OK), tls=tls) as server:
            for settings, fine in [
                (HttpSettings(base_url=server.url, ca_file=str(tmp_path / "ca.pem")), True),
                (HttpSettings(base_url=server.url, verify=False), True),
                (HttpSettings(base_url=server.url), False),
            ]:
                async with open_session(settings, Remembering()) as session:
                    if fine:
                        assert await (await session.get("/")).text() == "ok"
                        continue
                    with pytest.raises(aiohttp.ClientConnectorCertificateError):
                        await session.get("/")

    run(test())


def test_without_a_base() -> None:
    """Whole URLs, cookies kept if the run keeps them."""
    reply = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nContent-Length: 0\r\n\r\n"

    async def test() -> None:
        async with serving(in_turn(reply)) as server:
            for cookies in (False, True):
                async with open_session(HttpSettings(cookies=cookies), Remembering()) as session:
                    for _ in range(2):
                        url = server.url.replace("127.0.0.1", "localhost")
                        async with session.get(url):
                            pass
                assert (b"Cookie: a=1" in server.requests[-1]) is cookies

    run(test())
