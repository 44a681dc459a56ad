"""How a worker itself fares: how late its loop is, its CPU time, and the pauses of its garbage collector."""

from __future__ import annotations

import asyncio
import gc
import time
from array import array
from typing import Any

from hybridpress.clock import now_ns
from hybridpress.metrics.interval import Health
from hybridpress.metrics.recorder import times_of
from hybridpress.worker.stall import StallFinder
from hybridpress.worker.timer import open_timer

PROBE_GAP_NS = 10_000_000


class Watch:
    """Watches the process and loop it is made in. 100 wakes a second: about 0.2 % of a core."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._lags_ns = array("q")
        self._timer = open_timer(loop, self._probe)
        self._gc_began_ns = 0
        self._gc_pause_ns = 0
        self._longest_gc_pause_ns = 0
        self._blocker: tuple[int, str] | None = None
        self._stalls = StallFinder()
        gc.callbacks.append(self._gc)
        self.begin()

    def begin(self) -> None:
        """Forget what was seen; watch from now on."""
        del self._lags_ns[:]
        self._cpu_ns = time.process_time_ns()
        self._since_ns = now_ns()
        self._gc_pause_ns = self._longest_gc_pause_ns = 0
        self._blocker = None
        self._due_ns = self._since_ns + PROBE_GAP_NS
        self._timer.arm(self._due_ns)

    def take(self) -> Health:
        """What was seen since the last call."""
        now, cpu_ns = now_ns(), time.process_time_ns()
        health = Health(
            cpu_ns=cpu_ns - self._cpu_ns,
            span_ns=now - self._since_ns,
            gc_pause_ns=self._gc_pause_ns,
            longest_gc_pause_ns=self._longest_gc_pause_ns,
            blocker=self._blocker,
        )
        health.loop_lag.add(times_of(self._lags_ns))
        del self._lags_ns[:]
        self._cpu_ns, self._since_ns = cpu_ns, now
        self._gc_pause_ns = self._longest_gc_pause_ns = 0
        self._blocker = None
        return health

    def close(self) -> None:
        self._timer.close()
        self._stalls.close()
        gc.callbacks.remove(self._gc)

    def _probe(self) -> None:
        now = now_ns()
        self._lags_ns.append(max(now - self._due_ns, 0))
        # A probe that comes a second late stands for all that would have been due meanwhile.
        for missed_due_ns in range(self._due_ns + PROBE_GAP_NS, now, PROBE_GAP_NS):
            self._lags_ns.append(now - missed_due_ns)
        if (place := self._stalls.beat()) is not None:
            self._blocker = max(self._blocker or (0, ""), (now - self._due_ns, place))
        self._due_ns = now + PROBE_GAP_NS
        self._timer.arm(self._due_ns)

    def _gc(self, phase: str, _: dict[str, Any]) -> None:
        if phase == "start":
            self._gc_began_ns = now_ns()
        else:
            pause_ns = now_ns() - self._gc_began_ns
            self._gc_pause_ns += pause_ns
            self._longest_gc_pause_ns = max(self._longest_gc_pause_ns, pause_ns)
