"""Keys on the terminal while a run goes on: + and - a tenth up and down, a number and Enter, p to pause and go on, q to
stop.
"""

from __future__ import annotations

import asyncio
import os
import sys
import termios
import tty
from collections.abc import Callable
from contextlib import suppress
from typing import Any


class Keys:
    """Makes keys into commands. *knob* is what a number is for: "qps", or "slots" where there is no rate."""

    def __init__(self, knob: str) -> None:
        self._knob = knob
        self._digits = ""

    def typed(self, text: str) -> list[str]:
        """The commands that *text* completes."""
        commands = []
        for key in text:
            if key.isdigit() or (key in ".kKM" and self._digits):
                self._digits += key
                continue
            if key in "\r\n" and self._digits:
                commands.append(f"{self._knob} {self._digits}")
            elif key in "\x7f\b":
                self._digits = self._digits[:-1]
                continue
            elif key in "+=":
                commands.append(f"{self._knob} +10%")
            elif key in "-_":
                commands.append(f"{self._knob} -10%")
            elif key in "pP ":
                commands.append("toggle")
            elif key in "qQ":
                commands.append("stop")
            self._digits = ""
        return commands


class Typing:
    """Hears the keys of this process's terminal, where it has one and is in its foreground. `close` sets it back."""

    def __init__(self, knob: str, obey: Callable[[str], object]) -> None:
        self._keys = Keys(knob)
        self._obey = obey
        self._before: list[Any] | None = None
        self._fd = -1

    def begin(self) -> bool:
        """Hear keys from now on. Whether there are any to hear."""
        try:
            fd = sys.stdin.fileno()
            if not os.isatty(fd) or not sys.stderr.isatty() or os.tcgetpgrp(fd) != os.getpgrp():
                return False
            self._before = termios.tcgetattr(fd)
            # Keys one by one and unseen; Ctrl-C stays what it is.
            tty.setcbreak(fd, termios.TCSANOW)
        except (OSError, ValueError, AttributeError, termios.error):
            return False
        self._fd = fd
        asyncio.get_running_loop().add_reader(fd, self._read)
        return True

    def close(self) -> None:
        if self._before is not None:
            asyncio.get_running_loop().remove_reader(self._fd)
            with suppress(OSError, termios.error):
                termios.tcsetattr(self._fd, termios.TCSANOW, self._before)
            self._before = None

    def _read(self) -> None:
        try:
            text = os.read(self._fd, 100).decode("utf-8", "replace")
        except OSError:
            text = ""
        if not text:
            self.close()
        for command in self._keys.typed(text):
            self._obey(command)
