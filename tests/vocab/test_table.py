"""Whatever vocab is or returns, the table holds its words in their order, or it is said what is wrong."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridpress.vocab.table import LazyTable, Repeated, Source, Table, build_table

HERE = Path(__file__).parent

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


class Squares(LazyTable):
    """Words that are made when they are drawn."""

    def _word(self, index: int) -> int:
        return index * index


class SquaresSource(Source):
    """The description of such a table."""

    def build(self, base: Path) -> Table:
        assert base == HERE
        return Squares(5)


SHAPES: list[Callable[[list[Any]], Any]] = [list, tuple, iter, Rows, stream, later, lambda v: later(stream(v))]


@pytest.mark.parametrize("shape", SHAPES, ids=["list", "tuple", "iterator", "iterable", "stream", "async", "of stream"])
@settings(max_examples=20)
@given(given_words=words)
def test_all_words_in_order(shape: Callable[[list[Any]], Any], given_words: list[Any]) -> None:
    """Returned or yielded, at once or awaited: the table is the words as they came."""
    found = build_table(shape(given_words), HERE)
    assert found == given_words
    assert isinstance(found, list)
    assert all(one is other for one, other in zip(found, given_words, strict=True))


def test_the_table_is_its_own() -> None:
    """A list that vocab() keeps and changes later does not change the table."""
    kept = [1, 2]
    found = build_table(kept, HERE)
    kept.append(3)
    assert found == [1, 2]


@pytest.mark.parametrize("shape", [lambda value: value, later], ids=["at once", "async"])
def test_no_table(shape: Callable[[Any], Any]) -> None:
    """None means that there is no table, which is something else than an empty one."""
    assert build_table(shape(None), HERE) is None
    assert build_table(shape([]), HERE) == []


@pytest.mark.parametrize(
    "given_value", ["words.csv", b"abc", {"a": 1}, 7, 1.5, object()], ids=lambda v: type(v).__name__
)
@pytest.mark.parametrize("shape", [lambda value: value, later], ids=["at once", "async"])
def test_what_is_no_table(shape: Callable[[Any], Any], given_value: Any) -> None:
    """A text, a single dict or a number is refused by its kind: letters and keys are not words."""
    with pytest.raises(TypeError, match=rf"must return or yield words, got {type(given_value).__name__}"):
        build_table(shape(given_value), HERE)


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
            build_table(values, HERE)


@pytest.mark.parametrize("shape", [lambda value: value, later], ids=["at once", "async"])
def test_a_source_is_built(shape: Callable[[Any], Any]) -> None:
    """A description becomes the table that it describes, on the class as well as returned by vocab()."""
    found = build_table(shape(SquaresSource()), HERE)
    assert isinstance(found, Squares)


def test_tables_are_taken_as_they_are() -> None:
    """A range of a billion is not made into a list of a billion."""
    numbers, squares = range(10**9), Squares(3)
    assert build_table(numbers, HERE) is numbers
    assert build_table(squares, HERE) is squares


def test_a_lazy_table_is_a_sequence() -> None:
    """Length, each word by its number, from the end too, slices, and all that is made of these."""
    table = Squares(5)
    assert (len(table), table[0], table[4], table[-1], table[-5]) == (5, 0, 16, 16, 0)
    assert table[1:4] == [1, 4, 9]
    assert table[::-2] == [16, 4, 0]
    assert list(table) == [0, 1, 4, 9, 16]
    assert 9 in table
    assert random.Random(1).choice(table) in {0, 1, 4, 9, 16}
    assert repr(table) == "<Squares of 5 words>"


@pytest.mark.parametrize("index", [5, -6, 10**20])
def test_no_such_word(index: int) -> None:
    """A number behind the last word is an IndexError that says how many there are."""
    with pytest.raises(IndexError, match=f"there is no word {index}: the table has 5"):
        Squares(5)[index]


def test_no_number() -> None:
    """A word is asked for by its number alone."""
    with pytest.raises(TypeError):
        Squares(5)["first"]


@given(st.lists(st.integers(), min_size=1, max_size=5), st.integers(1, 4))
def test_repeated(given_words: list[int], times: int) -> None:
    """All words, then all again: what a list times a number is."""
    assert list(Repeated(given_words, times)) == given_words * times
