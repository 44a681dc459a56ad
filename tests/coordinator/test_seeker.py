"""A search, second by second, against made-up servers."""

from __future__ import annotations

import numpy as np
import pytest

from hybridpress.coordinator.seeker import MAX_REST_S, Quest, Seeker
from hybridpress.metrics.interval import Interval


def quest(*objectives: str) -> Quest:
    return Quest.build(list(objectives) or ["p99<50ms"], settle="1s", step="2s")


def second(index: int, rate: float, *, response_ms: float, service_ms: float, started: float | None = None) -> Interval:
    n = round(rate if started is None else started)
    found = Interval(index, started=n, completed=n, in_flight=10 if response_ms > service_ms else 1)
    found.response.add(np.full(n, int(response_ms * 1e6), dtype=np.int64))
    found.service.add(np.full(n, int(service_ms * 1e6), dtype=np.int64))
    found.lateness.add(np.full(n, int((response_ms - service_ms) * 1e6), dtype=np.int64))
    return found


def sought(seeker: Seeker, *, limit: float, slots_peak: float = 1e9, cpu_pct: float = 10.0) -> int:
    """Let a server that bears *limit*, with slots for *slots_peak*, be searched; how many seconds it took."""
    index = 0
    while (rate := seeker.rate) is not None:
        started = min(rate, slots_peak)
        service_ms = 10.0 if rate <= limit else 80.0
        response_ms = service_ms if started == rate else 500.0
        text = seeker.second(
            second(index, rate, response_ms=response_ms, service_ms=service_ms, started=started), 10, cpu_pct
        )
        index += 1
        if seeker.rate != rate or text:
            seeker.begin_step(index + 1)
            index += 1
        assert index < 1_000
    return index


@pytest.mark.parametrize("limit", [3, 150, 347.8, 5_000])
def test_a_limit_is_found(limit: float) -> None:
    """The answer is the highest rate that keeps the objective, within the precision."""
    seeker = Seeker(quest(), 100)
    sought(seeker, limit=limit)
    found = seeker.result()
    assert found.qps is not None
    assert limit / 1.05 <= found.qps <= limit
    assert (found.limit, found.objectives) == ("objective", ["p99<50ms"])
    assert all(step.kept == (step.qps <= limit) for step in found.steps)


def test_slots_that_are_too_few() -> None:
    """What the slots cannot deliver is the generator's limit, though the response times break the objective."""
    seeker = Seeker(quest(), 100)
    sought(seeker, limit=10_000, slots_peak=333)
    found = seeker.result()
    assert found.limit == "generator"
    assert any("all 10 slots are busy: this latency needs about --concurrent" in step.why for step in found.steps)


def test_cpu_that_is_too_little() -> None:
    """The same for the CPU of the workers."""
    seeker = Seeker(quest(), 100)
    sought(seeker, limit=10_000, slots_peak=333, cpu_pct=99)
    assert any("out of CPU (99 % of a core)" in step.why for step in seeker.result().steps)


def test_only_settled_seconds_count() -> None:
    """What happens while a step settles is not judged."""
    seeker = Seeker(quest(), 100)
    assert seeker.second(second(0, 100, response_ms=900, service_ms=900), 10, 1) is None
    assert seeker.second(second(1, 100, response_ms=9, service_ms=9), 10, 1) is None
    assert seeker.second(second(2, 100, response_ms=9, service_ms=9), 10, 1) == "100/s: kept"
    assert seeker.rate == 200


def test_a_rest_after_a_broken_step() -> None:
    """The server gets half the next rate until a second is level again, or for so long at most."""
    seeker = Seeker(quest(), 100)
    for index in range(3):
        seeker.second(second(index, 100, response_ms=90, service_ms=90), 10, 1)
    assert seeker.rate == 25
    seeker.begin_step(4)
    seeker.second(second(4, 25, response_ms=90, service_ms=90), 10, 1)
    assert seeker.rate == 25
    seeker.second(second(5, 25, response_ms=9, service_ms=9), 10, 1)
    assert seeker.rate == 50
    slow = Seeker(quest(), 100)
    for index in range(3 + MAX_REST_S):
        slow.second(second(index, 100, response_ms=90, service_ms=90), 10, 1)
    assert slow.rate == 50


def test_a_search_that_is_interrupted() -> None:
    """What was found until then is told as such."""
    seeker = Seeker(quest(), 100)
    for index in range(3):
        seeker.second(second(index, 100, response_ms=9, service_ms=9), 10, 1)
    assert (seeker.result().qps, seeker.result().limit) == (100, "interrupted")
