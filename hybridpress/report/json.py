"""The result as a JSON file."""

from __future__ import annotations

from typing import Any

import orjson

from hybridpress.metrics.result import Result
from hybridpress.report.files import write_whole
from hybridpress.report.output import Output
from hybridpress.report.safe import writable

_IN_A_LINE = orjson.OPT_NON_STR_KEYS
_OPTIONS = orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS | orjson.OPT_APPEND_NEWLINE
_INTEGERS = range(-(2**63), 2**64)


class JsonFile(Output):
    """Writes the result to a file when the run is over."""

    name = "--json"

    def __init__(self, path: str) -> None:
        self._path = path

    def finished(self, result: Result) -> None:
        write_json(result, self._path)


def write_json(result: Result, path: str) -> None:
    """Write *result* to *path*. A number that is not finite is null.

    Raises:
        HybridpressError: it cannot be written; the message names *path* and says why.
    """
    write_whole(encode(result), path)


def encode(result: Result) -> bytes:
    """The text of the file: indented, but each second in a line."""
    found = result.to_dict()
    try:
        return _text(found)
    except TypeError:
        # A lone surrogate or an integer beyond 64 bits, in a name, a message or a parameter.
        return _text(_lawful(found))


def _text(found: dict[str, Any]) -> bytes:
    lines = [orjson.Fragment(orjson.dumps(second, default=str, option=_IN_A_LINE)) for second in found["intervals"]]
    return orjson.dumps({**found, "intervals": lines}, default=str, option=_OPTIONS)


def _lawful(value: Any) -> Any:
    if isinstance(value, str):
        return writable(value)
    if isinstance(value, int) and value not in _INTEGERS:
        return str(value)
    if isinstance(value, dict):
        return {_lawful(key): _lawful(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_lawful(item) for item in value]
    return value
