"""Turns by weight: at every moment each has had its part, within one."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridpress.load.proportion import turns_by_weight

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
