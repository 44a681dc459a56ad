"""A small run made by hand, for all tests of reports: every number of it is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hybridpress.config import Layer, RunConfig
from hybridpress.metrics.histogram import Histogram
from hybridpress.metrics.interval import CheckCounts, ErrorCounts, Health, Interval, StepCounts
from hybridpress.metrics.news import Moment
from hybridpress.metrics.result import EventResult, Result
from hybridpress.metrics.summary import RunFacts, WorkerTotals, second_of, summarize
from hybridpress.metrics.verdict import Conditions

HOSTILE = "[red]x[/red]\x1b[2J"
FINE = Conditions(paced=True, n_unstarted=0, n_workers_lost=0, busiest_worker_cpu_pct=40.0, slots_were_exhausted=False)


def config_of(**settings: Any) -> RunConfig:
    settings = {"qps": 5_000, "concurrent": 64, "processes": 2, "duration": "3s", **settings}
    settings = {name: value for name, value in settings.items() if value != ""}
    return RunConfig.build("query.py:QueryVm", [Layer(settings, lambda name: name)])


def histogram_of(*times_ms: float) -> Histogram:
    histogram = Histogram()
    histogram.add((np.array(times_ms) * 1e6).astype(np.int64))
    return histogram


def second(index: int, **changes: Any) -> Interval:
    """A second of 5,000 iterations: 10 fail, response times from 1 to 100 ms."""
    values: dict[str, Any] = {
        "started": 5_000,
        "completed": 4_990,
        "failed": 10,
        "in_flight": 0,
        "response": histogram_of(*range(1, 101)),
        "service": histogram_of(*[0.5] * 100),
        "lateness": histogram_of(*[0.02] * 100),
        "health": Health(histogram_of(0.21), cpu_ns=400_000_000, span_ns=1_000_000_000),
    }
    return Interval(index, **(values | changes))


def moment_of(interval: Interval, total: Interval, config: RunConfig) -> Moment:
    """What is told at the end of *interval*."""
    qps = config.qps
    return Moment(interval, second_of(interval, qps), total, qps, config.concurrent, [], "valid", [])


def steps(count: int, *, name: str = "step") -> dict[str, StepCounts]:
    """Step 0 is the most frequent."""
    return {
        f"{name} {i}": StepCounts(1_000 - i, i, bytes_in=3 * 2**20, times=histogram_of(1.5, 2.5)) for i in range(count)
    }


def result_of(intervals: Sequence[Interval] = (), **changes: Any) -> Result:
    intervals = intervals or [second(0), second(1), second(2)]
    total = Interval(0)
    for interval in intervals:
        total.extend(interval)
    workers = [
        WorkerTotals(number, 100 + number, 7_500, Health(cpu_ns=share * 10, span_ns=1_000))
        for number, share in enumerate(changes.pop("cpu_pct", [40, 38]))
    ]
    values: dict[str, Any] = {
        "version": "1.0",
        "scenario": "query.py:QueryVm",
        "config": config_of().as_settings(),
        "started_at": "2030-01-01T00:00:00Z",
        "start_ns": 0,
        "load_s": float(len(intervals)),
        "target_qps": 5_000.0,
        "n_planned": 15_000,
        "n_lost": 0,
        "total": total,
        "seconds": [second_of(interval, 5_000.0) for interval in intervals],
        "workers": workers,
        "conditions": FINE,
    }
    return summarize(RunFacts(**(values | changes)))


def hostile_result() -> Result:
    """Every text that comes from outside tries to take over the terminal."""
    text = HOSTILE
    interval = second(
        0,
        steps={text: StepCounts(5, 1, times=histogram_of(1))},
        checks={text: CheckCounts(1, 1)},
        errors={(text, text): ErrorCounts(1, 0, f"{text}\n{text} again")},
    )
    return result_of([interval], events=[EventResult(0.5, text, text)])
