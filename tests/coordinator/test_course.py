"""The plan of a run as it is changed: what is due when, for made-up times."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridpress.config import Layer, RunConfig
from hybridpress.coordinator.course import AHEAD_NS, Course
from hybridpress.load.arrivals import Uniform
from hybridpress.load.pacer import Pacer
from hybridpress.load.plan import Leg
from hybridpress.units import NEVER_NS, NS_PER_S

T0 = 1_000 * NS_PER_S


def s(seconds: float) -> int:
    return T0 + int(seconds * NS_PER_S)


def config(**given: Any) -> RunConfig:
    return RunConfig.build("made.py:Made", [Layer({"concurrent": 2, "processes": 2, **given}, lambda name: name)])


def course(**given: Any) -> Course:
    return Course(config(**given), T0, (1, 1))


def test_without_changes() -> None:
    """A rate for a time: what is due when, how much in all, and when it ends."""
    made = course(qps=100, duration="2s")
    assert [made.n_due(s(t)) for t in (0, 0.5, 1, 2, 9)] == [0, 50, 100, 200, 200]
    assert (made.n_planned(), made.end_ns(), made.rate_at(s(1))) == (200, s(2), 100)
    assert [made.target_qps(index) for index in range(2)] == [100, 100]
    assert made.is_constant


def test_a_number_of_iterations() -> None:
    """A number ends the plan when as much time has passed as they take."""
    made = course(qps=10, iterations=25)
    assert (made.n_planned(), made.end_ns(), made.until_ns) == (25, s(2.5), None)
    assert made.n_due(s(100)) == 25


def test_another_rate() -> None:
    """A rate that is changed holds a little ahead; the plan until the end of the time is another."""
    made = course(qps=100, duration="2s")
    leg = made.set_rate(1_000, s(1) - AHEAD_NS)
    assert (leg.first, leg.end) == (100, 1_100)
    assert made.n_planned() == 1_100
    assert made.target_qps(1) == 1_000
    assert not made.is_constant


def test_a_pause_moves_the_end() -> None:
    """In a pause nothing is due and nobody knows the end; afterwards the time that was left is still to come."""
    made = course(qps=100, duration="2s")
    leg = made.pause(s(1) - AHEAD_NS)
    assert (leg.first, leg.end, leg.is_final) == (100, 100, False)
    assert (made.until_ns, made.rate_at(s(3)), made.n_due(s(5)), made.n_planned()) == (None, 0.0, 100, None)
    leg = made.resume(s(6) - AHEAD_NS)
    assert (leg.first, leg.end, made.until_ns) == (100, 200, s(7))
    assert made.n_due(s(6.5)) == 150
    assert made.target_qps(3) == 0.0


def test_a_rate_for_after_the_pause() -> None:
    """What is asked for in a pause holds when it is over."""
    made = course(qps=100, duration="2s")
    made.pause(s(1) - AHEAD_NS)
    made.set_rate(500, s(2))
    leg = made.resume(s(3) - AHEAD_NS)
    assert (leg.first, leg.end) == (100, 600)


def test_a_ramp_is_told_second_by_second() -> None:
    """The target of a second is what the profile brings in it."""
    made = course(profile="ramp(0, 100, 2s) + hold(1s)")
    assert [made.target_qps(index) for index in range(4)] == [25, 75, 100, 0]
    assert made.n_planned() == 200


def test_poisson_is_counted_as_it_is_drawn() -> None:
    """How many there are is known when they are drawn, and the same for all who ask."""
    made = course(qps=100, duration="10s", arrivals="poisson", seed=3)
    n_planned = made.n_planned()
    assert n_planned is not None
    assert 900 <= n_planned <= 1_100
    assert made.n_due(s(10)) == n_planned
    assert course(qps=100, duration="10s", arrivals="poisson", seed=3).n_planned() == n_planned


changes = st.lists(
    st.tuples(
        st.integers(1, 700),
        st.one_of(
            st.tuples(st.just("rate"), st.floats(0.5, 3_000)),
            st.tuples(st.just("weights"), st.sampled_from([(1, 1), (1, 0), (3, 7), (0, 2)])),
            st.tuples(st.just("pause"), st.none()),
        ),
    ),
    max_size=12,
)


@pytest.mark.slow
@given(changes, st.sampled_from([{"duration": "3s"}, {"iterations": 500}]), st.sampled_from([7, 333.3]))
def test_whatever_is_changed_the_workers_start_the_plan(
    asked: list[tuple[int, tuple[str, Any]]], limit: dict[str, Any], qps: float
) -> None:
    """All workers together start what the plan holds in the end, each once, and never more than is due."""
    made = course(qps=qps, **limit)
    legs: list[Leg] = [made.leg]
    now_ns = T0
    for ms, (kind, value) in asked:
        now_ns += ms * 1_000_000
        if made.is_paused:
            legs.append(made.resume(now_ns))
        elif kind == "pause":
            legs.append(made.pause(now_ns))
        else:
            legs.append(made.set_rate(value, now_ns) if kind == "rate" else made.set_weights(value, now_ns))
    if made.is_paused:
        legs.append(made.resume(now_ns))
    profile = config(qps=qps, **limit).profile
    assert profile is not None
    due: list[int] = []
    for worker in range(2):
        pacer = Pacer(worker, profile, Uniform())
        for leg in legs:
            pacer.apply(leg)
        while pacer.due_ns != NEVER_NS:
            due.append(pacer.take())
        assert pacer.is_over
    assert len(due) == made.n_planned()
    if made.until_ns is not None:
        assert all(at_ns <= made.until_ns for at_ns in due)
