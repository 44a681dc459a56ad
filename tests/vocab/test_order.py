"""The laws of the policies: whose a word is, in which order, and what comes after the last."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridpress.errors import UsageError
from hybridpress.vocab.order import Order
from hybridpress.vocab.policy import Policy
from hybridpress.vocab.progress import Progress

slots = st.lists(st.integers(1, 7), min_size=1, max_size=5)
sizes = st.integers(1, 200)
seeds = st.integers(-(2**70), 2**70)
orders = ["sequential", "shuffle", "partitioned", "once"]


def order_of(name: str, n_words: int, slots_by_worker: list[int], seed: int | None = 1, **options: Any) -> Order:
    policy: Any = name
    return Order(Policy(policy, **options), n_words, slots_by_worker, seed)


def shares(order: Order, slots_by_worker: list[int]) -> list[list[int]]:
    """The words of each worker, in its order, of one pass."""
    return [order.indexes(k, 0, order.share_of_worker(k)) for k in range(len(slots_by_worker))]


@pytest.mark.parametrize("name", orders)
@given(n_words=sizes, slots_by_worker=slots, seed=seeds)
def test_each_word_is_one_workers(name: str, n_words: int, slots_by_worker: list[int], seed: int) -> None:
    """In one pass the workers' words are disjoint, and together the table."""
    if Policy(name).mistakes(n_words, slots_by_worker):  # type: ignore[arg-type]  # from a list
        return
    options = {} if name == "once" else {"exhausted": "stop"}
    order = order_of(name, n_words, slots_by_worker, seed, **options)
    found = shares(order, slots_by_worker)
    assert [len(share) for share in found] == [order.share_of_worker(k) for k in range(len(slots_by_worker))]
    assert sorted(index for share in found for index in share) == list(range(n_words))
    for k, share in enumerate(found):
        assert order.indexes(k, 0, n_words + 10) == share
        assert order.indexes(k, len(share), len(share) + 10) == []


@pytest.mark.parametrize("name", orders)
@given(slots_by_worker=slots, n_each=st.integers(1, 50))
def test_shares_are_in_proportion_to_slots(name: str, slots_by_worker: list[int], n_each: int) -> None:
    """A worker with twice the slots has twice the words, so that all come to their end together."""
    order = order_of(name, n_each * sum(slots_by_worker), slots_by_worker)
    assert [order.share_of_worker(k) for k in range(len(slots_by_worker))] == [n_each * n for n in slots_by_worker]


@given(sizes, st.integers(1, 6), st.integers(1, 4))
def test_sequential_over_equal_workers(n_words: int, n_workers: int, n_slots: int) -> None:
    """Worker k of P draws k, k + P, k + 2 P, …, and goes on at the table's begin after its end."""
    order = order_of("sequential", n_words, [n_slots] * n_workers)
    for k in range(n_workers):
        assert order.indexes(k, 0, 300) == [(k + i * n_workers) % n_words for i in range(300)]


@given(slots)
def test_sequential_keeps_the_tables_order(slots_by_worker: list[int]) -> None:
    """Workers that draw in the proportion of their slots draw word i as the i-th, give or take one each."""
    n_words, whole = 5 * sum(slots_by_worker), sum(slots_by_worker)
    order = order_of("sequential", n_words, slots_by_worker)
    for k, share in enumerate(shares(order, slots_by_worker)):
        assert share == sorted(share)
        for j, index in enumerate(share):
            assert abs(index - (j + 0.5) * whole / slots_by_worker[k] + 0.5) <= len(slots_by_worker)


@pytest.mark.slow
@given(st.integers(1, 60), slots, seeds)
def test_a_pass_of_shuffle(n_words: int, slots_by_worker: list[int], seed: int) -> None:
    """Every pass is a permutation of the table, over all workers, and another one than the pass before."""
    order = order_of("shuffle", n_words, slots_by_worker, seed)
    period = order._period
    n_passes = 3 * period  # whole rounds of all workers, so that all have come equally far
    places = [n_passes * n_words // period * len(order._stripes[k]) for k in range(len(slots_by_worker))]
    drawn = Counter(index for k, n in enumerate(places) for index in order.indexes(k, 0, n))
    assert drawn == dict.fromkeys(range(n_words), n_passes)


def test_each_pass_is_shuffled_anew() -> None:
    """With one worker, passes follow one another, no two the same; a seed gives the same ones again."""
    order = order_of("shuffle", 50, [3], seed=7)
    passes = [tuple(order.indexes(0, 50 * i, 50 * i + 50)) for i in range(20)]
    assert all(sorted(one) == list(range(50)) for one in passes)
    assert len(set(passes)) == 20
    again = order_of("shuffle", 50, [3], seed=7)
    assert again.indexes(0, 25, 975) == [index for one in passes for index in one][25:975]
    assert order_of("shuffle", 50, [3], seed=8).indexes(0, 0, 50) != list(passes[0])


def test_partitioned_begins_its_own_part_again() -> None:
    """A worker never draws another's word."""
    order = order_of("partitioned", 10, [1, 1, 1])
    assert [order.indexes(k, 0, 6) for k in range(3)] == [[0, 1, 2, 3, 0, 1], [4, 5, 6, 4, 5, 6], [7, 8, 9, 7, 8, 9]]


@pytest.mark.parametrize("name", ["random", "per_slot", *orders])
def test_reproducible(name: str) -> None:
    """The same seed gives each worker the same words again."""
    first, again = (order_of(name, 100, [3, 2], seed=5) for _ in range(2))
    for worker in (0, 1):
        draws = [order.draw(worker).next for order in (first, again)]
        assert [draws[0](3) for _ in range(40)] == [draws[1](3) for _ in range(40)]


def test_a_seed_of_its_own() -> None:
    """Without a seed every order is another, and the same in all its workers' processes."""
    first, second = (order_of("shuffle", 1000, [1, 1], seed=None) for _ in range(2))
    assert first.indexes(0, 0, 20) != second.indexes(0, 0, 20)
    assert first.indexes(0, 0, 20) == first.indexes(0, 0, 20)


def test_workers_draw_at_random_apart() -> None:
    """Two workers do not draw the same words, though they have one seed."""
    order = order_of("random", 1000, [1, 1])
    assert order.share_of_worker(1) == 1000
    drawn = [[order.draw(worker).next(0) for _ in range(1)] for worker in (0, 1)]
    assert drawn[0] != drawn[1]


def test_per_slot() -> None:
    """Slot i has word i, whichever worker it is in, as often as it asks."""
    order = order_of("per_slot", 7, [2, 3])
    draw = order.draw(1)
    assert [draw.next(slot) for slot in (2, 3, 4, 2)] == [2, 3, 4, 2]
    assert order.share_of_worker(1) == 3


@pytest.mark.parametrize(
    ("name", "n_words", "slots_by_worker", "sentence"),
    [
        ("per_slot", 999, [500, 500], "1,000 slots need a word each, but the word table has 999; draw words at"),
        ("partitioned", 3, [2, 2, 2, 2], "a table of 3 words cannot be parted among 4 workers by their slots; lower"),
    ],
)
def test_a_table_that_is_too_small(name: str, n_words: int, slots_by_worker: list[int], sentence: str) -> None:
    """It is told before the run, with the figures and the way out."""
    with pytest.raises(UsageError) as caught:
        order_of(name, n_words, slots_by_worker)
    assert str(caught.value).startswith(sentence)
    assert order_of(name, sum(slots_by_worker), slots_by_worker).n_words == sum(slots_by_worker)


@pytest.mark.parametrize(("n_words", "slots_by_worker"), [(0, [1]), (3, []), (3, [0])])
def test_nothing_to_deal(n_words: int, slots_by_worker: list[int]) -> None:
    """Without words or without slots there is no order."""
    with pytest.raises(ValueError, match="cannot deal"):
        order_of("random", n_words, slots_by_worker)


@pytest.mark.parametrize("policy", [Policy("once"), Policy("shuffle", "stop"), Policy("sequential"), Policy("shuffle")])
def test_a_worker_without_slots(policy: Policy) -> None:
    """It has no words, and takes none from the others."""
    order = Order(policy, 10, [1, 0], 1)
    assert (order.share_of_worker(0), order.share_of_worker(1)) == (10, 0)
    assert order.draw(1).next(0) == -1
    assert sorted(order.indexes(0, 0, 10)) == list(range(10))


def test_how_much_is_left() -> None:
    """What was drawn is no more left, by the worker and over all; where words recycle, nothing ever is less."""
    order, progress = order_of("once", 10, [1, 1]), Progress([1, 1])
    draw = order.draw(0, progress)
    for _ in range(3):
        draw.next(0)
    assert order.n_left(progress) == 7
    assert (order.n_left(progress, 0), order.n_left(progress, 1)) == (2, 5)
    assert order_of("random", 10, [1, 1]).n_left(progress) is None
    assert order.told_exhausted() == "all 10 words are used, each once"
