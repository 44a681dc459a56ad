"""Nothing that a user or a server puts into a request can end its line and begin another: line breaks are refused."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from hybridpress.clients.http import HttpClient, HttpSettings
from hybridpress.clients.http.cookies import CookieJar
from hybridpress.clients.http.redirects import next_url
from hybridpress.clients.http.url import Origin
from hybridpress.clients.http.url import parse as parse_url
from hybridpress.clients.kit import Clients
from hybridpress.errors import ClientError, ProtocolError, RequestError
from tests.clients.http.scripted import OK, Remembering, client_of, in_turn, serving
from tests.clients.http.scripted import run as run_http

BREAKS = ["a\r\nX-Injected: yes", "a\nX-Injected: yes", "a\rX-Injected: yes", "a\0b"]
WEBSOCKET: dict[str, Any] = {"name": None, "timeout": None, "headers": None, "protocols": (), "max_bytes": None}

HttpAsk = Callable[[HttpClient, str], Any]
HTTP_PLACES: dict[str, HttpAsk] = {
    "header value": lambda http, text: http.get("/", headers={"X-A": text}),
    "header name": lambda http, text: http.get("/", headers={text: "a"}),
    "slot's header": lambda http, text: http.headers.__setitem__("X-A", text),
    "host header": lambda http, text: http.get("/", headers={"Host": text}),
    "path": lambda http, text: http.get(f"/{text}"),
    "query": lambda http, text: http.get(f"/?a={text}"),
    "method": lambda http, text: http.request(text, "/"),
    "cookie": lambda http, text: http.cookies.__setitem__("a", text),
    "cookie's name": lambda http, text: http.cookies.__setitem__(text, "a"),
    "host": lambda http, text: http.get(f"http://{text}/"),
    "stream's header": lambda http, text: http.stream("/", headers={"X-A": text}),
    "stream's path": lambda http, text: http.stream(f"/{text}"),
}
HTTP_SAFE: dict[str, HttpAsk] = {
    "template": lambda http, text: http.get("/vm/{id}", id=text),
    "params": lambda http, text: http.get("/", params={"a": text, text: "b"}),
    "user and password": lambda http, text: http.get("/", auth=("me", text)),
    "form": lambda http, text: http.post("/", data={"a": text}),
    "JSON": lambda http, text: http.post("/", json={"a": text}),
}
"""Places where anything may stand, because it is encoded."""


@pytest.mark.parametrize("text", BREAKS)
@pytest.mark.parametrize("place", HTTP_PLACES)
def test_refused_by_http(place: str, text: str) -> None:
    """A line break or a NUL in any part of a request is told at once, and nothing is sent."""

    async def test() -> None:
        async with serving(in_turn(OK)) as server, client_of(server.url, cookies=True) as http:
            with pytest.raises(RequestError):
                await _awaited(HTTP_PLACES[place](http, text))
            assert server.n_connections == 0
            assert (await http.get("/")).status == 200

    run_http(test())


@pytest.mark.parametrize("text", BREAKS)
@pytest.mark.parametrize("place", HTTP_SAFE)
def test_encoded_by_http(place: str, text: str) -> None:
    """Where anything may stand it is encoded, and begins no line of its own."""

    async def test() -> None:
        async with serving(in_turn(OK)) as server, client_of(server.url) as http:
            await HTTP_SAFE[place](http, text)
            (request,) = server.requests
            head = request.partition(b"\r\n\r\n")[0]
            assert not any(line.startswith(b"X-Injected") for line in request.splitlines())
            assert b"\0" not in head

    run_http(test())


async def _awaited(value: Any) -> Any:
    return await value if isinstance(value, Awaitable) else value


async def by_session(kit: Clients, port: int, text: str) -> None:
    async with kit.session.get(f"http://127.0.0.1:{port}/", headers={"X-A": text}):
        pass


async def by_websocket(kit: Clients, port: int, text: str) -> None:
    async with kit.websocket(f"ws://127.0.0.1:{port}/", **WEBSOCKET | {"headers": {"X-A": text}}):
        pass


async def by_websocket_name(kit: Clients, port: int, text: str) -> None:
    async with kit.websocket(f"ws://127.0.0.1:{port}/", **WEBSOCKET | {"headers": {text: "a"}}):
        pass


async def by_websocket_protocol(kit: Clients, port: int, text: str) -> None:
    async with kit.websocket(f"ws://127.0.0.1:{port}/", **WEBSOCKET | {"protocols": (text,)}):
        pass


async def by_thrift_header(kit: Clients, port: int, text: str) -> None:
    from tests.clients.thrift.apache import IDL

    options = {"port": port, "transport": "http", "headers": {"X-A": text}}
    await kit.thrift(IDL, "Everybody", None, options).add(1, 2)


async def by_thrift_path(kit: Clients, port: int, text: str) -> None:
    from tests.clients.thrift.apache import IDL

    await kit.thrift(IDL, "Everybody", None, {"port": port, "transport": "http", "path": f"/{text}"}).add(1, 2)


async def by_grpc_metadata(kit: Clients, port: int, text: str) -> None:
    from tests.clients.test_grpc import EchoStub

    await kit.grpc(EchoStub, f"127.0.0.1:{port}", metadata={"x-a": text}).Say(b"x")


async def by_grpc_call(kit: Clients, port: int, text: str) -> None:
    from tests.clients.test_grpc import EchoStub

    await kit.grpc(EchoStub, f"127.0.0.1:{port}").Say(b"x", metadata=((text, "a"),))


OTHERS: dict[str, tuple[Callable[[Clients, int, str], Awaitable[None]], tuple[type[Exception], ...]]] = {
    "session's header": (by_session, (ValueError,)),
    "WebSocket's header": (by_websocket, (RequestError,)),
    "WebSocket's header name": (by_websocket_name, (RequestError,)),
    "WebSocket's protocol": (by_websocket_protocol, (RequestError,)),
    "header of Thrift over HTTP": (by_thrift_header, (RequestError,)),
    "path of Thrift over HTTP": (by_thrift_path, (RequestError,)),
    "gRPC metadata": (by_grpc_metadata, (RequestError,)),
    "gRPC metadata of a call": (by_grpc_call, (RequestError,)),
}


@pytest.mark.parametrize("text", BREAKS)
@pytest.mark.parametrize("place", OTHERS)
def test_refused_by_the_others(place: str, text: str) -> None:
    """The same of every other client that has headers."""
    ask, errors = OTHERS[place]

    async def test() -> None:
        async with serving(in_turn(OK)) as server:
            kit = Clients(HttpSettings(timeout_s=5.0), Remembering())
            try:
                with pytest.raises(errors):
                    await ask(kit, server.port, text)
            finally:
                await kit.close()
            assert not any(b"X-Injected" in request for request in server.requests)

    uvloop.run(test())


ORIGIN = Origin("http", "a.test", 80)


@given(st.lists(st.text(max_size=40) | st.binary(max_size=40).map(lambda raw: raw.decode("latin-1")), max_size=5))
def test_cookies_of_a_server(texts: list[str]) -> None:
    """Whatever a server says in Set-Cookie is kept or left, never raised; nothing comes back that was not in it."""
    jar = CookieJar()
    jar.take([f"a={text}; Max-Age=9; Path=/" for text in texts] + texts, ORIGIN, "/")
    header = jar.header(ORIGIN, "/")
    assert len(jar) <= 2 * len(texts)
    assert all(letter in "".join(texts) + "a=; " for letter in header)


@pytest.mark.parametrize(
    "text",
    [
        "a=b; Max-Age=" + "9" * 5000,
        "a=b; Max-Age=-" + "9" * 5000,
        "a=b; Expires=Wed, 99 Xxx 9999 99:99:99 +99999999999999999999",
        "a=b; Expires=Mon, 01 Jan 0001 00:00:00 +2359",
        "a=b; Expires=" + "1" * 5000,
        "a=" + "b" * 100_000,
        "=b",
        ";",
        "",
    ],
)
def test_cookies_that_are_too_much(text: str) -> None:
    """Numbers and dates beyond all measure are no error, and a cookie over 4 KiB is not kept."""
    jar = CookieJar()
    jar.take([text], ORIGIN, "/")
    assert len(jar.header(ORIGIN, "/")) < 10


def test_a_cookie_of_a_server_goes_back_as_it_came() -> None:
    """A reply's header is lawful or an error, so what is sent back cannot hold a line break."""

    async def test() -> None:
        for byte in range(256):
            head = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b" + bytes([byte]) + b"c\r\nContent-Length: 2\r\n\r\nok"
            async with serving(in_turn(head, OK)) as server, client_of(server.url, cookies=True) as http:
                try:
                    await http.get("/")
                except ProtocolError:
                    assert byte < 32 or byte == 127
                    continue
                await http.get("/")
                request_head = server.requests[-1]
                assert len(request_head.split(b"\r\n")) == len(server.requests[0].split(b"\r\n")) + 1
                assert not any(byte_of < 32 and byte_of not in b"\r\n\t" for byte_of in request_head)

    run_http(test())


@given(st.text(max_size=60) | st.from_regex(r"(?i)(http|https|ftp|http\+unix|a\+b)?:?//?[\[\]:@%a-z0-9/.?#]{0,30}"))
def test_where_a_redirect_leads(location: str) -> None:
    """Any Location is a URL that may be asked, or a lawful error."""
    try:
        url = next_url("http://a.test:8080/b/c?d", location)
    except ProtocolError:
        return
    parsed = parse_url(url)
    assert parsed.target.isprintable()
    assert " " not in parsed.target
    assert parsed.origin.unix_path is None


@pytest.mark.parametrize(
    "location",
    [
        "http+unix://%2Frun%2Fdocker.sock/containers/json",
        "ftp://a.test/",
        "javascript:alert(1)",
        "a+b://[x",
        "http://[::1",
        "http://a.test:99999/",
        "http://a.test:" + "9" * 5000,
        "http://a test/",
        "http:///",
        "data:text/plain,x",
    ],
)
def test_where_a_redirect_may_not_lead(location: str) -> None:
    """Not to a Unix socket of this machine, not to what is no URL of HTTP: told as the server's mistake."""

    async def test() -> None:
        reply = f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()
        trace = Remembering()
        async with serving(in_turn(reply)) as server, client_of(server.url, trace) as http:
            with pytest.raises(ClientError) as raised:
                await http.get("/", redirects=3)
            assert isinstance(raised.value, ProtocolError)
            assert server.n_connections == 1

    run_http(test())
