"""Objectives: how they are read, and what they come to."""

from __future__ import annotations

import numpy as np
import pytest

from hybridpress.errors import UsageError
from hybridpress.metrics.histogram import Histogram
from hybridpress.metrics.interval import Interval, StepCounts
from hybridpress.metrics.thresholds import parse_threshold


def times(*ms: float) -> Histogram:
    found = Histogram()
    found.add(np.array([int(each * 1e6) for each in ms], dtype=np.int64))
    return found


MEASURED = Interval(
    0, started=100, completed=90, failed=10, dropped=3,
    response=times(*range(1, 101)), service=times(1, 2, 3), lateness=times(0.5),
    steps={"GET /": StepCounts(1, times=times(7))},
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "value", "holds"),
    [
        ("p99<50ms", 99, False),
        ("p50 <= 1s", 50, True),
        ("max < 100.5ms", 100, True),
        ("mean>50ms", 50.5, True),
        ("service.p99 < 3.1ms", 3, True),
        ("lateness.max<500us", 0.5, False),
        ("p99.9(GET /) < 8ms", 7, True),
        ("failed<10.1%", 10, True),
        ("failed < 10", 10, False),
        ("dropped == 3", 3, True),
        ("qps>=50", 50, True),
    ],
)
def test_objectives(text: str, value: float, *, holds: bool) -> None:
    """Each is about what it names, in ms, percent or plain numbers."""
    threshold = parse_threshold(text)
    found = threshold.value(MEASURED, 2.0)
    assert found == pytest.approx(value, rel=0.002)
    assert threshold.holds(found) is holds


@pytest.mark.parametrize("text", ["p99<50ms", "failed<1%", "p50(GET /)<1s"])
def test_nothing_measured_keeps_nothing(text: str) -> None:
    """What was not measured is no value, and keeps no objective."""
    threshold = parse_threshold(text)
    assert threshold.value(Interval(0), 1.0) is None
    assert not threshold.holds(None)
    assert threshold.told(None).endswith("was not measured")


def test_told() -> None:
    """A value is told under the name that was asked for."""
    assert parse_threshold("p99 < 50ms").told(61.23) == "p99 is 61.2 ms"
    assert parse_threshold("failed<0.1%").told(2.5) == "failed is 2.5 %"
    assert parse_threshold("dropped==0").told(1200) == "dropped is 1,200"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("fast", "must be an objective such as"),
        ("p99<", "must be an objective such as"),
        ("p99<50", 'must have a unit to its duration, such as "50ms"'),
        ("p99<50%", "must compare a time with a duration"),
        ("speed<3", "must be about p50, p99.9, max, mean, failed, dropped, qps"),
        ("qps>9%", "with a number, not a percentage"),
        ("failed<few", "must compare failed with a number"),
        ("service.p99(GET /)<1s", "must ask for the times of a step, or for service, not for both"),
    ],
)
def test_what_is_no_objective(text: str, told: str) -> None:
    """Each mistake names what was given and the way out."""
    with pytest.raises(UsageError) as raised:
        parse_threshold(text)
    assert told in str(raised.value)
    assert text in str(raised.value)
