"""Thrift messages as bytes and back: binary, compact and JSON. Knows no connection, no frame and no service.

A message that ends too early is told from one that is not lawful, because only for the first does it help to wait.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

from thriftpy2.protocol.compact import TCompactProtocol
from thriftpy2.protocol.cybin import TCyBinaryProtocol
from thriftpy2.transport import TTransportException
from thriftpy2.transport.buffered import TCyBufferedTransport
from thriftpy2.transport.memory import TCyMemoryBuffer

from hybridpress.errors import ProtocolError

CALL: Final = 1
REPLY: Final = 2
EXCEPTION: Final = 3
ONEWAY: Final = 4

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
        """How many bytes stand behind the message that was just read. Ends the reading."""


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

    What is read is taken through a buffered transport, not a memory buffer: that one does not tell where it ends, and
    a value cut in half would be read as whatever stands behind it in memory.
    """

    def __init__(self, *, strict: bool = True) -> None:
        self.strict = strict
        self._out = TCyMemoryBuffer()
        self._writer = TCyBinaryProtocol(self._out, strict_write=strict)
        self._source = _Source()
        self._in = TCyBufferedTransport(self._source)
        self._reader = TCyBinaryProtocol(self._in, strict_read=strict)
        self._clean = self._in.clean
        self._write_head = self._writer.write_message_begin
        self._write_struct = self._writer.write_struct

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
        self._clean()
        self._source.data = data
        return self._read_head()

    def n_left(self) -> int:
        n_buffered = 0
        n_unseen, self._source.data = len(self._source.data), b""
        try:
            while self._in.read(1):  # there is no other door to what the buffer holds
                n_buffered += 1
        except TTransportException:
            pass
        return n_buffered + n_unseen

    def read_bare(self, data: bytes, struct: Any) -> None:
        """Fill *struct* with the body that *data* is, without a head; raises as `read_head` does."""
        self._clean()
        self._source.data = data
        self.read_struct(struct)


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


class CompactCodec(_Reading):
    """The compact protocol, by thriftpy2's code in Python."""

    def __init__(self) -> None:
        self._source = _Bytes()
        self._reader = TCompactProtocol(self._source)

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
        self._reader = TCompactProtocol(self._source)
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
