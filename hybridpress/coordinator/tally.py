"""What the workers have counted so far: merged second by second, and what of it is known when one of them is lost."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from hybridpress.ipc.messages import Counts, Done
from hybridpress.load.split import deal
from hybridpress.metrics.interval import Interval
from hybridpress.metrics.parts import PartCounts
from hybridpress.metrics.seconds import Seconds
from hybridpress.metrics.summary import WorkerTotals, second_of


@dataclass(slots=True)
class Worker:
    """What is known of one worker: of the process that now is in its place, but `totals`, which are of all."""

    totals: WorkerTotals
    n_slots: int = 0
    """How many slots are to press."""
    n_made: int = 0
    """How many there are, those that do not press now included."""
    limit: int | None = None
    """Unpaced: how many iterations it is to start; None: no limit."""
    n_handed: int = 0
    """So many that others gave up it was told to take over."""
    counts: Counts | None = None
    started: int = 0
    completed: int = 0
    failed: int = 0
    parts: dict[str, PartCounts] = field(default_factory=dict)
    """The same of each part of a mix."""
    next_index: int = 0
    in_flight_left: int = 0
    last_start_ns: int = 0
    last_end_ns: int = 0
    is_ready: bool = False
    is_pressing: bool = False
    is_done: bool = False
    is_gone: bool = False
    is_silent: bool = False
    """Nothing is heard of it for so long that others have its share; it may come back."""
    is_dismissed: bool = False
    """It came to take the place of another, but the load was over."""

    @property
    def is_awaited(self) -> bool:
        """Whether a second is not complete without it."""
        return self.is_pressing and not self.is_silent and not self.reports_no_more

    @property
    def can_press(self) -> bool:
        """Whether it has slots that press, or would if they were let."""
        return self.is_pressing and not self.reports_no_more and self.n_made > 0

    @property
    def reports_no_more(self) -> bool:
        return self.is_done or self.is_gone or self.is_dismissed


@dataclass(slots=True)
class Tally:
    """The counts of all workers. The laws of the counts hold whatever becomes of a worker."""

    workers: list[Worker]
    total: Interval = field(default_factory=lambda: Interval(0))
    seconds: Seconds = field(default_factory=Seconds)
    n_lost: int = 0
    """Iterations that were in flight in workers that are lost."""
    _pending: dict[int, Interval] = field(default_factory=dict)
    _awaited: Worker | None = None
    """One of those who are to tell of the earliest second that is not complete."""

    def note(self, worker: Worker, interval: Interval) -> None:
        """Merge a worker's second into the box's."""
        worker.totals.started += interval.started
        worker.totals.health.merge(interval.health)
        worker.started += interval.started
        worker.completed += interval.completed
        worker.failed += interval.failed
        for name, part in interval.parts.items():
            worker.parts.setdefault(name, PartCounts()).merge_counts(part)
        worker.next_index = interval.index + 1
        if (pending := self._pending.get(interval.index)) is None:
            self._pending[interval.index] = interval
        else:
            pending.merge(interval)

    def done(self, worker: Worker, report: Done) -> None:
        """A worker's last word."""
        worker.is_done = True
        worker.in_flight_left = report.interval.in_flight
        worker.last_start_ns = max(worker.last_start_ns, report.last_start_ns)
        worker.last_end_ns = max(worker.last_end_ns, report.last_end_ns)
        self.note(worker, report.interval)

    def complete(self, n_whole: int | None = None) -> list[Interval]:
        """The merged seconds that nobody will add to any more, in order, of the first *n_whole*; None: of all."""
        first = min(self._pending, default=None)
        awaited = self._awaited
        if first is None or (awaited is not None and awaited.is_awaited and awaited.next_index <= first):
            return []
        reporting = [worker for worker in reversed(self.workers) if worker.is_awaited]
        # Whoever is behind now is looked at first the next time: mostly that is enough.
        awaited = self._awaited = min(reporting, key=lambda worker: worker.next_index, default=None)
        bounds = [bound for bound in (n_whole, None if awaited is None else awaited.next_index) if bound is not None]
        complete_below = min(bounds, default=None)
        found = []
        for index in sorted(self._pending):
            if complete_below is not None and index >= complete_below:
                break
            interval = self._pending.pop(index)
            for worker in self.workers:
                if worker.is_done and worker.next_index <= index:
                    interval.in_flight += worker.in_flight_left
            found.append(interval)
        return found

    def keep(self, interval: Interval, target_qps: float | None) -> None:
        """A complete second is part of the result."""
        self.seconds.add(second_of(interval, target_qps))

    def lose(self, worker: Worker, now_ns: int) -> int:
        """A worker ended before its last word. What it counted since its last interval is known from its counts; what
        it had in flight is lost; the times of both are not known. Returns how many are lost.
        """
        worker.is_gone = True
        worker.last_end_ns = now_ns
        n_noted = worker.started + worker.completed + worker.failed
        if (counts := worker.counts) is not None and counts.started + counts.completed + counts.failed > n_noted:
            rest = Interval(
                worker.next_index,
                started=counts.started - worker.started,
                completed=counts.completed - worker.completed,
                failed=counts.failed - worker.failed,
                parts={name: _rest_of_part(worker, name, *known) for name, known in counts.parts.items()},
            )
            self.note(worker, rest)
        n_lost = worker.started - worker.completed - worker.failed
        self.n_lost += n_lost
        return n_lost

    def drop(self, n: int, target_qps: float | None) -> None:
        """So many were due and never started, nobody knows when; they go to the last second."""
        if n > 0:
            last = self.seconds.pop() if self.seconds else second_of(Interval(0), target_qps)
            self.seconds.add(replace(last, dropped=last.dropped + n))
            self.total.dropped += n
            # Nobody knows either whose they were, in a mix: as the others were.
            parts = list(self.total.parts.values())
            shares = [part.started + part.dropped for part in parts]
            if any(shares):
                for part, n_dropped in zip(parts, deal(n, shares), strict=True):
                    part.dropped += n_dropped


def _rest_of_part(worker: Worker, name: str, started: int, completed: int, failed: int) -> PartCounts:
    """What *worker* counted of a part since its last interval."""
    noted = worker.parts.get(name, PartCounts())
    return PartCounts(started - noted.started, completed - noted.completed, failed - noted.failed)
