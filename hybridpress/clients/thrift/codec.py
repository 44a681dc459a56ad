"""Thrift messages as bytes and back: binary, compact and JSON. Knows no connection, no frame and no service.

A message that ends too early is told from one that is not lawful, because only for the first does it help to wait.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

from thriftpy2.protocol.compact import TCompactProtocol
from thriftpy2.protocol.cybin import TCyBinaryProtocol
from thriftpy2.thrift import TType
from thriftpy2.transport import TTransportException
from thriftpy2.transport.buffered import TCyBufferedTransport
from thriftpy2.transport.memory import TCyMemoryBuffer

from hybridpress.errors import ProtocolError
from hybridpress.hot.thrift import ENDS_EARLY, struct_end

CALL: Final = 1
REPLY: Final = 2
EXCEPTION: Final = 3
ONEWAY: Final = 4
VERSION: Final = b"\x80\x01"
"""What a binary message with a version begins with."""

Head = tuple[str, int, int]
"""A message's name, type and sequence number."""


class IncompleteError(Exception):
    """The bytes end before the message does."""


class Codec(Protocol):
    """One protocol. Not for two threads at once."""

    def write(self, name: str, kind: int, sequence: int, struct: Any) -> bytes:
        """A message as bytes. Raises whatever thriftpy2 does for a value that does not fit its field."""

    def read_head(self, data: bytes) -> Head:
        """The head of the message in *data*; `read_struct` goes on behind it.

        Raises:
            IncompleteError: the head is not whole.
            ProtocolError: it is none.
        """

    def read_struct(self, struct: Any) -> None:
        """Fill *struct* with the body of the message whose head was just read; raises as `read_head` does."""

    def n_left(self) -> int:
        """How many bytes stand behind the message that was just read."""


class _Source:
    """What a thriftpy2 transport reads from: bytes that are all there, or end."""

    __slots__ = ("data",)

    def __init__(self) -> None:
        self.data = b""

    def read(self, size: int) -> bytes:
        data = self.data
        if len(data) <= size:
            self.data = b""
            return data
        self.data = data[size:]
        return data[:size]


class _Reading:
    """What the codecs that read by a thriftpy2 protocol, `_reader`, have in common: what its errors mean."""

    _reader: Any

    def _read_head(self) -> Head:
        try:
            head: Head = self._reader.read_message_begin()
        except Exception as error:
            raise _meaning(error) from error
        return head

    def read_struct(self, struct: Any) -> None:
        try:
            self._reader.read_struct(struct)
        except Exception as error:
            raise _meaning(error) from error


class BinaryCodec(_Reading):
    """The binary protocol, by thriftpy2's compiled code. *strict* messages begin with a version.

    That code trusts what it reads, so each struct is gone through first: where it ends, and whether it is lawful. What
    is read is taken through a buffered transport all the same, not a memory buffer, which reads on behind its end.
    """

    def __init__(self, *, strict: bool = True) -> None:
        self.strict = strict
        self._out = TCyMemoryBuffer()
        self._writer = TCyBinaryProtocol(self._out, strict_write=strict)
        self._source = _Source()
        self._in = TCyBufferedTransport(self._source)
        self._reader = TCyBinaryProtocol(self._in, strict_read=strict)
        self._clean = self._in.clean
        self._read_body = self._reader.read_struct
        self._write_head = self._writer.write_message_begin
        self._write_struct = self._writer.write_struct
        self._body = b""
        self._n_read = 0

    def write(self, name: str, kind: int, sequence: int, struct: Any) -> bytes:
        out = self._out
        try:
            self._write_head(name, kind, sequence)
            self._write_struct(struct)
            data: bytes = out.getvalue()
        finally:
            out.clean()
        return data

    def read_head(self, data: bytes) -> Head:
        if not data:
            raise IncompleteError
        has_version = data[0] >= 0x80
        if not data.startswith(VERSION[: len(data)]) if has_version else self.strict:
            raise unlawful(f"it begins with {data[:16]!r}")
        at = 4 if has_version else 0
        n_name = int.from_bytes(data[at : at + 4], signed=True)
        ends = at + 4 + n_name + (4 if has_version else 5)
        if n_name < 0:
            raise unlawful(f"its method's name has {n_name:,} bytes")
        if ends > len(data):
            raise IncompleteError
        self._clean()
        self._source.data = data[:ends]
        head = self._read_head()
        self._body = data[ends:]
        return head

    def read_struct(self, struct: Any) -> None:
        self.read_bare(self._body, struct)

    def n_left(self) -> int:
        return len(self._body) - self._n_read

    def read_bare(self, data: bytes, struct: Any) -> None:
        """Fill *struct* with the body that *data* is, without a head; raises as `read_head` does."""
        end = struct_end(data, 0, struct.thrift_spec)
        if end < 0:
            raise IncompleteError if end == ENDS_EARLY else unlawful("a type or a size in it cannot be")
        self._n_read = end
        self._clean()
        self._source.data = data
        try:
            self._read_body(struct)
        except Exception as error:
            raise _meaning(error) from error


class _Bytes:
    """A transport over bytes, for the protocols in Python: it raises at its end."""

    __slots__ = ("_data", "_place", "parts", "write")

    def __init__(self, data: bytes = b"") -> None:
        self._data = data
        self._place = 0
        self.parts: list[bytes] = []
        self.write: Callable[[bytes], None] = self.parts.append

    def n_left(self) -> int:
        return len(self._data) - self._place

    def read(self, size: int) -> bytes:
        end = self._place + size
        if end > len(self._data) or size < 0:
            raise IncompleteError
        data = self._data[self._place : end]
        self._place = end
        return data


_MOST_BITS: Final = 63
"""How far to the left the last seven bits of a compact number stand at most."""


class _CompactReader(TCompactProtocol):  # type: ignore[misc]  # thriftpy2's has no types
    """thriftpy2's reader, which trusts what it reads, with bounds to its numbers and sizes. Python bounds its depth."""

    def __init__(self, source: _Bytes) -> None:
        super().__init__(source)
        self._source = source
        self._last_fid: int = 0

    def _read_ubyte(self) -> int:
        return self._source.read(1)[0]

    def _number(self) -> int:
        read = self._source.read
        byte = read(1)[0]
        number, shift = byte & 0x7F, 7
        while byte > 0x7F:
            if shift > _MOST_BITS:
                raise ValueError("a number in it has no end")
            byte = read(1)[0]
            number |= (byte & 0x7F) << shift
            shift += 7
        return number

    def _read_size(self) -> int:
        size = self._number()
        if size > self._source.n_left():
            raise IncompleteError
        return size

    def _read_int(self) -> int:
        number = self._number()
        return (number >> 1) ^ -(number & 1)

    def _read_field_begin(self) -> tuple[None, int, int]:
        first = self._read_ubyte()
        kind = first & 0x0F
        if kind == 0:
            return None, 0, 0
        self._last_fid = self._last_fid + (first >> 4) if first >> 4 else self._read_int()
        if kind <= 2:
            self._bool_value = kind == 1
        return None, self._get_ttype(kind), self._last_fid

    def _read_collection_begin(self) -> tuple[int, int]:
        kind, size = super()._read_collection_begin()
        return self._element(kind, size), size

    def _read_map_begin(self) -> tuple[int, int, int]:
        key_kind, kind, size = super()._read_map_begin()
        return self._element(key_kind, size), self._element(kind, size), size

    def _element(self, kind: int, size: int) -> int:
        if kind == 0 and size:
            raise ValueError("a container of nothing")  # it could have any size
        return kind

    def skip(self, kind: int) -> None:
        if kind in (TType.I16, TType.I32, TType.I64):
            self._number()
        else:
            super().skip(kind)

    def read_message_begin(self) -> Head:
        first, second = self._read_ubyte(), self._read_ubyte()
        if first != self.PROTOCOL_ID or second & self.VERSION_MASK != self.VERSION:
            raise ValueError(f"it begins with {bytes((first, second))!r}")
        sequence = self._number()
        return self._read_string(), second >> self.TYPE_SHIFT_AMOUNT & self.TYPE_BITS, sequence


class CompactCodec(_Reading):
    """The compact protocol, by thriftpy2's code in Python."""

    def __init__(self) -> None:
        self._source = _Bytes()
        self._reader = _CompactReader(self._source)

    def n_left(self) -> int:
        return self._source.n_left()

    def write(self, name: str, kind: int, sequence: int, struct: Any) -> bytes:
        out = _Bytes()
        writer = TCompactProtocol(out)
        writer.write_message_begin(name, kind, sequence)
        writer.write_struct(struct)
        return b"".join(out.parts)

    def read_head(self, data: bytes) -> Head:
        self._source = _Bytes(data)
        self._reader = _CompactReader(self._source)
        return self._read_head()


def _meaning(error: Exception) -> Exception:
    """What *error* of thriftpy2 while reading says of the bytes."""
    if isinstance(error, IncompleteError):
        return error
    if isinstance(error, TTransportException) and error.type == TTransportException.END_OF_FILE:
        return IncompleteError()
    return unlawful(str(error) or type(error).__name__)


def unlawful(detail: str) -> ProtocolError:
    """The error for bytes that are no Thrift message."""
    return ProtocolError("the reply is not lawful Thrift", detail)


def codec(protocol: str, *, strict: bool = True) -> Codec:
    """The codec of a *protocol*: "binary" (*strict* or not), "compact" or "json"."""
    if protocol == "compact":
        return CompactCodec()
    if protocol == "json":
        from hybridpress.clients.thrift.json import JsonCodec

        return JsonCodec()
    return BinaryCodec(strict=strict)
