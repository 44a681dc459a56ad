"""Tables: words by their number, in memory or made when they are drawn."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterable, Awaitable, Iterable, Iterator, Mapping, Sequence
from operator import index as as_int
from pathlib import Path
from typing import Any, Protocol


class Table(Protocol):
    """All words: a length, and each word by its number, from 0. A list is one, and so is a range.

    Workers share it by fork: what a draw needs of it lies in pages that nobody writes.
    """

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...

    def __iter__(self) -> Iterator[Any]: ...


class Source(ABC):
    """The description of a table, as it stands on a scenario's class; nothing is read before it is built."""

    @abstractmethod
    def build(self, base: Path) -> Table:
        """Read, check and index it all. Files are looked for in *base*, then in the working directory.

        To be called once, before the workers are forked.

        Raises:
            UsageError: everything that is wrong with it.
        """


class LazyTable(Sequence[Any], ABC):
    """A table whose words are made anew for each draw, by `_word`; for the rest, a sequence like any other."""

    __slots__ = ("_n_words",)

    def __init__(self, n_words: int) -> None:
        self._n_words = n_words

    @abstractmethod
    def _word(self, index: int) -> Any:
        """Word number *index*, which is in range."""

    def __len__(self) -> int:
        return self._n_words

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, int) and 0 <= index < self._n_words:
            return self._word(index)  # what every draw comes to
        if isinstance(index, slice):
            return [self._word(i) for i in range(*index.indices(self._n_words))]
        number = as_int(index)
        if not -self._n_words <= number < self._n_words:
            raise IndexError(f"there is no word {number}: the table has {self._n_words}")
        return self._word(number % self._n_words)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._n_words} words>"


class Repeated(LazyTable):
    """The words of another table, all of them, then all of them again, so many times."""

    __slots__ = ("_n_each", "_table")

    def __init__(self, table: Table, times: int) -> None:
        super().__init__(len(table) * times)
        self._table = table
        self._n_each = len(table)

    def _word(self, index: int) -> Any:
        return self._table[index % self._n_each]


def build_table(given: Any, base: Path) -> Table | None:
    """The table of what a scenario's `vocab` is, or gives: a source, an iterable of words, or an async one.

    A source is built; a range and a table are taken as they are. Of anything else the words are collected, and packed
    on the way when they are many (`hybridpress.vocab.packed`). None for None: no table. To be called where no event
    loop runs.

    Raises:
        UsageError: a source cannot be built.
        TypeError: *given* is none of these.
    """
    if isinstance(given, Awaitable | AsyncIterable):
        import asyncio  # 15 ms that a command which builds no table need not wait for

        return asyncio.run(_build_async(given, base))
    if given is None:
        return None
    if isinstance(given, Source):
        return given.build(base)
    if isinstance(given, range | LazyTable):
        return given
    from hybridpress.vocab.packed import pack

    return pack(_iterable(given))


async def _build_async(given: Any, base: Path) -> Table | None:
    if isinstance(given, Awaitable):
        given = await given
    if isinstance(given, AsyncIterable):
        from hybridpress.vocab.packed import pack_async

        return await pack_async(given)
    return build_table(given, base)


def _iterable(given: Any) -> Iterable[Any]:
    if isinstance(given, str | bytes | Mapping) or not isinstance(given, Iterable):
        raise TypeError(f"vocab() must return or yield words, got {type(given).__name__}")
    return given
