"""A timer that wakes the event loop at an instant of CLOCK_MONOTONIC, not at the next whole millisecond.

uvloop's own timers move in steps of 1 ms. On Linux a timerfd wakes the loop within some 50 µs instead; elsewhere the
loop's timer serves, with its millisecond.
"""

from __future__ import annotations

import asyncio
import ctypes
import errno
import os
import sys
from collections.abc import Callable

from hybridpress.clock import now_ns
from hybridpress.units import NS_PER_MS, NS_PER_S

_CLOCK_MONOTONIC = 1
_TFD_TIMER_ABSTIME = 1
_TFD_NONBLOCK = 0o4000
_TFD_CLOEXEC = 0o2000000


class _Itimerspec(ctypes.Structure):
    _fields_ = (
        ("interval_s", ctypes.c_long),
        ("interval_ns", ctypes.c_long),
        ("value_s", ctypes.c_long),
        ("value_ns", ctypes.c_long),
    )


class Timerfd:
    """Linux: a timerfd on the loop. `arm` costs about 1 µs; it replaces what was armed before."""

    def __init__(self, loop: asyncio.AbstractEventLoop, wake: Callable[[], None]) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        fd = libc.timerfd_create(_CLOCK_MONOTONIC, _TFD_NONBLOCK | _TFD_CLOEXEC)
        if fd < 0:
            number = ctypes.get_errno()
            raise OSError(number, f"timerfd_create: {os.strerror(number)}")
        self._fd = fd
        self._loop = loop
        self._wake = wake
        self._is_armed = False
        self._settime = libc.timerfd_settime
        self._spec = _Itimerspec()
        self._spec_ref = ctypes.byref(self._spec)
        loop.add_reader(fd, self._fired)

    def arm(self, at_ns: int) -> None:
        """Wake once at *at_ns*; at once when that is past."""
        self._is_armed = True
        spec = self._spec
        # An instant of 0 would disarm it.
        spec.value_s, spec.value_ns = divmod(max(at_ns, 1), NS_PER_S)
        self._settime(self._fd, _TFD_TIMER_ABSTIME, self._spec_ref, None)

    def close(self) -> None:
        self._loop.remove_reader(self._fd)
        os.close(self._fd)

    def _fired(self) -> None:
        self._is_armed = False
        self._wake()
        if self._is_armed:
            return  # to arm it forgets that it fired: at 10,000 wakes a second a read that need not be is worth having
        try:
            os.read(self._fd, 8)
        except OSError as error:
            if error.errno != errno.EAGAIN:  # it had been armed anew since it fired
                raise


class LoopTimer:
    """Anywhere: the event loop's own timer."""

    def __init__(self, loop: asyncio.AbstractEventLoop, wake: Callable[[], None]) -> None:
        self._loop = loop
        self._wake = wake
        self._handle: asyncio.TimerHandle | None = None

    def arm(self, at_ns: int) -> None:
        """Wake once at *at_ns*, within the loop's own accuracy; at once when that is past."""
        if self._handle is not None:
            self._handle.cancel()
        # In whole ms, rounded up: a wake that comes too early only leads to another.
        delay_ms = -(-max(at_ns - now_ns(), 0) // NS_PER_MS)
        self._handle = self._loop.call_later(delay_ms / 1e3, self._wake)

    def close(self) -> None:
        if self._handle is not None:
            self._handle.cancel()


def open_timer(loop: asyncio.AbstractEventLoop, wake: Callable[[], None]) -> Timerfd | LoopTimer:
    """The best timer of this system; *wake* is called when it fires. To be closed by the caller."""
    return Timerfd(loop, wake) if sys.platform == "linux" else LoopTimer(loop, wake)
