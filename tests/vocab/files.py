"""Files for tables, and blocks so small that their seams fall everywhere."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock

import numpy as np

from hybridpress.vocab import textfile


@contextlib.contextmanager
def file_of(data: bytes | str, name: str = "words.txt", block: int | None = None) -> Iterator[Path]:
    """The directory of a file with these bytes; it is read in blocks of about *block* bytes."""
    with TemporaryDirectory() as directory, mock.patch.object(textfile, "_BLOCK", block or textfile._BLOCK):
        Path(directory, name).write_bytes(data.encode() if isinstance(data, str) else data)
        yield Path(directory)


def wide_index() -> contextlib.AbstractContextManager[object]:
    """Files are indexed as if they were larger than 4 GiB."""
    return mock.patch.object(textfile, "empty_starts", lambda text, n: np.empty(n, np.uint64))
