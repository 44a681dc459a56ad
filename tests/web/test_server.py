"""What a page answers to those who may ask."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import orjson
import pytest

from hybridpress.web.hub import MOST_VIEWERS, MOST_WAITING, Hub, frame_of
from tests.report.made import result_of
from tests.web.pages import Page, on_page


async def frames(reply: Any, n: int) -> list[tuple[str, Any]]:
    """The next *n* frames of a stream, heartbeats left out."""
    found: list[tuple[str, Any]] = []
    while len(found) < n:
        block = await reply.content.readuntil(b"\n\n")
        if block.startswith(b":"):
            continue
        event, data = block.decode().strip().split("\n")
        found.append((event.removeprefix("event: "), orjson.loads(data.removeprefix("data: "))))
    return found


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"command": "qps", "value": "500"}, "qps 500"),
        ({"command": "qps", "value": 2500.5}, "qps 2500.5"),
        ({"command": "qps", "value": "+10%"}, "qps +10%"),
        ({"command": "slots", "value": 20}, "slots 20"),
        ({"command": "pause"}, "pause"),
        ({"command": "resume"}, "resume"),
        ({"command": "stop"}, "stop"),
    ],
)
def test_commands_go_to_the_run(asked: dict[str, Any], words: str) -> None:
    """Each is one command in the run's own words."""

    async def test(page: Page) -> None:
        assert await page.command(json=asked) == 200
        assert page.asked == [words]

    on_page(test)


@pytest.mark.parametrize(
    "asked",
    [
        {"command": "exit"},
        {"command": "status"},
        {"command": "toggle"},
        {"command": "qps"},
        {"command": "qps", "value": "500\nstop"},
        {"command": "qps", "value": "500 stop"},
        {"command": "qps", "value": ["500"]},
        {"command": "qps", "value": "9" * 100},
        {"command": "pause", "value": "stop"},
        {"command": ["stop"]},
        {"command": None},
        {},
        [],
        "stop",
    ],
)
def test_nothing_else_does(asked: Any) -> None:
    """What is not a known command, with the value that it takes, is refused before the run hears of it."""

    async def test(page: Page) -> None:
        assert await page.command(json=asked) == 400
        assert page.asked == []

    on_page(test)


def test_what_is_no_json_is_told() -> None:
    """A body of the right type that is none."""

    async def test(page: Page) -> None:
        headers = {"Content-Type": "application/json"}
        for path in ("/command", "/start"):
            assert await page.status(path, "POST", data=b'{"command":', headers=headers) == 400

    on_page(test)


def test_only_a_page_that_can_start_does() -> None:
    """The page of one run starts no other."""

    async def test(page: Page) -> None:
        assert await page.status("/start", "POST", json={"settings": {}}) == 409

    on_page(test, can_start=False)


def test_settings_of_a_start_are_an_object() -> None:
    """Whatever else there is, is refused."""

    async def test(page: Page) -> None:
        bad: list[Any] = [[], "qps", None, 5]
        for settings in bad:
            assert await page.status("/start", "POST", json={"settings": settings}) == 400
        assert await page.status("/start", "POST", json={"settings": {"qps": "5"}}) == 200
        assert page.started == [{"qps": "5"}]

    on_page(test)


def test_no_file_but_its_own_is_served() -> None:
    """Whatever path is asked for."""

    async def test(page: Page) -> None:
        for path in ("/static/live.js", "/static/charts.js", "/static/live.css"):
            assert await page.status(path) == 200, path
        for path in (
            "/static/..%2fserver.py",
            "/static/%2e%2e/server.py",
            "/static/index.html",
            "/static/",
            "/etc/passwd",
        ):
            assert await page.status(path) == 404, path

    on_page(test)


def test_downloads_come_with_the_result() -> None:
    """Before the end there is none; then the result and the report are files of a harmless name."""

    async def test(page: Page) -> None:
        story = page.server.story
        for path in ("/result.json", "/report.html"):
            assert await page.status(path) == 404
        story.begin()
        for path in ("/result.json", "/report.html"):
            assert await page.status(path) == 404
        result = result_of(scenario='../x";\r\nSet-Cookie: a=b.py:Query')
        story.told("finished", (result,))
        for path, ending in (("/result.json", "json"), ("/report.html", "html")):
            async with page.session.get(page.url + path) as reply:
                assert reply.status == 200
                assert reply.headers["Content-Disposition"] == (
                    f'attachment; filename="hybridpress-x-Set-Cookie-a-b.py-Query.{ending}"'
                )
                body = await reply.read()
            if ending == "json":
                assert orjson.loads(body)["iterations"]["started"] == result.iterations.started
            else:
                assert body.startswith(b"<!DOCTYPE html>")

    on_page(test)


def test_who_comes_late_gets_the_story_so_far() -> None:
    """A viewer hears what there was, then what there is, and misses nothing in between."""

    async def test(page: Page) -> None:
        story = page.server.story
        story.begin("hybridpress run x.py")
        story.told("starting", ("building the word table",))
        async with page.session.get(page.url + "/events") as reply:
            (page_frame, history, events) = await frames(reply, 3)
            assert page_frame[1]["run"]["told"] == "building the word table"
            assert (history[0], history[1]["points"]) == ("history", [])
            assert events == ("events", [])
            story.told("started", ())
            ((event, data),) = await frames(reply, 1)
            assert (event, data["run"]["state"]) == ("page", "pressing")

    on_page(test)


def test_a_page_that_ends_says_so() -> None:
    """Viewers are told, and their streams end, before the server is gone."""

    async def test(page: Page) -> None:
        async with page.session.get(page.url + "/events") as reply:
            await frames(reply, 1)
            await page.server.close()
            ((event, data),) = await frames(reply, 1)
            assert (event, data["is_closing"]) == ("page", True)
            assert await reply.content.read() == b""

    on_page(test)


@pytest.mark.slow
def test_a_viewer_who_does_not_read_is_dropped() -> None:
    """His connection is cut and what waited for him is let go; others see every frame."""

    async def test(page: Page) -> None:
        hub = page.server.hub
        with socket.create_connection(("127.0.0.1", page.port)) as deaf:
            deaf.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            async with page.session.get(page.url + "/events") as reply:
                await frames(reply, 1)
                while len(hub) < 2:
                    await asyncio.sleep(0.01)
                n_told = 0
                while hub.n_dropped == 0:
                    hub.tell("status", {"n": n_told, "filler": "x" * 100_000})
                    n_told += 1
                    assert n_told < 1_000
                    assert [data["n"] for _, data in await frames(reply, 1)] == [n_told - 1]
                assert len(hub) == 1
            deaf.settimeout(5)
            n_bytes = 0
            while part := deaf.recv(1_000_000):
                n_bytes += len(part)
            assert n_bytes < n_told * 100_000

    on_page(test)


def test_a_frame_is_made_once_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty viewers cost one encoding; none costs none."""
    made = []

    def counted(event: str, data: Any) -> bytes:
        made.append(event)
        return frame_of(event, data)

    monkeypatch.setattr("hybridpress.web.hub.frame_of", counted)

    async def test() -> None:
        hub = Hub(lambda: [("page", {})])
        hub.tell("second", {})
        assert made == []
        viewers = [hub.join(lambda: None) for _ in range(20)]
        assert made == ["page"]
        hub.tell("second", {"n": 1})
        assert made == ["page", "second"]
        assert {await viewer.next(1) for viewer in viewers} == {frame_of("page", {}) + frame_of("second", {"n": 1})}

    asyncio.run(test())


def test_queues_are_bounded() -> None:
    """Nobody waits for a viewer: one whose queue is full is let go at that very frame."""

    async def test() -> None:
        dropped = []
        hub = Hub(lambda: [("page", {})])
        hub.join(lambda: dropped.append("slow"))
        quick = hub.join(lambda: dropped.append("quick"))
        for k in range(MOST_WAITING):
            await quick.next(1)
            hub.tell("second", {"n": k})
        assert dropped == ["slow"]
        assert len(hub) == 1

    asyncio.run(test())


def test_viewers_are_bounded() -> None:
    """Beyond so many the page says that it is full."""

    async def test(page: Page) -> None:
        for _ in range(MOST_VIEWERS):
            page.server.hub.join(lambda: None)
        assert await page.status("/events") == 503

    on_page(test)


def test_viewers_who_left_take_no_place() -> None:
    """Also where there was nothing to tell since, by which it would have been noticed."""

    async def test(page: Page) -> None:
        for _ in range(MOST_VIEWERS + 5):
            assert await page.status("/events") == 200
            await asyncio.sleep(0)
        assert len(page.server.hub) <= MOST_VIEWERS

    on_page(test)
