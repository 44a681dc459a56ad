"""What is in the way when the plan cannot be held: made-up seconds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hybridpress.coordinator.saturation import N_SECONDS, Saturation, Seen
from hybridpress.metrics.interval import Interval


def second(
    started: int,
    service_ms: float,
    *,
    in_flight: int = 1,
    backlog: int = 0,
    cpu_pct: float = 20.0,
    target: float = 1000,
) -> Seen:
    interval = Interval(0, started=started, completed=started, in_flight=in_flight)
    interval.service.add(np.full(max(started, 1), int(service_ms * 1e6), dtype=np.int64))
    return Seen(interval, target, 10, backlog, cpu_pct, 2)


def after(*seconds: Seen) -> tuple[Saturation, list[str | None]]:
    saturation = Saturation()
    return saturation, [saturation.second(seen) for seen in seconds]


def test_a_plan_that_is_held_says_nothing() -> None:
    """Seconds that start what they are to start are no news."""
    saturation, told = after(*[second(1000, 5)] * 10)
    assert (told, saturation.cause, saturation.worst) == ([None] * 10, None, "")


def test_slots() -> None:
    """Where all slots are busy and the server is as fast as ever, it says how many slots it takes."""
    saturation, told = after(*[second(500, 20, in_flight=10, backlog=300)] * N_SECONDS)
    assert saturation.cause == "slots"
    assert told[-1] == saturation.worst
    assert "all 10 slots are busy; at 20.0 ms an iteration this rate needs about --concurrent 22" in saturation.worst


def test_the_server() -> None:
    """Where the server has become slow, it is the server, with its peak."""
    saturation, _ = after(*[second(1000, 5)] * 3, *[second(600, 16, in_flight=10, backlog=300)] * N_SECONDS)
    assert saturation.cause == "server"
    assert "the server is at its peak, 600/s; its service time went from 5.00 ms to 16.0 ms" in saturation.worst


def test_cpu() -> None:
    """Where the workers have no CPU left, it says how many processes it takes."""
    saturation, _ = after(*[second(800, 5, in_flight=10, backlog=90, cpu_pct=99)] * N_SECONDS)
    assert saturation.cause == "cpu"
    assert "out of CPU (99 % of a core); this rate needs about --processes 3" in saturation.worst


def test_one_bad_second_is_none() -> None:
    """A hiccup is not saturation."""
    saturation, told = after(second(1000, 5), second(500, 9, in_flight=10, backlog=500), second(1500, 5))
    assert (told, saturation.cause) == ([None] * 3, None)


def test_nothing_starts() -> None:
    """Where iterations wait and no slot is busy, more slots would not help: the verdict tells of late starts."""
    saturation, told = after(*[second(7, 1, in_flight=0, backlog=300)] * N_SECONDS)
    assert (told, saturation.cause) == ([None] * N_SECONDS, None)


def test_the_load_is_over() -> None:
    """The last seconds may be told when all workers are done: they had slots, and what was in the way nobody knows."""
    late = [replace(second(182, 5, in_flight=0), n_slots=0)] * N_SECONDS
    saturation, told = after(*late)
    assert (told, saturation.cause) == ([None] * N_SECONDS, None)


def test_held_again() -> None:
    """When the plan is held again that is told, once, and the cause is gone."""
    bad, good = second(500, 20, in_flight=10, backlog=300), second(1000, 5)
    saturation, told = after(*[bad] * 3, *[good] * 4)
    assert [text is not None for text in told] == [False, True, False, False, True, False, False]
    assert told[4] == "the plan is held again: 1,000/s"
    assert saturation.cause is None


@pytest.mark.parametrize("started", [990, 1000, 1010])
def test_near_enough(started: int) -> None:
    """A hundredth less is held: a second's bounds cut through iterations."""
    _, told = after(*[second(started, 5)] * 5)
    assert told == [None] * 5
