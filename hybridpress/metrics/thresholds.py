"""Objectives in words, such as "p99 < 50ms" or "failed < 0.1%", and what they come to for what was measured."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass

from hybridpress.errors import UsageError
from hybridpress.metrics.histogram import Histogram
from hybridpress.metrics.interval import Interval
from hybridpress.units import format_count, format_ms, parse_duration_s

_COMPARES: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le, ">=": operator.ge, "==": operator.eq, "<": operator.lt, ">": operator.gt,
}  # fmt: skip
_EXPRESSION = re.compile(r"\s*(?P<what>[^<>=]+?)\s*(?P<compare><=|>=|==|<|>)\s*(?P<limit>\S+)\s*")
_TIME = re.compile(r"(?:(?P<times>service|lateness)\.)?(?P<which>p\d{1,2}(?:\.\d+)?|max|mean)(?:\((?P<step>.+)\))?")
_COUNTS = ("failed", "dropped", "qps")
_EXAMPLE = '"p99<50ms", "failed<0.1%" or "qps>=990"'


@dataclass(frozen=True, slots=True)
class Threshold:
    """One objective. Times are of the response (from the moment an iteration was due) unless it says otherwise."""

    expression: str
    compare: str
    limit: float
    """ms for times, percent or a count for failures, a number for the others."""
    times: str = ""
    """"response", "service" or "lateness"; empty for counts."""
    which: str = ""
    """"p99", "max", "mean"; or "failed", "dropped", "qps"."""
    step: str | None = None
    is_percent: bool = False

    def value(self, interval: Interval, length_s: float, times: str | None = None) -> float | None:
        """What it is about, of what was measured in *length_s*; None: nothing was. *times*: of these times instead."""
        if self.times:
            histogram = self._histogram(interval, times or self.times)
            if histogram is None or not histogram.count:
                return None
            return _time_ms(histogram, self.which)
        n_ended = interval.completed + interval.failed
        match self.which:
            case "failed" if self.is_percent:
                return 100 * interval.failed / n_ended if n_ended else None
            case "failed":
                return float(interval.failed)
            case "dropped":
                return float(interval.dropped)
        return interval.started / length_s if length_s else None

    def holds(self, value: float | None) -> bool:
        """Whether it is kept by *value*; by nothing measured it is not."""
        return value is not None and _COMPARES[self.compare](value, self.limit)

    def told(self, value: float | None) -> str:
        """*value* in words: "p99 is 61.2 ms"."""
        name = self.expression.partition(self.compare)[0].strip()
        if value is None:
            return f"{name} was not measured"
        return f"{name} is {format_ms(value) if self.times else format_count(round(value, 3)) + ' %' * self.is_percent}"

    def _histogram(self, interval: Interval, times: str) -> Histogram | None:
        if self.step is not None:
            step = interval.steps.get(self.step)
            return None if step is None else step.times
        found: Histogram = getattr(interval, times)
        return found


def _time_ms(histogram: Histogram, which: str) -> float:
    if which == "max":
        return histogram.max_ns / 1e6
    if which == "mean":
        return (histogram.mean_ns or 0.0) / 1e6
    found = histogram.percentiles_ns(float(which[1:]))
    assert found is not None
    return found[0] / 1e6


def parse_threshold(text: str) -> Threshold:
    """An objective from "p99<50ms", "service.p90 <= 10ms", "max(GET /) < 1s", "failed<0.1%", "dropped==0", "qps>=990".

    Raises:
        UsageError: it is not one.
    """
    match = _EXPRESSION.fullmatch(text)
    if match is None:
        raise UsageError(f'must be an objective such as {_EXAMPLE}, got "{text}"')
    what, compare, limit = match["what"], match["compare"], match["limit"]
    time = _TIME.fullmatch(what)
    if time is not None:
        if time["step"] and time["times"]:
            raise UsageError(f'must ask for the times of a step, or for {time["times"]}, not for both; got "{text}"')
        try:
            limit_ms = 1e3 * parse_duration_s(limit)
        except UsageError:
            raise UsageError(f'must compare a time with a duration such as "50ms", got "{text}"') from None
        if limit.replace(".", "").isdigit():
            raise UsageError(f'must have a unit to its duration, such as "{limit}ms", got "{text}"')
        return Threshold(text, compare, limit_ms, time["times"] or "response", time["which"], time["step"])
    if what not in _COUNTS:
        raise UsageError(f'must be about p50, p99.9, max, mean, {", ".join(_COUNTS)}, such as {_EXAMPLE}, got "{text}"')
    try:
        number = float(limit.removesuffix("%"))
    except ValueError:
        raise UsageError(f'must compare {what} with a number, got "{text}"') from None
    is_percent = limit.endswith("%")
    if is_percent and what != "failed":
        raise UsageError(f'must compare {what} with a number, not a percentage; got "{text}"')
    return Threshold(text, compare, number, which=what, is_percent=is_percent)
