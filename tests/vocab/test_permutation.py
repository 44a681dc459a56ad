"""A pass meets every number once, looks like chance, and is the same for the same key."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridpress.vocab.permutation import _SORTED_UP_TO, Shuffle

SIZES = [1, 2, 7, _SORTED_UP_TO, _SORTED_UP_TO + 1, 4_096, 100_003]


def passes_of(n: int, key: str, n_passes: int = 1) -> list[list[int]]:
    found: list[int] = Shuffle(n, key).at(np.arange(n * n_passes)).tolist()
    return [found[i : i + n] for i in range(0, n * n_passes, n)]


@given(st.integers(1, 10 * _SORTED_UP_TO), st.text(max_size=5), st.integers(1, 4))
def test_every_number_once_a_pass(n: int, key: str, n_passes: int) -> None:
    """Whatever the length and the key."""
    assert all(sorted(one) == list(range(n)) for one in passes_of(n, key, n_passes))


@pytest.mark.parametrize("n", SIZES)
def test_the_key_decides(n: int) -> None:
    """The same key gives the same orders, another one others, and each place gives its number when asked alone."""
    first, second = passes_of(n, "key", 2)
    assert [first, second] == passes_of(n, "key", 2)
    assert sorted(second) == list(range(n))
    alone = [int(Shuffle(n, "key").at(np.array([place]))[0]) for place in range(n, n + min(n, 20))]
    assert alone == second[:20]
    if n > 10:
        assert first != second
        assert first != passes_of(n, "other")[0]
        assert first != list(range(n))


def test_large_numbers() -> None:
    """Ten billion numbers need no memory; those of some places are spread over all of them."""
    n = 10**10
    found = Shuffle(n, "key").at(np.arange(3 * n - 1000, 3 * n))
    assert len(set(found.tolist())) == 1000
    assert 0 <= found.min() < n // 50
    assert n - n // 50 < found.max() < n


def is_even(counts: Counter[object], n_kinds: int, n: int) -> bool:
    """Whether *n* things of *n_kinds* kinds came as evenly as by chance, each within 5 standard deviations."""
    mean = n / n_kinds
    return len(counts) == n_kinds and all(abs(count - mean) < 5 * mean**0.5 for count in counts.values())


def test_small_orders_come_equally_often() -> None:
    """All six orders of three numbers, over many passes and over many keys."""
    assert is_even(Counter(tuple(one) for one in passes_of(3, "key", 6_000)), 6, 6_000)
    assert is_even(Counter(tuple(passes_of(3, str(key))[0]) for key in range(6_000)), 6, 6_000)


@pytest.mark.parametrize("n", [10, _SORTED_UP_TO + 1, 150])
def test_every_number_comes_everywhere(n: int) -> None:
    """At the first place, and next to a certain other, every number comes equally often over many passes."""
    n_passes = 40 * n
    passes = np.array(passes_of(n, "key", n_passes))
    assert is_even(Counter(passes[:, 0].tolist()), n, n_passes)
    assert is_even(Counter(((passes[:, 4] - passes[:, 3]) % n).tolist()), n - 1, n_passes)


@pytest.mark.parametrize("n", [4_096, 50_000])
def test_neighbours_are_no_neighbours(n: int) -> None:
    """A number says nothing of the next one, nor of its place: the correlations are those of chance."""
    order = np.array(passes_of(n, "key")[0], dtype=float)
    for other in (order[1:], np.arange(n - 1, dtype=float)):
        assert abs(np.corrcoef(order[:-1], other)[0, 1]) < 5 / n**0.5
    low = order.astype(int) & 1
    assert abs((low[1:] ^ low[:-1]).mean() - 0.5) < 2.5 / n**0.5
