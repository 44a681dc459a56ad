"""What a whole run of the suite left behind: processes, open files, sockets of runs."""

from __future__ import annotations

import gc
import os
import tempfile
from collections import Counter
from multiprocessing import resource_tracker
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
import pytest
import uvloop

from tests.support.processes import StrayWatch

FD_FOLDER = Path("/proc/self/fd")


class LeakWatch(StrayWatch):
    """A StrayWatch that also knows what this process had open, and has control sockets in a folder of its own."""

    def __init__(self) -> None:
        super().__init__()
        # These live, with a pipe each, as long as this process: Python's resource tracker, and libuv's lock of signals.
        resource_tracker.ensure_running()
        uvloop.new_event_loop().close()
        self._open_before = _open_files()
        self._runtime = tempfile.TemporaryDirectory(prefix="runtime-")
        self._environment = pytest.MonkeyPatch()

    def __enter__(self) -> Self:
        self._environment.setenv("XDG_RUNTIME_DIR", self._runtime.name)
        return super().__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._environment.undo()
        self._runtime.cleanup()
        super().__exit__(kind, error, traceback)

    def leaks(self) -> list[str]:
        """What is left now, a line each. Processes that are left are killed."""
        gc.collect()
        found = [f"process {stray}" for stray in self.wait()]
        found += [f"open file {what} × {n}" for what, n in (_open_files() - self._open_before).items()]
        return found + [f"socket {path.name}" for path in Path(self._runtime.name).rglob("*.sock")]


def _open_files() -> Counter[str]:
    """What the descriptors of this process lead to: each socket and pipe by its kind, each file by its path."""
    if not FD_FOLDER.is_dir():
        return Counter({"descriptors": psutil.Process().num_fds()})
    found: Counter[str] = Counter()
    for entry in os.listdir(FD_FOLDER):  # noqa: PTH208 (a descriptor may be gone when it is looked at)
        try:
            where = str((FD_FOLDER / entry).readlink())
        except OSError:
            continue
        kind, is_anonymous, _ = where.partition(":[")
        found[kind if is_anonymous else where] += 1
    return found
