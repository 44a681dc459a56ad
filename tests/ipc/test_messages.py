"""What coordinator and worker say comes over as it was said."""

from __future__ import annotations

import pickle
from dataclasses import FrozenInstanceError, is_dataclass
from typing import get_args

import numpy as np
import pytest

from hybridpress.ipc.messages import (
    Begin,
    Broken,
    Counts,
    Discard,
    Done,
    GivenUp,
    GiveUp,
    GoOn,
    Hold,
    Measured,
    Order,
    Pace,
    Ready,
    Report,
    Resize,
    Resized,
    Stop,
    TakeOver,
)
from hybridpress.load.arrivals import Mark
from hybridpress.load.plan import Leg
from hybridpress.load.profile import ramp
from hybridpress.metrics.interval import CheckCounts, ErrorCounts, Health, Interval, StepCounts


def measured_second() -> Interval:
    """A second with something of everything."""
    interval = Interval(3, started=10, completed=8, failed=1, dropped=2, in_flight=1)
    for histogram in (interval.response, interval.service, interval.lateness):
        histogram.add(np.array([0, 1_000_000, 2 * 10**9], dtype=np.int64))
    interval.steps["GET /"] = StepCounts(2, 1, 300, 40)
    interval.steps["GET /"].times.add(np.array([5_000_000, 7_000_000], dtype=np.int64))
    interval.checks["status is 200"] = CheckCounts(7, 2)
    interval.errors["ConnectError", "refused"] = ErrorCounts(1, 123, "ConnectError: refused")
    interval.health = Health(cpu_ns=5, span_ns=9, gc_pause_ns=2, longest_gc_pause_ns=1)
    return interval


MESSAGES: list[Order | Report] = [
    Begin(10**15, 10**15 + 10**9, Leg(0, 30_000, 10**15, 0.0, None, (1, 2)), None, 5),
    Begin(10**15, None, None, 7, 5, first_index=3),
    Pace(Leg(5, None, 10**15, 5.5, ramp(1, 2, 3), (1, 0), is_final=False, end_area=9.5, mark=Mark(4096, 3.3)), None),
    Hold(),
    GoOn(10**15),
    Resize(3, (7, 8)),
    GiveUp(100),
    Discard(),
    TakeOver((10**15, 10**15 + 1)),
    Stop(10**15),
    Ready(1, 4_711, 3, ("ValueError: wrong password",)),
    Counts(1, 10**15, 10, 8, 1, 1, 5, 77),
    GivenUp(1, (10**15,)),
    Resized(1, 5, ("OSError: no",)),
    Measured(1, measured_second()),
    Done(1, measured_second(), 10**15, 10**15 + 1),
    Broken(1, "TypeError: no\n  at line 3"),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_comes_over_as_it_was(message: Order | Report) -> None:
    """A message that was sent and received is equal to itself."""
    for protocol in (pickle.DEFAULT_PROTOCOL, pickle.HIGHEST_PROTOCOL):
        assert pickle.loads(pickle.dumps(message, protocol)) == message  # noqa: S301 (our own)


def test_each_kind_is_tried() -> None:
    """No kind of message is missing above."""
    assert {type(message) for message in MESSAGES} == {*get_args(Order), *get_args(Report)}


@pytest.mark.parametrize("kind", [*get_args(Order), *get_args(Report)])
def test_what_was_said_stands(kind: type) -> None:
    """Messages cannot be changed, and have no room for more than their fields."""
    assert is_dataclass(kind)
    assert not hasattr(kind, "__dict__") or "__slots__" in vars(kind)
    message = next(message for message in MESSAGES if type(message) is kind)
    for name in kind.__dataclass_fields__:
        with pytest.raises(FrozenInstanceError):
            setattr(message, name, 0)
