"""What each path answers, asked over real sockets."""

from __future__ import annotations

import asyncio
import gzip
import http.client
import json
import time
from typing import Any

import aiohttp
import pytest

from hybridpress.target import Target
from hybridpress.target.counters import Counters
from hybridpress.target.login import Login
from hybridpress.target.message import Request
from hybridpress.target.routes import ALPHABET, MAX_BODY_BYTES, Routes, countable_answers

Answer = tuple[int, http.client.HTTPMessage, bytes]


def ask(
    target: Target, path: str, method: str = "GET", body: bytes = b"", headers: dict[str, str] | None = None
) -> Answer:
    connection = http.client.HTTPConnection(target.host, target.port, timeout=10)
    try:
        connection.request(method, path, body or None, headers or {})
        reply = connection.getresponse()
        return reply.status, reply.headers, reply.read()
    finally:
        connection.close()


def ask_json(target: Target, path: str, method: str = "GET", body: bytes = b"") -> Any:
    status, headers, answer = ask(target, path, method, body)
    assert status == 200, answer
    assert headers["Content-Type"] == "application/json"
    return json.loads(answer)


def test_home_is_always_the_same_128_bytes(target: Target) -> None:
    """GET / answers one fixed text of 128 bytes."""
    status, headers, body = ask(target, "/")
    assert (status, len(body), headers["Content-Length"]) == (200, 128, "128")
    assert body == ask(target, "/?with=query")[2]


def test_json_is_a_list_of_vms_in_1024_bytes(target: Target) -> None:
    """GET /json answers exactly 1024 bytes, which are JSON."""
    status, headers, body = ask(target, "/json")
    assert (status, len(body), headers["Content-Type"]) == (200, 1024, "application/json")
    vms = json.loads(body)["vms"]
    assert [vm["vm"] for vm in vms] == [f"vm-{n}" for n in range(len(vms))]


@pytest.mark.parametrize("n", [0, 1, 26, 1000, 262_080, 262_081, 3_000_000])
def test_bytes_are_the_alphabet_over_and_over(target: Target, n: int) -> None:
    """/bytes/{n} answers n bytes, of which byte i is letter i mod 26."""
    status, headers, body = ask(target, f"/bytes/{n}")
    assert (status, headers["Content-Length"]) == (200, str(n))
    assert body == (ALPHABET * (n // 26 + 1))[:n]


@pytest.mark.slow
def test_the_longest_body_comes_whole(target: Target) -> None:
    """/bytes/{n} goes up to 64 MiB, and tells when asked for more."""
    assert len(ask(target, f"/bytes/{MAX_BODY_BYTES}")[2]) == MAX_BODY_BYTES
    status, _, body = ask(target, f"/bytes/{MAX_BODY_BYTES + 1}")
    assert (status, str(MAX_BODY_BYTES).encode() in body) == (400, True)


@pytest.mark.parametrize("n", [0, 1, 3, 4, 1000, 300_000])
def test_chunked_has_no_length_and_all_bytes(target: Target, n: int) -> None:
    """/chunked/{n} answers n bytes in chunks, without Content-Length."""
    status, headers, body = ask(target, f"/chunked/{n}")
    assert (status, headers["Transfer-Encoding"], headers["Content-Length"]) == (200, "chunked", None)
    assert body == (ALPHABET * (n // 26 + 1))[:n]


@pytest.mark.parametrize("delay_ms", ["0", "1", "2.5", "20.25"])
def test_delay_is_never_shorter_than_asked(target: Target, delay_ms: str) -> None:
    """/delay/{ms} answers after that time, never before."""
    ask(target, "/")
    started = time.monotonic()
    answer = ask_json(target, f"/delay/{delay_ms}")
    took_ms = (time.monotonic() - started) * 1e3
    assert answer == {"delay_ms": float(delay_ms)}
    assert float(delay_ms) <= took_ms < float(delay_ms) + 1000


@pytest.mark.parametrize("status", [200, 201, 204, 299, 304, 404, 418, 500, 503, 599])
def test_status_answers_the_status_asked_for(target: Target, status: int) -> None:
    """/status/{code} answers that code; 204 and 304 without a body."""
    seen, _, body = ask(target, f"/status/{status}")
    assert seen == status
    assert body == (b"" if status in {204, 304} else f"status {status}\n".encode())


@pytest.mark.parametrize(
    "path",
    [
        "/bytes/x",
        "/bytes/-1",
        "/bytes/1_0",
        "/bytes/",
        "/chunked/1e3",
        "/delay/nan",
        "/delay/-1",
        "/delay/9999999999",
        "/status/199",
        "/status/600",
        "/redirect/0",
        "/redirect/101",
        "/cookies/set",
        "/cookies/set?a=b%0d%0aX-Evil:1",
        "/cookies/set?a%20b=c",
        "/stall?ms=fast",
    ],
)
def test_a_parameter_that_makes_no_sense_is_told(target: Target, path: str) -> None:
    """A bad parameter gets 400 and one line that says what was expected."""
    status, headers, body = ask(target, path)
    assert status == 400
    assert headers["X-Evil"] is None
    assert body.count(b"\n") == 1


@pytest.mark.parametrize("path", ["/nothing", "/bytes", "/bytes/1/2", "/delay", "//", "/json/", "/stats/"])
def test_an_unknown_path_is_404(target: Target, path: str) -> None:
    """A path that is not in the table gets 404, and is told the table."""
    status, _, body = ask(target, path)
    assert (status, b"/bytes/{n}" in body) == (404, True)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/", "GET, HEAD"),
        ("DELETE", "/json", "GET, HEAD"),
        ("GET", "/login", "POST"),
        ("PUT", "/vm/query", "POST"),
        ("GET", "/stats/reset", "POST"),
        ("POST", "/stats", "GET, HEAD"),
    ],
)
def test_a_method_that_is_not_answered_is_405(target: Target, method: str, path: str, allowed: str) -> None:
    """A known path asked by another method gets 405 with Allow."""
    status, headers, _ = ask(target, path, method)
    assert (status, headers["Allow"]) == (405, allowed)


@pytest.mark.parametrize(
    "path", ["/", "/json", "/gzip", "/bytes/77", "/bytes/500000", "/delay/1", "/status/404", "/cookies"]
)
def test_head_answers_the_head_of_get(target: Target, path: str) -> None:
    """HEAD gets what GET gets, without the body."""
    status, headers, body = ask(target, path, "HEAD")
    get_status, get_headers, _ = ask(target, path)
    assert (status, headers.items(), body) == (get_status, get_headers.items(), b"")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_echo_gives_the_body_back(target: Target, method: str) -> None:
    """/echo answers the body it got, under its content type, to any method."""
    body = bytes(range(256)) * 300
    status, headers, answer = ask(target, "/echo", method, body, {"Content-Type": "text/strange"})
    assert (status, headers["Content-Type"], answer) == (200, "text/strange", body)


def test_echo_describes_the_request(target: Target) -> None:
    """/echo?describe=1 tells method, path, query, headers and the length of the body."""
    _, _, answer = ask(target, "/echo?describe=1&b=%20", "PUT", b"12345", {"X-Word": "seven"})
    told = json.loads(answer)
    headers = told.pop("headers")
    assert told == {"method": "PUT", "path": "/echo", "query": "describe=1&b=%20", "body_bytes": 5}
    assert (headers["x-word"], headers["content-length"]) == ("seven", "5")


def test_gzip_is_the_json_packed(target: Target) -> None:
    """/gzip answers what /json does, gzip-encoded."""
    _, headers, body = ask(target, "/gzip")
    assert headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(body) == ask(target, "/json")[2]


def test_redirects_end_at_home(target: Target) -> None:
    """/redirect/{n} needs n steps to get to /."""
    path, steps = "/redirect/3", []
    while path != "/":
        status, headers, _ = ask(target, path)
        assert status == 302
        path = headers["Location"]
        steps.append(path)
    assert steps == ["/redirect/2", "/redirect/1", "/"]


@pytest.mark.slow
def test_cookies_come_back() -> None:
    """A client with a cookie jar that follows /cookies/set shows its cookies at /cookies; no warning comes of it."""

    async def talk(url: str) -> Any:
        jar = aiohttp.CookieJar(unsafe=True)  # addresses are no domains
        async with aiohttp.ClientSession(url, cookie_jar=jar) as session:
            async with session.get("/cookies/set?colour=red&n=7") as reply:
                assert await reply.json() == {"colour": "red", "n": "7"}
            async with session.get("/cookies") as reply:
                return await reply.json()

    with Target() as target:
        assert asyncio.run(talk(target.url)) == {"colour": "red", "n": "7"}
        assert ask_json(target, "/cookies") == {}


def test_close_breaks_off_in_the_body(target: Target) -> None:
    """/close promises 1000 bytes, sends 100 and closes."""
    connection = http.client.HTTPConnection(target.host, target.port, timeout=10)
    connection.request("GET", "/close")
    with pytest.raises(http.client.IncompleteRead) as caught:
        connection.getresponse().read()
    connection.close()
    assert (len(caught.value.partial), caught.value.expected) == (100, 900)


def test_reset_answers_nothing_at_all(target: Target) -> None:
    """/reset gets RST, and is counted under status 0."""
    before = target.stats()["paths"].get("/reset", {}).get("0", 0)
    with pytest.raises(ConnectionResetError):
        ask(target, "/reset")
    assert target.stats()["paths"]["/reset"]["0"] == before + 1


def test_every_path_of_the_table_has_an_answer() -> None:
    """No template is in the table without a method that answers it, and every status it gives can be counted."""
    counters = Counters(1, countable_answers())
    routes = Routes(counters, Login(b"secret"), lambda stall_ms: None)
    for template in dict.fromkeys(path for path, _ in countable_answers() if path.startswith("/")):
        route, tail = routes.find(template.replace("{code}", "404").replace("{n}", "9").replace("{ms}", "9").encode())
        assert route.template == template
        for method in (b"GET", b"POST"):
            reply = route.reply(Request(method, template.encode(), [], b""), tail)
            assert reply.status in route.slots
