"""The one clock of a run: ns on CLOCK_MONOTONIC, which all processes of a host share."""

from __future__ import annotations

import time
from collections.abc import Callable

_AT_ONCE_NS = 1_000_000

now_ns: Callable[[], int] = time.monotonic_ns


def suspended_ns() -> int:
    """How long the machine was suspended since it was booted, where the kernel tells (Linux); else 0.

    Monotonic time stands still meanwhile, and so do all processes; the server, elsewhere, does not.
    """
    if not hasattr(time, "CLOCK_BOOTTIME"):
        return 0
    return _ahead_ns(lambda: time.clock_gettime_ns(time.CLOCK_BOOTTIME), time.monotonic_ns)


def wall_ahead_ns() -> int:
    """By how much the wall clock is ahead of the time since the boot: that only changes when the clock is set."""
    since_boot = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return _ahead_ns(time.time_ns, lambda: time.clock_gettime_ns(since_boot))


def _ahead_ns(first: Callable[[], int], second: Callable[[], int]) -> int:
    """By how much *first* is ahead of *second*. A process that loses its CPU between two readings reads again."""
    nearest: tuple[int, int] | None = None
    for _ in range(5):
        before, value, after = second(), first(), second()
        if nearest is None or after - before < nearest[0]:
            nearest = (after - before, value - (before + after) // 2)
        if after - before < _AT_ONCE_NS:
            break
    assert nearest is not None
    return nearest[1]
