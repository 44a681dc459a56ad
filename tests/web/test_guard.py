"""Nobody who should not reads or steers: each way in, tried from outside."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hybridpress.web.guard import MOST_BODY_BYTES
from tests.web.pages import Page, on_page

TOKEN = "the-token-of-this-page"
PATHS = ["/", "/events", "/static/live.js", "/static/charts.js", "/result.json", "/report.html", "/nothing"]


def test_without_the_token_nothing_is_read() -> None:
    """Where a token is asked for, no path answers without it but with a refusal, and none with a wrong one."""

    async def test(page: Page) -> None:
        for path in PATHS:
            assert await page.status(path) == 401, path
            for wrong in (TOKEN[:-1], TOKEN + "x", "", "é"):
                assert await page.status(path, headers={"Authorization": f"Bearer {wrong}"}) == 401
                assert await page.status(path, cookies={f"hybridpress-{page.port}": wrong}) == 401
                assert await page.status(path, params={"token": wrong}) == 401
        for path in PATHS[1:]:  # the token in an address is for the front door alone
            assert await page.status(path, params={"token": TOKEN}) == 401

    on_page(test, TOKEN)


def test_without_the_token_nothing_is_steered() -> None:
    """Neither commands nor starts get through."""

    async def test(page: Page) -> None:
        assert await page.command() == 401
        assert await page.command(params={"token": TOKEN}) == 401
        assert await page.status("/start", "POST", json={"settings": {}}) == 401
        assert (page.asked, page.started) == ([], [])

    on_page(test, TOKEN)


def test_the_token_opens_by_address_once_then_by_cookie() -> None:
    """The address with the token gives a cookie that scripts and other sites cannot use; a program may send it too."""

    async def test(page: Page) -> None:
        async with page.session.get(page.url, params={"token": TOKEN}, allow_redirects=False) as reply:
            assert reply.status == 200
            (given,) = reply.headers.getall("Set-Cookie")
            assert TOKEN not in await reply.text()
        assert f"hybridpress-{page.port}={TOKEN}" in given
        assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(given.split("; "))
        assert await page.status("/") == 200
        assert await page.command() == 200
        page.session.cookie_jar.clear()
        assert await page.status("/") == 401
        assert await page.command(headers={"Authorization": f"Bearer {TOKEN}"}) == 200
        assert page.asked == ["pause", "pause"]

    on_page(test, TOKEN)


def test_who_has_no_token_is_asked_for_it() -> None:
    """The front door shows where to put it, in a page that has a style and nothing else."""

    async def test(page: Page) -> None:
        async with page.session.get(page.url) as reply:
            assert reply.status == 401
            assert 'name="token"' in await reply.text()
        assert await page.status("/static/live.css") == 200

    on_page(test, TOKEN)


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8089", "10.1.2.3", "", "evil@127.0.0.1", "[::2]",
     "127.0.0.1:port", "127.0.0.1/x"],
)  # fmt: skip
def test_other_names_are_not_answered(host: str) -> None:
    """A name that somebody makes point here is not one of ours, on loopback too: DNS rebinding gets nothing."""

    async def test(page: Page) -> None:
        headers = {"Host": host}
        assert await page.status("/", headers=headers) in {400, 421}
        assert await page.status("/events", headers=headers) in {400, 421}
        assert await page.command(headers=headers) in {400, 421}
        assert page.asked == []

    on_page(test)


@pytest.mark.parametrize("host", ["127.0.0.1:1", "localhost", "LOCALHOST:9000", "[::1]:8089"])
def test_our_names_are(host: str) -> None:
    """Loopback by any of its names, at any port: a tunnel has one of its own."""

    async def test(page: Page) -> None:
        assert await page.status("/", headers={"Host": host}) == 200

    on_page(test)


def test_addresses_are_names_of_a_page_that_others_can_reach() -> None:
    """An address can be no other site's name; a name of somebody's can."""

    async def test(page: Page) -> None:
        bearer = {"Authorization": f"Bearer {TOKEN}"}
        assert await page.status("/", headers=bearer | {"Host": "192.0.2.7:8089"}) == 200
        assert await page.status("/", headers=bearer | {"Host": "evil.example"}) == 421

    on_page(test, TOKEN, by_address=True)


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:1", "https://localhost", "file://"]
)
def test_other_sites_neither_read_nor_steer(origin: str) -> None:
    """What a script of another site asks for, in the browser of somebody who may, is refused: that of another port of
    this machine too, to which his cookies go.
    """

    async def test(page: Page) -> None:
        headers = {"Origin": origin, "Authorization": f"Bearer {TOKEN}"}
        for path in PATHS:
            assert await page.status(path, headers=headers) == 403, path
        assert await page.command(headers=headers) == 403
        assert await page.status("/start", "POST", json={"settings": {}}, headers=headers) == 403
        assert (page.asked, page.started) == ([], [])

    on_page(test, TOKEN)


def test_other_sites_cannot_embed() -> None:
    """What a browser fetches for another site without an Origin (scripts, images, frames) is refused; a link is not."""

    async def test(page: Page) -> None:
        for site in ("cross-site", "same-site"):
            foreign = {"Sec-Fetch-Site": site}
            for path in PATHS:
                assert await page.status(path, headers=foreign | {"Sec-Fetch-Dest": "script"}) == 403, path
            assert await page.status("/", headers=foreign | {"Sec-Fetch-Dest": "iframe"}) == 403
            assert await page.status("/result.json", headers=foreign | {"Sec-Fetch-Dest": "document"}) == 403
            assert await page.status("/", headers=foreign | {"Sec-Fetch-Dest": "document"}) == 200

    on_page(test)


def test_our_own_page_does() -> None:
    """The same requests from our own page get through."""

    async def test(page: Page) -> None:
        assert await page.command(headers={"Origin": page.url, "Sec-Fetch-Site": "same-origin"}) == 200

    on_page(test)


def test_no_other_origin_is_ever_allowed() -> None:
    """No answer has a header of CORS, whatever is asked, a preflight included."""

    async def test(page: Page) -> None:
        for method, headers in (
            ("GET", {}),
            ("OPTIONS", {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}),
            ("OPTIONS", {"Origin": page.url, "Access-Control-Request-Method": "POST"}),
        ):
            async with page.session.request(method, page.url + "/command", headers=headers) as reply:
                assert reply.status in {403, 405, 415}
                assert not [name for name in reply.headers if name.lower().startswith("access-control")]

    on_page(test)


@pytest.mark.parametrize(
    "options",
    [
        {"data": {"command": "stop"}},
        {"data": b'{"command": "stop"}', "headers": {"Content-Type": "text/plain"}},
        {"data": b'{"command": "stop"}', "headers": {"Content-Type": "application/json-patch+json"}},
        {"data": b""},
    ],
)
def test_changes_are_asked_for_in_json(options: dict[str, Any]) -> None:
    """What a plain form of any site could send is no command."""

    async def test(page: Page) -> None:
        assert await page.status("/command", "POST", **options) == 415
        assert await page.status("/start", "POST", **options) == 415
        assert (page.asked, page.started) == ([], [])

    on_page(test)


def test_bodies_are_bounded() -> None:
    """A body that is too long is refused, with its length given or in chunks, and is not kept."""

    async def chunks() -> Any:
        for _ in range(2 * MOST_BODY_BYTES // 1_000):
            yield b" " * 1_000

    async def test(page: Page) -> None:
        headers = {"Content-Type": "application/json"}
        body = b'{"settings": {"host": "' + b"x" * MOST_BODY_BYTES + b'"}}'
        assert await page.status("/start", "POST", data=body, headers=headers) == 413
        assert await page.status("/start", "POST", data=chunks(), headers=headers) == 413
        assert page.started == []

    on_page(test)


@pytest.mark.parametrize("token", [None, TOKEN])
def test_every_answer_has_the_headers(token: str | None) -> None:
    """No inline script, no guessing of types, no frames, nothing kept; refusals and streams too."""

    async def test(page: Page) -> None:
        for path in PATHS:
            async with page.session.get(page.url + path, timeout=None) as reply:
                policy = dict(
                    part.strip().split(" ", 1) for part in reply.headers["Content-Security-Policy"].split(";")
                )
                assert policy["default-src"] == "'none'"
                assert policy["script-src"] == "'self'"
                assert policy["frame-ancestors"] == "'none'"
                assert "unsafe" not in reply.headers["Content-Security-Policy"]
                assert reply.headers["X-Content-Type-Options"] == "nosniff"
                assert reply.headers["X-Frame-Options"] == "DENY"
                assert reply.headers["Referrer-Policy"] == "no-referrer"
                assert reply.headers["Cross-Origin-Resource-Policy"] == "same-origin"
                assert reply.headers["Cache-Control"] == "no-store"
                assert "Server" not in reply.headers

    on_page(test, token)


def test_two_host_headers_are_none() -> None:
    """Whoever stands before us might have looked at the other one."""

    async def test(page: Page) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", page.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n")
        assert (await reader.readline()).split()[1] in {b"400", b"421"}
        writer.close()

    on_page(test)
