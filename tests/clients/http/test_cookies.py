"""Which cookies are kept, for how long, and where they go."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridpress.clients.http import HttpEngine, HttpSettings
from hybridpress.clients.http import cookies as module
from hybridpress.clients.http.cookies import CookieJar
from hybridpress.clients.http.url import parse
from hybridpress.errors import RequestError
from tests.clients.http.scripted import OK, Remembering, client_of, in_turn, run, serving

TABLE = [
    # Set-Cookie, from, to, what is sent
    ("a=1", "http://h/", "http://h/x", "a=1"),
    ("a=1", "http://h/", "http://other/", ""),
    ("a=1", "http://h/", "http://sub.h/", ""),
    ("a=1", "http://h:81/", "http://h:82/", "a=1"),
    ("a=1; Domain=b.c", "http://x.b.c/", "http://y.b.c/", "a=1"),
    ("a=1; Domain=.b.c", "http://x.b.c/", "http://b.c/", "a=1"),
    ("a=1; Domain=b.c", "http://x.b.c/", "http://bb.c/", ""),
    ("a=1; Domain=other.c", "http://b.c/", "http://other.c/", ""),
    ("a=1; Domain=c", "http://b.c/", "http://b.c/", ""),
    ("a=1; Domain=0.0.1", "http://127.0.0.1/", "http://127.0.0.1/", ""),
    ("a=1; Path=/x", "http://h/", "http://h/x/y", "a=1"),
    ("a=1; Path=/x", "http://h/", "http://h/xy", ""),
    ("a=1; Path=/x", "http://h/", "http://h/x?q", "a=1"),
    ("a=1", "http://h/x/y", "http://h/x/z", "a=1"),
    ("a=1", "http://h/x/y", "http://h/z", ""),
    ("a=1; Secure", "https://h/", "https://h/", "a=1"),
    ("a=1; Secure", "https://h/", "http://h/", ""),
    ("a=1; Secure", "http://h/", "https://h/", ""),
    ("a=1; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "http://h/", "http://h/", "a=1"),
    ("a=1; Expires=Thu, 01-Jan-1970 00:00:00 GMT", "http://h/", "http://h/", ""),
    ("a=1; Expires=Fri, 31 Dec 2100 00:00:00 GMT; HttpOnly; SameSite=Lax", "http://h/", "http://h/", "a=1"),
    ("a=1; Expires=whenever", "http://h/", "http://h/", "a=1"),
    ("a=1; Max-Age=0", "http://h/", "http://h/", ""),
    ("a=1; Max-Age=-5", "http://h/", "http://h/", ""),
    ('a="1=2"', "http://h/", "http://h/", 'a="1=2"'),
    ("a=", "http://h/", "http://h/", "a="),
    ("=1", "http://h/", "http://h/", ""),
    ("nonsense", "http://h/", "http://h/", ""),
]


@pytest.mark.parametrize(("said", "source", "goal", "header"), TABLE)
def test_where_cookies_go(said: str, source: str, goal: str, header: str) -> None:
    """By host, path, scheme and time, as RFC 6265 has it."""
    jar = CookieJar()
    setter, asker = parse(source), parse(goal)
    jar.take([said], setter.origin, setter.target)
    assert jar.header(asker.origin, asker.target) == header


def test_cookies_age(monkeypatch: pytest.MonkeyPatch) -> None:
    """Max-Age counts on the run's clock; an expired cookie is gone."""
    now = 10**9
    monkeypatch.setattr(module, "now_ns", lambda: now)
    jar = CookieJar()
    url = parse("http://h/")
    jar.take(["a=1; Max-Age=5", "b=2"], url.origin, url.target)
    assert dict(jar) == {"a": "1", "b": "2"}
    now += 5 * 10**9
    assert (dict(jar), len(jar), repr(jar)) == ({"b": "2"}, 1, "<CookieJar b>")


def test_a_later_cookie_takes_the_place_of_an_earlier() -> None:
    """Same name, host and path: the new value, or none when it is taken back; longer paths come first."""
    jar = CookieJar()
    url = parse("http://h/")
    jar.take(["a=1", "a=2", "b=1; Path=/x", "c=1"], url.origin, "/")
    assert jar.header(url.origin, "/x") == "b=1; a=2; c=1"
    jar.take(["a=; Max-Age=0"], url.origin, "/")
    assert "a" not in jar


def test_a_scenario_sets_cookies() -> None:
    """As in a dict; sent everywhere; nothing that would break the header."""
    jar = CookieJar()
    jar["a"] = "1"
    assert jar.header(parse("http://any/").origin, "/x") == "a=1"
    del jar["a"]
    with pytest.raises(KeyError):
        del jar["a"]
    for name, value in [("a", "1;2"), ("a", "\r\n"), ("", "1"), ("a=b", "1")]:
        with pytest.raises(RequestError):
            jar[name] = value


@given(st.lists(st.text(max_size=40), max_size=20))
def test_no_server_can_break_a_jar(said: list[str]) -> None:
    """Whatever a server says, the jar goes on."""
    jar = CookieJar()
    url = parse("http://h/")
    jar.take(said, url.origin, "/")
    jar.header(url.origin, "/")


def test_a_jar_has_a_limit() -> None:
    """A server that sets ever new cookies does not fill the memory: the oldest go."""
    jar = CookieJar()
    url = parse("http://h/")
    jar.take([f"c{number}=x" for number in range(1000)], url.origin, "/")
    assert len(jar) == 300
    assert "c999" in jar


def test_each_slot_has_its_own() -> None:
    """A login's cookie goes with the next request of that slot, through a redirect too, and with no other's."""
    login = b"HTTP/1.1 303 See Other\r\nLocation: /home\r\nSet-Cookie: id=7\r\nContent-Length: 0\r\n\r\n"

    async def test() -> None:
        async with serving(in_turn(login, OK)) as server:
            engine = HttpEngine(HttpSettings(base_url=server.url, cookies=True), Remembering())
            one, other = engine.client(), engine.client()
            await one.post("/login", data={"user": "x"}, redirects=1)
            await one.get("/")
            await one.get("/", name="named")
            await other.get("/")
            assert [b"Cookie: id=7\r\n" in request for request in server.requests] == [False, True, True, True, False]
            assert (dict(one.cookies), dict(other.cookies)) == ({"id": "7"}, {})
            await engine.close()

    run(test())


@pytest.mark.parametrize("options", [{}, {"name": "named"}, {"redirects": 3}])
def test_cookies_are_taken_from_every_reply(options: dict[str, Any]) -> None:
    """However the request was made."""

    async def test() -> None:
        reply = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nContent-Length: 0\r\n\r\n"
        async with serving(in_turn(reply)) as server, client_of(server.url, cookies=True) as http:
            await http.get("/", **options)
            await http.get("/", headers={"X": "y"})
            assert b"Cookie: a=1\r\n" in server.requests[1]

    run(test())


def test_without_cookies_nothing_is_kept() -> None:
    """The default: a server's cookies are ignored."""

    async def test() -> None:
        reply = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nContent-Length: 0\r\n\r\n"
        async with serving(in_turn(reply)) as server, client_of(server.url) as http:
            await http.get("/")
            await http.get("/")
            assert b"Cookie" not in server.requests[1]

    run(test())
