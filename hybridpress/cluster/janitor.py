"""Removes what a head that was killed can no longer remove itself: its files, its sockets.

A process of its own, forked before there are threads, that does nothing but wait for the other end of a pipe.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
import warnings
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

_DONE = "\0"
_ATTEMPTS = 5
_GAP_S = 0.3


class Janitor:
    """Keeps in mind what is to be removed. `close`, when it was: from then on it is nobody's any more."""

    def __init__(self) -> None:
        reading, self._writing = os.pipe()
        with warnings.catch_warnings():
            # Threads of libraries that the scenario imported; they are of no use to the child.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._pid = os.fork()
        if not self._pid:
            os.close(self._writing)
            _wait(reading)
        os.close(reading)

    def add(self, path: Path) -> None:
        """Remove *path*, a file or a folder with all in it, should this process be killed."""
        with suppress(OSError):
            os.write(self._writing, f"{path}\n".encode())

    def close(self) -> None:
        """There is nothing left to remove."""
        with suppress(OSError):
            os.write(self._writing, _DONE.encode())
        os.close(self._writing)
        with suppress(ChildProcessError):
            os.waitpid(self._pid, 0)


def _wait(reading: int) -> None:
    """In the child: until the other end is gone."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    text = ""
    try:
        # Whoever waits for the end of what the command prints does not wait for this process.
        os.closerange(0, reading)
        os.closerange(reading + 1, 1_024)
        while part := os.read(reading, 4_096):
            text += part.decode()
        if not text.endswith(_DONE):
            remove([Path(line) for line in text.splitlines()])
    finally:
        os._exit(0)


def remove(paths: Sequence[Path]) -> None:
    """Remove all of *paths*; who still writes there ends, too, in a moment."""
    for _ in range(_ATTEMPTS):
        for path in paths:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                with suppress(OSError):
                    path.unlink(missing_ok=True)
        if not any(path.exists() for path in paths):
            return
        time.sleep(_GAP_S)
