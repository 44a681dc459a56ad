"""Judges the run while it goes on and at its end: what its thresholds come to, and whether it ends before its time.

It decides nothing else, and knows nothing of workers.
"""

from __future__ import annotations

from hybridpress.config import RunConfig
from hybridpress.metrics.interval import Interval
from hybridpress.metrics.precision import Estimate, Precision
from hybridpress.metrics.result import ThresholdResult
from hybridpress.metrics.until import Until
from hybridpress.units import format_duration, format_ms


class Judge:
    """Judges one run. Each complete second is told by `second`; `ending` says whether the load is to end after it."""

    def __init__(self, config: RunConfig) -> None:
        self._config = config
        self.standing: list[ThresholdResult] = self._judged(Interval(0), 0.0)
        """What the thresholds came to after the last complete second."""
        self._aborted: dict[str, ThresholdResult] = {}
        """The thresholds that ended the run, as they were then."""
        self._precision = None if config.until is None else Precision(config.until.figure.percent)
        self._is_precise = False

    def second(self, elapsed_s: float, interval: Interval, total: Interval) -> None:
        """Another second, *interval*, is complete, and *total* is what there is after *elapsed_s* of load."""
        self.standing = self._judged(total, elapsed_s)
        if self._precision is not None and not self._is_precise:
            assert self._config.until is not None
            self._precision.add(self._config.until.figure.histogram(interval))

    def ending(self, elapsed_s: float) -> tuple[str, str] | None:
        """Why the load is to end now, as kind and text of an event; None: it goes on.

        What was not measured yet may still come: only what was measured ends a run.
        """
        return self._failing(elapsed_s) or self._precise(elapsed_s)

    def _failing(self, elapsed_s: float) -> tuple[str, str] | None:
        config = self._config
        if not config.abort_on_fail or elapsed_s < (config.abort_grace_s or 0.0):
            return None
        for threshold, found in zip(config.thresholds, self.standing, strict=True):
            if not found.passed and found.value is not None:
                self._aborted[found.expression] = found
                text = f"{threshold.told(found.value)} after {format_duration(elapsed_s)}"
                return "aborted", f"{text}: the run is ended, as {found.expression} does not hold (--abort-on-fail)"
        return None

    def _precise(self, elapsed_s: float) -> tuple[str, str] | None:
        until = self._config.until
        if until is None or self._precision is None or elapsed_s < (self._config.until_min_s or 0.0):
            return None
        estimate = self._precision.estimate()
        if estimate is None or estimate.share > until.share:
            return None
        self._is_precise = True
        text = f"{_told(until, estimate)} after {format_duration(elapsed_s)}"
        return "until_reached", f"{text}: the run is ended, as --until {until.expression} says"

    def until_missed(self) -> str | None:
        """What is to be told at the end of a run that did not get to know its figure as well as it was to."""
        until = self._config.until
        if until is None or self._precision is None or self._is_precise:
            return None
        estimate = self._precision.estimate()
        known = "too little was measured" if estimate is None else _told(until, estimate)
        return f"--until {until.expression} was not reached: {known}"

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


def _told(until: Until, estimate: Estimate) -> str:
    """A figure and its confidence interval, with how far the farther end is."""
    low = format_ms(estimate.low_ms)
    if estimate.high_ms is None:
        within = f"above {low}, with no bound yet"
    else:
        within = f"{low} to {format_ms(estimate.high_ms)}, ±{100 * estimate.share:.2g}%"
    return f"{until.figure} is {format_ms(estimate.value_ms)} (95 % confidence: {within})"
