"""Where a worker's samples are noted, and folded into an interval once a second.

A sample costs the append of three integers; everything else happens in bulk, when a flush folds them.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable

import numpy as np

from hybridpress.metrics.histogram import Times
from hybridpress.metrics.interval import CheckCounts, ErrorCounts, ErrorKey, Health, Interval, StepCounts

MAX_ERROR_KINDS = 100
"""Different (kind, message) pairs kept by one worker in a run; the rest are counted under their kind alone."""
MAX_STEPS = 1_000
"""Different step names kept by one worker in a run; the rest are counted as `OTHER_STEPS`."""
OTHER_STEPS = "(other steps)"
MAX_CHECKS = 1_000
"""Different names of checks kept by one worker in a run; the rest are counted as `OTHER_CHECKS`."""
OTHER_CHECKS = "(other checks)"
OTHER_MESSAGES = "(other messages)"


def times_of(samples: array[int]) -> Times:
    """A copy of *samples* as an array of numpy, so that *samples* may change again."""
    return np.frombuffer(samples, dtype=np.int64).copy() if samples else np.zeros(0, dtype=np.int64)


class StepRecorder:
    """One step's samples since the last flush. Satisfies `hybridpress.clients.trace.Step`."""

    __slots__ = ("_append", "bytes_in", "bytes_out", "durations_ns", "n_failed")

    def __init__(self) -> None:
        self.durations_ns = array("q")
        self._append = self.durations_ns.append
        self.bytes_in = 0
        self.bytes_out = 0
        self.n_failed = 0

    def done(self, duration_ns: int, bytes_out: int, bytes_in: int) -> None:
        self._append(duration_ns)
        self.bytes_out += bytes_out
        self.bytes_in += bytes_in

    def failed(self, duration_ns: int, bytes_out: int, bytes_in: int) -> None:
        self.n_failed += 1
        self.done(duration_ns, bytes_out, bytes_in)

    def take(self) -> StepCounts:
        """What was noted since the last call."""
        counts = StepCounts(len(self.durations_ns), self.n_failed, self.bytes_in, self.bytes_out)
        counts.times.add(times_of(self.durations_ns))
        del self.durations_ns[:]
        self.bytes_in = self.bytes_out = self.n_failed = 0
        return counts


class Recorder:
    """All of one worker's samples.

    A slot notes the due time, start and end of each iteration that ended in `due_ns`, `start_ns` and `end_ns`
    (in an unpaced run, where due = start, only the last two), and of a failed one also `failed(end)`.
    """

    def __init__(self, *, paced: bool) -> None:
        self.paced = paced
        self.due_ns = array("q")
        self.start_ns = array("q")
        self.end_ns = array("q")
        self._failed_ns = array("q")
        self._steps: dict[str, StepRecorder] = {}
        self.checks: dict[str, CheckCounts] = {}
        """Checks since the last flush, by name."""
        self._check_names: set[str] = set()
        self._errors: dict[ErrorKey, ErrorCounts] = {}
        self._error_keys: set[ErrorKey] = set()
        self._n_started_told = 0
        self._n_ended_folded = 0
        self.last_start_ns = 0
        self.last_end_ns = 0

    @property
    def n_ended(self) -> int:
        """Iterations that ended since the run began."""
        return self._n_ended_folded + len(self.end_ns)

    @property
    def n_failed_since_flush(self) -> int:
        """Iterations that failed and are in no interval yet."""
        return len(self._failed_ns)

    def forget_steps(self) -> None:
        """Forget what was noted of steps and checks so far: start() is not part of what is measured."""
        for step in self._steps.values():
            step.take()
        self.checks = {}

    def step(self, name: str) -> StepRecorder:
        """The step of this name; the same object for the same name."""
        found = self._steps.get(name)
        if found is None:
            if len(self._steps) >= MAX_STEPS and name != OTHER_STEPS:
                return self.step(OTHER_STEPS)
            found = self._steps[name] = StepRecorder()
        return found

    def check(self, name: str, *, ok: bool) -> None:
        counts = self.checks.get(name)
        if counts is None:
            if name not in self._check_names:
                if len(self._check_names) >= MAX_CHECKS:
                    name = OTHER_CHECKS
                self._check_names.add(name)
            counts = self.checks.setdefault(name, CheckCounts())
        if ok:
            counts.passed += 1
        else:
            counts.failed += 1

    def failed(self, end_ns: int) -> None:
        """The iteration that ended at *end_ns* failed."""
        self._failed_ns.append(end_ns)

    def error(self, kind: str, message: str, at_ns: int, describe: Callable[[], str]) -> None:
        """Count one error under (kind, message). The first one of a run is asked to *describe* itself, as the example:
        that costs some 50 µs, which a server that fails ten thousand times a second leaves no time for.
        """
        key = (kind, message)
        counts = self._errors.get(key)
        if counts is None:
            is_new = key not in self._error_keys
            if is_new and len(self._error_keys) >= MAX_ERROR_KINDS:
                key = (kind, OTHER_MESSAGES)
                is_new = key not in self._error_keys
                counts = self._errors.get(key)
            self._error_keys.add(key)
            if counts is None:
                self._errors[key] = ErrorCounts(1, at_ns, describe() if is_new else "")
                return
        counts.count += 1

    def flush(self, index: int, until_ns: int | None, in_flight_since_ns: list[int], health: Health) -> Interval:
        """Fold what began or ended before *until_ns* (None: all) into the interval number *index*.

        *in_flight_since_ns* holds the start of every iteration that runs now. What ended later stays for the next
        flush, so a flush that comes late still ends its interval at the right instant. Steps, checks and errors are
        those noted until now.
        """
        interval = Interval(index, health=health)
        starts, ends, failed = times_of(self.start_ns), times_of(self.end_ns), times_of(self._failed_ns)
        dues = times_of(self.due_ns) if self.paced else starts
        for samples in (self.due_ns, self.start_ns, self.end_ns, self._failed_ns):
            del samples[:]
        running = np.array(in_flight_since_ns, dtype=np.int64)
        if until_ns is not None and len(ends) and int(ends.max()) >= until_ns:
            inside = ends < until_ns
            later = ~inside
            n_started_later_ended = int(np.count_nonzero(starts[later] < until_ns))
            self._keep(self.start_ns, starts[later])
            self._keep(self.end_ns, ends[later])
            self._keep(self._failed_ns, failed[failed >= until_ns])
            if self.paced:
                self._keep(self.due_ns, dues[later])
            starts, ends, dues, failed = starts[inside], ends[inside], dues[inside], failed[failed < until_ns]
        else:
            n_started_later_ended = 0
        n_running = len(running) if until_ns is None else int(np.count_nonzero(running < until_ns))
        interval.in_flight = n_running + n_started_later_ended
        self._n_ended_folded += len(ends)
        if len(ends):
            self.last_start_ns = max(self.last_start_ns, int(starts.max()))
            self.last_end_ns = max(self.last_end_ns, int(ends.max()))
        n_started = self._n_ended_folded + interval.in_flight
        interval.started = n_started - self._n_started_told
        self._n_started_told = n_started
        interval.failed = len(failed)
        interval.completed = len(ends) - len(failed)
        self._fold_times(interval, dues, starts, ends)
        interval.steps = {name: step.take() for name, step in self._steps.items() if step.durations_ns}
        interval.checks, self.checks = self.checks, {}
        interval.errors, self._errors = self._errors, {}
        return interval

    def _fold_times(self, interval: Interval, dues: Times, starts: Times, ends: Times) -> None:
        interval.service.add(ends - starts)
        if self.paced:
            interval.response.add(ends - dues)
            interval.lateness.add(starts - dues)
        else:
            interval.response.merge(interval.service)
            interval.lateness.add_zeros(len(ends))

    @staticmethod
    def _keep(samples: array[int], times: Times) -> None:
        samples.frombytes(times.tobytes())
