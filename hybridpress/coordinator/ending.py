"""How things ended: when the load of a run was over, what became of a process."""

from __future__ import annotations

from collections.abc import Sequence

from hybridpress.config import RunConfig
from hybridpress.coordinator.course import Course
from hybridpress.coordinator.tally import Worker
from hybridpress.load.plan import CATCH_UP_S
from hybridpress.units import NS_PER_S

OVERDUE_S = 5.0
"""A worker that has not reported so long after it should have is given up."""


def overdue_ns(until_ns: int | None, timeout_s: float, not_before_ns: int | None) -> int | None:
    """When everybody should long have ended, of a load that ends at *until_ns*; None where nobody knows."""
    if until_ns is None:
        return None
    return max(until_ns + int((CATCH_UP_S + timeout_s + OVERDUE_S) * NS_PER_S), not_before_ns or 0)


def end_of_load_ns(course: Course | None, places: Sequence[Worker], now_ns: int) -> int:
    """Where neither a time limit nor its user ended it: the plan's own end or the last iteration's, or the last loss of
    a worker.
    """
    if not any(worker.is_done for worker in places):
        return now_ns
    nominal_ns = None if course is None else course.end_ns()
    if nominal_ns is None:
        return max(worker.last_end_ns for worker in places)
    return max(nominal_ns, *(worker.last_start_ns for worker in places))


def end_of_words_ns(config: RunConfig, course: Course | None, places: Sequence[Worker], start_ns: int) -> int:
    """When the last words were used: a plan that all of them followed is as long as it takes to start them."""
    if course is None:
        return max(worker.last_end_ns for worker in places)
    last_ns = max(worker.last_start_ns for worker in places)
    if not course.is_constant or config.qps is None:
        return last_ns
    n_started = sum(worker.totals.started for worker in places)
    return max(start_ns + int(n_started / config.qps * NS_PER_S), last_ns)


def how(exit_code: int) -> str:
    """How a process ended, in words."""
    return f"killed by signal {-exit_code}" if exit_code < 0 else f"exit code {exit_code}"
