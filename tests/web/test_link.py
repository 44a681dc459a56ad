"""What goes between a run and its page arrives whole and in order, and neither end can hold up the other."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Any

import pytest

from hybridpress.errors import HybridpressError
from hybridpress.web import link
from hybridpress.web.link import PageEnd, RunEnd

MANY = 200
LARGE = b"x" * 50_000
"""Many of these are more than a pair of sockets holds."""


def nothing(command: str) -> dict[str, Any]:
    return {}


def a_run(ours: socket.socket) -> None:
    """Tells before its loop, in it, and after it."""
    run = RunEnd(ours)
    run.tell("starting", "the table")

    async def conduct() -> None:
        run.attach(nothing, lambda: None)
        for n in range(MANY):
            run.tell("second", n, LARGE)
            await asyncio.sleep(0)
        run.detach()

    asyncio.run(conduct())
    run.tell("finished", "the result")
    run.close()


def test_what_is_told_arrives() -> None:
    """All of it, in its order, and then the end."""
    ours, theirs = socket.socketpair()
    heard: list[tuple[str, Any]] = []

    async def follow() -> None:
        page = PageEnd(theirs)
        running = asyncio.to_thread(a_run, ours)
        await asyncio.gather(running, page.follow(lambda call, args: heard.append((call, args[0]))))

    asyncio.run(follow())
    seconds = [("second", n) for n in range(MANY)]
    assert heard == [("starting", "the table"), *seconds, ("finished", "the result")]


def tell_many(run: RunEnd) -> None:
    for n in range(MANY):
        run.tell("second", n, LARGE)


def test_a_page_that_does_not_read_holds_up_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The run tells it without waiting, up to a bound; then the page is given up, and that is said."""
    monkeypatch.setattr(link, "MOST_WAITING_BYTES", 2_000_000)
    ours, theirs = socket.socketpair()

    async def conduct() -> None:
        run = RunEnd(ours)
        run.attach(nothing, lambda: None)
        begun = time.monotonic()
        with pytest.raises(HybridpressError, match="does not keep up"):
            tell_many(run)
        assert time.monotonic() - begun < link.PATIENCE_S
        with pytest.raises(HybridpressError, match="is gone"):
            run.tell("second")
        run.detach()
        run.close()

    asyncio.run(conduct())
    theirs.close()


def test_a_page_that_is_gone_is_told_once_it_is_missed() -> None:
    """The run hears that nobody is there any more, and what it tells then says so."""
    ours, theirs = socket.socketpair()

    async def conduct() -> None:
        gone = asyncio.Event()
        run = RunEnd(ours)
        run.attach(nothing, gone.set)
        theirs.close()
        await asyncio.wait_for(gone.wait(), 5)
        with pytest.raises(HybridpressError, match="is gone"):
            run.tell("second")
        run.detach()
        run.close()

    asyncio.run(conduct())


def test_commands_and_replies() -> None:
    """Each command gets its own reply; when the run is over there is none to be had."""
    ours, theirs = socket.socketpair()

    async def conduct() -> None:
        run, page = RunEnd(ours), PageEnd(theirs)
        assert await page.ask("stop") == {"ok": False, "text": "the load is over"}
        following = asyncio.create_task(page.follow(lambda call, args: None))
        run.attach(lambda command: {"ok": True, "text": f"did {command}"}, lambda: None)
        await asyncio.sleep(0.01)
        replies = await asyncio.gather(*[page.ask(f"qps {n}") for n in range(1, 50)])
        assert [reply["text"] for reply in replies] == [f"did qps {n}" for n in range(1, 50)]
        run.detach()
        waiting = asyncio.create_task(page.ask("pause"))
        await asyncio.sleep(0.01)
        run.close()
        assert await waiting == {"ok": False, "text": "the load is over"}
        await following

    asyncio.run(conduct())


def test_a_run_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the word table is built nobody listens: the page says so instead of waiting for ever."""
    monkeypatch.setattr(link, "PATIENCE_S", 0.05)
    ours, theirs = socket.socketpair()

    async def conduct() -> None:
        page = PageEnd(theirs)
        following = asyncio.create_task(page.follow(lambda call, args: None))
        await asyncio.sleep(0.01)
        reply = await page.ask("stop")
        assert not reply["ok"]
        assert "did not answer" in reply["text"]
        ours.close()
        await following

    asyncio.run(conduct())
