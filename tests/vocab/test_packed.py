"""Packed or not, words come back as they were; packed are those that gain by it."""

from __future__ import annotations

import asyncio
import enum
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridpress.vocab import Vocab, packed
from hybridpress.vocab.packed import Packed, pack, pack_async
from hybridpress.vocab.table import Table


class Colour(enum.IntEnum):
    """Equal to an int, and not one."""

    RED = 1


class Text(str):
    """Equal to a str, and not one."""

    __slots__ = ()


@dataclass
class User:
    """A word that is neither a dict nor JSON."""

    name: str
    born: datetime


class Unreadable:
    """Is pickled, and cannot be read back."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __reduce__(self) -> Any:
        return Unreadable, ()


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8) | st.binary()
words = st.recursive(
    scalars | st.sampled_from([Colour.RED, Text("a"), Decimal("1.50"), (1, "a"), {1: 2}, {3}, Vocab(id=1)]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables are packed from the first word on, a few at a time, whether it saves anything or not."""
    monkeypatch.setattr(packed, "PACK_FROM_BYTES", 0)
    monkeypatch.setattr(packed, "_CHUNK", 3)
    monkeypatch.setattr(packed, "_MOST_PACKED", 1000)


def kinds(value: Any) -> Any:
    """The types all through *value*, which equality does not look at."""
    if isinstance(value, dict):
        return type(value), [(kinds(key), kinds(inner)) for key, inner in value.items()]
    if isinstance(value, list | tuple):
        return type(value), [kinds(inner) for inner in value]
    return type(value)


@pytest.mark.slow
@pytest.mark.usefixtures("small")
@settings(max_examples=200)
@given(given_words=st.lists(words, min_size=1, max_size=8))
def test_words_come_back_as_they_were(given_words: list[Any]) -> None:
    """Equal, and of the same types all through, whichever way they are encoded."""
    table = pack(iter(given_words))
    assert isinstance(table, Packed)
    assert list(table) == given_words
    assert kinds(list(table)) == kinds(given_words)


def many(n: int) -> Iterator[dict[str, Any]]:
    return ({"id": i, "name": f"user-{i}", "token": f"{i:032d}"} for i in range(n))


async def stream(given_words: Iterator[Any]) -> AsyncIterator[Any]:
    for word in given_words:
        yield word


@pytest.mark.parametrize("is_async", [False, True])
def test_a_large_table_is_packed(monkeypatch: pytest.MonkeyPatch, *, is_async: bool) -> None:
    """Many dicts take a fraction of their memory, and are the same; a few stay what they are."""
    monkeypatch.setattr(packed, "PACK_FROM_BYTES", 1 << 20)

    def of(n: int) -> Table:
        return asyncio.run(pack_async(stream(many(n)))) if is_async else pack(many(n))

    assert isinstance(of(1_000), list)
    table = of(20_000)
    assert isinstance(table, Packed)
    assert table.n_bytes < 20_000 * 100
    assert list(table) == list(many(20_000))


def test_each_draw_is_a_word_of_its_own(small: None) -> None:
    """What press() does to a word of a packed table, the next one that is given it does not see."""
    table = pack([{"id": 1}])
    table[0]["id"] = 2
    assert table[0] == {"id": 1}


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("odd", [threading.Lock(), Unreadable("a"), lambda: 1], ids=["lock", "unreadable", "function"])
@pytest.mark.parametrize("place", [0, 1, 5, 9])
def test_what_cannot_be_pickled_stays_a_list(odd: Any, place: int) -> None:
    """One such word, wherever it comes, and the table is a list with all words in their order."""
    given_words: list[Any] = [{"id": i} for i in range(10)]
    given_words[place] = odd
    table = pack(iter(given_words))
    assert isinstance(table, list)
    assert table == given_words
    assert table[place] is odd


def test_a_class_of_words(small: None) -> None:
    """Objects of any class that can be pickled are packed too."""
    given_words = [User(f"user-{i}", datetime(2000, 1, 1, tzinfo=UTC)) for i in range(10)]
    table = pack(given_words)
    assert isinstance(table, Packed)
    assert list(table) == given_words


def test_what_words_share_is_not_packed_with_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """Words that are mostly one and the same object would take more room packed, each with its copy."""
    monkeypatch.setattr(packed, "PACK_FROM_BYTES", 0)
    catalog = {f"item-{i}": i for i in range(1_000)}
    table = pack({"id": i, "catalog": catalog} for i in range(1_000))
    assert isinstance(table, list)
    assert table[0]["catalog"] is table[999]["catalog"]


def test_large_strings_are_not_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the words are nearly all bytes already, there is nothing to save."""
    monkeypatch.setattr(packed, "PACK_FROM_BYTES", 0)
    assert isinstance(pack(f"{i:01000d}" for i in range(100)), list)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("odd", [2**70, "\ud800", float("nan"), [[[]]] * 2], ids=str)
def test_what_is_nearly_json(odd: Any) -> None:
    """Values that JSON does not have, or does not have here, are packed another way."""
    table = pack([{"value": odd}])
    assert isinstance(table, Packed)
    assert repr(table[0]) == repr({"value": odd})


@pytest.mark.slow
def test_deep_words(small: None) -> None:
    """A word deeper than JSON is read here, or than pickle goes, is still the same word."""
    for depth in (500, 100_000):
        deep: list[Any] = []
        for _ in range(depth):
            deep = [deep]
        found = pack([deep])[0]
        for _ in range(depth):
            (found,) = found
        assert found == []
