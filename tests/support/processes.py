"""A watch over the processes that a test starts: its children, and their children after it has lost sight of them."""

from __future__ import annotations

import os
import time
import uuid
from types import TracebackType
from typing import Self

import psutil

MARK = "HYBRIDPRESS_TEST"
"""Environment variable by which a process is recognised whose parent is gone."""
_PATIENCE_S = 5.0


class StrayWatch:
    """Between enter and exit, notes which processes the test leaves behind.

    Found are children of this process, children of theirs, and processes that lost their parent (they carry the mark
    in their environment). Not counted: processes from before, those that are dead but not yet waited for, and Python's
    own resource tracker, which lives as long as this process.
    """

    def __init__(self) -> None:
        self._before: set[psutil.Process] = set()
        self._mark = uuid.uuid4().hex
        self._mark_before: str | None = None

    def __enter__(self) -> Self:
        self._before = set(psutil.Process().children(recursive=True))
        self._mark_before = os.environ.get(MARK)
        os.environ[MARK] = self._mark
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._mark_before is None:
            os.environ.pop(MARK, None)
        else:
            os.environ[MARK] = self._mark_before

    def strays(self) -> list[psutil.Process]:
        """The processes that are left now."""
        found = {process for process in psutil.process_iter() if _mark_of(process) == self._mark}
        found |= set(psutil.Process().children(recursive=True))
        return [process for process in found - self._before if _counts(process)]

    def wait(self, patience_s: float = _PATIENCE_S) -> list[str]:
        """Wait until none is left, *patience_s* at most; kill those that still are, and describe them."""
        until = time.monotonic() + patience_s
        while strays := self.strays():
            if time.monotonic() >= until:
                break
            time.sleep(0.02)
        told = [_described(process) for process in strays]
        for process in strays:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                pass
        return told


def _mark_of(process: psutil.Process) -> str | None:
    try:
        return process.environ().get(MARK)
    except (psutil.Error, OSError):
        return None


def _counts(process: psutil.Process) -> bool:
    try:
        if process.status() == psutil.STATUS_ZOMBIE or process.pid == os.getpid():
            return False
        return not any("multiprocessing.resource_tracker" in word for word in process.cmdline())
    except (psutil.Error, OSError):
        return False


def _described(process: psutil.Process) -> str:
    try:
        return f"{process.pid}: {' '.join(process.cmdline())} ({process.status()})"
    except psutil.Error:
        return f"{process.pid}: gone meanwhile"
