"""Limits of change: how they are written, and when they are broken."""

from __future__ import annotations

import pytest

from hybridpress.errors import UsageError
from hybridpress.metrics.compare import TOTAL, Change, Comparison, Subject
from hybridpress.metrics.limits import judge, parse_limit
from tests.report.made import result_of


def comparison(*changes: Change, step: str = TOTAL) -> Comparison:
    return Comparison(result_of(), result_of(), [Subject(step, list(changes))])


@pytest.mark.parametrize(
    ("text", "what", "step", "most", "is_absolute"),
    [
        ("p99 +10%", "p99", "", 0.1, False),
        ("p99.9+2.5%", "p99.9", "", 0.025, False),
        ("p50(GET /vm (old)) + 2ms", "p50", "GET /vm (old)", 2.0, True),
        ("mean -1s", "mean", "", -1_000.0, True),
        ("failed +0.5%", "failed", "", 0.5, True),
        ("failed(GET /) +1%", "failed", "GET /", 1.0, True),
        ("qps -5%", "qps", "", -0.05, False),
    ],
)
def test_limits(text: str, what: str, step: str, most: float, is_absolute: bool) -> None:
    """A figure, perhaps of a step, and how much more or less it may be."""
    found = parse_limit(text)
    assert (found.what, found.step, found.is_absolute) == (what, step, is_absolute)
    assert found.most == pytest.approx(most)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", 'must be a change such as "p99 +10%"'),
        ("p99 < 10ms", 'must be a change such as "p99 +10%"'),
        ("p42 +1%", "must be about one of qps, failed, mean, p50, p90, p95, p99, p99.9"),
        ("max +1%", "must be about one of"),
        ("qps(GET /) -5%", "steps have none of their own"),
        ("qps -5ms", 'must have a percentage, such as "qps -5%"'),
        ("p99 +10", 'must have a unit, such as "p99 +10%" or "p99 +10ms"'),
        ("p99 +10bananas", "must have a percentage or a duration"),
    ],
)
def test_no_limits(text: str, message: str) -> None:
    """What is meant otherwise is told how to write it."""
    with pytest.raises(UsageError) as raised:
        parse_limit(text)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("text", "change", "is_kept"),
    [
        ("p99 +10%", Change("p99", 100.0, 109.9, 2.0), True),
        ("p99 +10%", Change("p99", 100.0, 110.0, 2.0), False),
        ("p99 +10%", Change("p99", 100.0, 130.0, 40.0), True),
        ("p99 +10%", Change("p99", 100.0, 130.0, None), False),
        ("p99 +10%", Change("p99", 100.0, 80.0, 2.0), True),
        ("p99 +5ms", Change("p99", 100.0, 105.0, 2.0), False),
        ("p99 -5%", Change("p99", 100.0, 94.0, 2.0), False),
        ("qps -5%", Change("qps", 100.0, 94.0, 1.0), False),
        ("qps -5%", Change("qps", 100.0, 106.0, 1.0), True),
        ("failed +0.5%", Change("failed", 0.0, 0.6, 0.2), False),
        ("failed +0.5%", Change("failed", 0.0, 0.4, 0.2), True),
        ("p99 +10%", Change("p99", 0.0, 5.0, 1.0), False),
        ("p99 +0%", Change("p99", 5.0, 5.0, 0.0), True),
    ],
)
def test_judged(text: str, change: Change, is_kept: bool) -> None:
    """A change that large breaks it, unless it may be noise."""
    assert judge(parse_limit(text), comparison(change)).is_kept is is_kept


def test_of_a_step() -> None:
    """A limit of a step is judged by that step; one that is not in both breaks it, and says so."""
    found = comparison(Change("p99", 1.0, 2.0, 0.1), step="GET /")
    assert not judge(parse_limit("p99(GET /) +10%"), found).is_kept
    missing = judge(parse_limit("p99(GET /x) +10%"), found)
    assert (missing.is_kept, missing.why) == (False, "p99 of the step 'GET /x' was not measured in both")
    nothing = judge(parse_limit("p99 +1%"), comparison(Change("p99", None, 2.0)))
    assert (nothing.is_kept, nothing.why) == (False, "p99 was not measured in both")
