"""The one clock of a run: ns on CLOCK_MONOTONIC, which all processes of a host share."""

from __future__ import annotations

import time
from collections.abc import Callable

now_ns: Callable[[], int] = time.monotonic_ns
