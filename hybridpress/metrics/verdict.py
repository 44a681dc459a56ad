"""Whether a run is to be believed: what the generator says of itself, with reasons.

`valid`: the numbers are the server's. `degraded`: the plan was not quite held, or the generator's own waiting is a
visible part of the times. `invalid`: do not quote these latencies. What comes from outside of the generator is in
hybridpress/metrics/surroundings.py.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from hybridpress.metrics.cpu import CpuCounts
from hybridpress.metrics.histogram import Histogram
from hybridpress.metrics.interval import Interval
from hybridpress.metrics.reason import Reason, Verdict, graded
from hybridpress.metrics.surroundings import Box, reasons_of
from hybridpress.units import format_count, format_ms

_RANK: dict[Verdict, int] = {"valid": 0, "degraded": 1, "invalid": 2}

LATE_DEGRADED_MS, LATE_INVALID_MS = 10.0, 100.0
LAG_DEGRADED_MS, LAG_INVALID_MS = 10.0, 100.0
CPU_SATURATED_PCT = 95.0
"""A worker that used so much of a core, over the run…"""
CPU_SATURATED_SHARE, CPU_SATURATED_S = 0.1, 3
"""…or in this share of its seconds, and at least in so many of them."""
GC_PCT = 1.0
"""So much of the time in the collector, in some worker, where its longest pause is one of these."""
GC_DEGRADED_MS, GC_INVALID_MS = 10.0, 100.0
N_HICCUPS = 2
UNSTARTED_SHARE = 0.01
INLINE_DEGRADED_SHARE = 0.05
"""So much of the loops' time in prepare() and verify() is a visible part of the times measured."""
BUSY_SHARE = 0.85
"""CPU workers that work so much of the time are the limit, if iterations wait for them."""
WAITS_SHARE = 0.01
ROOM_SHARE = 0.8
"""What CPU workers should be busy at most, so that words are ready in time."""


@dataclass(frozen=True, slots=True)
class CpuTier:
    """The room that prepare() and verify() had: so many CPU workers (0: they ran on *n_loops* event loops), for
    *lasted_s*. *n_cpus*: what the machine has; *target_qps*: None, unpaced.
    """

    n_workers: int
    n_loops: int
    lasted_s: float
    n_cpus: int
    target_qps: float | None

    def busy_share(self, cpu: CpuCounts) -> float:
        """How much of that room was used."""
        room_ns = (self.n_workers or self.n_loops) * self.lasted_s * 1e9
        return cpu.busy_ns / room_ns if room_ns else 0.0

    def n_missing(self, cpu: CpuCounts) -> int:
        """How many more CPU workers would hold the QPS, at what was seen of an iteration's cost."""
        if self.target_qps is None or not cpu.prepare.count + cpu.verify.count:
            return 0
        n_iterations = cpu.prepare.count or cpu.verify.count
        work_s = cpu.busy_ns / 1e9 / n_iterations
        return max(math.ceil(self.target_qps * work_s / ROOM_SHARE) - self.n_workers, 1)


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
    n_nodes_lost: int = 0
    troubled_nodes: tuple[str, ...] = ()
    """Of a cluster: those whose own verdict is not valid, in words."""
    cpu_tier: CpuTier | None = None
    """None: the scenario has neither prepare() nor verify()."""
    n_saturated_s: int = 0
    """Seconds in which a worker used CPU_SATURATED_PCT of a core or more…"""
    n_seconds: int = 0
    """…of so many."""
    gc_pct: float = 0.0
    """The time that the worker whose collector paused most lost by that, as a share of all…"""
    longest_gc_ms: float = 0.0
    """…and its longest pause."""
    workers_cpu_pct: float = 0.0
    """What all workers used of a core."""
    box: Box = Box()


def judge(total: Interval, conditions: Conditions) -> tuple[Verdict, list[Reason]]:
    """The verdict over a whole run, and why. A run without a reason is valid."""
    late_ms = _usual_worst_ms(total.health.loop_lag)
    if conditions.paced and not conditions.slots_were_exhausted:
        late_ms = max(late_ms, _usual_worst_ms(total.lateness))
    reasons = [
        reason
        for reason in (
            _lost_workers(conditions),
            _lost_nodes(conditions),
            _troubled_nodes(conditions),
            *reasons_of(conditions.box, conditions.suspended_s, late_ms, conditions.workers_cpu_pct),
            _blocked_loop(total),
            _gc_pauses(conditions),
            _inline_work(total.cpu, conditions.cpu_tier),
            _busy_cpu_workers(total, conditions.cpu_tier),
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
    text = (
        f"{conditions.n_workers_lost} worker process(es) died during the run; what they had in flight is lost: "
        "the events tell how they died"
    )
    return Reason("worker_lost", "degraded", text)


def _lost_nodes(conditions: Conditions) -> Reason | None:
    if not conditions.n_nodes_lost:
        return None
    text = f"{conditions.n_nodes_lost} node(s) of the cluster were lost; what they had in flight is lost"
    return Reason("node_lost", "degraded", text)


def _troubled_nodes(conditions: Conditions) -> Reason | None:
    if not conditions.troubled_nodes:
        return None
    return Reason("node_troubled", "degraded", "; ".join(conditions.troubled_nodes))


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
    if total.health.blocker is not None:
        blocked_ns, place = total.health.blocker
        why = (
            f"longest, {format_ms(blocked_ns / 1e6)}, by {place}, which belongs into prepare(), verify(), "
            "in_thread() or a press() without async"
        )
    else:
        why = "something in press() blocks it, or the CPU is short"
    text = f"the event loop was late by {format_ms(lag_ms)} at p99: {why}; every time measured includes that"
    return Reason("event_loop_blocked", graded(lag_ms, LAG_DEGRADED_MS, LAG_INVALID_MS), text)


def _gc_pauses(conditions: Conditions) -> Reason | None:
    verdict = graded(conditions.longest_gc_ms, GC_DEGRADED_MS, GC_INVALID_MS)
    if verdict == "valid" or conditions.gc_pct < GC_PCT:
        return None
    text = (
        f"a worker's garbage collector took {conditions.gc_pct:.1f} % of its time, up to "
        f"{format_ms(conditions.longest_gc_ms)} at once, in which no slot gets on: keep fewer objects from "
        "iteration to iteration, and fewer that refer to one another in circles"
    )
    return Reason("gc_pauses", verdict, text)


def _inline_work(cpu: CpuCounts, tier: CpuTier | None) -> Reason | None:
    if tier is None or tier.n_workers or (share := tier.busy_share(cpu)) < INLINE_DEGRADED_SHARE:
        return None
    worst = [times.percentiles_ns(99) for times in (cpu.prepare, cpu.verify)]
    worst_ms = max((found[0] / 1e6 for found in worst if found), default=0.0)
    text = (
        f"prepare() and verify() ran on the event loops and took {100 * share:.0f} % of their time, "
        f"{format_ms(worst_ms)} a call at p99; every time measured includes that: see --cpu-workers"
    )
    return Reason("event_loop_blocked", "degraded", text)


def _busy_cpu_workers(total: Interval, tier: CpuTier | None) -> Reason | None:
    """Unpaced, something has to be the limit; it is told, for it is not the server."""
    if tier is None or not tier.n_workers or total.cpu.waits < WAITS_SHARE * total.started:
        return None
    if tier.busy_share(total.cpu) < BUSY_SHARE or not total.cpu.waits:
        return None
    text = "CPU workers are the limit"
    if n_missing := tier.n_missing(total.cpu):
        text += f": {n_missing} more would hold this QPS"
        if tier.n_workers + n_missing > tier.n_cpus:
            text += f", on a machine with more than {tier.n_cpus} CPUs"
    waits = format_count(total.cpu.waits)
    return Reason("cpu_saturated", "degraded", f"{text}; {waits} iterations waited for them")


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
        return _never_started(total, conditions)
    text = (
        f"iterations started late by {format_ms(late_ms)} at p99 though slots were free: the generator was too slow; "
        "see what else is said here, or ask for less"
    )
    return Reason("late_starts", graded(late_ms, LATE_DEGRADED_MS, LATE_INVALID_MS), text)


def _never_started(total: Interval, conditions: Conditions) -> Reason | None:
    """What was on time says nothing of what never was."""
    n_unstarted = conditions.n_unstarted
    if n_unstarted < UNSTARTED_SHARE * (total.started + n_unstarted) or not n_unstarted:
        return None
    text = (
        f"{format_count(n_unstarted)} iterations were due and never started though not all slots were in flight: "
        "the generator was too slow, or calls that had timed out still held their slots"
    )
    return Reason("late_starts", "degraded", text)


def _saturated_cpu(conditions: Conditions) -> Reason | None:
    n, n_seconds = conditions.n_saturated_s, conditions.n_seconds
    if conditions.busiest_worker_cpu_pct >= CPU_SATURATED_PCT:
        used = f"a worker used {conditions.busiest_worker_cpu_pct:.0f} % of a core: "
    elif n >= max(CPU_SATURATED_S, CPU_SATURATED_SHARE * n_seconds):
        used = f"a worker used {CPU_SATURATED_PCT:.0f} % of a core or more in {n} of {n_seconds} seconds: "
    else:
        return None
    text = (
        used
        + ("the QPS may be beyond what it can start" if conditions.paced else "the throughput may be its limit")
        + ", and its own waiting is in the times; add --processes on a machine with more cores"
    )
    return Reason("cpu_saturated", "degraded", text)
