"""What a scenario writes, and the bytes that leave for it."""

from __future__ import annotations

import inspect
import pickle
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from functools import partial
from pathlib import Path
from typing import Any, cast

import httptools
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridpress.clients.http import HttpClient, HttpEngine, HttpSettings, Response
from hybridpress.clients.http.engine import MAX_REMEMBERED
from hybridpress.errors import RequestError
from tests.clients.http.scripted import OK, Remembering, client_of, in_turn, run, serving


class Parsed:
    """A request, read back by httptools."""

    def __init__(self, raw: bytes) -> None:
        self.url = b""
        self.headers: list[tuple[str, str]] = []
        self.body = b""
        self.complete = False
        parser = httptools.HttpRequestParser(self)
        parser.feed_data(raw)
        assert self.complete
        self.method = parser.get_method().decode()
        self.target = self.url.decode()
        self.by_name = {name.lower(): value for name, value in self.headers}
        assert len(self.by_name) == len(self.headers), "a header came twice"

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.decode(), value.decode()))

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.complete = True


Ask = Callable[[HttpClient], Awaitable[Response]]


def sent(ask: Ask, *, prefix: str = "", **settings: Any) -> Parsed:
    """The request that *ask* makes, as a server reads it."""
    return sent_and_counted(ask, prefix=prefix, **settings)[0]


def sent_and_counted(ask: Ask, *, prefix: str = "", **settings: Any) -> tuple[Parsed, list[str]]:
    """The same, and the names of the steps it was counted as."""

    async def test() -> tuple[Parsed, list[str]]:
        trace = Remembering()
        async with serving(in_turn(OK)) as server, client_of(server.url + prefix, trace, **settings) as http:
            await ask(http)
            raw = server.requests[0]
            (done,) = [step for step in trace.steps.values() if step.answered]
            assert done.answered[0][1:] == (len(raw), len(OK))
            return Parsed(raw), list(trace.outcomes)

    return run(test())


def test_a_plain_get() -> None:
    """A GET is its line, Host, and the headers of the run."""
    request = sent(lambda http: http.get("/vm?id=7#part"))
    assert (request.method, request.target, request.body) == ("GET", "/vm?id=7", b"")
    assert list(request.by_name) == ["host", "user-agent", "accept"]
    assert request.by_name["host"].startswith("127.0.0.1:")


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete", "options"])
def test_each_method_has_its_verb(method: str) -> None:
    """`http.put(…)` is a PUT, with or without options, and says so to who asks for help."""
    assert sent(lambda http: getattr(http, method)("/")).method == method.upper()
    request, steps = sent_and_counted(lambda http: getattr(http, method)("/", data=b"x", name="mine"))
    assert (request.method, request.body, steps) == (method.upper(), b"x", ["mine"])
    verb = getattr(HttpClient, method)
    assert verb.__name__ == method
    assert method.upper() in inspect.getdoc(verb)  # type: ignore[operator]


def test_any_method() -> None:
    """`request` takes whatever word the server knows; a word that is none is refused."""
    assert sent(lambda http: http.request("PURGE", "/")).method == "PURGE"
    for method in ("", "CONNECT", "GET /", "GET\r\n"):
        with pytest.raises(RequestError, match="HTTP method"):
            sent(partial(HttpClient.request, method=method, url="/"))


def test_bodiless_methods_say_no_length() -> None:
    """A POST without a body says Content-Length: 0, a GET nothing."""
    assert sent(lambda http: http.post("/")).by_name["content-length"] == "0"
    assert "content-length" not in sent(lambda http: http.get("/")).by_name
    assert sent(lambda http: http.get("/", data=b"abc")).body == b"abc"


def test_a_template_is_one_step() -> None:
    """Places are filled and percent-encoded; the step keeps the template's name."""
    request, steps = sent_and_counted(lambda http: http.get("/vm/{id}/{part}?x={id}", id=7, part="a b/ü"))
    assert request.target == "/vm/7/a%20b%2F%C3%BC?x=7"
    assert steps == ["GET /vm/{id}/{part}"]


@pytest.mark.parametrize(
    ("url", "values", "message"),
    [
        ("/vm/{id}", {}, "needs a value for id"),
        ("/vm", {"id": 7}, '"id" is neither an option'),
        ("/vm/{id}", {"id": 7, "timout": 3}, '"timout" is neither an option'),
        ("http://{host}/", {"host": "x"}, "no valid host|path and query only"),
    ],
)
def test_places_and_values_must_agree(url: str, values: dict[str, Any], message: str) -> None:
    """A value too few or too many is a mistake, told by name; so a mistyped option is."""
    with pytest.raises(RequestError, match=message):
        sent(lambda http: http.get(url, **values))


def test_the_base_keeps_its_path() -> None:
    """A path in the base URL stands before every relative URL."""
    table = [("/api", "/vm", "/api/vm"), ("/api/", "vm?x=1", "/api/vm?x=1"), ("/api", "", "/api"), ("", "", "/"),
             ("/api", "?x=1", "/api?x=1"), ("/", "/", "/"), ("/api", "/", "/api/")]  # fmt: skip
    for prefix, url, target in table:
        assert sent(partial(HttpClient.request, method="GET", url=url), prefix=prefix).target == target


def test_absolute_urls() -> None:
    """An absolute URL is taken as it is; in the step's name its origin stands unless it is the base's."""

    async def test() -> None:
        trace = Remembering()
        async with serving(in_turn(OK)) as one, serving(in_turn(OK)) as other, client_of(one.url, trace) as http:
            await http.get(f"{one.url}/a?x=1")
            await http.get(f"{other.url}/b?x=1")
            response = await http.get(f"{other.url}/{{id}}", id=1)
            assert response.url == f"{other.url}/1"
            assert trace.outcomes == {
                "GET /a": (1, 0), f"GET {other.url}/b": (1, 0), f"GET {other.url}/{{id}}": (1, 0)
            }  # fmt: skip
        async with serving(in_turn(OK)) as server, client_of(None) as http:
            await http.get(server.url)
            with pytest.raises(RequestError, match="pass --host"):
                http.get("/a")

    run(test())


def test_params() -> None:
    """Parameters are encoded and added to the query; a sequence repeats its name."""
    assert sent(lambda http: http.get("/a", params={"q": "a b&c", "n": [1, 2]})).target == "/a?q=a+b%26c&n=1&n=2"
    assert sent(lambda http: http.get("/a?x=1", params=[("y", "ü"), ("y", 2)])).target == "/a?x=1&y=%C3%BC&y=2"
    assert sent(lambda http: http.get("/a", params={})).target == "/a"


@pytest.mark.parametrize(
    ("options", "body", "kind"),
    [
        ({"json": {"a": [1, "ü"]}}, '{"a":[1,"ü"]}'.encode(), "application/json"),
        ({"json": None}, b"null", "application/json"),
        ({"data": b"\0\1"}, b"\0\1", None),
        ({"data": bytearray(b"ab")}, b"ab", None),
        ({"data": "ü"}, "ü".encode(), "text/plain; charset=utf-8"),
        ({"data": {"a": "b c", "d": [1, 2]}}, b"a=b+c&d=1&d=2", "application/x-www-form-urlencoded"),
        ({"data": "{}", "headers": {"Content-type": "x/y"}}, b"{}", "x/y"),
        ({"data": [b"he", b"", b"llo"]}, b"hello", None),
    ],
)
def test_bodies(options: dict[str, Any], body: bytes, kind: str | None) -> None:
    """JSON, bytes, text, forms and chunks arrive as they were given, with the type that fits."""
    request = sent(lambda http: http.post("/", **options))
    assert (request.body, request.by_name.get("content-type")) == (body, kind)


def test_async_bodies() -> None:
    """An async iterable is sent in chunks."""

    async def body() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"x" * 50_000

    request = sent(lambda http: http.put("/", data=body()))
    assert request.by_name["transfer-encoding"] == "chunked"
    assert request.body == b"x" * 150_000


@pytest.mark.parametrize(
    "options", [{"json": object()}, {"data": 3}, {"data": b"", "json": 1}, {"timeout": 0}, {"timeout": float("nan")}]
)
def test_what_cannot_be_sent_is_told_at_once(options: dict[str, Any]) -> None:
    """A request that cannot be made fails at the call, before anything is awaited or sent."""

    async def test() -> None:
        async with serving(in_turn(OK)) as server, client_of(server.url) as http:
            with pytest.raises(RequestError):
                http.post("/", **options)
            assert server.n_connections == 0

    run(test())


UNLAWFUL_HEADERS = [
    ("X-A", "a\r\nX-B: b"), ("X-A", "a\nb"), ("X-A", "\0"), ("X A", "b"), ("", "b"), ("X:", "b"), ("Ü", "b"),
    ("Content-Length", "3"), ("transfer-encoding", "chunked"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), UNLAWFUL_HEADERS)
def test_unlawful_headers_are_never_sent(name: str, value: str) -> None:
    """Line breaks, control characters and headers that frame the message are refused, wherever they come from."""

    async def test() -> None:
        async with serving(in_turn(OK)) as server, client_of(server.url) as http:
            with pytest.raises(RequestError):
                http.get("/", headers={name: value})
            with pytest.raises(RequestError):
                http.headers[name] = value
            with pytest.raises(RequestError):
                HttpEngine(HttpSettings(headers={name: value}), Remembering())
            assert server.n_connections == 0

    run(test())


@pytest.mark.parametrize("url", ["/a b", "/a\r\nX: y", "/\0", "/a\tb", "/<", "/{", '/"', "/a|b"])
def test_unlawful_urls_are_never_sent(url: str) -> None:
    """What a URL cannot hold is refused, with the way to write it."""

    async def test() -> None:
        async with serving(in_turn(OK)) as server, client_of(server.url) as http:
            with pytest.raises(RequestError, match="percent-encode"):
                http.get(url)
            assert server.n_connections == 0

    run(test())


@pytest.mark.parametrize(
    "url",
    [
        "ftp://x/",
        "http://",
        "http:///a",
        "http://a:b/",
        "http://a:70000/",
        "http://[::1/",
        "http+unix:///a",
        "http://a b/",
    ],
)
def test_bad_bases_are_refused(url: str) -> None:
    """A base URL that leads nowhere is told when the engine is made."""

    async def test() -> None:
        with pytest.raises(RequestError):
            HttpEngine(HttpSettings(base_url=url), Remembering())

    run(test())


def test_layers_of_headers() -> None:
    """A call's headers win over the slot's, those over the run's, in any case; each is sent once."""

    async def test() -> None:
        settings: dict[str, Any] = {"headers": {"User-Agent": "hybridpress/1", "X-Layer": "run", "X-Run": "yes"}}
        async with serving(in_turn(OK)) as server, client_of(server.url, **settings) as http:
            await http.get("/")
            http.headers["x-layer"] = "slot"
            http.headers["Authorization"] = "Bearer 1"
            await http.get("/")
            await http.get("/", headers={"X-LAYER": "call", "Host": "other"})
            http.headers["authorization"] = "Bearer 2"
            await http.get("/")
            await http.post("/", json=1)
            assert dict(http.headers) == {"x-layer": "slot", "authorization": "Bearer 2"}
            assert "Bearer" not in repr(http.headers)
            http.headers.clear()
            await http.get("/")
            seen = [Parsed(raw).by_name for raw in server.requests]
        assert [headers["x-layer"] for headers in seen] == ["run", "slot", "call", "slot", "slot", "run"]
        assert [headers.get("authorization") for headers in seen] == [None, *["Bearer 1"] * 2, *["Bearer 2"] * 2, None]
        assert all(headers["x-run"] == "yes" for headers in seen)
        assert seen[2]["host"] == "other"
        assert seen[4]["content-type"] == "application/json"

    run(test())


def test_slots_do_not_share_headers() -> None:
    """One slot's Authorization is never sent by another."""

    async def test() -> None:
        async with serving(in_turn(OK)) as server:
            engine = HttpEngine(HttpSettings(base_url=server.url), Remembering())
            one, other = engine.client(), engine.client()
            for number in (1, 2):
                one.headers["Authorization"] = f"Bearer {number}"
                await one.get("/")
                await other.get("/")
            await engine.close()
            seen = [Parsed(raw).by_name.get("authorization") for raw in server.requests]
        assert seen == ["Bearer 1", None, "Bearer 2", None]

    run(test())


def test_basic_auth() -> None:
    """From `auth`, or from the user in the URL; a user name with a colon cannot be."""
    expected = "Basic w7xzZXI6cDpA"
    assert sent(lambda http: http.get("/", auth=("üser", "p:@"))).by_name["authorization"] == expected

    async def test() -> None:
        async with serving(in_turn(OK)) as server:
            url = server.url.replace("://", "://%C3%BCser:p:%40@")
            async with client_of(url) as http:
                response = await http.get("/")
                assert "@" not in response.url
            async with client_of(None) as http:
                await http.get(url)
                with pytest.raises(RequestError, match="colon"):
                    http.get(url, auth=("a:b", "c"))
            assert [Parsed(raw).by_name["authorization"] for raw in server.requests] == [expected] * 2

    run(test())


@settings(max_examples=25)
@given(
    st.text(max_size=30),
    st.dictionaries(st.text(min_size=1, max_size=10), st.text(max_size=20), max_size=4),
    st.dictionaries(
        st.from_regex(r"X-[A-Za-z0-9-]{1,10}", fullmatch=True).map(str.title),
        st.from_regex(r"[!-~][ -~]{0,20}[!-~]", fullmatch=True),
        max_size=4,
    ),
    st.one_of(st.none(), st.binary(max_size=200)),
)
def test_a_server_reads_what_was_asked(
    path: str, params: dict[str, str], headers: dict[str, str], body: bytes | None
) -> None:
    """Place, parameters, headers and body come out of a parser as they went in: nothing slips into another part."""
    from urllib.parse import parse_qsl, unquote

    async def prepared() -> bytes:
        engine = HttpEngine(HttpSettings(base_url="http://h"), Remembering())
        request = engine.client()._prepared("POST", "/p/{path}", params, headers, data=body, values={"path": path})
        await engine.close()
        return request.data

    request = Parsed(run(prepared()))
    target, _, query = request.target.partition("?")
    assert unquote(target, errors="strict") == "/p/" + path
    assert dict(parse_qsl(query, keep_blank_values=True)) == params
    assert {name: value for name, value in request.headers if name.startswith("X-")} == headers
    assert request.body == (body or b"")


def test_responses_tell_everything() -> None:
    """Status, headers in any case, several of a name, text by charset, JSON; and all of it survives pickling."""
    body = '{"ü": 1}'.encode("latin-1")
    raw = (
        b"HTTP/1.1 203 Non-Authoritative Information\r\nContent-Type: application/json; charset=\"latin-1\"\r\n"
        b"Set-Cookie: a=1\r\nset-cookie: b=2\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    )  # fmt: skip

    async def test() -> None:
        async with serving(in_turn(raw)) as server, client_of(server.url) as http:
            response = await http.get("/x?y=1")
            copy = pickle.loads(pickle.dumps(response))  # noqa: S301  # our own
            for same in (response, copy):
                assert (same.status, same.reason, same.ok) == (203, "Non-Authoritative Information", True)
                assert (same.method, same.name, same.url) == ("GET", "GET /x", f"{server.url}/x?y=1")
                assert same.http_version == "1.1"
                assert same.headers["content-TYPE"].startswith("application/json")
                assert same.headers.getall("Set-Cookie") == ["a=1", "b=2"]
                assert same.headers.get("nope") is None
                assert same.text() == '{"ü": 1}'
                assert same.elapsed_s == same.elapsed_ns / 1e9 > 0
                assert repr(same) == f"<Response [203] GET /x {len(body)} bytes>"

    run(test())


def test_json_and_text_of_a_response() -> None:
    """JSON of any body that holds some; text that cannot be decoded shows it, whatever the charset is said to be."""
    raws = [b'[1, {"a": null}]', b"\xff", b"\xff", b"\xff", b"no json"]
    charsets = [b"nope", b"nope", b"idna", b"undefined", b"hex"]
    replies = [
        b"HTTP/1.1 200 OK\r\nContent-Type: x; charset=%b\r\nContent-Length: %d\r\n\r\n%b" % (charset, len(raw), raw)
        for charset, raw in zip(charsets, raws, strict=True)
    ]

    async def test() -> None:
        async with serving(in_turn(*replies)) as server, client_of(server.url) as http:
            assert (await http.get("/")).json() == [1, {"a": None}]
            for _ in range(3):
                assert (await http.get("/")).text() == "\ufffd"
            with pytest.raises(ValueError, match="line 1 column 1"):
                (await http.get("/")).json()

    run(test())


def test_what_is_remembered_is_bounded() -> None:
    """A scenario that writes every URL anew does not fill the memory, whatever it asks with."""

    async def test() -> None:
        engine = HttpEngine(HttpSettings(base_url="http://h"), Remembering())
        http = engine.client()
        asks: list[Callable[[str], Awaitable[Response]]] = [
            http.get,
            partial(http.get, name="mine"),
            http.delete,
            partial(http.post, json=1),
        ]
        n_most = 0
        for number in range(MAX_REMEMBERED * 2 + 5):
            cast("Coroutine[Any, Any, Response]", asks[number % len(asks)](f"/{number}")).close()
            n_most = max(n_most, len(engine.remembered))
            assert len(engine._routes) <= MAX_REMEMBERED
        assert n_most == MAX_REMEMBERED
        await engine.close()

    run(test())


def test_what_is_remembered_is_what_was_asked() -> None:
    """Requests to one URL that differ in method, name or body are each their own, the first time and later."""

    async def test() -> None:
        trace = Remembering()
        async with serving(in_turn(OK)) as server, client_of(server.url, trace) as http:
            for turn in range(3):
                await http.get("/a")
                await http.get("/a", name="mine")
                await http.delete("/a")
                await http.post("/a")
                await http.post("/a", name="mine")
                await http.post("/a", json={"turn": "x" * turn})
                await http.post("/a", json=None, name="mine")
                await http.get("/a", json=turn)
            asked = [(request.method, request.body) for request in map(Parsed, server.requests)]
            for turn, first in enumerate(range(0, len(asked), 8)):
                assert asked[first : first + 8] == [
                    ("GET", b""),
                    ("GET", b""),
                    ("DELETE", b""),
                    ("POST", b""),
                    ("POST", b""),
                    ("POST", b'{"turn":"%b"}' % (b"x" * turn)),
                    ("POST", b"null"),
                    ("GET", b"%d" % turn),
                ]
            assert trace.outcomes == {"GET /a": (6, 0), "mine": (9, 0), "DELETE /a": (3, 0), "POST /a": (6, 0)}
            sizes = [sizes for step in trace.steps.values() for _, *sizes in step.answered]
            assert sorted(sizes) == sorted([len(raw), len(OK)] for raw in server.requests)

    run(test())


def test_cookies_must_be_switched_on() -> None:
    """A slot without cookies says how to get them."""

    async def test() -> None:
        async with client_of(None) as http:
            with pytest.raises(RequestError, match="switch them on"):
                _ = http.cookies

    run(test())


def test_unix_sockets(tmp_path: Path) -> None:
    """http+unix:// names a socket; its host is localhost."""

    async def test() -> None:
        path = str(tmp_path / "s")
        base = f"http+unix://{path.replace('/', '%2F')}/api"
        async with serving(in_turn(OK), unix=path) as server, client_of(base) as http:
            response = await http.get("/x")
            assert response.url == f"http+unix://{path.replace('/', '%2F')}/api/x"
            request = Parsed(server.requests[0])
            assert (request.target, request.by_name["host"]) == ("/api/x", "localhost")

    run(test())


def test_ipv6() -> None:
    """An IPv6 address in brackets, in the URL and in Host."""

    async def test() -> None:
        async with serving(in_turn(OK), host="::1") as server, client_of(server.url) as http:
            assert (await http.get("/")).url == f"{server.url}/"
            assert Parsed(server.requests[0]).by_name["host"] == f"[::1]:{server.port}"

    run(test())


def test_chunk_iterables_are_read_as_they_are_sent() -> None:
    """A plain iterator is drawn from while it is sent, and only once."""
    drawn = []

    def chunks() -> Iterator[bytes]:
        for number in range(3):
            drawn.append(number)
            yield b"x"

    assert sent(lambda http: http.post("/", data=chunks())).body == b"xxx"
    assert drawn == [0, 1, 2]
