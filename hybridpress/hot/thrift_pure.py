"""Where a message of Thrift's binary protocol ends, and whether it is one, in Python: in C it is `thrift_compiled.pyx`.

What reads a message trusts it: a list that says it has 2^31 elements of a type that takes no bytes is counted through.
So each message is gone through first, along what it says of itself and what the reader will make of that.
"""

from __future__ import annotations

from typing import Any, Final

ENDS_EARLY: Final = -1
"""There are not enough bytes; with more it may be lawful."""
UNLAWFUL: Final = -2
"""It is no message, whatever follows."""

_SIZES: Final = {2: 1, 3: 1, 4: 8, 6: 2, 8: 4, 10: 8}
"""Bytes of a value of each type that has always as many: bool, i8, double, i16, i32, i64."""
_BYTES: Final = frozenset({11, 18})
_STRUCT: Final = 12
_MAP: Final = 13
_LISTS: Final = frozenset({14, 15})
_DEEPEST: Final = 64
"""How deep structs and containers may nest, as the reader has it."""


def struct_end(data: bytes, at: int, spec: dict[int, tuple[Any, ...]] | None) -> int:
    """Where the struct ends that begins *at* there in *data*; `ENDS_EARLY`; or `UNLAWFUL`.

    *spec* is thriftpy2's of its fields: the reader takes keys and values that are strings for what the spec has
    in their place, and so they must be strings there. Without one it is only gone through.
    """
    return _struct_end(data, at, spec, _DEEPEST)


def _struct_end(data: bytes, at: int, spec: dict[int, tuple[Any, ...]] | None, budget: int) -> int:
    if budget <= 0:
        return UNLAWFUL
    while at < len(data):
        kind = data[at]
        if kind == 0:
            return at + 1
        if at + 3 > len(data):
            return ENDS_EARLY
        inner = None
        if spec is not None:
            field = spec.get(int.from_bytes(data[at + 1 : at + 3], signed=True))
            if field is not None and len(field) > 3 and field[0] == kind:
                inner = field[2]
        at = _value_end(data, at + 3, kind, inner, budget - 1)
        if at < 0:
            return at
    return ENDS_EARLY


def _value_end(data: bytes, at: int, kind: int, spec: Any, budget: int) -> int:
    """The same of a value of type *kind*; *spec* is what thriftpy2 has of what is inside it, or None."""
    n_bytes = _SIZES.get(kind)
    if n_bytes is not None:
        at += n_bytes
    elif kind in _BYTES:
        size = int.from_bytes(data[at : at + 4], signed=True)
        if at + 4 > len(data):
            return ENDS_EARLY
        if size < 0:
            return UNLAWFUL
        at += 4 + size
    elif kind == _STRUCT:
        return _struct_end(data, at, None if spec is None else spec.thrift_spec, budget)
    elif kind in _LISTS:
        return _list_end(data, at, spec, budget)
    elif kind == _MAP:
        return _map_end(data, at, spec, budget)
    else:
        return UNLAWFUL
    return at if at <= len(data) else ENDS_EARLY


def _list_end(data: bytes, at: int, spec: Any, budget: int) -> int:
    if budget <= 0:
        return UNLAWFUL
    if at + 5 > len(data):
        return ENDS_EARLY
    kind = data[at]
    count = int.from_bytes(data[at + 1 : at + 5], signed=True)
    at += 5
    if count == 0:
        return at
    n_bytes = _SIZES.get(kind)
    if count < 0 or (n_bytes is None and not _is_known(kind)):
        return UNLAWFUL
    if count * (n_bytes or 1) > len(data) - at:
        return ENDS_EARLY
    if n_bytes is not None:
        return at + count * n_bytes
    inner = spec[1] if isinstance(spec, tuple) and spec[0] == kind else None
    for _ in range(count):
        at = _value_end(data, at, kind, inner, budget - 1)
        if at < 0:
            return at
    return at


def _map_end(data: bytes, at: int, spec: Any, budget: int) -> int:
    if budget <= 0:
        return UNLAWFUL
    if at + 6 > len(data):
        return ENDS_EARLY
    key_kind, kind = data[at], data[at + 1]
    count = int.from_bytes(data[at + 2 : at + 6], signed=True)
    at += 6
    if count == 0:
        return at
    if count < 0 or not (_is_known(key_kind) and _is_known(kind)):
        return UNLAWFUL
    key_spec = value_spec = None
    if spec is not None:
        key_kind_wanted, key_spec = spec[0] if isinstance(spec[0], tuple) else (spec[0], None)
        kind_wanted, value_spec = spec[1] if isinstance(spec[1], tuple) else (spec[1], None)
        if (key_kind in _BYTES) > (key_kind_wanted in _BYTES) or (kind in _BYTES) > (kind_wanted in _BYTES):
            return UNLAWFUL
        if (key_kind != key_kind_wanted and key_kind not in _BYTES) or (kind != kind_wanted and kind not in _BYTES):
            key_spec = value_spec = None
    if count * 2 > len(data) - at:
        return ENDS_EARLY
    for _ in range(count):
        at = _value_end(data, at, key_kind, key_spec, budget - 1)
        if at < 0:
            return at
        at = _value_end(data, at, kind, value_spec, budget - 1)
        if at < 0:
            return at
    return at


def _is_known(kind: int) -> bool:
    return kind in _SIZES or kind in _BYTES or _STRUCT <= kind <= 15
