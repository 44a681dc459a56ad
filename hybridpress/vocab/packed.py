"""Many Python objects as one row of bytes, so that forked workers share them.

A word that is drawn has its reference counts written, and with them the page it lies on, which the worker then no
longer shares: workers that draw from a list of a million dicts end up with a list each. Packed, all words lie encoded
in one buffer that nobody writes, and a draw decodes one of them: 0.8 µs for a dict of three values, where a list needs
0.1. Hence tables stay lists until it matters.

Of the encodings, in ns to decode such a dict (`bench/test_vocab.py`): orjson 270, marshal 360, pickle 460. JSON has the
words that come back from it as they went in, pickle the rest.
"""

from __future__ import annotations

import ctypes
import gc
import math
import pickle
import sys
from array import array
from collections.abc import AsyncIterable, Iterable
from contextlib import suppress
from itertools import accumulate, islice
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

import orjson

from hybridpress.vocab.table import LazyTable, Table

PACK_FROM_BYTES = 32 << 20
"""Tables that take less as Python objects stay lists: a copy of that in each worker harms nobody."""
_MOST_PACKED = 0.5
"""Packed are words that then take at most this part of what they take as objects."""
_CHUNK = 8192
"""So many words are encoded together; no more than these exist in both forms."""
_SAMPLE = 64
_MAX_OBJECTS = 100_000
"""Where sizing a sample ends: such words hang together with half of the process."""

_PICKLED = 0x80
"""The first byte of every pickle since protocol 2, and of no JSON."""
_JSON_KINDS = frozenset({str, int, bool, type(None)})
_EVERYBODYS = (type, ModuleType, FunctionType, BuiltinFunctionType)


class Packed(LazyTable):
    """Words, encoded; each draw gives a new object, equal to the one that was packed."""

    __slots__ = ("_bytes", "_ends")

    def __init__(self, buffer: bytearray, ends: array[int]) -> None:
        """*ends* begins with 0; word i lies between ends[i] and ends[i + 1]."""
        super().__init__(len(ends) - 1)
        self._bytes = memoryview(buffer).toreadonly()
        self._ends = ends

    @property
    def n_bytes(self) -> int:
        """Memory that the encoded words take."""
        return len(self._bytes) + self._ends.itemsize * len(self._ends)

    def _word(self, index: int) -> Any:
        ends = self._ends
        return _decoded(self._bytes[ends[index] : ends[index + 1]])


def pack(words: Iterable[Any]) -> Table:
    """A table of *words*, taken one by one: a list, or `Packed` when that saves much memory.

    Packed or not is decided by what a sample of the words takes, piece by piece; words that cannot be pickled, or that
    share most of what they are made of, stay a list.
    """
    packer = _Packer()
    unread = iter(words)
    while chunk := list(islice(unread, _CHUNK)):
        packer.extend(chunk)
    return packer.finish()


async def pack_async(words: AsyncIterable[Any]) -> Table:
    """As `pack`."""
    packer = _Packer()
    chunk: list[Any] = []
    async for word in words:
        chunk.append(word)
        if len(chunk) == _CHUNK:
            packer.extend(chunk)
            chunk = []
    if chunk:
        packer.extend(chunk)
    return packer.finish()


class _Packer:
    """Begins with a list, changes to encoded words when it has grown large, and back when they do not fit."""

    def __init__(self) -> None:
        self._plain: list[Any] = []
        self._plain_bytes = 0.0
        self._buffer = bytearray()
        self._ends = array("Q", [0])
        self._may_pack = True

    def extend(self, chunk: list[Any]) -> None:
        if len(self._ends) > 1:
            if not self._encode(chunk):
                self._unpack()
                self._plain += chunk
            return
        self._plain += chunk
        if not self._may_pack:
            return
        self._plain_bytes += _size_per_word(_sample(chunk)) * len(chunk)
        if self._plain_bytes >= PACK_FROM_BYTES:
            self._pack()

    def finish(self) -> Table:
        if len(self._ends) == 1:
            return self._plain
        _give_back()
        return Packed(self._buffer, self._ends)

    def _pack(self) -> None:
        plain, self._plain = self._plain, []
        for begin in range(0, len(plain), _CHUNK):
            if not self._encode(plain[begin : begin + _CHUNK]):
                self._unpack()
                self._plain = plain  # the very objects, not what unpacking made of them
                return

    def _unpack(self) -> None:
        """For good: back to a list."""
        self._may_pack = False
        self._plain = list(Packed(self._buffer, self._ends))
        self._buffer, self._ends = bytearray(), array("Q", [0])

    def _encode(self, chunk: list[Any]) -> bool:
        """Append *chunk*, encoded; False, and nothing appended, when that cannot be done or saves too little."""
        sample = _sample(chunk)
        room = _MOST_PACKED * _size_per_word(sample) * len(sample)
        try:
            for word in sample:
                data = _encoded(word)
                room -= len(data) + self._ends.itemsize
                if room < 0:
                    return False
                _decoded(data)  # what cannot be read back says so now
            pieces = [_encoded(word) for word in chunk]
        except Exception:  # noqa: BLE001 (pickling runs code of the user's, which may raise anything)
            return False
        self._ends.extend(islice(accumulate(map(len, pieces), initial=len(self._buffer)), 1, None))
        self._buffer += b"".join(pieces)
        return True


def _give_back() -> None:
    """Return to the system what the words took before they were packed.

    glibc keeps memory that was freed below some that is in use: of a million dicts 35 MB, half of what is packed.
    """
    if sys.platform == "linux":
        with suppress(AttributeError):  # another C library
            ctypes.CDLL(None).malloc_trim(0)


def _encoded(word: Any) -> bytes:
    if _is_json(word):
        try:
            return orjson.dumps(word)
        except TypeError:  # an int beyond 64 bits, half a surrogate pair, or nested too deep
            pass
    return pickle.dumps(word, pickle.HIGHEST_PROTOCOL)


def _decoded(data: bytes | memoryview) -> Any:
    return pickle.loads(data) if data[0] == _PICKLED else orjson.loads(data)  # noqa: S301 (we wrote it)


def _is_json(value: Any) -> bool:
    """Whether *value* comes back from JSON as it is: exactly these types, where a tuple or an IntEnum would not."""
    kind = type(value)
    if kind is dict:
        if not all(type(key) is str for key in value):
            return False
        return _JSON_KINDS.issuperset(map(type, value.values())) or all(map(_is_json, value.values()))
    if kind is list:
        return _JSON_KINDS.issuperset(map(type, value)) or all(map(_is_json, value))
    return kind in _JSON_KINDS or (kind is float and math.isfinite(value))


def _sample(chunk: list[Any]) -> list[Any]:
    return chunk[:: max(len(chunk) // _SAMPLE, 1)]


def _size_per_word(sample: list[Any]) -> float:
    """Bytes that a word takes as Python objects. What several words of *sample* hold in common counts once."""
    seen: set[int] = set()
    unseen: list[Any] = list(sample)
    n_bytes = 8 * len(sample)
    while unseen and len(seen) < _MAX_OBJECTS:
        thing = unseen.pop()
        if id(thing) in seen or isinstance(thing, _EVERYBODYS):
            continue
        seen.add(id(thing))
        n_bytes += sys.getsizeof(thing)
        unseen += gc.get_referents(thing)
    return n_bytes / max(len(sample), 1)
