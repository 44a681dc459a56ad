"""Whether the plan cannot be held, and what is in the way: the slots, the CPU of the workers, or the server."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from hybridpress.metrics.interval import Interval
from hybridpress.units import NS_PER_S, format_count, format_ms

HELD = 0.99
"""A second in which less than this part of the plan was started was not held."""
N_SECONDS = 2
"""So many seconds running that were not held are saturation; as many that were end it."""
BUSY_CPU_PCT = 90.0
SLOWED = 2.0
"""A server whose service time is so many times what it was, while the plan was held, is at its peak."""

Cause = Literal["slots", "cpu", "server"]


@dataclass(frozen=True, slots=True)
class Seen:
    """One second of the whole box."""

    interval: Interval
    target_qps: float
    n_slots: int
    backlog: int
    """What was due and waited for a slot at its end, in all workers."""
    busiest_cpu_pct: float
    n_workers: int


class Saturation:
    """Follows a paced run second by second."""

    def __init__(self) -> None:
        self.cause: Cause | None = None
        """What is in the way now; None while the plan is held."""
        self.worst = ""
        """The last sentence that told of saturation in this run; empty where there was none."""
        self.peak_per_s = 0
        """The most iterations that one second of saturation completed."""
        self._n_running = 0
        self._usual_service_ns: float | None = None

    def second(self, seen: Seen) -> str | None:
        """What is to be told after this second; None: nothing new."""
        interval = seen.interval
        is_held = interval.started >= HELD * seen.target_qps - 1 and not (
            interval.in_flight >= seen.n_slots and seen.backlog > max(0.05 * seen.target_qps, 2)
        )
        if not is_held:
            self.peak_per_s = max(self.peak_per_s, interval.completed)
        elif self.cause is None and interval.service.mean_ns:
            usual = self._usual_service_ns
            self._usual_service_ns = min(usual or math.inf, interval.service.mean_ns)
        if is_held == (self.cause is None):
            self._n_running = 0
            return None
        self._n_running += 1
        if self._n_running < N_SECONDS:
            return None
        self._n_running = 0
        if is_held:
            self.cause = None
            return f"the plan is held again: {format_count(interval.started)}/s"
        self.cause = self._cause(seen)
        if self.cause is None:
            return None
        self.worst = self._told(seen)
        return self.worst

    def _cause(self, seen: Seen) -> Cause | None:
        if not seen.n_slots:
            return None  # the load is over: of those who had slots nobody is left to be asked
        if seen.busiest_cpu_pct >= BUSY_CPU_PCT:
            return "cpu"
        if seen.interval.in_flight < 0.9 * seen.n_slots and not seen.backlog:
            return None  # a hiccup of the machine, or what was just changed
        if not seen.interval.in_flight:
            return None  # slots are free, and yet nothing starts: it waits for words that are not prepared
        service_ns, usual_ns = seen.interval.service.mean_ns, self._usual_service_ns
        if service_ns and usual_ns and service_ns >= SLOWED * usual_ns:
            return "server"
        return "slots"

    def _told(self, seen: Seen) -> str:
        interval = seen.interval
        head = f"saturated at {format_count(interval.started)}/s of {format_count(round(seen.target_qps, 1))}/s: "
        service_ns = interval.service.mean_ns or 0.0
        service = format_ms(service_ns / 1e6)
        if self.cause == "cpu":
            per_worker = max(interval.started / seen.n_workers, 1)
            n_needed = max(math.ceil(seen.target_qps / per_worker / 0.9), seen.n_workers + 1)
            return (
                f"{head}the workers are out of CPU ({seen.busiest_cpu_pct:.0f} % of a core); this rate needs about "
                f"--processes {n_needed}, and as many cores"
            )
        if self.cause == "server":
            usual = format_ms((self._usual_service_ns or 0.0) / 1e6)
            return (
                f"{head}the server is at its peak, {format_count(self.peak_per_s)}/s; its service time went from "
                f"{usual} to {service}"
            )
        n_needed = max(math.ceil(1.1 * seen.target_qps * service_ns / NS_PER_S), seen.n_slots + 1)
        return (
            f"{head}all {format_count(seen.n_slots)} slots are busy; at {service} an iteration this rate needs about "
            f"--concurrent {n_needed}, unless the server is at its peak"
        )
