"""A policy is one that can be, or it is told what can."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridpress.errors import UsageError
from hybridpress.load.split import deal
from hybridpress.vocab.policy import Policy, parts_of


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"name": "mixed"},
            "how words are drawn must be one of random, sequential, shuffle, partitioned, per_slot, once, got",
        ),
        ({"exhausted": "wait"}, 'what follows the last word must be one of recycle, stop, fail, got "wait"'),
        ({"in_flight": "lose"}, 'what becomes of words in flight must be one of report, again, got "lose"'),
        ({"name": "random", "exhausted": "stop"}, 'words drawn "random" have no last one that "stop" could follow'),
        ({"name": "per_slot", "exhausted": "fail"}, 'words drawn "per_slot" have no last one that "fail" could follow'),
        ({"name": "once", "exhausted": "recycle"}, 'words drawn "once" cannot recycle; draw them "partitioned"'),
    ],
)
def test_a_policy_that_cannot_be(options: dict[str, Any], sentence: str) -> None:
    """It is told what can."""
    with pytest.raises(UsageError) as caught:
        Policy(**options)
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize(
    ("options", "is_endless", "must_fail"),
    [
        ({}, True, False),
        ({"name": "per_slot"}, True, False),
        ({"name": "shuffle"}, True, False),
        ({"name": "shuffle", "exhausted": "stop"}, False, False),
        ({"name": "sequential", "exhausted": "fail"}, False, True),
        ({"name": "once"}, False, False),
        ({"name": "once", "exhausted": "fail"}, False, True),
    ],
)
def test_what_follows_the_last_word(options: dict[str, Any], *, is_endless: bool, must_fail: bool) -> None:
    """Words are recycled unless the policy or its author says otherwise."""
    policy = Policy(**options)
    assert (policy.is_endless, policy.must_fail) == (is_endless, must_fail)


@given(st.integers(0, 500), st.lists(st.integers(0, 7), min_size=1, max_size=6).filter(any))
def test_parts(n_words: int, weights: list[int]) -> None:
    """The parts follow one another, are the whole table, and each is within one word of its exact share."""
    parts = parts_of(n_words, weights)
    assert [index for part in parts for index in part] == list(range(n_words))
    assert all(abs(len(part) - n_words * w / sum(weights)) < 1 for part, w in zip(parts, weights, strict=True))


def test_parts_are_those_of_iterations() -> None:
    """Workers get as many words as a plan of as many iterations deals them: then all end together."""
    for n_words in range(1, 60):
        for weights in ([1, 1, 1], [3, 3, 2, 2], [5, 1]):
            assert [len(part) for part in parts_of(n_words, weights)] == deal(n_words, weights)


def test_empty_parts() -> None:
    """A worker without slots needs no part; one with slots does."""
    assert Policy("partitioned").mistakes(2, [1, 0, 1]) == []
    assert Policy("partitioned").mistakes(2, [1, 1, 1]) != []
