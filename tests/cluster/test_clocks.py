"""Other machines' clocks: how far they are ahead, how sure that is, and instants carried over."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridpress.cluster.clocks import (
    MOST_UNSURE_NS,
    N_PINGS,
    Offset,
    Ping,
    drift_ns,
    offset_by,
    offset_of,
    order_by,
    report_by,
)
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


class Way:
    """Pings of a clock that is 7 ns ahead, by a way that takes so long each time."""

    def __init__(self, *ways_ns: int) -> None:
        self._ways_ns = iter(ways_ns)
        self.now_ns = 0

    def ping(self) -> Ping:
        sent_ns = self.now_ns
        self.now_ns += next(self._ways_ns)
        return Ping(sent_ns, (sent_ns + self.now_ns) // 2 + 7, self.now_ns)


def test_a_quiet_way_takes_few_pings() -> None:
    """Where the first pings are sure enough, there are no more."""
    way = Way(*[MOST_UNSURE_NS] * N_PINGS)
    assert offset_by(way.ping, 10**15).ahead_ns == 7


def test_a_busy_way_is_tried_again() -> None:
    """Slow pings are gone on with until one of them was quick."""
    slow_ns = 4 * MOST_UNSURE_NS
    way = Way(*[slow_ns] * (N_PINGS + 40), MOST_UNSURE_NS)
    assert offset_by(way.ping, 10**15) == Offset(7, MOST_UNSURE_NS // 2)
    way = Way(*[slow_ns] * 1_000)
    assert not offset_by(way.ping, 100 * slow_ns).is_sure
    assert way.now_ns == 100 * slow_ns


def test_a_clock_that_goes_off() -> None:
    """What both measurements may be wrong by is not called drift."""
    assert drift_ns(Offset(10_000, 400), Offset(12_000, 500)) == 2_000
    assert drift_ns(Offset(12_000, 400), Offset(10_000, 500)) == -2_000
    assert drift_ns(Offset(10_000, 400), Offset(10_900, 500)) == 0


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
