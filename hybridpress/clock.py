"""The one clock of a run: ns on CLOCK_MONOTONIC, which all processes of a host share."""

from __future__ import annotations

import time
from collections.abc import Callable

now_ns: Callable[[], int] = time.monotonic_ns


def suspended_ns() -> int:
    """How long the machine was suspended since it was booted, where the kernel tells (Linux); else 0.

    Monotonic time stands still meanwhile, and so do all processes; the server, elsewhere, does not.
    """
    if not hasattr(time, "CLOCK_BOOTTIME"):
        return 0
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.clock_gettime_ns(time.CLOCK_MONOTONIC)
