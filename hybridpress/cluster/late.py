"""The counts of all nodes, also of one that is silent for a while: its seconds come late, and are added then."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from hybridpress.cluster.packing import pack, unpack
from hybridpress.coordinator.tally import Tally, Worker
from hybridpress.metrics.interval import Interval
from hybridpress.metrics.result import IntervalResult
from hybridpress.metrics.summary import second_of


@dataclass(frozen=True, slots=True)
class _Kept:
    """A second that somebody may still add to: as a pickle, which has no room for what is empty."""

    packed: bytes
    target_qps: float | None


@dataclass(slots=True)
class LateTally(Tally):
    """As `Tally`, but that nobody waits for a node that is silent."""

    _kept: dict[int, _Kept] = field(default_factory=dict)
    _complete_below: int = 0

    def note(self, worker: Worker, interval: Interval) -> None:
        if interval.index < self._complete_below:
            self._amend(worker, interval)
        else:
            Tally.note(self, worker, interval)

    def complete(self, n_whole: int | None = None) -> list[Interval]:
        found = Tally.complete(self, n_whole)
        if found:
            self._complete_below = found[-1].index + 1
        return found

    def keep(self, interval: Interval, target_qps: float | None) -> None:
        if any(worker.is_silent for worker in self.workers):
            self._kept[interval.index] = _Kept(pack(interval), target_qps)
        self.seconds.add(self._second(interval, target_qps))

    def settle(self) -> None:
        """Forget what nobody will add to any more."""
        if self._kept:
            below = min((worker.next_index for worker in self.workers if not worker.reports_no_more), default=None)
            self._kept = {k: kept for k, kept in self._kept.items() if below is not None and k >= below}

    def _amend(self, worker: Worker, interval: Interval) -> None:
        """A second that is complete already has more to it; what is in flight since, the later seconds say."""
        Tally.note(self, worker, interval)
        self._pending.pop(interval.index)
        in_flight = self.total.in_flight
        self.total.merge(interval)
        self.total.in_flight = in_flight
        if (kept := self._kept.get(interval.index)) is not None:
            whole: Interval = unpack(kept.packed)
            whole.merge(interval)
            self._kept[interval.index] = replace(kept, packed=pack(whole))
            place = next(k for k in range(len(self.seconds) - 1, -1, -1) if self.seconds[k].at_s <= interval.index)
            self.seconds[place] = self._second(whole, kept.target_qps)
        elif self.seconds:
            # It was not kept, for nothing was in it: what is added now must be somewhere.
            self.seconds[-1] = _added(self.seconds[-1], interval)

    def _second(self, interval: Interval, target_qps: float | None) -> IntervalResult:
        n_nodes = sum(worker.is_done or worker.next_index > interval.index for worker in self.workers)
        return replace(second_of(interval, target_qps), nodes=n_nodes)


def _added(second: IntervalResult, interval: Interval) -> IntervalResult:
    return replace(
        second,
        started=second.started + interval.started,
        completed=second.completed + interval.completed,
        failed=second.failed + interval.failed,
        dropped=second.dropped + interval.dropped,
    )
