"""What is not comparable, and why."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import pytest

from hybridpress import Result
from hybridpress.metrics.comparable import obstacles
from hybridpress.metrics.interval import Interval
from hybridpress.metrics.result import IntervalResult, PartResult, ReasonResult, SearchResult, Times
from tests.report.made import config_of, result_of

BASE = dataclasses.replace(result_of(), config=config_of(seed=1).as_settings())


def like(base: Result = BASE, **changes: Any) -> Result:
    return dataclasses.replace(base, **changes)


def at_rates(rates: Sequence[float], **settings: Any) -> Result:
    intervals = [IntervalResult(k, 1, 1, 0, 0, rate, 0) for k, rate in enumerate(rates)]
    return like(intervals=intervals, duration_s=float(len(rates)), config={**BASE.config, **settings})


def mixed(**started: int) -> Result:
    return like(parts={name: PartResult(n, n, 0, 0, Times()) for name, n in started.items()})


def unpaced(concurrent: int) -> Result:
    return like(
        qps=dataclasses.replace(BASE.qps, target=None, error_pct=None), config={**BASE.config, "concurrent": concurrent}
    )


INVALID = like(
    generator=dataclasses.replace(
        BASE.generator, verdict="invalid", reasons=[ReasonResult("late_starts", "too late by far")]
    )
)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (BASE, BASE),
        (BASE, like(config={**BASE.config, "timeout": 1.0, "concurrent": 500})),
        (at_rates([100.0] * 3), at_rates([100.0] * 9)),
        (at_rates([10.0, 20.0], stage=["2s:20"]), at_rates([10.0, 20.0], stage=["2s:20"])),
        (mixed(a=701, b=299), mixed(a=7_000, b=3_000)),
        (unpaced(20), unpaced(20)),
    ],
)
def test_comparable(before: Result, after: Result) -> None:
    """The same load; runs of unequal length, and settings that are not the load's, do not matter."""
    assert obstacles(before, after) == []


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        (at_rates([100.0] * 3), at_rates([101.0] * 3), "another rate: 100/s and 101/s"),
        (
            at_rates([10.0, 20.0], stage=["2s:20"]),
            at_rates([10.0, 30.0], stage=["2s:30"]),
            "another --stage: ['2s:20']",
        ),
        (BASE, like(config={**BASE.config, "arrivals": "poisson"}), "another --arrivals: uniform and poisson"),
        (BASE, like(config={**BASE.config, "late": "drop"}), "another --late: wait and drop"),
        (BASE, unpaced(64), "the second is unpaced and the other is not"),
        (unpaced(20), unpaced(21), "unpaced runs with another number of slots: 20 and 21"),
        (mixed(a=700, b=300), mixed(a=500, b=500), "another mix: a 70.0 %, b 30.0 %; and a 50.0 %, b 50.0 %"),
        (BASE, mixed(a=1), "another mix: no mix; and a 100.0 %"),
        (INVALID, BASE, "the verdict on the first is invalid (late_starts)"),
        (BASE, like(search=SearchResult(None, "", "", [], [])), "the second is of a search"),
        (BASE, result_of([Interval(0)]), "nothing was measured in the second"),
    ],
)
def test_not_comparable(before: Result, after: Result, why: str) -> None:
    """Each reason is told with both values."""
    found = obstacles(before, after)
    assert any(why in each for each in found), found


def test_a_rate_that_was_changed_by_hand() -> None:
    """What counts is the rate of each second, not the one that was asked for at first."""
    assert obstacles(at_rates([100.0] * 6), at_rates([100.0, 100.0, 200.0, 200.0])) == []
