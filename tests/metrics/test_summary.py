"""From merged seconds to the result: each number of it, from seconds made by hand."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from hybridpress.metrics.histogram import Histogram
from hybridpress.metrics.interval import CheckCounts, ErrorCounts, Health, Interval, StepCounts
from hybridpress.metrics.result import SCHEMA, CheckResult, ErrorResult, EventResult, Result, Times
from hybridpress.metrics.summary import RunFacts, WorkerTotals, second_of, summarize
from hybridpress.metrics.verdict import Conditions

QUIET = Conditions(paced=True, n_unstarted=0, n_workers_lost=0, busiest_worker_cpu_pct=20.0, slots_were_exhausted=False)


def histogram_of(*times_ns: int) -> Histogram:
    histogram = Histogram()
    histogram.add(np.array(times_ns, dtype=np.int64))
    return histogram


def facts_of(intervals: Sequence[Interval], **changes: Any) -> RunFacts:
    total = Interval(0)
    for interval in intervals:
        total.extend(interval)
    facts = RunFacts(
        version="1.0",
        scenario="query.py:QueryVm",
        config={"qps": 100.0},
        started_at="2030-01-01T00:00:00Z",
        start_ns=5_000_000_000,
        load_s=float(len(intervals)),
        target_qps=100.0,
        n_planned=None,
        n_lost=0,
        total=total,
        seconds=[second_of(interval, changes.get("target_qps", 100.0)) for interval in intervals],
        workers=[],
        conditions=QUIET,
    )
    return dataclasses.replace(facts, **changes)


def test_iterations_add_up() -> None:
    """Laws: planned = started + dropped + not yet due; started = completed + failed + lost + in flight at the end."""
    intervals = [
        Interval(0, started=100, completed=90, failed=2, dropped=1, in_flight=8),
        Interval(1, started=98, completed=99, failed=0, dropped=1, in_flight=7),
    ]
    counts = summarize(facts_of(intervals, n_planned=200, n_lost=3)).iterations
    assert dataclasses.asdict(counts) == {
        "planned": 200,
        "started": 198,
        "completed": 189,
        "failed": 2,
        "dropped": 2,
        "lost": 3,
        "in_flight_at_end": 4,
    }
    assert counts.started == counts.completed + counts.failed + counts.lost + counts.in_flight_at_end
    assert counts.planned == counts.started + counts.dropped


@pytest.mark.parametrize(
    ("started", "load_s", "target", "achieved", "error_pct", "peak"),
    [
        ([100, 100], 2.0, 100.0, 100.0, 0.0, 100.0),
        ([100, 90], 2.0, 100.0, 95.0, -5.0, 100.0),
        ([100, 120], 2.0, 100.0, 110.0, 10.0, 120.0),
        ([100, 50], 1.5, 100.0, 100.0, 0.0, 100.0),
        # Of 7/s the last 0.1 s holds one iteration: no rate of 10/s was ever reached.
        ([7, 1], 1.1, 7.0, 7.273, 3.8961, 7.0),
        ([100, 100, 0], 2.0, 100.0, 100.0, 0.0, 100.0),
        ([50], 0.5, 100.0, 100.0, 0.0, 100.0),
        ([100, 90], 2.0, None, 95.0, None, 100.0),
        ([], 0.0, 100.0, 0.0, -100.0, 0.0),
    ],
)
def test_qps(
    started: list[int], load_s: float, target: float | None, achieved: float, error_pct: float | None, peak: float
) -> None:
    """Achieved is over the time of the load; the peak is that of whole seconds, or of a run shorter than one."""
    intervals = [Interval(index, started=count) for index, count in enumerate(started)]
    qps = summarize(facts_of(intervals, load_s=load_s, target_qps=target)).qps
    assert dataclasses.astuple(qps) == (target, achieved, error_pct, peak)


def test_times() -> None:
    """Times are in ms; the three distributions are told apart."""
    interval = Interval(
        0,
        response=histogram_of(*range(1_000_000, 101_000_000, 1_000_000)),
        service=histogram_of(2_000_000),
        lateness=histogram_of(1_000),
    )
    result = summarize(facts_of([interval]))
    times = result.response_time_ms
    assert (times.count, times.min, times.mean, times.max) == (100, 1.0, 50.5, 100.0)
    assert times.stddev == pytest.approx(28.866, abs=0.001)
    expected = {"p50": 50, "p75": 75, "p90": 90, "p95": 95, "p99": 99, "p99_9": 100, "p99_99": 100}
    for name, milliseconds in expected.items():
        assert milliseconds <= getattr(times, name) <= milliseconds * 1.001 + 0.001
    assert (result.service_time_ms.p50, result.lateness_ms.p50) == (2.0, 0.001)


def test_percentiles_of_a_run_are_not_averages() -> None:
    """A second with few slow iterations moves the run's p99 by their number, not by half."""
    fast = Interval(0, response=histogram_of(*[1_000_000] * 999))
    slow = Interval(1, response=histogram_of(1_000_000_000))
    times = summarize(facts_of([fast, slow])).response_time_ms
    assert times.p99 is not None
    assert times.p99 < 1.01
    assert times.max == 1_000.0


def test_seconds() -> None:
    """A second is told by its own counts and times; what was not measured is None."""
    busy = Interval(0, 10, 8, 1, 2, 1, response=histogram_of(1_000_000, 3_000_000))
    second = second_of(busy, 100.0)
    assert (second.at_s, second.started, second.completed, second.failed) == (0, 10, 8, 1)
    assert (second.dropped, second.in_flight, second.target_qps) == (2, 1, 100.0)
    assert (second.mean_ms, second.max_ms, second.p99_ms) == (2.0, 3.0, 3.0)
    assert second.p50_ms == pytest.approx(1.0, rel=0.001)
    idle = second_of(Interval(7), None)
    assert (idle.at_s, idle.target_qps, idle.mean_ms, idle.p50_ms, idle.p90_ms, idle.p99_ms, idle.max_ms) == (
        7,
        *[None] * 6,
    )
    assert (idle.errors, idle.cpu_pct, idle.loop_lag_p99_ms, idle.lateness_p99_ms) == ({}, None, None, None)
    result = summarize(facts_of([busy]))
    assert result.intervals == [second]


def test_the_generator_in_a_second() -> None:
    """Each second tells how its generator fared, and errors by kind. An unpaced second is never late."""
    interval = Interval(
        0,
        lateness=histogram_of(2_000_000),
        health=Health(histogram_of(3_000_000), cpu_ns=500, span_ns=1_000),
        errors={
            ("A", "x"): ErrorCounts(2, 0, ""),
            ("A", "y"): ErrorCounts(3, 0, ""),
            ("B", "x"): ErrorCounts(1, 0, ""),
        },
    )
    second = second_of(interval, 100.0)
    assert (second.cpu_pct, second.loop_lag_p99_ms, second.lateness_p99_ms) == (50.0, 3.0, 2.0)
    assert second.errors == {"A": 5, "B": 1}
    assert second_of(interval, None).lateness_p99_ms is None


def test_steps_checks_and_events() -> None:
    """Steps and checks are in the order of their names; events are as they came."""
    interval = Interval(
        0,
        steps={"b": StepCounts(2, 1, 30, 40, histogram_of(1_000_000, 2_000_000)), "a": StepCounts(1)},
        checks={"z": CheckCounts(3, 0), "y": CheckCounts(1, 2)},
    )
    event = EventResult(0.5, "interrupted", "interrupted")
    result = summarize(facts_of([interval], events=[event]))
    assert list(result.steps) == ["a", "b"]
    step = result.steps["b"]
    assert (step.count, step.failed, step.bytes_in, step.bytes_out, step.response_time_ms.max) == (2, 1, 30, 40, 2.0)
    assert result.steps["a"].response_time_ms == Times()
    assert list(result.checks.items()) == [("y", CheckResult(1, 2)), ("z", CheckResult(3, 0))]
    assert result.events == [event]


def test_errors() -> None:
    """The most frequent error comes first; the time of the first is since the start, never before it."""
    interval = Interval(
        0,
        errors={
            ("ConnectError", "refused"): ErrorCounts(1, 6_234_567_890, "refused: a"),
            ("AssertionError", "b"): ErrorCounts(5, 5_000_000_000, "first"),
            ("AssertionError", "a"): ErrorCounts(5, 4_999_000_000, "during start"),
        },
    )
    assert summarize(facts_of([interval])).errors == [
        ErrorResult("AssertionError", "a", 5, 0, "during start"),
        ErrorResult("AssertionError", "b", 5, 0.0, "first"),
        ErrorResult("ConnectError", "refused", 1, 1.235, "refused: a"),
    ]


def test_workers_and_generator() -> None:
    """Each worker has its CPU share of a core; the generator has the sum, the merged loop lag and the verdict."""
    lag = histogram_of(*[20_000_000] * 10)
    workers = [
        WorkerTotals(0, 11, 60, Health(histogram_of(1_000_000), cpu_ns=500, span_ns=1_000), 1),
        WorkerTotals(1, 12, 40, Health(cpu_ns=333, span_ns=1_000)),
    ]
    result = summarize(facts_of([Interval(0, health=Health(lag))], workers=workers))
    first, second = result.workers
    assert (first.id, first.pid, first.started, first.cpu_pct, first.restarts) == (0, 11, 60, 50.0, 1)
    assert first.loop_lag_ms.max == 1.0
    assert (second.id, second.pid, second.started, second.cpu_pct, second.restarts) == (1, 12, 40, 33.3, 0)
    assert result.generator.cpu_pct == 83.3
    assert result.generator.loop_lag_ms.p99 == 20.0
    assert result.generator.verdict == "degraded"
    assert [reason.code for reason in result.generator.reasons] == ["event_loop_blocked"]
    assert "20.0 ms" in result.generator.reasons[0].text


def test_a_run_without_anything() -> None:
    """A run that was interrupted at once has a result of zeros and Nones."""
    result = summarize(facts_of([], target_qps=None))
    assert result.response_time_ms == Times()
    assert (result.iterations.started, result.iterations.in_flight_at_end, result.duration_s) == (0, 0, 0.0)
    assert (result.steps, result.checks, result.errors, result.intervals, result.workers) == ({}, {}, [], [], [])
    assert result.generator.verdict == "valid"


def test_as_a_dict() -> None:
    """The dict begins with the schema, and percentiles with a fraction have a point in their names."""
    result = summarize(facts_of([Interval(0, steps={"p99_9": StepCounts(1)})]))
    found = result.to_dict()
    assert next(iter(found.items())) == ("schema", SCHEMA)
    assert set(found) == {field.name for field in dataclasses.fields(Result)} - {"search", "nodes"}, (
        "of a search, of a cluster"
    )
    assert list(found["response_time_ms"])[-4:] == ["p99.9", "p99.99", "max", "over_range"]
    assert list(found["steps"]) == ["p99_9"]
