"""How the generator and its machine fare while they make the load: what the verdict on the run rests on."""

from __future__ import annotations

from collections.abc import Sequence

from hybridpress.config import RunConfig
from hybridpress.coordinator.dealer import Dealer
from hybridpress.coordinator.saturation import Saturation, Seen
from hybridpress.ipc.messages import Counts
from hybridpress.machine import BoxCounts
from hybridpress.metrics.interval import Health, Interval
from hybridpress.metrics.summary import WorkerTotals
from hybridpress.metrics.surroundings import PAGE_MIB, Box
from hybridpress.metrics.verdict import CPU_SATURATED_PCT, Conditions
from hybridpress.units import NS_PER_S, format_bytes, format_span

EXHAUSTED_COUNTS = 3
"""Slots count as exhausted when iterations waited for them in so many of the reports (every 100 ms) of a run…"""
EXHAUSTED_SHARE = 0.01
"""…and in at least this share of them."""
MEMORY_SHARE = 0.9
"""Of the memory that there is: told when so much is in use."""
MAX_CPU_LOSSES_TOLD = 10
"""Events of CPU workers that died; the result counts all of them."""
SET_NS = 100_000_000
"""A wall clock that moves by so much from one look to the next was set; what keeps it right moves it by far less."""


class Fitness:
    """Collects what is seen of one run."""

    def __init__(self, config: RunConfig) -> None:
        self.n_cpu_workers_lost = 0
        self._config = config
        self._saturation = Saturation()
        self._n_counts = 0
        self._n_counts_behind = 0
        self._saturated: set[int] = set()
        self._last_index = -1
        self._suspended_ns = 0
        self._wall_ahead_ns: int | None = None
        self._first_box: tuple[int, BoxCounts] | None = None
        self._last_box: tuple[int, BoxCounts] | None = None
        self._told_memory = False

    def counted(self, counts: Counts, n_slots: int) -> None:
        """A worker with *n_slots* told where it is."""
        self._n_counts += 1
        self._n_counts_behind += counts.backlog > 0 and counts.in_flight >= n_slots

    def measured(self, index: int, health: Health) -> None:
        """How a worker fared in second *index*."""
        self._last_index = max(self._last_index, index)
        if health.span_ns >= NS_PER_S // 2 and health.cpu_pct >= CPU_SATURATED_PCT:
            self._saturated.add(index)

    def lost_cpu_worker(self, number: int, pid: int, why: str) -> str | None:
        """CPU worker *number* is gone, and another has taken its place. What is to be told of it: of many, nothing."""
        self.n_cpu_workers_lost += 1
        if self.n_cpu_workers_lost > MAX_CPU_LOSSES_TOLD:
            return None
        return f"CPU worker {number} (process {pid}) died: {why}; another does its batches again"

    def second(self, interval: Interval, target_qps: float, dealer: Dealer, n_workers: int) -> str | None:
        """A whole second of a paced run is complete. What is to be told of the plan not being held, if anything is."""
        seen = Seen(interval, target_qps, dealer.n_slots, dealer.backlog, dealer.busiest_cpu_pct, n_workers)
        return self._saturation.second(seen)

    def clocks(self, suspended_ns: int, wall_ahead_ns: int | None) -> str | None:
        """So long the machine was suspended so far, and so far the wall clock is ahead of the time since the boot. What
        is to be told of that clock: nothing that is measured is taken from it.
        """
        self._suspended_ns = suspended_ns
        before_ns, self._wall_ahead_ns = self._wall_ahead_ns, wall_ahead_ns
        if before_ns is None or wall_ahead_ns is None or abs(wall_ahead_ns - before_ns) < SET_NS:
            return None
        step_ns = wall_ahead_ns - before_ns
        way = "forward" if step_ns > 0 else "back"
        return (
            f"the wall clock was set {way} by {format_span(abs(step_ns) / NS_PER_S)}; only the run's started_at is "
            "taken from it"
        )

    def saw_box(self, at_ns: int, counts: BoxCounts) -> str | None:
        """What the kernel counted so far, the first time at the begin of the load. Returns what is to be told of it, if
        anything is: that soon there is no memory left.
        """
        if self._first_box is None:
            self._first_box = (at_ns, counts)
        self._last_box = (at_ns, counts)
        used, limit = counts.memory_bytes, counts.memory_limit_bytes
        if used is None or limit is None or used < MEMORY_SHARE * limit or self._told_memory:
            return None
        self._told_memory = True
        whose = "this cgroup may have" if counts.is_memory_of_group else "the machine has"
        return (
            f"memory is short: {format_bytes(used)} of the {format_bytes(limit)} that {whose} are in use, and the "
            "kernel kills a process when all are: ask for fewer --concurrent or --processes or a smaller --max-body, "
            "or raise the limit"
        )

    def conditions(self, n_unstarted: int, n_workers_lost: int, workers: Sequence[WorkerTotals]) -> Conditions:
        """What the verdict rests on besides the measurements."""
        healths = [worker.health for worker in workers]
        worst_gc = max(healths, key=lambda health: health.gc_pause_ns, default=Health())
        return Conditions(
            paced=self._config.is_paced,
            n_unstarted=n_unstarted,
            n_workers_lost=n_workers_lost,
            busiest_worker_cpu_pct=max((health.cpu_pct for health in healths), default=0.0),
            suspended_s=self._suspended_ns / NS_PER_S,
            slots_were_exhausted=self._n_counts_behind >= max(EXHAUSTED_COUNTS, EXHAUSTED_SHARE * self._n_counts),
            saturation=self._saturation.worst,
            n_saturated_s=len(self._saturated),
            n_seconds=self._last_index + 1,
            gc_pct=100 * worst_gc.gc_pause_ns / worst_gc.span_ns if worst_gc.span_ns else 0.0,
            longest_gc_ms=worst_gc.longest_gc_pause_ns / 1e6,
            workers_cpu_pct=sum(health.cpu_pct for health in healths),
            box=self._box(),
        )

    def _box(self) -> Box:
        """The machine between the first look at it and the last."""
        if self._first_box is None or self._last_box is None or self._last_box[0] <= self._first_box[0]:
            return Box()
        (from_ns, first), (until_ns, last) = self._first_box, self._last_box
        lasted_s = (until_ns - from_ns) / NS_PER_S

        def grown(name: str) -> float | None:
            before, after = getattr(first, name), getattr(last, name)
            return None if before is None or after is None else after - before

        cpu_s, busy_s, stolen_s = grown("cpu_s"), grown("busy_s"), grown("stolen_s")
        n_periods, n_throttled, pages = grown("n_periods"), grown("n_throttled"), grown("swapped_pages")
        cpu_waited_s, memory_waited_s = grown("cpu_waited_s"), grown("memory_waited_s")
        return Box(
            n_cpus=last.n_cpus,
            cpu_pct=_pct(busy_s, cpu_s),
            stolen_pct=_pct(stolen_s, cpu_s),
            throttled_pct=_pct(n_throttled, n_periods),
            throttled_s=grown("throttled_s") or 0.0,
            swapped_mib_per_s=None if pages is None else pages * PAGE_MIB / lasted_s,
            cpu_waited_pct=_pct(cpu_waited_s, lasted_s),
            memory_waited_pct=_pct(memory_waited_s, lasted_s),
        )


def _pct(part: float | None, whole: float | None) -> float | None:
    return None if part is None or not whole else 100 * part / whole
