"""Text files as tables without being read into memory: an index of where their lines start, and a read for each word.

The index is one array, made before the workers are forked and never written again, so that all processes have one copy
of it. A word is read where it stands (pread) when it is drawn: from the kernel's cache of the file, which is nobody's
memory. With a mapping of the file a draw took a third less, but the mapping's pages count as memory of every process
that has drawn from all over it, and a file that is cut short would end these processes: here it is an error as any.

Each line has its entry: 4 bytes (8 in files above 4 GiB), so 40 MB for ten million. An entry for every 16th line and a
search from there would take 2.5 MB, a tenth of a percent of such a file instead of a tenth, but a draw then takes
1.3 to 2.5 times as long (`bench/test_vocab.py`).
"""

from __future__ import annotations

import codecs
import gzip
import os
import shutil
import tempfile
import zlib
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any, ClassVar, TypeVar
from weakref import finalize

import numpy as np
import numpy.typing as npt

from hybridpress.errors import TableChangedError, UsageError
from hybridpress.vocab.mistakes import Mistakes
from hybridpress.vocab.table import LazyTable

Starts = npt.NDArray[np.uint32] | npt.NDArray[np.uint64]
"""Where the words of a file start, in bytes, and where the last one ends."""
Mask = npt.NDArray[np.bool_]

_BLOCK = 1 << 20
_read_at = os.pread
_LINE_FEED, _CARRIAGE_RETURN = 10, 13
_GZIP_MAGIC = b"\x1f\x8b"
_AS_IT_IS = ("utf-8", "utf-8-sig")


_FOUND: dict[str, Path] = {}


def found_files() -> dict[str, Path]:
    """The files that were found in this process so far, by what they were asked for as."""
    return dict(_FOUND)


def find_file(path: str | os.PathLike[str], base: Path) -> Path:
    """Where the file is: *path* itself, or in *base*, or in the working directory.

    Raises:
        UsageError: in none of these.
    """
    wanted = Path(path).expanduser()
    places = [base, Path.cwd()]
    for place in places:
        if (place / wanted).is_file():
            _FOUND[str(path)] = place / wanted
            return place / wanted
    if wanted.exists() or (base / wanted).exists():
        raise UsageError(f'"{path}" is not a regular file')
    where = "" if wanted.is_absolute() else " in " + " or ".join(dict.fromkeys(map(str, map(Path.absolute, places))))
    raise UsageError(f'there is no file "{path}"{where}')


class TextFile:
    """A file's text as UTF-8, read where it is asked for. Its length is that of the moment when it was opened.

    A file that is compressed (gzip) or in another encoding is written out as plain UTF-8 first, to a temporary file
    without a name.
    """

    def __init__(self, path: str | os.PathLike[str], base: Path, encoding: str = "utf-8") -> None:
        """
        Raises:
            UsageError: there is no such file, it is empty, or it is not in this encoding.
        """
        self.name = str(path)
        """As messages name it."""
        try:
            with closing(self._open(find_file(path, base), encoding)) as file:
                self._fd = os.dup(file.fileno())
            finalize(self, os.close, self._fd)
            self.size = os.fstat(self._fd).st_size
            if not self.size:
                raise UsageError(f"{self.name} is empty")
            has_mark = self.read(0, len(codecs.BOM_UTF8)) == codecs.BOM_UTF8
        except OSError as error:
            raise UsageError(f"{self.name} cannot be read: {error.strerror or error}") from None
        self.begin = len(codecs.BOM_UTF8) if has_mark else 0
        """Where the text begins, behind the mark that some editors set."""

    def fileno(self) -> int:
        """To read from by place: all processes share it, and none moves it."""
        return self._fd

    def read(self, begin: int, end: int) -> bytes:
        """The bytes from *begin* up to *end*, or to the end of the text.

        Raises:
            UsageError: the file is shorter than it was.
        """
        n_bytes = max(min(end, self.size) - begin, 0)
        data = os.pread(self._fd, n_bytes, begin)
        if len(data) != n_bytes:
            raise UsageError(f"{self.name} was cut short while it was read")
        return data

    def blocks(self) -> Iterator[Block]:
        """The text in pieces of whole lines."""
        start, line, n_bytes = self.begin, 1, _BLOCK
        while start < self.size:
            raw = self.read(start, start + n_bytes)
            if start + len(raw) < self.size and (n_whole := raw.rfind(b"\n") + 1) < len(raw):
                if not n_whole:
                    n_bytes *= 2  # a line longer than that
                    continue
                raw = raw[:n_whole]
            block = Block(raw, start, line)
            yield block
            start, line, n_bytes = start + len(raw), line + len(block.ends), _BLOCK

    def _open(self, path: Path, encoding: str) -> IO[bytes]:
        try:
            "a".encode(encoding)  # says, other than lookup(), that a codec such as "hex" is none of text
            codec = codecs.lookup(encoding)
        except LookupError:
            raise UsageError(f'{self.name}: there is no encoding "{encoding}"') from None
        as_found = path.open("rb")
        is_packed = path.suffix == ".gz" or as_found.peek(2)[:2] == _GZIP_MAGIC
        file = self._decompressed(as_found) if is_packed else as_found
        return file if codec.name in _AS_IT_IS else self._transcoded(file, codec)

    def _decompressed(self, file: IO[bytes]) -> IO[bytes]:
        with file, ExitStack() as undo:
            plain = undo.enter_context(tempfile.TemporaryFile())
            try:
                with gzip.GzipFile(fileobj=file) as unpacked:
                    shutil.copyfileobj(unpacked, plain, _BLOCK)
            except (gzip.BadGzipFile, EOFError, zlib.error) as error:
                raise UsageError(f"{self.name} is not a whole gzip file: {error}") from None
            plain.seek(0)
            undo.pop_all()
        return plain

    def _transcoded(self, file: IO[bytes], codec: codecs.CodecInfo) -> IO[bytes]:
        line = 1
        decoder = codec.incrementaldecoder()
        with file, ExitStack() as undo:
            plain = undo.enter_context(tempfile.TemporaryFile())
            data = b"begin"
            while data:
                data = file.read(_BLOCK)
                try:
                    text = decoder.decode(data, final=not data)
                except UnicodeDecodeError as error:
                    line += codec.decode(error.object[: error.start])[0].count("\n")
                    raise UsageError(f"{self.name}:{line}: is not {codec.name}: {error.reason}") from None
                line += text.count("\n")
                plain.write(text.encode())
            plain.seek(0)
            undo.pop_all()
        return plain


@dataclass
class Block:
    """Some whole lines of a file."""

    raw: bytes
    offset: int
    """Where in the file they are."""
    first_line: int
    """The number of the first, from 1."""

    def __post_init__(self) -> None:
        if not self.raw.endswith(b"\n"):
            self.raw += b"\n"  # only the file's last line may lack it

    @cached_property
    def codes(self) -> npt.NDArray[np.uint8]:
        return np.frombuffer(self.raw, np.uint8)

    @cached_property
    def ends(self) -> npt.NDArray[np.intp]:
        """Where in `raw` each line's feed is."""
        return np.flatnonzero(self.codes == _LINE_FEED)

    def starts(self) -> npt.NDArray[np.intp]:
        """Where in `raw` each line begins."""
        starts = np.empty_like(self.ends)
        starts[0] = 0
        starts[1:] = self.ends[:-1] + 1
        return starts

    def is_blank(self) -> Mask:
        """Which lines have nothing but their end: a line feed, or a carriage return before it."""
        lengths = self.ends - self.starts()
        blank: Mask = (lengths == 0) | ((lengths == 1) & (self.codes[self.ends - 1] == _CARRIAGE_RETURN))
        return blank

    def lines(self) -> list[bytes]:
        """Every line, without its line feed."""
        return self.raw.split(b"\n")[:-1]

    def check_utf8(self, mistakes: Mistakes) -> None:
        """Note the lines that are not UTF-8."""
        try:
            self.raw.decode()
        except UnicodeDecodeError:
            for line, raw in enumerate(self.lines(), self.first_line):
                try:
                    raw.decode()
                except UnicodeDecodeError as error:
                    mistakes.add(line, f"is not UTF-8: {error.reason} at byte {error.start + 1}")


Check = Callable[[Block], Mask | None]
"""Looks a block over; which of its lines are words (None: all that are not blank)."""
CheckOfFile = Callable[[Block, Mistakes], Mask | None]
"""The same, for any file: what is wrong with a line goes to the file's mistakes."""
T = TypeVar("T", bound="FileTable")


def index_lines(text: TextFile, check: Check) -> Starts:
    """Where the words start that *check* lets pass, each on a line of its own; blank lines are none."""
    # Counted first, so that the array is made in its size: grown, it would stand twice in memory for a moment.
    n_lines = sum(len(block.ends) for block in text.blocks())
    starts = empty_starts(text, n_lines + 1)
    n_words = 0
    for block in text.blocks():
        is_word = ~block.is_blank()
        if (passed := check(block)) is not None:
            is_word &= passed
        found = block.starts()[is_word]
        starts[n_words : n_words + len(found)] = found + block.offset
        n_words += len(found)
    starts[n_words] = text.size
    return starts[: n_words + 1]


def build_by_lines(table: type[T], path: str | os.PathLike[str], base: Path, encoding: str, check: CheckOfFile) -> T:
    """The *table* of a file in which each line is a word, or none.

    Raises:
        UsageError: no such file, no words in it, or what *check* found wrong.
    """
    text = TextFile(path, base, encoding)
    mistakes = Mistakes(text.name)
    starts = index_lines(text, lambda block: check(block, mistakes))
    mistakes.check()
    return table(text, starts)


def empty_starts(text: TextFile, n: int) -> Starts:
    """Room for *n* places in *text*, in as few bytes as they need."""
    if text.size < 1 << 32:
        return np.empty(n, np.uint32)
    return np.empty(n, np.uint64)


class FileTable(LazyTable):
    """Words that are pieces of a file, read and decoded when they are drawn."""

    __slots__ = ("_fd", "_starts", "_text")

    called: ClassVar[str] = "words"
    """What a message calls them."""

    def __init__(self, text: TextFile, starts: Starts) -> None:
        """
        Raises:
            UsageError: there is not one word.
        """
        super().__init__(len(starts) - 1)
        if not self._n_words:
            raise UsageError(f"{text.name} holds no {self.called}")
        self._text = text
        self._fd = text.fileno()
        self._starts = starts.data.toreadonly()  # gives plain ints, and faster than the array does

    @property
    def n_index_bytes(self) -> int:
        """Memory that the index takes, once for all processes."""
        return self._starts.nbytes

    def _word(self, index: int) -> Any:
        begin = self._starts[index]
        n_bytes = self._starts[index + 1] - begin
        try:
            raw = _read_at(self._fd, n_bytes, begin)
            if len(raw) == n_bytes:
                return self._decode(raw)
        except Exception as error:
            # All was read when the table was built: then this was another file.
            raise TableChangedError(self._text.name, index, str(error)) from error
        raise TableChangedError(self._text.name, index, "the file is shorter than it was")

    @abstractmethod
    def _decode(self, raw: bytes) -> Any:
        """The word that *raw* is, which ends with its line's end, and perhaps with blank lines."""


class LinesTable(FileTable):
    """Each line is a word, a str without its end."""

    __slots__ = ()

    def _decode(self, raw: bytes) -> str:
        return str(raw, "utf-8").rstrip("\r\n")


def build_lines(path: str | os.PathLike[str], base: Path, encoding: str) -> LinesTable:
    """The table of a text file's lines; blank ones are left out.

    Raises:
        UsageError: no such file, no words in it, or lines that are not in this encoding.
    """

    def check(block: Block, mistakes: Mistakes) -> None:
        block.check_utf8(mistakes)

    return build_by_lines(LinesTable, path, base, encoding, check)
