"""A worker's schedule, against the plain list of due times that all workers together stand for."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridpress.load.arrivals import Arrivals, Poisson, Uniform
from hybridpress.load.pacer import BATCH, Pacer
from hybridpress.load.plan import Leg
from hybridpress.load.profile import Profile, constant, hold, ramp, sine
from hybridpress.units import NEVER_NS, NS_PER_S
from tests.load.profiles import profiles

START_NS = 7_000_000_000_000


def arrivals_of(kind: str) -> Arrivals:
    return Poisson(5) if kind == "poisson" else Uniform()


def leg_of(profile: Profile, weights: tuple[int, ...] = (1,), end: int | None = None) -> Leg:
    """The whole of *profile*, from START_NS on."""
    return Leg(0, profile.n_arrivals(math.inf) if end is None else end, START_NS, 0.0, None, weights)


def pacers_of(profile: Profile, leg: Leg, kind: str = "uniform") -> list[Pacer]:
    found = [Pacer(worker, profile, arrivals_of(kind)) for worker in range(len(leg.weights))]
    for pacer in found:
        pacer.apply(leg)
    return found


def take_all(pacer: Pacer, until_ns: int = NEVER_NS) -> list[int]:
    taken = []
    while pacer.due_ns < until_ns:
        taken.append(pacer.take())
    return taken


weights_of = st.lists(st.integers(0, 20), min_size=1, max_size=6).filter(any).map(tuple)


@pytest.mark.slow
@given(profiles, weights_of)
def test_all_workers_together_are_the_profile(profile: Profile, weights: tuple[int, ...]) -> None:
    """The box fires when the profile says, to the ns and to the iteration, whatever the weights."""
    leg = leg_of(profile, weights, min(profile.n_arrivals(math.inf), 20_000))
    due = sorted(due_ns for pacer in pacers_of(profile, leg) for due_ns in take_all(pacer))
    assert leg.end is not None
    assert due == [START_NS + int(ns) for ns in profile.due_ns(0, leg.end)]


@pytest.mark.parametrize("n_workers", [1, 2, 3, 7])
@pytest.mark.parametrize(("rate", "total"), [(0.5, 5), (1, 3), (7, 21), (333, 999), (5_000, 1_000), (49_999.9, 2_001)])
def test_equal_shares_take_turns(rate: float, total: int, n_workers: int) -> None:
    """With equal shares worker k starts iterations k, k + P, k + 2P… of the box, at n / rate."""
    profile = constant(rate)
    for worker, pacer in enumerate(pacers_of(profile, leg_of(profile, (3,) * n_workers, total))):
        expected = [n / rate * NS_PER_S for n in range(worker, total, n_workers)]
        assert [due_ns - START_NS for due_ns in take_all(pacer)] == pytest.approx(expected, abs=2)


@pytest.mark.parametrize("weights", [(4, 3, 3), (1, 100), (3, 0, 5), (8192, 1)])
def test_a_worker_is_near_its_share_at_any_time(weights: tuple[int, ...]) -> None:
    """After any number of iterations of the box, each worker has started its share of them, within two."""
    uniform = Uniform()
    for worker, weight in enumerate(weights):
        for n in range(0, 5_000, 37):
            exact = n * weight / sum(weights)
            assert abs(uniform.n_own(worker, weights, 0, n) - exact) <= 2


def test_no_drift() -> None:
    """A gap that is no whole number of ns is not off by one ns after a day."""
    profile = constant(30_000)
    (pacer,) = pacers_of(profile, Leg(30_000 * 86_400, None, START_NS, 0.0, None, (1,)))
    assert pacer.take() == START_NS + 86_400 * NS_PER_S
    assert pacer.take() == START_NS + 86_400 * NS_PER_S + 33_333


def test_without_news() -> None:
    """A leg without end goes on and on; one that comes later takes over at its first iteration."""
    profile = constant(1000)
    (pacer,) = pacers_of(profile, Leg(0, None, 0, 0.0, None, (1,)))
    n = 3 * BATCH
    assert [pacer.take() for _ in range(n)] == [i * 1_000_000 for i in range(n)]
    assert pacer.n_due((n + 1_000) * 1_000_000) == 1_000
    pacer.apply(Leg(n + 2, None, (n + 2) * 1_000_000, n + 2.0, constant(100), (1,)))
    expected = [n * 1_000_000, (n + 1) * 1_000_000, (n + 2) * 1_000_000, (n + 12) * 1_000_000]
    assert [pacer.take() for _ in range(4)] == expected


def test_many_legs_at_once() -> None:
    """Whoever stood still hears of them all at once, and of what it had not begun with nothing is lost."""
    first = Leg(0, None, 0, 0.0, None, (1, 1))
    legs = [Leg(4 * k, None, 4 * k * 1_000_000, 4.0 * k, constant(1000), (1, 1)) for k in range(1, 500)]
    on_time, late = pacers_of(constant(1000), first)
    taken = take_all(late, 10 * 1_000_000)
    for leg in legs:
        taken += take_all(on_time, leg.origin_ns)
        on_time.apply(leg)
    for leg in legs:
        late.apply(leg)
    for pacer in (on_time, late):
        taken += take_all(pacer, 3_000 * 1_000_000)
    assert sorted(taken) == [i * 1_000_000 for i in range(3_000)]


def test_a_pause_is_not_the_end() -> None:
    """Where a leg ends that is not the last, nothing is due, but the plan is not over."""
    profile = constant(1000)
    (pacer,) = pacers_of(profile, Leg(0, None, 0, 0.0, None, (1,)))
    pacer.apply(Leg(3, 3, 0, 0.0, None, (1,), is_final=False))
    assert len(take_all(pacer)) == 3
    assert not pacer.is_over
    pacer.apply(Leg(3, 5, NS_PER_S, 3.0, None, (1,)))
    assert take_all(pacer) == [NS_PER_S, NS_PER_S + 1_000_000]
    assert pacer.is_over


def test_a_gap() -> None:
    """A leg that leaves iterations unplanned before it is refused, and nothing has changed."""
    profile = constant(1000)
    (pacer,) = pacers_of(profile, Leg(0, 3, 0, 0.0, None, (1,)))
    with pytest.raises(ValueError, match="begins at iteration 4, but only 3 are planned"):
        pacer.apply(Leg(4, None, 0, 0.0, None, (1,)))
    assert len(take_all(pacer)) == 3


CHANGED = [constant(1000), ramp(100, 900, 2) + hold(), sine(500, 500, 1, 60), constant(3)]


@st.composite
def runs(draw: st.DrawFn) -> tuple[str, list[Leg], list[list[int]], int]:
    """Arrivals; legs with changes of the rate, of the weights, and pauses; by how many iterations each worker hears of
    each leg too early or too late; and the number at which the plan ends.
    """
    n_workers = draw(st.integers(1, 4))
    kind = draw(st.sampled_from(["uniform", "poisson"]))
    arrivals = arrivals_of(kind)
    weights = draw(st.lists(st.integers(0, 5), min_size=n_workers, max_size=n_workers).filter(any).map(tuple))
    legs = [Leg(0, None, 0, 0.0, None, weights)]
    at_ns = 0
    lags = [[0] * n_workers]
    for _ in range(draw(st.integers(0, 8))):
        at_ns += draw(st.integers(1, 400)) * 1_000_000
        before = legs[-1]
        area = before.base if not before.is_final else before.area_at(at_ns, before.profile or CHANGED[0])
        first = max(arrivals.n_before(area), before.first)
        weights = draw(st.lists(st.integers(0, 5), min_size=n_workers, max_size=n_workers).filter(any).map(tuple))
        if draw(st.integers(0, 4)) == 0:
            legs.append(Leg(first, first, at_ns, area, None, weights, is_final=False))
        else:
            legs.append(Leg(first, None, at_ns, area, draw(st.sampled_from(CHANGED)), weights))
        lags.append(draw(st.lists(st.integers(-30, 30), min_size=n_workers, max_size=n_workers)))
    last = legs[-1]
    end = last.first + draw(st.integers(0, 200))
    if last.is_final:
        legs[-1] = Leg(last.first, end, last.origin_ns, last.base, last.profile, last.weights)
    else:
        end = last.first
    return kind, legs, lags, end


@pytest.mark.slow
@given(runs())
def test_nothing_is_lost_or_doubled(run: tuple[str, list[Leg], list[list[int]], int]) -> None:
    """However late each worker hears of each leg, all together start just what was planned.

    Unless one had taken more by then than it is to have at all; it then has taken just that.
    """
    kind, legs, lags, end = run
    arrivals = arrivals_of(kind)
    taken: list[int] = []
    owed: list[int] = []
    for worker in range(len(legs[0].weights)):
        pacer = Pacer(worker, CHANGED[0], arrivals_of(kind))
        pacer.apply(legs[0])
        n = own = 0
        for leg, leg_lags, previous in zip(legs[1:], lags[1:], legs, strict=False):
            own += arrivals.n_own(worker, previous.weights, previous.first, leg.first)
            while n < max(own + leg_lags[worker], 0) and pacer.due_ns != NEVER_NS:
                pacer.take()
                n += 1
            pacer.apply(leg)
        own += arrivals.n_own(worker, legs[-1].weights, legs[-1].first, end)
        n_left = pacer.n_due(NEVER_NS)
        rest = take_all(pacer)
        assert len(rest) == n_left
        taken.append(n + len(rest))
        owed.append(own)
    assert all(n >= most for n, most in zip(taken, owed, strict=True))
    if sum(taken) != end:
        assert any(n > most for n, most in zip(taken, owed, strict=True))


def test_what_others_gave_up_comes_first() -> None:
    """Taken over, it is started before what is due later, and a new leg does not touch it."""
    profile = constant(1000)
    (pacer,) = pacers_of(profile, Leg(0, 10, 0, 0.0, None, (1,)))
    assert pacer.give_up(2_500_000, 10) == [0, 1_000_000, 2_000_000]
    pacer.take_over([500, 400])
    assert pacer.n_due(4_500_000) == 4
    pacer.apply(Leg(5, 6, 0, 0.0, None, (1,)))
    assert take_all(pacer) == [400, 500, 3_000_000, 4_000_000, 5_000_000]


def test_poisson_ends_where_its_area_does() -> None:
    """Points beyond the plan's end are nobody's, and how many lie before it is the same for all who ask."""
    profile = constant(1000, 3)
    leg = Leg(0, None, START_NS, 0.0, None, (1, 2), end_area=profile.area)
    pacers = pacers_of(profile, leg, "poisson")
    n_planned = Poisson(5).n_before(profile.area)
    assert sum(pacer.n_due(NEVER_NS) for pacer in pacers) == n_planned
    due = sorted(due_ns for pacer in pacers for due_ns in take_all(pacer))
    assert len(due) == n_planned
    assert due[-1] <= START_NS + 3 * NS_PER_S
    assert all(pacer.is_over for pacer in pacers)
