"""Whether a run is to be believed: what the generator says of itself, with reasons.

`valid`: the numbers are the server's. `degraded`: the plan was not quite held, or the generator's own waiting is a
visible part of the times. `invalid`: do not quote these latencies.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hybridpress.metrics.histogram import Histogram
from hybridpress.metrics.interval import Interval
from hybridpress.units import format_count, format_ms

Verdict = Literal["valid", "degraded", "invalid"]
_RANK: dict[Verdict, int] = {"valid": 0, "degraded": 1, "invalid": 2}

LATE_DEGRADED_MS, LATE_INVALID_MS = 10.0, 100.0
LAG_DEGRADED_MS, LAG_INVALID_MS = 10.0, 100.0
CPU_SATURATED_PCT = 95.0
N_HICCUPS = 2


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that was wrong with the generator: its code, how bad it is, and a sentence with its number."""

    code: str
    verdict: Verdict
    text: str


@dataclass(frozen=True, slots=True)
class Conditions:
    """What the verdict rests on besides the merged measurements."""

    paced: bool
    n_unstarted: int
    n_workers_lost: int
    busiest_worker_cpu_pct: float
    slots_were_exhausted: bool
    suspended_s: float = 0.0
    saturation: str = ""
    """What was found to be in the way when the plan could not be held; empty where nothing was."""


def judge(total: Interval, conditions: Conditions) -> tuple[Verdict, list[Reason]]:
    """The verdict over a whole run, and why. A run without a reason is valid."""
    reasons = [
        reason
        for reason in (
            _lost_workers(conditions),
            _clock_jump(conditions),
            _blocked_loop(total),
            _late_starts(total, conditions),
            _saturated_cpu(conditions),
        )
        if reason is not None
    ]
    verdict: Verdict = "valid"
    for reason in reasons:
        if _RANK[reason.verdict] > _RANK[verdict]:
            verdict = reason.verdict
    return verdict, reasons


def _lost_workers(conditions: Conditions) -> Reason | None:
    if not conditions.n_workers_lost:
        return None
    text = f"{conditions.n_workers_lost} worker process(es) died during the run; what they had in flight is lost"
    return Reason("worker_lost", "degraded", text)


def _clock_jump(conditions: Conditions) -> Reason | None:
    # Two clocks are not read in one instant: what is below a tenth of a second is not a suspend.
    if conditions.suspended_s < 0.1:
        return None
    text = f"the whole machine stood still for {conditions.suspended_s:.1f} s (it was suspended)"
    return Reason("clock_jump", "invalid", text)


def _usual_worst_ms(times: Histogram) -> float:
    """p99, but of a short run without its two longest times: one hiccup is not yet how the generator fares."""
    if times.count <= N_HICCUPS:
        return 0.0
    found = times.percentiles_ns(min(99.0, 100 * (times.count - N_HICCUPS) / times.count))
    assert found is not None
    return found[0] / 1e6


def _blocked_loop(total: Interval) -> Reason | None:
    lag_ms = _usual_worst_ms(total.health.loop_lag)
    if lag_ms < LAG_DEGRADED_MS:
        return None
    text = (
        f"the event loop was late by {format_ms(lag_ms)} at p99: something in press() blocks it, "
        "or the CPU is short; every time measured includes that"
    )
    return Reason("event_loop_blocked", "invalid" if lag_ms >= LAG_INVALID_MS else "degraded", text)


def _late_starts(total: Interval, conditions: Conditions) -> Reason | None:
    """Late starts with all slots busy are the server's (or the slots') doing; with slots free, the generator's."""
    if not conditions.paced:
        return None
    if conditions.slots_were_exhausted:
        found = total.lateness.percentiles_ns(99)
        lateness = format_ms(found[0] / 1e6) if found else "unknown"
        unstarted = f"; {format_count(conditions.n_unstarted)} never started" if conditions.n_unstarted else ""
        text = (
            f"all slots were busy when iterations were due (lateness p99 {lateness}{unstarted}): the QPS asked for "
            "needs more --concurrent, or is beyond the server's peak = concurrent / response time"
        )
        if conditions.saturation:
            text += f"; {conditions.saturation}"
        return Reason("slots_exhausted", "degraded", text)
    late_ms = _usual_worst_ms(total.lateness)
    if late_ms < LATE_DEGRADED_MS:
        return None
    text = f"iterations started late by {format_ms(late_ms)} at p99 though slots were free: the generator was too slow"
    return Reason("late_starts", "invalid" if late_ms >= LATE_INVALID_MS else "degraded", text)


def _saturated_cpu(conditions: Conditions) -> Reason | None:
    if conditions.busiest_worker_cpu_pct < CPU_SATURATED_PCT:
        return None
    text = (
        f"a worker used {conditions.busiest_worker_cpu_pct:.0f} % of a core: "
        + ("the QPS may be beyond what it can start" if conditions.paced else "the throughput may be its limit")
        + ", and its own waiting is in the times; add --processes on a machine with more cores"
    )
    return Reason("cpu_saturated", "degraded", text)
