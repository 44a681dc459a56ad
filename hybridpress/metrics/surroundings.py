"""What was done to the generator from outside: by the machine's other programs, by its kernel, by the machine below."""

from __future__ import annotations

from dataclasses import dataclass

from hybridpress.metrics.reason import Reason, graded
from hybridpress.units import format_count

SUSPENDED_S = 0.1
"""Two clocks are not read in one instant: what is below this is not a suspend."""
BOX_BUSY_PCT = 95.0
"""All CPUs so busy over the load…"""
BOX_LATE_MS = 5.0
"""…are told where the loop's lag or the lateness at p99 shows it, by so much: who is on time does not care."""
STOLEN_PCT = 5.0
THROTTLED_DEGRADED_PCT, THROTTLED_INVALID_PCT = 1.0, 10.0
"""Of the periods of the CPU quota, those in which it was used up."""
SWAPPED_MIB_PER_S = 0.1
PAGE_MIB = 4096 / 2**20


@dataclass(frozen=True, slots=True)
class Box:
    """The whole machine over the load; None: this system does not tell."""

    n_cpus: int = 0
    cpu_pct: float | None = None
    """Of the CPUs that the generator may use together: in use, by whomever."""
    stolen_pct: float | None = None
    """The same: given to others by the machine below this virtual one."""
    throttled_pct: float | None = None
    """Of the periods of our cgroup's CPU quota: those in which it was used up."""
    throttled_s: float = 0.0
    swapped_mib_per_s: float | None = None
    cpu_waited_pct: float | None = None
    """Of the time: in which some process of the machine waited for a CPU."""
    memory_waited_pct: float | None = None


def reasons_of(box: Box, suspended_s: float, worst_late_ms: float, workers_cpu_pct: float) -> list[Reason]:
    """What is to be said of the surroundings. *worst_late_ms*: what the loops or the starts were late by at p99;
    *workers_cpu_pct*: what all workers used of a core.
    """
    found = (
        _suspended(suspended_s),
        _throttled(box),
        _busy(box, worst_late_ms, workers_cpu_pct),
        _stolen(box),
        _swapped(box),
    )
    return [reason for reason in found if reason is not None]


def _suspended(suspended_s: float) -> Reason | None:
    if suspended_s < SUSPENDED_S:
        return None
    text = (
        f"the whole machine stood still for {suspended_s:.1f} s (it was suspended), which the server did not: "
        "repeat the run on a machine that stays awake"
    )
    return Reason("clock_jump", "invalid", text)


def _throttled(box: Box) -> Reason | None:
    pct = box.throttled_pct or 0.0
    verdict = graded(pct, THROTTLED_DEGRADED_PCT, THROTTLED_INVALID_PCT)
    if verdict == "valid":
        return None
    text = (
        f"the CPU quota of the container (cgroup) was used up in {pct:.0f} % of its periods, and its processes stood "
        f"still for {box.throttled_s:.1f} s of CPU time; give it more CPU (cpu.max, --cpus, limits.cpu), or press less"
    )
    return Reason("cpu_throttled", verdict, text)


def _busy(box: Box, worst_late_ms: float, workers_cpu_pct: float) -> Reason | None:
    if box.cpu_pct is None or box.cpu_pct < BOX_BUSY_PCT or worst_late_ms < BOX_LATE_MS:
        return None
    own_pct = min(workers_cpu_pct / max(box.n_cpus, 1), box.cpu_pct)
    pct = box.cpu_waited_pct
    waited = "" if pct is None else f"; some process waited for one {pct:.0f} % of the time"
    text = (
        f"the machine's {box.n_cpus} CPUs were {box.cpu_pct:.0f} % busy, {own_pct:.0f} % with the workers{waited}: end "
        "what else runs there, keep the server on another machine, or press less"
    )
    return Reason("box_saturated", "degraded", text)


def _stolen(box: Box) -> Reason | None:
    if box.stolen_pct is None or box.stolen_pct < STOLEN_PCT:
        return None
    text = (
        f"the machine below this virtual one gave {box.stolen_pct:.0f} % of its CPU time to others; "
        "use a machine with CPUs of its own"
    )
    return Reason("cpu_stolen", "degraded", text)


def _swapped(box: Box) -> Reason | None:
    if box.swapped_mib_per_s is None or box.swapped_mib_per_s < SWAPPED_MIB_PER_S:
        return None
    pct = box.memory_waited_pct
    waited = "" if pct is None else f", and some process waited for memory {pct:.0f} % of the time"
    rate = format_count(round(box.swapped_mib_per_s, 2))
    text = (
        f"the machine swapped {rate} MiB/s{waited}: free memory, or use fewer --concurrent and --processes, or words "
        "from a file"
    )
    return Reason("swapped", "degraded", text)
