"""What is sent somewhere is sent beside the run, and never holds it up."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest

from hybridpress.errors import HybridpressError
from hybridpress.metrics.news import Status
from hybridpress.report import background
from hybridpress.report.background import MAX_WAITING, Background
from hybridpress.report.output import Outputs

STATUS = Status("x", "pressing", 1.0, None, 1, 1, 0, 0, 0, 0, 0)


class Post(Background[int]):
    """Keeps what it is to send; while *gate* is closed it is stuck, while *error* is set it fails."""

    name = "--post"

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[int] = []
        self.gate = threading.Event()
        self.gate.set()
        self.error: Exception | None = None
        self.is_stopped = False

    def send(self, pieces: list[int]) -> None:
        self.gate.wait()
        if self.error is not None:
            raise self.error
        self.sent += pieces

    def stop(self) -> None:
        self.is_stopped = True

    def settle(self) -> None:
        """Wait until the thread has taken all that waits."""
        until_s = time.monotonic() + 10
        while self._waiting and time.monotonic() < until_s:
            time.sleep(0.001)
        time.sleep(0.01)


def obey(_: str) -> dict[str, Any]:
    return {"ok": True}


def test_all_is_sent_in_order() -> None:
    """What still waits at the end of the run is sent then."""
    post = Post()
    told = Outputs([post])

    async def run() -> None:
        await told.open(obey)
        for number in range(MAX_WAITING):
            post.put(number)
        await told.shut()

    asyncio.run(run())
    assert post.sent == [*range(MAX_WAITING)]
    assert post.is_stopped
    assert told.failures == []


def test_nobody_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest are kept, nothing waits for more than it may, and the end is not put off for long."""
    monkeypatch.setattr(background, "LAST_WAIT_S", 0.2)
    post = Post()
    post.gate.clear()
    told = Outputs([post])

    async def run() -> None:
        await told.open(obey)
        began_s = time.monotonic()
        for number in range(10_000):
            post.put(number)
        assert len(post._waiting) <= MAX_WAITING
        await told.shut()
        assert time.monotonic() - began_s < 5

    asyncio.run(run())
    assert [failure.text for failure in told.failures] == [
        "--post: still busy 0.2 s after the end: what it had to send may be lost"
    ]
    post.gate.set()


def test_trouble_is_told_once_each_time() -> None:
    """A failure is told once until it goes well again, and what was lost is counted."""
    post = Post()
    told = Outputs([post])

    async def run() -> None:
        await told.open(obey)
        for error in (HybridpressError("gone"), HybridpressError("gone"), None, ValueError("")):
            post.error = error
            post.put(1)
            await asyncio.to_thread(post.settle)
            told.tick(STATUS)
        await told.shut()

    asyncio.run(run())
    assert [failure.text for failure in told.failures] == [
        "--post: gone",
        "--post: ValueError",
        "--post: 3 of its pieces were not sent",
    ]
    assert post.sent == [1]


def test_it_never_ran() -> None:
    """A run that ended before it began leaves nothing to wait for."""
    told = Outputs([Post()])
    asyncio.run(told.shut())
    assert told.failures == []
