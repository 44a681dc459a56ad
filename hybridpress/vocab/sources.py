"""Where words come from: what a scenario's author writes as `vocab = csv("users.csv")`.

Descriptions only; what reads them is imported when they are built.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hybridpress.errors import UsageError
from hybridpress.units import parse_count
from hybridpress.vocab.table import LazyTable, Repeated, Source, Table, build_table

AnyPath = str | os.PathLike[str]


def csv(
    path: AnyPath,
    *,
    delimiter: str = ",",
    fields: Sequence[str] | None = None,
    types: Mapping[str, Callable[[str], Any]] | None = None,
    encoding: str = "utf-8",
) -> Source:
    """The rows of a CSV file, each a dict by column; its first row names the columns, else *fields* does.

    Values are text; `types={"id": int}` makes something else of a column, where `bool` reads true, false, yes, no, 1
    and 0. All rows must have all columns; blank lines are left out.
    """
    return _Csv(os.fspath(path), delimiter, fields, types or {}, encoding)


def jsonl(path: AnyPath, *, encoding: str = "utf-8") -> Source:
    """The values of a JSON-lines file, one on each line; blank lines are left out."""
    return _Jsonl(os.fspath(path), encoding)


def lines(path: AnyPath, *, encoding: str = "utf-8") -> Source:
    """The lines of a text file, each a str without its line end; blank lines are left out."""
    return _Lines(os.fspath(path), encoding)


def access_log(path: AnyPath) -> Source:
    """The requests of an access log in the common or the combined format, gzipped or not.

    Each a dict with "method", "path" and "status" (an int), and, as far as they were logged, "time", "client", "user",
    "host" (the virtual host), "referer" and "agent".
    """
    return _AccessLog(os.fspath(path))


def sql(url: str, query: str, params: Mapping[str, Any] | None = None) -> Source:
    """The rows of *query*, each a dict by column, from any database that SQLAlchemy reaches.

    *params* are the values of its `:names`. Needs `pip install "hybridpress[sql]"`, and the database's own driver.
    """
    return _Sql(url, query, params or {})


def rows(n: int | str) -> Source:
    """The numbers from 0 to *n* − 1."""
    return _Rows(n)


def repeat(words: Any, times: int | str) -> Source:
    """All of *words* (a source, a list, a tuple, a range), then all again, *times* times. Anything else is one word."""
    return _Repeat(words, times)


@dataclass(frozen=True, slots=True)
class _Csv(Source):
    path: str
    delimiter: str
    fields: Sequence[str] | None
    types: Mapping[str, Callable[[str], Any]]
    encoding: str

    def build(self, base: Path) -> Table:
        from hybridpress.vocab.delimited import build_csv

        if isinstance(self.fields, str):
            raise UsageError(f"{self.path}: fields must be a list of names, got {self.fields!r}")
        return build_csv(
            self.path, base, delimiter=self.delimiter, fields=self.fields, types=self.types, encoding=self.encoding
        )


@dataclass(frozen=True, slots=True)
class _Jsonl(Source):
    path: str
    encoding: str

    def build(self, base: Path) -> Table:
        from hybridpress.vocab.json_lines import build_jsonl

        return build_jsonl(self.path, base, self.encoding)


@dataclass(frozen=True, slots=True)
class _Lines(Source):
    path: str
    encoding: str

    def build(self, base: Path) -> Table:
        from hybridpress.vocab.textfile import build_lines

        return build_lines(self.path, base, self.encoding)


@dataclass(frozen=True, slots=True)
class _AccessLog(Source):
    path: str

    def build(self, base: Path) -> Table:
        from hybridpress.vocab.weblog import build_access_log

        return build_access_log(self.path, base)


@dataclass(frozen=True, slots=True)
class _Sql(Source):
    url: str = field(repr=False)
    """Often with a password in it."""
    query: str
    params: Mapping[str, Any]

    def build(self, base: Path) -> Table:
        from hybridpress.vocab.database import build_sql

        return build_sql(self.url, self.query, self.params, base)


@dataclass(frozen=True, slots=True)
class _Rows(Source):
    n: int | str

    def build(self, base: Path) -> Table:
        return range(_count("rows", self.n))


@dataclass(frozen=True, slots=True)
class _Repeat(Source):
    words: Any
    times: int | str

    def build(self, base: Path) -> Table:
        times = _count("repeat", self.times)
        if isinstance(self.words, Source | LazyTable | list | tuple | range):
            table = build_table(self.words, base)
            assert table is not None
        else:
            table = [self.words]
        return Repeated(table, times)


def _count(name: str, given: int | str) -> int:
    try:
        return parse_count(given)
    except UsageError as error:
        raise UsageError(f"{name}(): the count {error}") from None
