"""CSV files as tables: each row a dict by the names of the columns, cut up when it is drawn.

What Python's csv module reads is what counts. A file without quotes is checked and indexed a block at a time with
numpy; one with quotes is read by the csv module itself once, so that a row ends where it says.
"""

from __future__ import annotations

import csv
import io
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from hybridpress.errors import UsageError
from hybridpress.units import format_count
from hybridpress.vocab.mistakes import Mistakes
from hybridpress.vocab.textfile import Block, FileTable, Mask, Starts, TextFile, empty_starts, index_lines

Convert = Callable[[str], Any]

_QUOTE = b'"'
_TRUTHS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


@dataclass(frozen=True, slots=True)
class Columns:
    """How the rows of one file are written, and what becomes of them."""

    names: Sequence[str]
    delimiter: str
    types: Mapping[str, Convert] = field(default_factory=dict)

    def converters(self) -> list[tuple[int, str, Convert]]:
        """The columns that are not left as text: number, name, and what makes a value of them."""
        return [(self.names.index(name), name, convert) for name, convert in self.types.items()]


def build_csv(
    path: str,
    base: Path,
    *,
    delimiter: str,
    fields: Sequence[str] | None,
    types: Mapping[str, Convert],
    encoding: str,
) -> CsvTable:
    """The table of a CSV file. *fields* names the columns of a file whose first row does not.

    Raises:
        UsageError: no such file, no rows in it, or rows that are not as they should be, with their lines.
    """
    if len(delimiter) != 1 or not delimiter.isascii() or delimiter in '"\r\n':
        raise UsageError(f'{path}: the delimiter must be one ASCII character, such as "," or "\\t", got {delimiter!r}')
    text = TextFile(path, base, encoding)
    mistakes = Mistakes(text.name)
    names = _header(text, delimiter) if fields is None else list(fields)
    types = {name: _truth if convert is bool else convert for name, convert in types.items()}
    _check_names(text.name, names, types, is_header=fields is None)
    columns = Columns(tuple(names), delimiter, types)
    needs_care = _needs_care(text)
    index = _index_carefully if needs_care else _index_fast
    starts = index(text, columns, mistakes, has_header=fields is None)
    mistakes.check()
    return (QuotedCsvTable if needs_care else CsvTable)(text, starts, columns)


class CsvTable(FileTable):
    """The rows of a file that has no quotes: a row is a line, and a value what lies between two delimiters."""

    __slots__ = ("_converters", "_delimiter", "_names")

    def __init__(self, text: TextFile, starts: Starts, columns: Columns) -> None:
        super().__init__(text, starts)
        self._names = columns.names
        self._delimiter = columns.delimiter
        self._converters = [(name, convert) for _, name, convert in columns.converters()]

    def _decode(self, raw: bytes) -> dict[str, Any]:
        cells = str(raw, "utf-8").rstrip("\r\n").split(self._delimiter)
        word: dict[str, Any] = dict(zip(self._names, cells, strict=True))
        if self._converters:
            self._convert(word)
        return word

    def _convert(self, word: dict[str, Any]) -> None:
        for name, convert in self._converters:
            word[name] = convert(word[name])


class QuotedCsvTable(CsvTable):
    """The rows of a file in which some values may be quoted."""

    __slots__ = ("_reader", "_waiting")

    def __init__(self, text: TextFile, starts: Starts, columns: Columns) -> None:
        super().__init__(text, starts, columns)
        # One reader for all rows, which finds here the one that it is to read: to make one takes as long as to read.
        self._waiting: list[str] = []
        self._reader = csv.reader(iter(self._waiting.pop, None), delimiter=columns.delimiter)

    def _decode(self, raw: bytes) -> dict[str, Any]:
        if b'"' not in raw:
            return super()._decode(raw)
        self._waiting.append(str(raw, "utf-8"))
        try:
            cells = next(self._reader)
        except IndexError:
            raise ValueError("a quote is not closed; was the file changed during the run?") from None
        word: dict[str, Any] = dict(zip(self._names, cells, strict=True))
        if self._converters:
            self._convert(word)
        return word


def _header(text: TextFile, delimiter: str) -> list[str]:
    """The first row. Its characters are bytes still; those that are not UTF-8 are told with the others."""
    try:
        row = next((row for row in csv.reader(_characters(text), delimiter=delimiter) if row), None)
    except csv.Error:
        raise UsageError(f"{text.name}:1: {_too_long()}") from None
    if row is None:
        raise UsageError(f"{text.name} holds nothing but blank lines")
    return [cell.encode("latin-1").decode("utf-8", "replace") for cell in row]


def _check_names(file_name: str, names: Sequence[str], types: Mapping[str, Convert], *, is_header: bool) -> None:
    where = f"{file_name}: its header" if is_header else f"{file_name}: fields"
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    unknown = [name for name in types if name not in names]
    found = ", ".join(f'"{name}"' for name in names)
    complaints = [f'{where} names "{name}" twice' for name in twice]
    complaints += [f'{file_name}: types speaks of a column "{name}", but there are {found}' for name in unknown]
    if complaints or not names:
        raise UsageError(complaints or f"{where} names no column")


def _needs_care(text: TextFile) -> bool:
    """Whether a line may be something else than a row: there are quotes, or carriage returns that end a row alone."""
    return any(
        _QUOTE in block.raw or (b"\r" in block.raw and block.raw.count(b"\r") != block.raw.count(b"\r\n"))
        for block in text.blocks()
    )


def _index_fast(text: TextFile, columns: Columns, mistakes: Mistakes, *, has_header: bool) -> Starts:
    delimiter, n_wanted = ord(columns.delimiter), len(columns.names)
    header_is_due = has_header

    def check(block: Block) -> Mask:
        nonlocal header_is_due
        block.check_utf8(mistakes)
        is_row = ~block.is_blank()
        # Delimiters and line ends as they follow one another: from one end to the next is the number of columns.
        codes = block.codes
        marks = codes[(codes == delimiter) | (codes == ord("\n"))]
        n_columns = np.diff(np.flatnonzero(marks == ord("\n")), prepend=-1)
        wrong = np.flatnonzero(is_row & (n_columns != n_wanted))
        told = wrong[: mistakes.n_more]
        for i in told.tolist():
            mistakes.add(block.first_line + i, _columns(int(n_columns[i]), n_wanted))
        mistakes.add_untold(len(wrong) - len(told))
        if header_is_due and is_row.any():
            header_is_due = False
            is_row[is_row.argmax()] = False
        if columns.types and not len(wrong):
            _check_types(block, is_row, columns, mistakes)
        return is_row

    return index_lines(text, check)


def _check_types(block: Block, is_row: Mask, columns: Columns, mistakes: Mistakes) -> None:
    """Note the rows of *block* whose values are not of their column's type; it is UTF-8 and has all its columns."""
    n_columns, converters = len(columns.names), columns.converters()
    lines = block.raw.decode("utf-8", "replace").replace("\r\n", "\n").split("\n")
    rows = [(number, line) for number, (line, ok) in enumerate(zip(lines, is_row.tolist(), strict=False)) if ok]
    # A column at a time, and row by row only where something is wrong: a third of the time.
    cells = columns.delimiter.join([line for _, line in rows]).split(columns.delimiter)
    try:
        for column, _, convert in converters:
            deque(map(convert, cells[column::n_columns]), maxlen=0)
    except Exception:  # noqa: BLE001 (a converter of the user's may raise anything)
        for number, line in rows:
            _check_row(line.split(columns.delimiter), converters, block.first_line + number, mistakes)


def _index_carefully(text: TextFile, columns: Columns, mistakes: Mistakes, *, has_header: bool) -> Starts:
    """Where the csv module begins to read each row. About a microsecond a row."""
    n_wanted, converters = len(columns.names), columns.converters()
    position = text.begin

    def followed() -> Iterator[str]:
        nonlocal position
        for characters in _characters(text, mistakes):
            position += len(characters)
            yield characters

    # A row has a line at least, whichever way lines end.
    starts = empty_starts(text, _most_lines(text) + 1)
    n_words, start, line = 0, position, 1
    header_is_due = has_header
    reader = csv.reader(followed(), delimiter=columns.delimiter)
    try:
        for row in reader:
            if row and header_is_due:
                header_is_due = False
            elif row:
                starts[n_words] = start
                n_words += 1
                if len(row) != n_wanted:
                    mistakes.add(line, _columns(len(row), n_wanted))
                elif converters:
                    _check_row([_as_utf8(cell) for cell in row], converters, line, mistakes)
                line_of_last = line
            start, line = position, reader.line_num + 1
    except csv.Error:
        mistakes.add(line, _too_long())
    else:
        if n_words and _is_open(text, int(starts[n_words - 1]), columns.delimiter):
            mistakes.add(line_of_last, "has a quote that is not closed")
    starts[n_words] = text.size
    return starts[: n_words + 1]


def _characters(text: TextFile, mistakes: Mistakes | None = None) -> Iterator[str]:
    """Line by line, each byte a character: to the csv module that is the same, and places stay those of the bytes."""
    for block in text.blocks():
        if mistakes is not None:
            block.check_utf8(mistakes)
        yield from io.StringIO(block.raw.decode("latin-1"), newline="")


def _most_lines(text: TextFile) -> int:
    return sum(len(block.ends) + block.raw.count(b"\r") for block in text.blocks())


def _is_open(text: TextFile, start: int, delimiter: str) -> bool:
    """Whether the row that begins at *start* would go on behind the end of the file."""
    last = text.read(start, text.size).decode("latin-1")
    return len(list(csv.reader([last, "\n"], delimiter=delimiter))) == 1


def _check_row(cells: list[str], converters: list[tuple[int, str, Convert]], line: int, mistakes: Mistakes) -> None:
    for column, name, convert in converters:
        try:
            convert(cells[column])
        except Exception as error:  # noqa: BLE001 (a converter of the user's may raise anything)
            mistakes.add(line, f'"{name}" is not as its type wants it: {error}')


def _columns(n_found: int, n_wanted: int) -> str:
    return f"has {n_found} {'columns' if n_found != 1 else 'column'}; it should have {n_wanted}"


def _too_long() -> str:
    n_most = format_count(csv.field_size_limit())
    return f"has a value of more than {n_most} characters; is a closing quote missing?"


def _as_utf8(cell: str) -> str:
    return cell if cell.isascii() else cell.encode("latin-1").decode("utf-8", "replace")


def _truth(text: str) -> bool:
    """What `bool` as a column's type stands for: bool("false") is True."""
    try:
        return _TRUTHS[text.strip().lower()]
    except KeyError:
        raise ValueError(f'must be true, false, yes, no, 1 or 0, got "{text}"') from None
