"""A run in figures for other programs: what Prometheus, OpenTelemetry and the like are told, each figure named once.

Times are in seconds, sizes in bytes, as those programs have it. Counters and histograms run since the start of the run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from hybridpress.metrics.histogram import Histogram
from hybridpress.metrics.news import Moment
from hybridpress.report.safe import writable

BOUNDS_S = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
)  # fmt: skip
"""The upper ends of the buckets of all histograms; one without an end follows."""
_BOUNDS_NS = [round(bound * 1e9) for bound in BOUNDS_S]
VERDICTS = ("valid", "degraded", "invalid")

Kind = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True, slots=True)
class Buckets:
    """A distribution: how many times were at most each of BOUNDS_S, how many in all, and their sum."""

    up_to: Sequence[int]
    count: int
    sum_s: float

    @classmethod
    def of(cls, histogram: Histogram) -> Buckets:
        return cls(histogram.counts_up_to(_BOUNDS_NS), histogram.count, histogram.sum_ns / 1e9)

    @property
    def each(self) -> list[int]:
        """How many are in each bucket, the last one included."""
        ends = [0, *self.up_to, self.count]
        return [after - before for before, after in pairwise(ends)]


Value = float | Buckets


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure: its name without "hybridpress_" and without what a format adds to it, and its points by label."""

    name: str
    kind: Kind
    help: str
    unit: str
    label: str
    """By what its points are told apart; empty: there is one."""
    points: Sequence[tuple[str, Value]]


def measures_of(moment: Moment) -> list[Measure]:
    """All figures of the run at *moment*."""
    return [*_iterations(moment), *_steps(moment), *_parts(moment), *_checks_and_errors(moment), *_generator(moment)]


def _one(name: str, kind: Kind, help_text: str, value: Value, unit: str = "") -> Measure:
    return Measure(name, kind, help_text, unit, "", [("", value)])


def _by(label: str, name: str, kind: Kind, help_text: str, points: Mapping[str, Value], unit: str = "") -> Measure:
    return Measure(name, kind, help_text, unit, label, [(writable(key), value) for key, value in points.items()])


def _iterations(moment: Moment) -> Iterator[Measure]:
    total = moment.total
    yield _one("iterations_started", "counter", "Iterations that started", total.started)
    yield _one("iterations_completed", "counter", "Iterations that completed", total.completed)
    yield _one("iterations_failed", "counter", "Iterations that failed", total.failed)
    yield _one("iterations_dropped", "counter", "Iterations that were due and never started", total.dropped)
    if moment.target_qps is not None:
        yield _one("target_qps", "gauge", "Iterations asked for in the last second", moment.target_qps)
    yield _one("qps", "gauge", "Iterations started in the last second", moment.interval.started)
    yield _one("slots", "gauge", "Slots that press", moment.n_slots)
    yield _one("in_flight", "gauge", "Iterations that had started and not ended", moment.interval.in_flight)
    for name, what, times in (
        ("response_time", "From when an iteration was due to its end", total.response),
        ("service_time", "From when an iteration started to its end", total.service),
        ("lateness", "From when an iteration was due to its start", total.lateness),
    ):
        yield _one(name, "histogram", what, Buckets.of(times), "seconds")


def _steps(moment: Moment) -> Iterator[Measure]:
    steps = moment.total.steps
    times = {name: Buckets.of(step.times) for name, step in steps.items()}
    yield _by("step", "step_time", "histogram", "What a step took", times, "seconds")
    failed = {name: step.failed for name, step in steps.items()}
    yield _by("step", "steps_failed", "counter", "Steps that failed", failed)
    bytes_in = {name: step.bytes_in for name, step in steps.items()}
    yield _by("step", "step_received", "counter", "What was received in a step", bytes_in, "bytes")
    bytes_out = {name: step.bytes_out for name, step in steps.items()}
    yield _by("step", "step_sent", "counter", "What was sent in a step", bytes_out, "bytes")


def _parts(moment: Moment) -> Iterator[Measure]:
    parts = moment.total.parts
    if parts:
        started = {name: part.started for name, part in parts.items()}
        yield _by("part", "part_iterations_started", "counter", "Iterations of a part that started", started)
        failed = {name: part.failed for name, part in parts.items()}
        yield _by("part", "part_iterations_failed", "counter", "Iterations of a part that failed", failed)
        times = {name: Buckets.of(part.response) for name, part in parts.items()}
        yield _by("part", "part_response_time", "histogram", "Response time of a part", times, "seconds")


def _checks_and_errors(moment: Moment) -> Iterator[Measure]:
    checks = moment.total.checks
    passed = {name: check.passed for name, check in checks.items()}
    yield _by("check", "checks_passed", "counter", "How often a check held", passed)
    failed = {name: check.failed for name, check in checks.items()}
    yield _by("check", "checks_failed", "counter", "How often a check did not hold", failed)
    errors: dict[str, int] = {}
    for (kind, _), error in moment.total.errors.items():
        errors[kind] = errors.get(kind, 0) + error.count
    yield _by("kind", "errors", "counter", "Errors by kind", errors)


def _generator(moment: Moment) -> Iterator[Measure]:
    lag = Buckets.of(moment.total.health.loop_lag)
    yield _one("loop_lag", "histogram", "How late the workers' event loops were", lag, "seconds")
    cpu = {str(worker.id): worker.health.cpu_ns / 1e9 for worker in moment.workers}
    yield _by("worker", "worker_cpu", "counter", "CPU time of a worker", cpu, "seconds")
    verdicts = {verdict: float(verdict == moment.verdict) for verdict in VERDICTS}
    yield _by("verdict", "verdict", "gauge", "1 for the verdict so far", verdicts)
