"""All mistakes are told, as far as anyone reads them."""

from __future__ import annotations

import pytest

from hybridpress.errors import UsageError
from hybridpress.vocab.mistakes import MAX_TOLD, Mistakes


def test_none() -> None:
    """Nothing wrong, nothing raised."""
    Mistakes("users.csv").check()


def test_each_with_its_place() -> None:
    """A mistake is a sentence that begins with file and line."""
    mistakes = Mistakes("users.csv")
    mistakes.add(3, "has 1 column; it should have 2")
    mistakes.add(7, "is not UTF-8")
    with pytest.raises(UsageError) as caught:
        mistakes.check()
    assert caught.value.mistakes == ["users.csv:3: has 1 column; it should have 2", "users.csv:7: is not UTF-8"]


def test_the_first_ten_and_how_many_more() -> None:
    """Ten are told; the others are counted, whichever way they were noted."""
    mistakes = Mistakes("users.csv")
    for line in range(1, 1501):
        mistakes.add(line, "is wrong")
    assert mistakes.n_more == 0
    mistakes.add_untold(10)
    with pytest.raises(UsageError) as caught:
        mistakes.check()
    assert len(caught.value.mistakes) == MAX_TOLD + 1
    assert caught.value.mistakes[MAX_TOLD - 1 :] == ["users.csv:10: is wrong", "users.csv: 1,500 more such mistakes"]
