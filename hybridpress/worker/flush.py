"""Tells the coordinator where this worker is: counts every 100 ms, a whole measured interval every second."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from typing import Protocol

from hybridpress.clock import now_ns
from hybridpress.ipc.channel import WorkerEnd
from hybridpress.ipc.messages import Counts, Measured
from hybridpress.metrics.interval import Interval
from hybridpress.metrics.parts import PartCounts
from hybridpress.metrics.recorder import Recorder
from hybridpress.units import NS_PER_S
from hybridpress.worker.gate import Late
from hybridpress.worker.groups import MixedSlots
from hybridpress.worker.health import Watch
from hybridpress.worker.slots import Slots

COUNTS_GAP_S = 0.1


class Settling(Protocol):
    """What decides afterwards whether iterations that were counted as completed have failed (verification)."""

    @property
    def n_given(self) -> int:
        """How many iterations it was given."""

    @property
    def n_settled(self) -> int:
        """Of how many of these, from the first on, it is known by now."""


class Reporter:
    """Sends Counts and Measured from `begin` to `end`. Owns the counts' running sums.

    Where iterations may fail afterwards (*settling*), a second is told when it is known of all that ended in it.
    """

    def __init__(
        self,
        worker: int,
        channel: WorkerEnd,
        recorder: Recorder,
        slots: Slots | MixedSlots,
        watch: Watch,
        late: Late | None = None,
    ) -> None:
        self._worker = worker
        self._channel = channel
        self._recorder = recorder
        self._slots = slots
        self._watch = watch
        self._late = Late() if late is None else late
        self._loop = asyncio.get_running_loop()
        self._handle: asyncio.TimerHandle | None = None
        self._start_ns = 0
        self._index = 0
        self._n_failed = 0
        self.settling: Sequence[Settling] = ()
        self._held: deque[tuple[Interval, list[int]]] = deque()
        """Seconds not told yet, each with the numbers of iterations that had been given to be settled at its end."""

    def begin(self, start_ns: int, index: int = 0) -> None:
        """The run's first second begins at *start_ns*; the first that is told is number *index*."""
        self._start_ns, self._index = start_ns, index
        self._recorder.until_ns = self._boundary_ns()
        self._recorder.cut = self._flush_seconds
        self._handle = self._loop.call_later(COUNTS_GAP_S, self._tick)

    def end(self, in_flight_since_ns: list[int]) -> Interval:
        """The last interval: all that was not told yet."""
        if self._handle is not None:
            self._handle.cancel()
            self._flush_seconds(now_ns())
        self._tell_held(all_of_them=True)
        return self._flushed(None, in_flight_since_ns)

    def _boundary_ns(self) -> int:
        return self._start_ns + (self._index + 1) * NS_PER_S

    def _tick(self) -> None:
        self._handle = self._loop.call_later(COUNTS_GAP_S, self._tick)
        self._flush_seconds(now_ns())
        self._channel.send(self._counts())

    def _flush_seconds(self, until_ns: int) -> None:
        """Tell every whole second that lies before *until_ns*."""
        while until_ns >= (end_ns := self._boundary_ns()):
            interval = self._flushed(end_ns, self._slots.running_since_ns())
            self._index += 1
            self._n_failed += interval.failed
            self._recorder.until_ns = self._boundary_ns()
            if not self.settling:
                self._channel.send(Measured(self._worker, interval))
            else:
                self._held.append((interval, [settling.n_given for settling in self.settling]))
        self._tell_held()

    def failed_late(self, n_iterations: int, part: str = "") -> None:
        """So many iterations, of *part* in a mix, counted as completed, have failed after all: in the earliest second
        that has them.
        """
        n_left = n_iterations
        for interval, _ in self._held:
            counts: list[Interval | PartCounts] = [interval, interval.parts[part]] if part else [interval]
            n_moved = min(n_left, *(count.completed for count in counts))
            for count in counts:
                count.completed -= n_moved
                count.failed += n_moved
            self._n_failed += n_moved
            n_left -= n_moved
        self._recorder.n_failed += n_left
        if part and self._recorder.parts is not None:
            self._recorder.parts.fail_late(part, n_iterations, of_taken=n_iterations - n_left)

    def _tell_held(self, *, all_of_them: bool = False) -> None:
        while self._held and (all_of_them or self._is_settled(self._held[0][1])):
            self._channel.send(Measured(self._worker, self._held.popleft()[0]))

    def _is_settled(self, given: list[int]) -> bool:
        return all(n <= settling.n_settled for n, settling in zip(given, self.settling, strict=True))

    def _flushed(self, end_ns: int | None, in_flight_since_ns: list[int]) -> Interval:
        interval = self._recorder.flush(self._index, end_ns, in_flight_since_ns, self._watch.take())
        interval.dropped, interval.held = self._late.dropped, self._late.held
        self._late.dropped = self._late.held = 0
        if interval.dropped and isinstance(self._slots, MixedSlots):
            self._slots.drop(interval.dropped, interval)
        return interval

    def _counts(self) -> Counts:
        now = now_ns()
        in_flight = len(self._slots.running_since_ns())
        n_ended = self._recorder.n_ended
        n_failed = self._n_failed + self._recorder.n_failed
        return Counts(
            self._worker,
            now,
            n_ended + in_flight,
            n_ended - n_failed,
            n_failed,
            in_flight,
            self._slots.gate.n_due(now),
            time.process_time_ns(),
            {} if self._recorder.parts is None else self._recorder.parts.counts(),
        )
