"""A press's words in a run: every process knows how many there are, and what became of them can be told."""

from __future__ import annotations

import os
import signal

import pytest

from hybridpress.errors import UsageError
from hybridpress.vocab.policy import Policy
from hybridpress.vocab.supply import Supply
from tests.vocab.forks import fork


def test_words_that_another_process_built() -> None:
    """The process that made the supply knows the length of a table that its child filled in, and what was drawn."""
    supply = Supply(Policy("once"), [1, 1], 1)
    assert (supply.n_words, supply.n_left) == (0, None)
    if (pid := fork()) == 0:
        supply.fill(range(10))
        supply.draw(1).next(1)
        os._exit(0)
    os.waitpid(pid, 0)
    assert (supply.n_words, supply.n_left) == (10, 9)


def test_what_a_killed_worker_had() -> None:
    """Words in flight at the kill are told by number, also after another process took the place; none twice."""
    supply = Supply(Policy("once"), [2, 1], 1)
    supply.fill(range(9))
    for slot in (0, 1):
        if (pid := fork()) == 0:
            draw = supply.draw(0)
            for _ in range(2):
                draw.next(slot)
                draw.done(slot)
            draw.next(slot)
            os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(pid, 0)
    assert supply.told_lost() == [
        "2 words in flight when worker 0 was killed, used or not, were not drawn again: numbers 2, 5"
    ]
    assert supply.told_unused() == ["3 words of worker 1 not drawn: numbers 6-8"]


def test_words_drawn_again() -> None:
    """With "again" the next process has the words that were in flight, and none is lost."""
    supply = Supply(Policy("once", None, "again"), [1], 1)
    supply.fill(range(4))
    supply.draw(0).next(0)  # and this one dies
    draw = supply.draw(0)
    found = []
    for _ in range(4):
        found.append(draw.next(0))
        draw.done(0)
    assert found == [0, 1, 2, 3]
    assert supply.told_lost() == supply.told_unused() == []
    assert supply.told_exhausted() == "all 4 words are used, each once"


@pytest.mark.parametrize("name", ["random", "sequential", "per_slot"])
def test_endless_words(name: str) -> None:
    """Of words that come again nothing is lost, and none is left."""
    supply = Supply(Policy(name), [1], 1)  # type: ignore[arg-type]  # one of them
    supply.fill(range(4))
    supply.draw(0).next(0)
    assert supply.n_left is None
    assert supply.told_lost() == supply.told_unused() == []


def test_too_few_words() -> None:
    """A table that cannot be drawn as it should be is told with its owner."""
    supply = Supply(Policy("per_slot"), [2, 2], 1, "QueryVm")
    with pytest.raises(UsageError, match="QueryVm: 4 slots need a word each, but the word table has 3"):
        supply.fill(range(3))


def test_more_than_can_be_told() -> None:
    """Of very many words the first are told by number, and how many more there are."""
    supply = Supply(Policy("shuffle", "stop"), [1], 1)
    supply.fill(range(500_000))
    (told,) = supply.told_unused()
    assert told.startswith("500,000 words of worker 0 not drawn: numbers ")
    assert told.endswith(" more")
    assert len(told) < 20_000
