"""A command on a terminal of its own: a pseudo-terminal whose other end is read as a person would see it."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyte

from tests.support import seat

_PATIENCE_S = 30.0


class OnTerminal:
    """`hybridpress ARGS` in the foreground of a terminal of this size; `wait_for` and `finish` read what it shows."""

    def __init__(self, *args: str | Path, columns: int = 80, rows: int = 24) -> None:
        self._master, self.slave = pty.openpty()
        self.emulator = pyte.HistoryScreen(columns, rows, history=1_000, ratio=1.0)
        self._emulated = pyte.ByteStream(self.emulator)
        self._set_size(columns, rows)
        self.before = self.attributes
        environment = {
            name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "LINES")
        }
        self.process = subprocess.Popen(
            [sys.executable, seat.__file__, sys.executable, "-m", "hybridpress", *map(str, args)],
            env={**environment, "TERM": "xterm-256color", "PYTHONWARNINGS": "error"},
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._master)
        os.close(self.slave)

    @property
    def attributes(self) -> list[Any]:
        """How the terminal is set: echo, line by line or not, and the rest."""
        return termios.tcgetattr(self.slave)

    @property
    def screen(self) -> list[str]:
        return [line.rstrip() for line in self.emulator.display]

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def resize(self, columns: int, rows: int) -> None:
        self.emulator.resize(rows, columns)
        self._set_size(columns, rows)

    def wait_for(self, is_so: Callable[[str], bool]) -> str:
        """Read what is shown until it is so; the screen as one text."""
        until_s = time.monotonic() + _PATIENCE_S
        while time.monotonic() < until_s:
            shown = "\n".join(self.screen)
            if is_so(shown):
                return shown
            if not self._read(0.1) and self.process.poll() is not None:
                break
        raise AssertionError("it did not come to that:\n" + "\n".join(self.screen))

    def finish(self) -> int:
        """Read until the command ends; its exit code."""
        until_s = time.monotonic() + _PATIENCE_S
        while self.process.poll() is None:
            self._read(0.1)
            assert time.monotonic() < until_s, "it did not end:\n" + "\n".join(self.screen)
        while self._read(0.05):
            pass
        return self.process.returncode

    def _read(self, patience_s: float) -> bool:
        if not select.select([self._master], [], [], patience_s)[0]:
            return False
        self._emulated.feed(os.read(self._master, 65_536))
        return True

    def _set_size(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
