"""Words that are not drawn at random: each iteration gets the next one of its order, and its end is noted."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from hybridpress.hot import NoWordError
from hybridpress.vocab.policy import Policy
from hybridpress.vocab.supply import Supply
from hybridpress.worker.drawn import Drawing


def finish(once: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(once)


def drawing(policy: Policy, n_words: int, ended: list[str] | None = None) -> tuple[Supply, Drawing]:
    supply = Supply(policy, [2], 1)
    supply.fill(range(n_words))
    ends = [] if ended is None else ended
    return supply, Drawing(supply, 0, lambda: ends.append("out of words"))


async def returned(word: int) -> int:
    return word


def test_words_in_their_order() -> None:
    """Slots share the order, and what press() returns comes back."""
    _, words = drawing(Policy("sequential"), 3)
    first, second = words.once(returned, 0), words.once(returned, 1)
    assert [finish(once()) for once in (first, second, first, second)] == [0, 1, 2, 0]


@pytest.mark.parametrize("name", ["once", "sequential"])
def test_the_end(name: Any) -> None:
    """After the last word it is said that there is none, and press() is not called."""
    ended: list[str] = []
    _, words = drawing(Policy(name, "stop"), 1, ended)
    once = words.once(returned, 0)
    assert finish(once()) == 0
    assert ended == []
    with pytest.raises(NoWordError):
        finish(once())
    assert ended == ["out of words"]


def test_done_whatever_comes_of_it() -> None:
    """A word is in flight while its iteration runs, and no longer, also when that fails."""
    supply, words = drawing(Policy("once"), 5)

    async def press(word: int) -> None:
        assert f"numbers {word}" in supply.told_lost()[0]
        if word:
            raise ValueError("no such VM")

    once = words.once(press, 1)
    finish(once())
    with pytest.raises(ValueError, match="no such VM"):
        finish(once())
    assert supply.told_lost() == []
