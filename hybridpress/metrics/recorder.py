"""Where a worker's samples are noted, and folded into an interval once a second.

A sample costs the append of one or two integers; everything else happens in bulk, when a flush folds them.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable

import numpy as np

from hybridpress.hot import RecorderBase, StepBase
from hybridpress.metrics.cpu import CpuRecorder
from hybridpress.metrics.histogram import Times
from hybridpress.metrics.interval import CheckCounts, ErrorCounts, ErrorKey, Health, Interval, StepCounts
from hybridpress.metrics.parts import PartsRecorder
from hybridpress.units import NEVER_NS

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


class StepRecorder(StepBase):
    """One step's samples since the last flush. Satisfies `hybridpress.clients.trace.Step`."""

    __slots__ = ("n_resent",)

    def __init__(self) -> None:
        super().__init__()
        self.n_resent = 0

    def resent(self) -> None:
        self.n_resent += 1

    def take(self) -> StepCounts:
        """What was noted since the last call."""
        counts = StepCounts(len(self.durations_ns), self.n_failed, self.bytes_in, self.bytes_out, resent=self.n_resent)
        counts.times.add(times_of(self.durations_ns))
        del self.durations_ns[:]
        self.bytes_in = self.bytes_out = self.n_failed = self.n_resent = 0
        return counts


class Recorder(RecorderBase):
    """All of one worker's samples, those of the interval that runs now until a flush takes them.

    A slot whose iteration ended appends to `service_ns` how long it ran and, in a paced run, to `lateness_ns` how long
    after its due time it had begun; it sets `last_end_ns`, and counts a failed one in `n_failed`. Before all that it
    compares the end with `until_ns`: from there on samples belong to the next interval, and `cut` is called with the
    end to flush this one. So intervals end at the right instant however late the timer of the flush comes, and no
    sample needs an instant of its own.
    """

    def __init__(self, *, paced: bool) -> None:
        self.paced = paced
        self.service_ns = array("q")
        self.lateness_ns = array("q")
        self.n_failed = 0
        self.until_ns = NEVER_NS
        self.cut: Callable[[int], None] = _nobody_cuts
        self.last_end_ns = 0
        self.checks: dict[str, CheckCounts] = {}
        """Checks of this interval, by name; always the same dict."""
        self.parts: PartsRecorder | None = None
        """Of a mix: which part each iteration is of."""
        self.cpu: CpuRecorder | None = None
        """Where prepare() and verify() are noted, in a run that has them."""
        self._steps: dict[str, StepRecorder] = {}
        self._check_names: set[str] = set()
        self._errors: dict[ErrorKey, ErrorCounts] = {}
        self._error_keys: set[ErrorKey] = set()
        self._n_started_told = 0
        self._n_ended_folded = 0

    @property
    def n_ended(self) -> int:
        """Iterations that ended since the run began."""
        return self._n_ended_folded + len(self.service_ns)

    def forget_steps(self) -> None:
        """Forget what was noted of steps and checks so far: start() is not part of what is measured."""
        for step in self._steps.values():
            step.take()
        self.checks.clear()

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
        """Fold what was noted since the last flush into the interval number *index*, which ends at *until_ns*.

        *in_flight_since_ns* holds the start of every iteration that runs now; those that began before *until_ns* (None:
        all) are started and in flight, the others are the next interval's.
        """
        interval = Interval(index, health=health)
        service, lateness = times_of(self.service_ns), times_of(self.lateness_ns)
        del self.service_ns[:]
        del self.lateness_ns[:]
        self._n_ended_folded += len(service)
        interval.in_flight = sum(until_ns is None or since_ns < until_ns for since_ns in in_flight_since_ns)
        n_started = self._n_ended_folded + interval.in_flight
        interval.started = n_started - self._n_started_told
        self._n_started_told = n_started
        interval.failed = self.n_failed
        interval.completed = len(service) - self.n_failed
        self.n_failed = 0
        interval.service.add(service)
        if self.paced:
            interval.response.add(service + lateness)
            interval.lateness.add(lateness)
        else:
            interval.response.merge(interval.service)
            interval.lateness.add_zeros(len(service))
        if self.parts is not None:
            interval.parts = self.parts.take(service + lateness if self.paced else service)
        interval.steps = {name: step.take() for name, step in self._steps.items() if step.durations_ns}
        interval.checks = self.checks.copy()
        self.checks.clear()
        interval.errors, self._errors = self._errors, {}
        if self.cpu is not None:
            interval.cpu = self.cpu.take()
        return interval


def _nobody_cuts(_: int) -> None:
    """Until a run begins its intervals."""
