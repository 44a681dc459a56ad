"""A worker from its first order to its last word: what it was given late is accounted for as well."""

from __future__ import annotations

import asyncio
import multiprocessing
from typing import Any, ClassVar

import pytest
import uvloop

from hybridpress.clock import now_ns
from hybridpress.ipc.messages import Begin, Done, GivenUp, GiveUp, Order, Ready, Report, Stop, TakeOver
from hybridpress.load.plan import Leg
from hybridpress.mixed import MixedPress, Share
from hybridpress.press import Press
from hybridpress.run.cast import cast_of
from hybridpress.units import NS_PER_MS, NS_PER_S
from hybridpress.worker.process import _Worker


class End:
    """A worker's end of a channel, in the test's own process: orders come by a pipe, reports are kept."""

    now: ClassVar[End]

    def __init__(self, heard: Any) -> None:
        self._reader, self._writer = multiprocessing.Pipe(duplex=False)
        self._heard = heard
        self.reports: list[Report] = []

    def order(self, order: Order) -> None:
        self._writer.send(order)

    def send(self, report: Report) -> None:
        self.reports.append(report)
        self._heard(self, report)

    def fileno(self) -> int:
        return self._reader.fileno()

    def receive(self) -> list[Order]:
        return [self._reader.recv()]

    def close(self) -> None:
        self._reader.close()
        self._writer.close()


class Last(Press):
    """Its iteration lasts beyond the end of the plan, and then it is given more."""

    async def press(self) -> None:
        await asyncio.sleep(0.05)
        End.now.order(TakeOver((now_ns() - NS_PER_MS,) * 3))
        await asyncio.sleep(0.05)


class Asked(Press):
    """Its iteration holds up all others, and stop() is told to give them up when they were told as dropped already."""

    async def press(self) -> None:
        await asyncio.sleep(0.05)
        End.now.order(Stop(now_ns() + NS_PER_S))
        await asyncio.sleep(0.05)

    async def stop(self) -> None:
        End.now.order(GiveUp(100))
        End.now.order(TakeOver((now_ns() - NS_PER_MS,) * 3))
        await asyncio.sleep(0.05)


class Other(Press):
    async def press(self) -> None:
        pass


def _reports(press: Press | MixedPress, iterations: int, flags: dict[str, Any]) -> list[Report]:
    """All that a worker says that is to start so many iterations."""
    cast = cast_of(press, {"qps": 1000, "processes": 1, "iterations": iterations} | flags)
    cast.build()

    def heard(end: End, report: Report) -> None:
        if isinstance(report, Ready):
            start_ns = now_ns()
            end.order(Begin(start_ns, None, Leg(0, iterations, start_ns, 0.0, None, (1,)), None, report.n_slots))

    end = End.now = End(heard)
    try:
        uvloop.run(_Worker(cast.seat(0), end).run())  # type: ignore[arg-type]
    finally:
        end.close()
    return end.reports


def _last(reports: list[Report]) -> Done:
    (done,) = (report for report in reports if isinstance(report, Done))
    return done


@pytest.mark.parametrize("mix", [None, {Last: Share(9, concurrent=1), Other: Share(1, concurrent=1)}])
def test_what_is_taken_over_after_the_end(mix: Any) -> None:
    """It was due and does not start any more: it is dropped, and not forgotten."""
    press = Last() if mix is None else MixedPress(mix)
    done = _last(_reports(press, 1, {} if mix else {"concurrent": 1}))
    assert (done.interval.started, done.interval.completed, done.interval.dropped) == (1, 1, 3)
    assert done.n_taken_over == 3
    if mix is not None:
        assert sum(part.dropped for part in done.interval.parts.values()) == 3


def test_what_it_is_told_after_its_last_word() -> None:
    """What was told as dropped is not given up as well: others would start it, and it would count twice."""
    reports = _reports(Asked(), 1_000, {"concurrent": 1, "timeout": 1})
    done = _last(reports)
    assert done.interval.started == 1
    assert done.interval.dropped > 30
    assert done.n_taken_over == 0
    assert not [report for report in reports if isinstance(report, GivenUp)]
