"""Apache's JSON protocol, on the specs of thriftpy2's types. (thriftpy2's own is another, or loses nested types.)

A message is `[1,"name",type,sequence,{…}]`, a struct `{"1":{"i32":5},…}`, a list `["i32",2,7,8]`, a map
`["str","i32",1,{"key":7}]`. Bools are 0 and 1, bytes are base64, and what is no number is "NaN" or "Infinity".
"""

from __future__ import annotations

import math
import re
from base64 import b64decode, b64encode
from json import JSONDecoder
from typing import Any, Final

import orjson
from thriftpy2.thrift import TType

from hybridpress.clients.thrift.codec import Head, IncompleteError, unlawful

VERSION: Final = 1
_NAMES: Final = {
    TType.BOOL: "tf",
    TType.BYTE: "i8",
    TType.I16: "i16",
    TType.I32: "i32",
    TType.I64: "i64",
    TType.DOUBLE: "dbl",
    TType.STRING: "str",
    TType.BINARY: "str",
    TType.STRUCT: "rec",
    TType.MAP: "map",
    TType.SET: "set",
    TType.LIST: "lst",
}
_BARE: Final = re.compile(rb"(?<=[:,\[])(-?)(nan|inf)(?=[\],}])")
_LENIENT: Final = JSONDecoder(strict=False)
_BITS: Final = {TType.BYTE: 8, TType.I16: 16, TType.I32: 32, TType.I64: 64}


class JsonCodec:
    """The JSON protocol: slower than the others by far, and for the eye."""

    def __init__(self) -> None:
        self._body: Any = {}
        self._n_left = 0

    def n_left(self) -> int:
        return self._n_left

    def write(self, name: str, kind: int, sequence: int, struct: Any) -> bytes:
        return orjson.dumps([VERSION, name, kind, sequence, _struct_out(struct)])

    def read_head(self, data: bytes) -> Head:
        if not data.lstrip().startswith(b"["[: len(data)]):
            raise unlawful(f"it begins with {data[:16]!r}")
        try:
            (version, name, kind, sequence, self._body), self._n_left = loaded(data)
        except (TypeError, ValueError) as error:
            raise unlawful(str(error)) from error
        if version != VERSION or not (isinstance(name, str) and isinstance(kind, int) and isinstance(sequence, int)):
            raise unlawful(f"its head is {[version, name, kind, sequence]!r}")
        return name, kind, sequence

    def read_struct(self, struct: Any) -> None:
        try:
            _struct_in(struct, self._body)
        except (TypeError, ArithmeticError, ValueError, LookupError, AttributeError, RecursionError) as error:
            raise unlawful(f"{type(error).__name__}: {error}") from error


def loaded(data: bytes) -> tuple[Any, int]:
    """The value that *data* begins with, and how many bytes are behind it.

    It is JSON, or what Apache's library for Python takes for it: control characters stand in strings as they are, and
    what is no number stands there bare.

    Raises:
        IncompleteError: it is none; with more bytes it may be.
        ProtocolError: it is none, whatever follows.
    """
    if not data.rstrip().endswith(b"]"):
        raise IncompleteError
    try:
        return orjson.loads(data), 0
    except orjson.JSONDecodeError:
        try:
            text = _BARE.sub(rb'"\1\2"', data).decode()
            value, end = _LENIENT.raw_decode(text)
            return value, len(text[end:].encode())
        except ValueError:
            raise IncompleteError from None  # a bracket inside it; of garbage, a deadline ends the wait
        except RecursionError:
            raise unlawful("it is nested too deep") from None


def _parts(spec: Any) -> tuple[int, Any]:
    """The type of an element, and what is inside it."""
    return spec if isinstance(spec, tuple) else (spec, None)


def _struct_out(struct: Any) -> dict[str, Any]:
    found = {}
    for number, (kind, name, *rest) in struct.thrift_spec.items():
        value = getattr(struct, name)
        if value is not None:
            found[str(number)] = {_NAMES[kind]: _out(kind, rest[0], value)}
    return found


def _out(kind: int, inner: Any, value: Any) -> Any:
    if kind in _BITS:
        number = int(value)
        limit = 1 << (_BITS[kind] - 1)
        if not -limit <= number < limit:
            raise ValueError(f"{_NAMES[kind]} cannot hold {number}")
        return number
    if kind == TType.BOOL:
        return int(bool(value))
    if kind == TType.DOUBLE:
        return _double_out(float(value))
    if kind == TType.STRING:
        return value if isinstance(value, str) else value.decode()
    if kind == TType.BINARY:
        return b64encode(value.encode() if isinstance(value, str) else value).decode()
    if kind == TType.STRUCT:
        return _struct_out(value)
    if kind == TType.MAP:
        (key_kind, key_inner), (value_kind, value_inner) = map(_parts, inner)
        entries = {
            _key_out(_out(key_kind, key_inner, key)): _out(value_kind, value_inner, item) for key, item in value.items()
        }
        return [_NAMES[key_kind], _NAMES[value_kind], len(value), entries]
    item_kind, item_inner = _parts(inner)
    return [_NAMES[item_kind], len(value), *(_out(item_kind, item_inner, item) for item in value)]


def _double_out(value: float) -> float | str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value


def _key_out(key: Any) -> str:
    if isinstance(key, str):
        return key
    if isinstance(key, int | float):
        return repr(key)
    raise TypeError("keys of a map must be plain values in the JSON protocol")


def _struct_in(struct: Any, body: dict[str, Any]) -> None:
    specs = struct.thrift_spec
    for number, typed in body.items():
        spec = specs.get(int(number))
        if spec is None:
            continue  # a field of a newer version
        kind, name, *rest = spec
        ((kind_name, value),) = typed.items()
        if kind_name == _NAMES[kind]:
            setattr(struct, name, _in(kind, rest[0], value))


def _in(kind: int, inner: Any, value: Any) -> Any:
    if kind in _BITS:
        return int(value)
    if kind == TType.BOOL:
        return bool(int(value))
    if kind == TType.DOUBLE:
        return float(value)
    if kind == TType.STRING:
        if not isinstance(value, str):
            raise TypeError(f"a string is {value!r}")
        return value
    if kind == TType.BINARY:
        return b64decode(value + "=" * (-len(value) % 4))  # Apache leaves the padding out in some languages
    if kind == TType.STRUCT:
        struct = inner()
        _struct_in(struct, value)
        return struct
    if kind == TType.MAP:
        (key_kind, key_inner), (value_kind, value_inner) = map(_parts, inner)
        return {_in(key_kind, key_inner, key): _in(value_kind, value_inner, item) for key, item in value[3].items()}
    item_kind, item_inner = _parts(inner)
    return [_in(item_kind, item_inner, item) for item in value[2:]]
