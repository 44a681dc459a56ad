"""From the text of a result's file to the Result, with what is wrong with it said in one sentence."""

from __future__ import annotations

import re
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

import orjson

from hybridpress.errors import UsageError
from hybridpress.metrics.result import SCHEMA, Result, key_of

_OURS = re.compile(rb'\s*\{\s*"schema"\s*:\s*"hybridpress\.result/')
_FAMILY = SCHEMA.partition("/")[0]
_WORDS = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}


def result_of(data: bytes, name: str) -> Result:
    """The Result that `to_dict()` gave, as JSON. Keys that are not known are passed over: fields may be added.

    *name*: what to call it in a message.

    Raises:
        UsageError: it is not one, is cut off, or is of another version of the schema.
    """
    try:
        found = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        if _OURS.match(data):
            raise UsageError(f'the result "{name}" is cut off or damaged: {error}') from error
        raise UsageError(f'"{name}" is not a result of hybridpress (run --json): it is not JSON') from error
    schema = found.get("schema") if isinstance(found, dict) else None
    if not isinstance(schema, str) or schema.partition("/")[0] != _FAMILY:
        raise UsageError(f'"{name}" is not a result of hybridpress (run --json): it has no "schema" of "{SCHEMA}"')
    if schema != SCHEMA:
        raise UsageError(
            f'"{name}" has the schema "{schema}", and this version of hybridpress reads "{SCHEMA}": '
            "use the version that wrote it"
        )
    try:
        made = _made(Result, found, "")
    except _UnfitError as error:
        raise UsageError(f'the result "{name}" is damaged: {error}') from error
    assert isinstance(made, Result)
    return made


class _UnfitError(Exception):
    """Something is not what it should be, or not there."""


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _made(kind: Any, value: Any, where: str) -> Any:
    """*value* of the JSON as *kind*, which a field at *where* is declared as."""
    if kind is Any:
        return value
    origin = get_origin(kind)
    if origin is UnionType:
        if value is None:
            return None
        (kind,) = (option for option in get_args(kind) if option is not NoneType)
        return _made(kind, value, where)
    if is_dataclass(kind):
        assert isinstance(kind, type)
        return _made_object(kind, value, where)
    if origin is list:
        (item,) = get_args(kind)
        return [_made(item, each, f"{where}[{i}]") for i, each in enumerate(_of(list, value, where, "a list"))]
    if origin is dict:
        _, item = get_args(kind)
        return {key: _made(item, each, f"{where}.{key}") for key, each in _of(dict, value, where, "an object").items()}
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise _UnfitError(f'"{where}" should be {_WORDS[kind]}')
    return value


def _made_object(kind: type, value: Any, where: str) -> Any:
    _of(dict, value, where, "an object")
    hints = _hints(kind)
    given = {}
    for field in fields(kind):
        key = key_of(kind, field.name)
        path = f"{where}.{key}" if where else key
        if key in value:
            given[field.name] = _made(hints[field.name], value[key], path)
        elif field.default is MISSING and field.default_factory is MISSING:
            raise _UnfitError(f'"{path}" is missing')
    return kind(**given)


def _of(kind: type, value: Any, where: str, what: str) -> Any:
    if not isinstance(value, kind):
        raise _UnfitError(f'"{where}" should be {what}')
    return value
