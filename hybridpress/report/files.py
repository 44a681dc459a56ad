"""Files that are written whole or not at all, for all outputs that are files."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from hybridpress.errors import HybridpressError


def write_whole(data: bytes, path: str, what: str = "the result") -> None:
    """Write *data* to *path*, by way of a temporary file beside it: a reader sees the old file or the new one.

    What is not a regular file (a pipe, /dev/stdout) is written to directly.

    Raises:
        HybridpressError: it cannot be written; the message names *what* and *path* and says why.
    """
    try:
        if _is_special(path):
            with Path(path).open("wb") as file:
                file.write(data)
        else:
            _replace(Path(os.path.realpath(path)), data)
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL in it
        raise _unwritten(error, path, what) from error


def append(data: bytes, path: str, what: str = "the result") -> None:
    """Write *data* at the end of the file at *path*, in one piece.

    Raises: as `write_whole`.
    """
    try:
        with Path(path).open("ab", buffering=0) as file:
            while data:
                data = data[file.write(data) :]
    except (OSError, ValueError) as error:
        raise _unwritten(error, path, what) from error


def _unwritten(error: Exception, path: str, what: str) -> HybridpressError:
    why = getattr(error, "strerror", None) or error
    return HybridpressError(f'cannot write {what} to "{path}": {why}')


def _is_special(path: str) -> bool:
    try:
        return not stat.S_ISREG(os.stat(path).st_mode)  # noqa: PTH116  # Path.stat would do the same
    except FileNotFoundError:
        return False


def _replace(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name[:200]}.{os.urandom(4).hex()}")
    try:
        # Not tempfile: its files are for their owner alone, and a result is to be read like any file.
        with temporary.open("xb") as file:
            file.write(data)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
