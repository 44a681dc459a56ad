"""How late a worker's timer wakes, and what a wake costs: the timerfd against the event loop's own timer.

A round arms for one instant after another, 0.2 to 3 ms ahead and not on whole ms, and waits for each. Lateness is told
over the wakes of all rounds; CPU time is the process's own, arming and the turn of the loop included. A wake that comes
early, as the rounding of uvloop's timers to whole ms makes them, is armed again until the instant is there.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial

import pytest
import uvloop
from harness import main

from hybridpress.clock import now_ns
from hybridpress.worker.timer import LoopTimer, Timerfd

WAKES_A_ROUND = 500
AnyTimer = Timerfd | LoopTimer
KINDS: dict[str, Callable[..., AnyTimer]] = {"LoopTimer": LoopTimer}
if sys.platform == "linux":
    KINDS = {"Timerfd": Timerfd, **KINDS}


@dataclass(frozen=True, slots=True)
class Found:
    """One kind of timer, in µs. `armings_a_wake` is above 1 where wakes came early."""

    name: str
    n_wakes: int
    late_p50_us: float
    late_p99_us: float
    cpu_us_a_wake: float
    armings_a_wake: float

    def __str__(self) -> str:
        return (
            f"{self.name:<12} late p50 {self.late_p50_us:7.1f} µs   p99 {self.late_p99_us:7.1f} µs   "
            f"CPU {self.cpu_us_a_wake:5.1f} µs a wake   {self.armings_a_wake:.2f} armings a wake"
        )


class Series:
    """Wakes for one instant after another."""

    def __init__(self, kind: Callable[..., AnyTimer], n_wakes: int) -> None:
        self.late_ns: list[int] = []
        self.n_armings = 0
        self._left = n_wakes
        loop = asyncio.get_running_loop()
        self._over: asyncio.Future[None] = loop.create_future()
        self._timer = kind(loop, self._wake)
        self._due_ns = 0

    async def run(self) -> None:
        with closing(self._timer):
            self._arm_next()
            await self._over

    def _arm_next(self) -> None:
        ahead_ns = 200_000 + self._left * 7_919_000 % 2_800_000
        self._due_ns = now_ns() + ahead_ns
        self._arm()

    def _arm(self) -> None:
        self.n_armings += 1
        self._timer.arm(self._due_ns)

    def _wake(self) -> None:
        late_ns = now_ns() - self._due_ns
        if late_ns < 0:
            self._arm()
            return
        self.late_ns.append(late_ns)
        self._left -= 1
        if self._left:
            self._arm_next()
        else:
            self._over.set_result(None)


def measure(name: str, n_rounds: int) -> Found:
    """So many rounds of one kind of timer, each on a loop of its own."""

    async def one_round() -> Series:
        series = Series(KINDS[name], WAKES_A_ROUND)
        await series.run()
        return series

    uvloop.run(one_round())
    late_ns: list[int] = []
    cpu_ns, n_armings = [], 0
    for _ in range(n_rounds):
        before_ns = time.process_time_ns()
        series = uvloop.run(one_round())
        cpu_ns.append((time.process_time_ns() - before_ns) / WAKES_A_ROUND)
        assert len(series.late_ns) == WAKES_A_ROUND
        late_ns += series.late_ns
        n_armings += series.n_armings
    percentiles = statistics.quantiles(late_ns, n=100)
    return Found(
        name,
        len(late_ns),
        percentiles[49] / 1e3,
        percentiles[98] / 1e3,
        statistics.median(cpu_ns) / 1e3,
        n_armings / len(late_ns),
    )


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.parametrize("name", KINDS)
def test_timer(name: str) -> None:
    """The bench runs and counts right; it is not a judge of lateness here."""
    found = measure(name, n_rounds=1)
    assert found.n_wakes == WAKES_A_ROUND
    assert 0 <= found.late_p50_us <= found.late_p99_us
    assert found.armings_a_wake >= 1


if __name__ == "__main__":
    main([partial(measure, name) for name in KINDS], "Lateness and CPU time of a worker's timer.", rounds=10)
