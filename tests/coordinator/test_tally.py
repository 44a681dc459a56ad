"""The counts of all workers add up, part by part too, whatever becomes of a worker."""

from __future__ import annotations

from hybridpress.coordinator.tally import Tally, Worker
from hybridpress.ipc.messages import Counts
from hybridpress.metrics.interval import Interval
from hybridpress.metrics.parts import PartCounts
from hybridpress.metrics.summary import WorkerTotals


def lost_after(counts: Counts) -> Tally:
    """One worker told a second, then *counts*, and was lost."""
    worker = Worker(WorkerTotals(0, 1))
    tally = Tally([worker])
    parts = {"vm": PartCounts(7, 6, 0), "eip": PartCounts(3, 1, 1)}
    tally.note(worker, Interval(0, started=10, completed=7, failed=1, parts=parts))
    worker.counts = counts
    tally.lose(worker, 2)
    for interval in tally.complete():
        tally.total.extend(interval)
    return tally


def told(tally: Tally) -> dict[str, tuple[int, int, int, int]]:
    return {name: (p.started, p.completed, p.failed, p.dropped) for name, p in tally.total.parts.items()}


def test_parts_of_a_lost_worker() -> None:
    """What it had counted since its last second is in its parts as it is in the whole."""
    tally = lost_after(Counts(0, 1, 15, 11, 1, 3, 0, 0, {"vm": (10, 9, 0), "eip": (5, 2, 1)}))
    assert told(tally) == {"vm": (10, 9, 0, 0), "eip": (5, 2, 1, 0)}
    assert (tally.total.started, tally.total.completed, tally.total.failed, tally.n_lost) == (15, 11, 1, 3)


def test_counts_from_before_its_last_second() -> None:
    """They say nothing that the second has not."""
    tally = lost_after(Counts(0, 1, 9, 6, 1, 2, 0, 0, {"vm": (6, 5, 0), "eip": (3, 1, 1)}))
    assert told(tally) == {"vm": (7, 6, 0, 0), "eip": (3, 1, 1, 0)}
    assert tally.n_lost == 2


def test_what_never_started_of_a_lost_worker() -> None:
    """Nobody knows whose turns those were; they are dealt to the parts as the others were, and none is left out."""
    tally = lost_after(Counts(0, 1, 10, 7, 1, 2, 0))
    tally.drop(10, None)
    assert told(tally) == {"vm": (7, 6, 0, 7), "eip": (3, 1, 1, 3)}
    assert tally.total.dropped == 10
