"""Where redirects lead, as what, and who is told who we are."""

from __future__ import annotations

from typing import Any

import pytest

from hybridpress.clients.http.redirects import next_method, next_url
from hybridpress.errors import ProtocolError, RequestError, TooManyRedirectsError
from tests.clients.http.scripted import OK, Remembering, client_of, in_turn, run, serving


def redirect(status: int, location: str) -> bytes:
    return f"HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode("latin-1")


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("/x?y", "http://h:81/x?y"),
        ("x", "http://h:81/a/x"),
        ("../x", "http://h:81/x"),
        ("?z=1", "http://h:81/a/b?z=1"),
        ("//other/x", "http://other/x"),
        ("https://other/x", "https://other/x"),
        ("/a b{c}", "http://h:81/a%20b%7Bc%7D"),
    ],
)
def test_locations(location: str, url: str) -> None:
    """Whole, without scheme, absolute in path or relative to it; what no URL holds is encoded."""
    assert next_url("http://h:81/a/b?x=1", location) == url


@pytest.mark.parametrize("location", ["ftp://x/", "mailto:x", "http://:x/", "javascript:1"])
def test_locations_of_other_kinds(location: str) -> None:
    """What this client cannot ask for is the server's mistake."""
    with pytest.raises(ProtocolError):
        next_url("http://h/", location)


@pytest.mark.parametrize(
    ("status", "before", "after"),
    [(301, "POST", "GET"), (302, "POST", "GET"), (303, "PUT", "GET"), (301, "PUT", "PUT"), (303, "HEAD", "HEAD"),
     (307, "POST", "POST"), (308, "DELETE", "DELETE"), (302, "GET", "GET")],
)  # fmt: skip
def test_methods(status: int, before: str, after: str) -> None:
    """As RFC 9110 has it, and browsers do."""
    assert next_method(status, before) == after


def test_redirects_are_followed_only_when_asked() -> None:
    """Each hop is an exchange; without `redirects` the reply is the redirect itself."""

    async def test() -> None:
        trace = Remembering()
        replies = in_turn(redirect(302, "/b"), redirect(302, "/b"), redirect(307, "c"), OK)
        async with serving(replies) as server, client_of(server.url, trace) as http:
            assert (await http.get("/a")).location == "/b"
            response = await http.get("/a?x=1", redirects=2, expect=200)
            assert (response.status, response.url, response.location) == (200, f"{server.url}/c", None)
            assert [request.split(b" ")[1] for request in server.requests] == [b"/a", b"/a?x=1", b"/b", b"/c"]
            assert trace.outcomes == {"GET /a": (2, 0), "GET /a (redirected)": (2, 0)}
            assert not trace.failures

    run(test())


def test_too_many_redirects() -> None:
    """More than were allowed is an error that says where it would go on."""

    async def test() -> None:
        trace = Remembering()
        async with serving(in_turn(redirect(302, "/b"))) as server, client_of(server.url, trace) as http:
            with pytest.raises(TooManyRedirectsError, match="2, the next leads to /b"):
                await http.get("/a", redirects=2)
            assert trace.outcomes == {"GET /a": (1, 0), "GET /a (redirected)": (2, 0)}

    run(test())


@pytest.mark.parametrize(("status", "method", "body"), [(302, b"GET", b""), (307, b"POST", b'{"a":1}')])
def test_bodies_of_redirects(status: int, method: bytes, body: bytes) -> None:
    """A GET that was a POST has no body, and says nothing of one."""

    async def test() -> None:
        async with serving(in_turn(redirect(status, "/b"), OK)) as server, client_of(server.url) as http:
            await http.post("/a", json={"a": 1}, headers={"Content-Language": "en", "X": "y"}, redirects=1)
            last = server.requests[-1]
            assert last.startswith(method + b" /b")
            assert last.endswith(b"\r\n\r\n" + body)
            assert (b"Content-Language" in last) == (b"Content-Type" in last) == bool(body)
            assert b"X: y" in last

    run(test())


def test_a_body_in_chunks_is_not_sent_twice() -> None:
    """It is gone: the redirect cannot be followed."""

    async def test() -> None:
        async with serving(in_turn(redirect(307, "/b"), OK)) as server, client_of(server.url) as http:
            with pytest.raises(RequestError, match="in chunks"):
                await http.post("/a", data=[b"x"], redirects=1)

    run(test())


@pytest.mark.parametrize("how", ["auth", "header", "slot", "url"])
def test_strangers_are_not_told_who_we_are(how: str) -> None:
    """Authorization goes along within the origin, and not to another one, nor back from there."""

    async def test() -> None:
        async with serving(in_turn(redirect(302, "/same"), OK)) as same, client_of(None) as http:
            options: dict[str, Any] = {"redirects": 5}
            url = "{}/start"
            if how == "auth":
                options["auth"] = ("u", "p")
            elif how == "header":
                options["headers"] = {"Authorization": "Bearer 1", "Cookie": "a=1"}
            elif how == "slot":
                http.headers["Authorization"] = "Bearer 1"
            else:
                url = url.replace("{}", same.url.replace("://", "://u:p@"))
            await http.get(url.replace("{}", same.url), **options)
            assert all(b"Authorization: " in request for request in same.requests)
            async with (
                serving(in_turn(OK)) as back,
                serving(in_turn(redirect(302, f"{back.url}/b"))) as stranger,
                serving(in_turn(redirect(302, f"{stranger.url}/s"))) as first,
            ):
                url = f"{first.url}/" if how != "url" else first.url.replace("://", "://u:p@") + "/"
                await http.get(url, **options)
                assert b"Authorization: " in first.requests[0]
                assert not any(b"Authorization" in one or b"Cookie" in one for one in stranger.requests + back.requests)

    run(test())
