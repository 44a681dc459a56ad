"""The clocks of several machines: how far another one's is ahead, how sure that is, and instants carried over.

CLOCK_MONOTONIC counts from the boot of its machine, and is no other machine's. A ping that left at `a` and was back at
`b` was answered in between, so the other clock's reading belongs to (a + b) / 2, give or take half the way; the
shortest of several pings is the surest (Cristian, "Probabilistic clock synchronization", 1989).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

from hybridpress.ipc.messages import Begin, Counts, Done, GivenUp, GoOn, Measured, Order, Pace, Report, Stop, TakeOver
from hybridpress.load.plan import Leg
from hybridpress.metrics.interval import Interval

N_PINGS = 15
MOST_UNSURE_NS = 5_000_000
"""A clock that is not known better than this is none to begin by."""


class Ping(NamedTuple):
    """When it left and was back, by our clock, and when it was answered, by theirs; all in ns."""

    sent_ns: int
    answered_ns: int
    back_ns: int


@dataclass(frozen=True, slots=True)
class Offset:
    """Their clock shows ours + *ahead_ns*, give or take *unsure_ns*."""

    ahead_ns: int
    unsure_ns: int

    @property
    def is_sure(self) -> bool:
        return self.unsure_ns <= MOST_UNSURE_NS


def offset_of(pings: Iterable[Ping]) -> Offset:
    """What the shortest of *pings* says.

    Raises:
        ValueError: there are none.
    """
    best = min(pings, key=lambda ping: ping.back_ns - ping.sent_ns)
    middle_ns = (best.sent_ns + best.back_ns) // 2
    return Offset(best.answered_ns - middle_ns, (best.back_ns - best.sent_ns + 1) // 2)


def offset_by(ping: Callable[[], Ping], until_ns: int) -> Offset:
    """What N_PINGS say; where that is not sure enough, because a machine is busy, as many more as it takes, until
    *until_ns* at the latest.
    """
    found = offset_of([ping() for _ in range(N_PINGS)])
    while not found.is_sure:
        another = ping()
        found = min(found, offset_of([another]), key=lambda offset: offset.unsure_ns)
        if another.back_ns >= until_ns:
            break
    return found


def drift_ns(before: Offset, after: Offset) -> int:
    """How far their clock went ahead of ours in between, as far as both offsets are sure of it; else 0."""
    drift = after.ahead_ns - before.ahead_ns
    return drift if abs(drift) > before.unsure_ns + after.unsure_ns else 0


def order_by(order: Order, ahead_ns: int) -> Order:
    """*order* with its instants by a clock that is *ahead_ns* ahead."""
    match order:
        case Begin():
            return replace(
                order,
                start_ns=order.start_ns + ahead_ns,
                until_ns=_later(order.until_ns, ahead_ns),
                leg=None if order.leg is None else _leg_by(order.leg, ahead_ns),
            )
        case Pace(leg, until_ns):
            return Pace(_leg_by(leg, ahead_ns), _later(until_ns, ahead_ns))
        case GoOn(until_ns):
            return GoOn(_later(until_ns, ahead_ns))
        case TakeOver(dues_ns):
            return TakeOver(tuple(due_ns + ahead_ns for due_ns in dues_ns))
        case Stop(drain_until_ns):
            return Stop(drain_until_ns + ahead_ns)
    return order


def report_by(report: Report, ahead_ns: int) -> Report:
    """*report* with its instants by a clock that is *ahead_ns* ahead."""
    match report:
        case Counts():
            return replace(report, at_ns=report.at_ns + ahead_ns)
        case GivenUp(worker, dues_ns):
            return GivenUp(worker, tuple(due_ns + ahead_ns for due_ns in dues_ns))
        case Measured(worker, interval):
            return Measured(worker, _interval_by(interval, ahead_ns))
        case Done():
            return replace(
                report,
                interval=_interval_by(report.interval, ahead_ns),
                last_start_ns=report.last_start_ns and report.last_start_ns + ahead_ns,
                last_end_ns=report.last_end_ns and report.last_end_ns + ahead_ns,
            )
    return report


def _later(at_ns: int | None, ahead_ns: int) -> int | None:
    return None if at_ns is None else at_ns + ahead_ns


def _leg_by(leg: Leg, ahead_ns: int) -> Leg:
    return replace(leg, origin_ns=leg.origin_ns + ahead_ns)


def _interval_by(interval: Interval, ahead_ns: int) -> Interval:
    """The same interval, changed: whoever sends it needs it no more."""
    for error in interval.errors.values():
        error.first_ns += ahead_ns
    return interval
