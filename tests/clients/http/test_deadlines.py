"""When the one timer looks, and whom it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from hybridpress.clients.http import deadlines as module
from hybridpress.clients.http.connection import NEVER
from hybridpress.clients.http.deadlines import Deadlines
from tests.clients.http.scripted import run

MS = 1_000_000


class Waiting:
    """Something with a deadline, that waits for something unless it is said that it does not."""

    def __init__(self, deadline_ns: int, *, waits: bool = True) -> None:
        self.deadline_ns = deadline_ns
        self.waits = waits
        self.expired = False

    def is_waiting(self) -> bool:
        return self.waits

    def expire(self) -> None:
        self.expired = True
        self.deadline_ns = NEVER


class Bench:
    """Deadlines on a clock and a timer that are ours."""

    def __init__(self, patch: pytest.MonkeyPatch, timeout_ns: int, *live: Waiting) -> None:
        self.now_ns = 0
        self.timers: list[float] = []
        patch.setattr(module, "now_ns", lambda: self.now_ns)
        self.deadlines = Deadlines(live, timeout_ns)
        self.deadlines.close()
        self.deadlines._loop = self  # type: ignore[assignment]  # all it needs of a loop is call_later
        self.deadlines._wake_in(timeout_ns)

    def call_later(self, delay_s: float, look: Callable[[], None]) -> Any:
        self.timers.append(delay_s)
        return asyncio.get_running_loop().call_later(1000, look)

    def look(self, at_ns: int) -> float:
        """Look at *at_ns*; returns after how many ms the next look is."""
        self.now_ns = at_ns
        self.deadlines._look()
        return round(self.timers[-1] * 1000) - 1


def test_the_next_look_is_when_something_can_be_due(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing in flight: after a whole timeout. Else at the earliest deadline, but looks are never too close."""

    async def test() -> None:
        one, other = Waiting(NEVER), Waiting(NEVER)
        bench = Bench(monkeypatch, 10_000 * MS, one, other)
        assert bench.look(0) == 10_000
        one.deadline_ns = 4_000 * MS
        other.deadline_ns = 4_001 * MS
        assert bench.look(1_000 * MS) == 3_000
        assert bench.look(4_000 * MS) == 50
        assert (one.expired, other.expired) == (True, False)
        bench.look(4_050 * MS)
        assert other.expired
        bench.deadlines.close()

    run(test())


def test_who_does_not_wait_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A deadline left from before ends nobody and calls for no earlier look; one that is waited for does."""

    async def test() -> None:
        past, ahead = Waiting(4_000 * MS, waits=False), Waiting(5_500 * MS, waits=False)
        bench = Bench(monkeypatch, 10_000 * MS, past, ahead)
        assert bench.look(5_000 * MS) == 10_000
        assert bench.look(15_000 * MS) == 10_000
        assert (past.expired, ahead.expired) == (False, False)
        past.deadline_ns, past.waits = 16_000 * MS, True
        assert bench.look(15_000 * MS) == 1_000
        bench.look(16_000 * MS)
        assert (past.expired, ahead.expired) == (True, False)
        bench.deadlines.close()

    run(test())


@pytest.mark.parametrize(("timeout_ms", "grain_ms"), [(10_000, 50), (250, 50), (100, 20), (30, 6), (10, 5), (1, 5)])
def test_the_grain_follows_the_shortest_timeout(timeout_ms: int, grain_ms: int) -> None:
    """At most a fifth of the shortest timeout late, within 5 to 50 ms."""

    async def test() -> None:
        deadlines = Deadlines((), 10_000 * MS)
        deadlines.allow_for(timeout_ms * MS)
        assert deadlines.grain_ns == grain_ms * MS
        deadlines.close()

    run(test())


def test_a_shorter_timeout_wakes_earlier(monkeypatch: pytest.MonkeyPatch) -> None:
    """A timeout shorter than all before is not missed because the next look was far away."""

    async def test() -> None:
        bench = Bench(monkeypatch, 10_000 * MS)
        bench.deadlines.allow_for(200 * MS)
        bench.deadlines.allow_for(5_000 * MS)
        assert [round(timer * 1000) - 1 for timer in bench.timers] == [10_000, 200]
        bench.deadlines.close()
        bench.deadlines.close()

    run(test())
