"""Dealing whole things: all are dealt, and nobody is off by one or more."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridpress.load.split import MAX_TURNS, deal, turns

weight_lists = st.lists(st.one_of(st.integers(0, 100), st.floats(0, 100)), min_size=1, max_size=20).filter(
    lambda weights: sum(weights) > 1e-3
)


@given(st.integers(0, 10**9), weight_lists)
def test_nothing_is_lost(total: int, weights: list[float]) -> None:
    """The shares add up to the total exactly, each is within 1 of its exact part, and a weight of 0 gets nothing."""
    shares = deal(total, weights)
    assert sum(shares) == total
    for share, weight in zip(shares, weights, strict=True):
        assert share >= 0
        assert abs(share - total * weight / sum(weights)) < 1 + 1e-6
        if weight == 0:
            assert share == 0


@given(st.integers(0, 10**9), st.integers(1, 64))
def test_equal_weights(total: int, n_shares: int) -> None:
    """Equal weights get equal shares; what is left over goes to the first."""
    whole, rest = divmod(total, n_shares)
    assert deal(total, [1.0] * n_shares) == [whole + 1] * rest + [whole] * (n_shares - rest)


@given(st.integers(0, 10**6), st.lists(st.integers(0, 100), min_size=1, max_size=8).filter(any), st.integers(1, 50))
def test_only_proportions_matter(total: int, weights: list[int], factor: int) -> None:
    """Weights times a power of two deal the same: what counts is how they stand to one another."""
    assert deal(total, [weight * 2.0**factor for weight in weights]) == deal(total, weights)


@pytest.mark.parametrize(
    ("total", "weights", "shares"),
    [
        (0, [1], [0]),
        (7, [1], [7]),
        (7, [1, 1, 1], [3, 2, 2]),
        (1, [1, 1], [1, 0]),
        (1, [1, 3], [0, 1]),
        (10, [4, 3, 3], [4, 3, 3]),
        (3, [0.1, 0.2], [1, 2]),
        (100, [0, 5, 0], [0, 100, 0]),
    ],
)
def test_shares(total: int, weights: list[float], shares: list[int]) -> None:
    """Whole parts first, then one each by the largest remainder; of equal ones the first."""
    assert deal(total, weights) == shares


@pytest.mark.parametrize(("total", "weights"), [(-1, [1]), (1, [0, 0]), (1, [2, -1]), (1, [])])
def test_what_cannot_be_dealt(total: int, weights: list[float]) -> None:
    """Less than nothing, or to nobody, cannot be dealt."""
    with pytest.raises(ValueError, match="cannot deal"):
        deal(total, weights)


@given(st.lists(st.integers(0, 50), min_size=1, max_size=8).filter(any).map(tuple))
def test_turns_are_everyones(weights: tuple[int, ...]) -> None:
    """Each turn of a round is one worker's; everyone has as many as the weight says, less what all have in common."""
    found = turns(weights)
    common = math.gcd(*weights)
    assert sorted(turn for own in found for turn in own) == list(range(sum(weights) // common))
    assert [len(own) for own in found] == [weight // common for weight in weights]


@pytest.mark.parametrize(
    ("weights", "order"), [((5, 5, 5), [0, 1, 2]), ((2, 1), [0, 1, 0]), ((0, 3), [1]), ((3, 2), [0, 1, 0, 1, 0])]
)
def test_turns_are_spread(weights: tuple[int, ...], order: list[int]) -> None:
    """Nobody's turns come in a heap."""
    owner = {turn: k for k, own in enumerate(turns(weights)) for turn in own}
    assert [owner[turn] for turn in range(len(owner))] == order


def test_long_rounds_are_rounded() -> None:
    """Weights that would need a very long round get one of bounded length, nearly in proportion."""
    first, second = turns((1_000_003, 2_000_003))
    assert len(first) + len(second) == MAX_TURNS
    assert abs(len(first) / MAX_TURNS - 1 / 3) < 0.001


@pytest.mark.parametrize("weights", [(0, 0), (-1, 2)])
def test_turns_for_nobody(weights: tuple[int, ...]) -> None:
    """Without a weight above 0 there are no turns to take."""
    with pytest.raises(ValueError, match="cannot take turns"):
        turns(weights)
