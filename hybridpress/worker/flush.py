"""Tells the coordinator where this worker is: counts every 100 ms, a whole measured interval every second."""

from __future__ import annotations

import asyncio

from hybridpress.clock import now_ns
from hybridpress.ipc.channel import WorkerEnd
from hybridpress.ipc.messages import Counts, Measured
from hybridpress.metrics.interval import Interval
from hybridpress.metrics.recorder import Recorder
from hybridpress.units import NS_PER_S
from hybridpress.worker.groups import MixedSlots
from hybridpress.worker.health import Watch
from hybridpress.worker.slots import Slots

COUNTS_GAP_S = 0.1


class Reporter:
    """Sends Counts and Measured from `begin` to `end`. Owns the counts' running sums."""

    def __init__(
        self, worker: int, channel: WorkerEnd, recorder: Recorder, slots: Slots | MixedSlots, watch: Watch
    ) -> None:
        self._worker = worker
        self._channel = channel
        self._recorder = recorder
        self._slots = slots
        self._watch = watch
        self._loop = asyncio.get_running_loop()
        self._handle: asyncio.TimerHandle | None = None
        self._start_ns = 0
        self._index = 0
        self._n_failed = 0

    def begin(self, start_ns: int) -> None:
        """The run's first second begins at *start_ns*."""
        self._start_ns = start_ns
        self._recorder.until_ns = self._boundary_ns()
        self._recorder.cut = self._flush_seconds
        self._handle = self._loop.call_later(COUNTS_GAP_S, self._tick)

    def end(self, in_flight_since_ns: list[int]) -> Interval:
        """The last interval: all that was not told yet."""
        if self._handle is not None:
            self._handle.cancel()
            self._flush_seconds(now_ns())
        return self._recorder.flush(self._index, None, in_flight_since_ns, self._watch.take())

    def _boundary_ns(self) -> int:
        return self._start_ns + (self._index + 1) * NS_PER_S

    def _tick(self) -> None:
        self._handle = self._loop.call_later(COUNTS_GAP_S, self._tick)
        self._flush_seconds(now_ns())
        self._channel.send(self._counts())

    def _flush_seconds(self, until_ns: int) -> None:
        """Tell every whole second that lies before *until_ns*."""
        while until_ns >= (end_ns := self._boundary_ns()):
            interval = self._recorder.flush(self._index, end_ns, self._slots.running_since_ns(), self._watch.take())
            self._index += 1
            self._n_failed += interval.failed
            self._recorder.until_ns = self._boundary_ns()
            self._channel.send(Measured(self._worker, interval))

    def _counts(self) -> Counts:
        now = now_ns()
        in_flight = len(self._slots.running_since_ns())
        n_ended = self._recorder.n_ended
        n_failed = self._n_failed + self._recorder.n_failed
        return Counts(
            self._worker, now, n_ended + in_flight, n_ended - n_failed, n_failed, in_flight, self._slots.gate.n_due(now)
        )
