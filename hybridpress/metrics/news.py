"""What is told of a run while it runs: a moment each second, and where it stands a few times a second."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hybridpress.metrics.interval import Interval
from hybridpress.metrics.reason import Verdict
from hybridpress.metrics.result import IntervalResult, ReasonResult, ThresholdResult
from hybridpress.metrics.summary import WorkerTotals


@dataclass(frozen=True, slots=True)
class Moment:
    """The run at the end of a second. What it points to may be read during the call that brings it, and goes on to
    change after that: `total` and `workers` are the run's own.
    """

    interval: Interval
    """That second, merged over all workers."""
    second: IntervalResult
    """The same as the result keeps it."""
    total: Interval
    """The run so far."""
    target_qps: float | None
    """What was asked for in that second; None: unpaced."""
    n_slots: int
    """How many slots were to press."""
    workers: Sequence[WorkerTotals]
    """Each worker over the run so far."""
    verdict: Verdict
    """What could be said of the generator if the run ended now, and why."""
    reasons: Sequence[ReasonResult]
    thresholds: Sequence[ThresholdResult] = ()
    """What the thresholds come to so far."""


@dataclass(frozen=True, slots=True)
class Status:
    """Where the run is now, from the workers' counts, which come ten times a second."""

    scenario: str
    phase: str
    """"starting", "pressing", "paused", "draining" or "over"."""
    elapsed_s: float
    qps: float | None
    """The rate asked for now; None: unpaced."""
    slots: int
    workers: int
    started: int
    failed: int
    dropped: int
    in_flight: int
    backlog: int
    """Iterations that are due and wait for a slot."""
    left_s: float | None = None
    """Until no more are started, by what is known now; None: nobody knows, or the run is paused."""
