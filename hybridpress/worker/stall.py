"""Finds out which line of the user's code holds up the event loop.

While the loop is on time it costs a system call a beat. When a beat is overdue, an alarm interrupts whatever runs, and
the innermost line of the user's on the stack is noted, again and again until the loop goes on. The alarm needs no
thread, so nothing competes for Python's lock; a blocking system call is taken up again afterwards (PEP 475).
"""

from __future__ import annotations

import inspect
import signal
import threading
from collections import Counter
from types import FrameType
from typing import Any

from hybridpress.scenario import place_in

OVERDUE_S = 0.02
"""A beat that is so late has somebody to blame: beats are due every 10 ms."""
AGAIN_S = 0.01


class StallFinder:
    """Watches the thread it is made in, if that is the main one: others hear no alarms, and are not watched."""

    def __init__(self) -> None:
        self._places: Counter[str] = Counter()
        self._is_watching = threading.current_thread() is threading.main_thread()
        self._before: Any = None
        self._below = _stack()
        """What is on the stack however long the loop goes on: who started the run waits there, and blocks nothing."""
        if self._is_watching:
            self._before = signal.signal(signal.SIGALRM, self._look)

    def beat(self) -> str | None:
        """The loop goes on; where it stood most of the time since the last beat, if that was long ago."""
        if not self._is_watching:
            return None
        signal.setitimer(signal.ITIMER_REAL, OVERDUE_S, AGAIN_S)
        if not self._places:
            return None
        [(place, _)] = self._places.most_common(1)
        self._places.clear()
        return place

    def close(self) -> None:
        """Watch no more, and give the alarm back to whoever had it."""
        if self._is_watching:
            self._is_watching = False
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, self._before or signal.SIG_IGN)

    def _look(self, _: int, frame: FrameType | None) -> None:
        if (place := place_in(frame, self._below)) is not None:
            self._places[place] += 1


def _stack() -> set[FrameType]:
    """The frames that called the loop: those of a coroutine come and go."""
    found, frame = set(), inspect.currentframe()
    while frame is not None:
        if not frame.f_code.co_flags & inspect.CO_COROUTINE:
            found.add(frame)
        frame = frame.f_back
    return found
