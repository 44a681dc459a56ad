"""Whatever vocab() returns, the table holds its words in their order, or it is said what is wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridpress.vocab.table import collect

words = st.lists(st.one_of(st.none(), st.integers(), st.text(), st.just({"id": 1})), max_size=6)


async def later(value: Any) -> Any:
    return value


async def stream(values: list[Any]) -> AsyncIterator[Any]:
    for value in values:
        yield value


class Rows:
    """Iterable, nothing else."""

    def __init__(self, values: list[Any]) -> None:
        self._values = values

    def __iter__(self) -> Iterator[Any]:
        return iter(self._values)


SHAPES: list[Callable[[list[Any]], Any]] = [list, tuple, iter, Rows, stream, later, lambda v: later(stream(v))]


@pytest.mark.parametrize("shape", SHAPES, ids=["list", "tuple", "iterator", "iterable", "stream", "async", "of stream"])
@settings(max_examples=20)
@given(given_words=words)
def test_all_words_in_order(shape: Callable[[list[Any]], Any], given_words: list[Any]) -> None:
    """Returned or yielded, at once or awaited: the table is the words as they came."""
    found = collect(shape(given_words))
    assert found == given_words
    assert found is not None
    assert all(one is other for one, other in zip(found, given_words, strict=True))


def test_the_table_is_its_own() -> None:
    """A list that vocab() keeps and changes later does not change the table."""
    kept = [1, 2]
    found = collect(kept)
    kept.append(3)
    assert found == [1, 2]


@pytest.mark.parametrize("shape", [lambda value: value, later], ids=["at once", "async"])
def test_no_table(shape: Callable[[Any], Any]) -> None:
    """None means that there is no table, which is something else than an empty one."""
    assert collect(shape(None)) is None
    assert collect(shape([])) == []


@pytest.mark.parametrize(
    "given_value", ["words.csv", b"abc", {"a": 1}, 7, 1.5, object()], ids=lambda v: type(v).__name__
)
@pytest.mark.parametrize("shape", [lambda value: value, later], ids=["at once", "async"])
def test_what_is_no_table(shape: Callable[[Any], Any], given_value: Any) -> None:
    """A text, a single dict or a number is refused by its kind: letters and keys are not words."""
    with pytest.raises(TypeError, match=rf"must return or yield words, got {type(given_value).__name__}"):
        collect(shape(given_value))


def test_an_error_on_the_way() -> None:
    """What vocab() raises while it yields comes out as it is."""

    def half() -> Iterator[int]:
        yield 1
        raise OSError("no more rows")

    async def half_later() -> AsyncIterator[int]:
        yield 1
        raise OSError("no more rows")

    for values in (half(), half_later()):
        with pytest.raises(OSError, match="no more rows"):
            collect(values)
