"""Calls at a due time to a tenth of a millisecond, never early, where the event loop's own timers know whole ms only.

On Linux one timerfd per process, on the loop; elsewhere the loop's timers, armed again until the due time has passed.
Measured on a virtual machine of two cores: a call comes 0.08 ms after its due time in the median. Over a socket, to
a client that slept meanwhile, the reply of /delay/1 is 0.3 ms late and that of /delay/10 0.6 ms: that is the
time idle cores take to wake, twice. /delay/0, where nobody sleeps, takes 0.03 ms more than /.
"""

from __future__ import annotations

import asyncio
import ctypes
import heapq
import itertools
import os
import sys
from collections.abc import Callable

from hybridpress.clock import now_ns

_CLOCK_MONOTONIC = 1
_TFD_TIMER_ABSTIME = 1


class Deadlines:
    """The due times of one event loop. Callbacks run in the order of their due times."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._alarm: _TimerFd | _LoopTimer
        if sys.platform == "linux":
            self._alarm = _TimerFd(loop, self._fire)
        else:
            self._alarm = _LoopTimer(loop, self._fire)

    def call_at(self, due_ns: int, callback: Callable[[], None]) -> None:
        """Call *callback* as soon as possible after *due_ns* on the run's clock, and not before."""
        heap = self._heap
        heapq.heappush(heap, (due_ns, next(self._order), callback))
        if heap[0][0] == due_ns and heap[0][2] is callback:
            self._alarm.arm(due_ns)

    def _fire(self) -> None:
        heap = self._heap
        while heap and heap[0][0] <= now_ns():
            heapq.heappop(heap)[2]()
        if heap:
            self._alarm.arm(heap[0][0])

    def close(self) -> None:
        """Forget all that is due."""
        self._heap.clear()
        self._alarm.close()


class _LoopTimer:
    """An alarm on the loop's own timers."""

    def __init__(self, loop: asyncio.AbstractEventLoop, ring: Callable[[], None]) -> None:
        self._loop = loop
        self._ring = ring
        self._handle: asyncio.TimerHandle | None = None

    def arm(self, due_ns: int) -> None:
        """Ring at *due_ns* or a little before: who is rung looks at the clock, and arms again."""
        self.close()
        self._handle = self._loop.call_later(max(0, due_ns - now_ns()) / 1e9, self._ring)

    def close(self) -> None:
        """Do not ring."""
        if self._handle is not None:
            self._handle.cancel()


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Itimerspec(ctypes.Structure):
    _fields_ = (("interval", _Timespec), ("value", _Timespec))


class _TimerFd:
    """An alarm that the kernel rings, through a file descriptor that becomes readable. See timerfd_create(2)."""

    def __init__(self, loop: asyncio.AbstractEventLoop, ring: Callable[[], None]) -> None:
        self._loop = loop
        self._ring = ring
        # os.timerfd_create comes with Python 3.13 only; libc has had it since 2008.
        libc = ctypes.CDLL(None, use_errno=True)
        self._settime = libc.timerfd_settime
        self._fd: int = libc.timerfd_create(_CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create failed")
        self._spec = _Itimerspec()
        self._spec_pointer = ctypes.byref(self._spec)
        loop.add_reader(self._fd, self._on_readable)

    def arm(self, due_ns: int) -> None:
        """Ring at *due_ns*, at once when that is past."""
        # An all-zero time would disarm; the clock of a host that is up is never there.
        self._spec.value.seconds, self._spec.value.nanoseconds = divmod(due_ns, 1_000_000_000)
        self._settime(self._fd, _TFD_TIMER_ABSTIME, self._spec_pointer, None)

    def _on_readable(self) -> None:
        try:
            os.read(self._fd, 8)
        except BlockingIOError:  # armed anew since it rang
            return
        self._ring()

    def close(self) -> None:
        """Do not ring, and give the descriptor back."""
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1
