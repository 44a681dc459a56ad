"""Objectives: how they are read, and what they come to."""

from __future__ import annotations

import numpy as np
import pytest

from hybridpress.errors import UsageError
from hybridpress.metrics.histogram import Histogram
from hybridpress.metrics.interval import CheckCounts, Interval, StepCounts
from hybridpress.metrics.parts import PartCounts
from hybridpress.metrics.result import ThresholdResult
from hybridpress.metrics.thresholds import parse_threshold, parse_thresholds, told_value


def times(*ms: float) -> Histogram:
    found = Histogram()
    found.add(np.array([int(each * 1e6) for each in ms], dtype=np.int64))
    return found


MEASURED = Interval(
    0, started=100, completed=90, failed=10, dropped=3,
    response=times(*range(1, 101)), service=times(1, 2, 3), lateness=times(0.5),
    steps={
        "GET /": StepCounts(50, 2, times=times(7)),
        "f(x) < 3": StepCounts(1, times=times(5)),
        "Vm": StepCounts(7, 7, times=times(900)),
    },
    parts={"Vm": PartCounts(80, 60, 20, 3, times(4, 6))},
    checks={"status is 200": CheckCounts(99, 1), "body": CheckCounts(0, 100)},
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
        ("failed < 11 %", 10, True),
        ("failed(GET /) < 5%", 4, True),
        ("failed(GET /) < 2", 2, False),
        ("qps(GET /) >= 25", 25, True),
        ("max(f(x) < 3) < 6ms", 5, True),
        ("p99(Vm) < 7 ms", 6, True),
        ("failed(Vm) < 20%", 25, False),
        ("qps(Vm) >= 41", 40, False),
        ("dropped(Vm) <= 3", 3, True),
        ("check(status is 200) >= 99%", 99, True),
        ("check(body) > 0%", 0, False),
        ("checks >= 50%", 49.5, False),
    ],
)
def test_objectives(text: str, value: float, *, holds: bool) -> None:
    """Each is about what it names, in ms, percent or plain numbers."""
    threshold = parse_threshold(text)
    found = threshold.value(MEASURED, 2.0)
    assert found == pytest.approx(value, rel=0.002)
    assert threshold.holds(found) is holds


@pytest.mark.parametrize(
    "text",
    [
        "p99<50ms", "failed<1%", "p50(GET /)<1s", "failed(GET /)<9", "qps(GET /)>=0", "dropped(Vm)==0",
        "check(status is 200)>=0%", "checks>=0%",
    ],
)  # fmt: skip
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
    assert parse_threshold("check( status is 200 )>=99%").told(98.99912) == "check(status is 200) is 98.9991 %"
    assert parse_threshold("service.p90<1s").told(None) == "service.p90 was not measured"
    assert parse_threshold("qps(Vm)>=90").told(1234.5678) == "qps(Vm) is 1,234.57"


def test_a_value_near_the_limit_shows_its_side() -> None:
    """A time that would be rounded to the limit it missed is told with more digits."""
    assert parse_threshold("p99<50ms").told(50.0123) == "p99 is 50.0123 ms"
    assert parse_threshold("p99<50ms").told(50.0) == "p99 is 50.0 ms"


def test_values_of_a_result() -> None:
    """A result's thresholds are told with their units, those of another version as plain numbers."""
    assert told_value(ThresholdResult("p99<50ms", 61.23, passed=False)) == "61.2 ms"
    assert told_value(ThresholdResult("p99<50ms", None, passed=False)) == "never happened"
    assert told_value(ThresholdResult("something new", 1234.0, passed=False)) == "1,234"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("p99<50ms", "nothing was measured"),
        ("p99(GET /x)<50ms", 'step "GET /x" never happened; there were "GET /", "Vm", "f(x) < 3"'),
        ("dropped(Eip)==0", 'part "Eip" never happened; there were "Vm"'),
        ("check(status)==100%", 'check "status" never happened; there were "body", "status is 200"'),
    ],
)
def test_why_it_was_not_measured(text: str, told: str) -> None:
    """What a threshold names and never happened is told with what did."""
    threshold = parse_threshold(text)
    assert threshold.why_not_measured(MEASURED) == told
    assert threshold.why_not_measured(Interval(0)).endswith(("there was none", "nothing was measured"))


def test_several() -> None:
    """A setting has one or many, each once; all mistakes in them are told."""
    assert [t.expression for t in parse_thresholds("p99(f(a, b)) < 1s")] == ["p99(f(a, b)) < 1s"]
    assert [t.expression for t in parse_thresholds(["p99<1s", "qps>=1", "p99<1s"])] == ["p99<1s", "qps>=1"]
    assert parse_thresholds(parse_thresholds("qps>=1")) == parse_thresholds(["qps>=1"])
    assert parse_thresholds([]) == ()
    with pytest.raises(UsageError) as raised:
        parse_thresholds(["fast", "qps>=1", "p99<3"])
    assert len(raised.value.mistakes) == 2
    with pytest.raises(UsageError, match="or a list of them, got 7"):
        parse_thresholds(7)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("fast", "must be an objective such as"),
        ("p99<", "must be an objective such as"),
        ("p99<50", 'must have a unit to its duration, such as "50ms"'),
        ("p99<50%", "must compare a time with a duration"),
        ("speed<3", "must be about p50, p99.9, max, mean, failed, dropped, qps or check(NAME)"),
        ("failed<nan", "must compare failed with a number"),
        ("check>=99%", "must name a check"),
        ("checks(body)>=99%", "must name a check"),
        ("check(body)>=99", 'must compare check with a percentage up to 100%, such as "check(body) >= 99%"'),
        ("checks>=101%", "must compare checks with a percentage up to 100%"),
        ("dropped(Vm)<1%", "must compare dropped with a number, not a percentage"),
        ("p99()<5ms", "must be an objective such as"),
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
