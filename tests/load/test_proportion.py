"""Turns by weight: at every moment each has had its part, within one."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridpress.load.overlay import together
from hybridpress.load.profile import Profile, constant, hold, ramp, sine
from hybridpress.load.proportion import TurnsOverTime, turns_by_weight

whole_weights = st.lists(st.integers(1, 60), min_size=1, max_size=8)


@given(whole_weights)
def test_within_one_at_every_moment(weights: list[int]) -> None:
    """After each turn, nobody is a whole turn off its part."""
    total = sum(weights)
    had = [0] * len(weights)
    for t, k in enumerate(islice(turns_by_weight(weights), 3 * total + 7), 1):
        had[k] += 1
        assert all(abs(had[i] * total - t * weight) < total for i, weight in enumerate(weights))


@given(st.lists(st.integers(1, 10**9), min_size=2, max_size=5))
def test_long_periods_too(weights: list[int]) -> None:
    """Also where the sequence does not repeat for long, such as by tables of any length."""
    total = sum(weights)
    counts = Counter(islice(turns_by_weight(weights), 2_000))
    assert all(abs(counts[i] * total - 2_000 * weight) < total for i, weight in enumerate(weights))


def test_seven_two_one() -> None:
    """In ten turns seven, two and one; the same again in the next ten."""
    turns = list(islice(turns_by_weight([7, 2, 1]), 20))
    assert Counter(turns[:10]) == {0: 7, 1: 2, 2: 1}
    assert turns[:10] == turns[10:]


@pytest.mark.parametrize("weights", [[0.7, 0.2, 0.1], [Fraction(7, 3), Fraction(2, 3), Fraction(1, 3)], [70, 20, 10]])
def test_only_the_proportion_counts(weights: list[float]) -> None:
    """Weights in any unit, with fractions: what counts is their proportion."""
    assert list(islice(turns_by_weight(weights), 30)) == list(islice(turns_by_weight([7, 2, 1]), 30))


@pytest.mark.parametrize("weights", [[], [0], [1, -1], [1, 0]])
def test_no_proportion(weights: list[int]) -> None:
    """Weights are above 0."""
    with pytest.raises(ValueError, match="cannot share turns by weights"):
        turns_by_weight(weights)


CHANGING = [
    [constant(3), constant(1)],
    [ramp(0, 100, "4s"), constant(5), ramp(100, 0, "4s")],
    [sine(50, 50, "2s", "8s"), constant(20), ramp(0, 100, "2s") + hold("2s")],
    [ramp(0, 300, "1s"), constant(1), ramp(0, 100, "2s") + hold("5s"), constant(10)],
]


@pytest.mark.parametrize("n_workers", [1, 2, 4])
@pytest.mark.parametrize("profiles", CHANGING)
def test_turns_by_rates_over_time(profiles: list[Profile], n_workers: int) -> None:
    """Each has at every moment what its own rate asks for, within two, however many workers share the sequence."""
    whole = together(profiles)
    dues_s = whole.due_ns(0, whole.n_arrivals(8.0)) / 1e9
    had = [0] * len(profiles)
    for worker in range(n_workers):
        turns, mine = TurnsOverTime(profiles), dues_s[worker::n_workers].tolist()
        had_here = [0] * len(profiles)
        for due_s in mine:
            had_here[turns.next(due_s)] += 1
            for k, profile in enumerate(profiles):
                wanted = (profile.arrivals(due_s) - profile.arrivals(mine[0])) / n_workers
                assert -1.5 < had_here[k] - wanted < 2.5  # this very turn is one of them
        had = [before + here for before, here in zip(had, had_here, strict=True)]
    for k, profile in enumerate(profiles):
        assert abs(had[k] - profile.arrivals(8.0)) <= 2 * n_workers


def test_what_is_due_earlier_than_the_one_before() -> None:
    """What another worker gave up may be older: it is shared as things stand, and nobody is owed less for it."""
    turns = TurnsOverTime([constant(3), constant(1)])
    found = [turns.next(t_s) for t_s in (0.0, 1.0, 0.5, 0.5, 0.5, 2.0, 1.0, 1.0)]
    assert found.count(0) == 6
