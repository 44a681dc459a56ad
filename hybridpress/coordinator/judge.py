"""Judges the run while it goes on and at its end: what its thresholds come to, and whether it ends before its time.

It decides nothing else, and knows nothing of workers.
"""

from __future__ import annotations

from hybridpress.config import RunConfig
from hybridpress.metrics.interval import Interval
from hybridpress.metrics.result import ThresholdResult
from hybridpress.units import format_duration


class Judge:
    """Judges one run. Each complete second is told by `second`; `ending` says whether the load is to end after it."""

    def __init__(self, config: RunConfig) -> None:
        self._config = config
        self.standing: list[ThresholdResult] = self._judged(Interval(0), 0.0)
        """What the thresholds came to after the last complete second."""
        self._aborted: dict[str, ThresholdResult] = {}
        """The thresholds that ended the run, as they were then."""

    def second(self, elapsed_s: float, total: Interval) -> None:
        """Another second is complete, and *total* is what there is after *elapsed_s* of load."""
        self.standing = self._judged(total, elapsed_s)

    def ending(self, elapsed_s: float) -> tuple[str, str] | None:
        """Why the load is to end now, as kind and text of an event; None: it goes on.

        What was not measured yet may still come: only what was measured ends a run.
        """
        config = self._config
        if not config.abort_on_fail or elapsed_s < (config.abort_grace_s or 0.0):
            return None
        for threshold, found in zip(config.thresholds, self.standing, strict=True):
            if not found.passed and found.value is not None:
                self._aborted[found.expression] = found
                text = f"{threshold.told(found.value)} after {format_duration(elapsed_s)}"
                return "aborted", f"{text}: the run is ended, as {found.expression} does not hold (--abort-on-fail)"
        return None

    def thresholds(self, total: Interval, load_s: float) -> list[ThresholdResult]:
        """What the thresholds come to at the end; that which ended the run, as it was then."""
        found = self._judged(total, load_s)
        return [self._aborted.get(threshold.expression, threshold) for threshold in found]

    def not_measured(self, total: Interval) -> list[str]:
        """The thresholds that nothing was measured for, a sentence each."""
        return [
            f"{threshold.expression} does not hold: {threshold.why_not_measured(total)}"
            for threshold in self._config.thresholds
            if threshold.value(total, 1.0) is None
        ]

    def _judged(self, interval: Interval, length_s: float) -> list[ThresholdResult]:
        values = [(each, each.value(interval, length_s)) for each in self._config.thresholds]
        return [ThresholdResult(each.expression, value, each.holds(value)) for each, value in values]
