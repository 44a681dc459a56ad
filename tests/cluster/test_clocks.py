"""Other machines' clocks: how far they are ahead, how sure that is, and instants carried over."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridpress.cluster.clocks import MOST_UNSURE_NS, Offset, Ping, offset_of, order_by, report_by
from hybridpress.ipc.messages import (
    Begin,
    Counts,
    Discard,
    Done,
    GivenUp,
    GoOn,
    Hold,
    Measured,
    Order,
    Pace,
    Ready,
    Report,
    Resize,
    Stop,
    TakeOver,
)
from hybridpress.load.plan import Leg
from hybridpress.metrics.interval import ErrorCounts, Interval

LEG = Leg(5, None, 1_000, 5.0, None, (1, 2))


@given(
    st.integers(-(10**15), 10**15),
    st.lists(st.tuples(st.integers(0, 10**12), st.integers(0, 10**8), st.integers(0, 10**8)), min_size=1),
)
def test_the_offset_is_as_sure_as_it_says(ahead_ns: int, ways: list[tuple[int, int, int]]) -> None:
    """Whatever the ways there and back take, the clock is ahead by what is found, give or take what is said."""
    pings = [Ping(at, at + there + ahead_ns, at + there + back) for at, there, back in ways]
    found = offset_of(pings)
    assert abs(found.ahead_ns - ahead_ns) <= found.unsure_ns + 1
    assert found.unsure_ns == (min(there + back for _, there, back in ways) + 1) // 2


def test_when_a_clock_is_sure() -> None:
    """Five ms are the limit."""
    assert Offset(0, MOST_UNSURE_NS).is_sure
    assert not Offset(0, MOST_UNSURE_NS + 1).is_sure


@pytest.mark.parametrize(
    ("order", "there"),
    [
        (Begin(1_000, 2_000, LEG, None, 3), Begin(1_007, 2_007, replace(LEG, origin_ns=1_007), None, 3)),
        (Begin(1_000, None, None, 9, 3), Begin(1_007, None, None, 9, 3)),
        (Pace(LEG, 5_000), Pace(replace(LEG, origin_ns=1_007), 5_007)),
        (GoOn(None), GoOn(None)),
        (GoOn(5), GoOn(12)),
        (TakeOver((1, 2)), TakeOver((8, 9))),
        (Stop(100), Stop(107)),
        (Hold(), Hold()),
        (Discard(), Discard()),
        (Resize(3, (7,)), Resize(3, (7,))),
    ],
)
def test_orders(order: Order, there: Order) -> None:
    """Every instant of an order is by the clock of whoever obeys."""
    assert order_by(order, 7) == there
    assert order_by(there, -7) == order


def _interval(first_ns: int) -> Interval:
    return Interval(3, started=1, errors={("a", "b"): ErrorCounts(1, first_ns, "c")})


@pytest.mark.parametrize(
    ("report", "here"),
    [
        (Counts(1, 100, 1, 1, 0, 0, 0, 55), Counts(1, 93, 1, 1, 0, 0, 0, 55)),
        (GivenUp(1, (10, 20)), GivenUp(1, (3, 13))),
        (Measured(1, _interval(100)), Measured(1, _interval(93))),
        (Done(1, _interval(100), 50, 60), Done(1, _interval(93), 43, 53)),
        (Done(1, Interval(0), 0, 0), Done(1, Interval(0), 0, 0)),
        (Ready(1, 2, 3, ()), Ready(1, 2, 3, ())),
    ],
)
def test_reports(report: Report, here: Report) -> None:
    """Every instant of a report is by the head's clock."""
    assert report_by(report, -7) == here
