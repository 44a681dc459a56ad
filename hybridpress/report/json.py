"""The result as a JSON file: whole or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import orjson

from hybridpress.errors import HybridpressError
from hybridpress.metrics.result import Result
from hybridpress.report.output import Output

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
    """Write *result* to *path*, by way of a temporary file beside it: a reader sees the old file or the new one.

    What is not a regular file (a pipe, /dev/stdout) is written to directly. A number that is not finite is null.

    Raises:
        HybridpressError: it cannot be written; the message names *path* and says why.
    """
    data = encode(result)
    try:
        if _is_special(path):
            with Path(path).open("wb") as file:
                file.write(data)
        else:
            _write_whole(Path(os.path.realpath(path)), data)
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL in it
        why = getattr(error, "strerror", None) or error
        raise HybridpressError(f'cannot write the result to "{path}": {why}') from error


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
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, int) and value not in _INTEGERS:
        return str(value)
    if isinstance(value, dict):
        return {_lawful(key): _lawful(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_lawful(item) for item in value]
    return value


def _is_special(path: str) -> bool:
    try:
        return not stat.S_ISREG(os.stat(path).st_mode)  # noqa: PTH116  # Path.stat would do the same
    except FileNotFoundError:
        return False


def _write_whole(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name[:200]}.{os.urandom(4).hex()}")
    try:
        # Not tempfile: its files are for their owner alone, and a result is to be read like any file.
        with temporary.open("xb") as file:
            file.write(data)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
