"""Objectives in words, such as "p99 < 50ms" or "failed < 0.1%", and what they come to for what was measured."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hybridpress.errors import UsageError
from hybridpress.metrics.figures import Figure, parse_figure
from hybridpress.units import format_count, format_ms, parse_duration_s

if TYPE_CHECKING:  # as in hybridpress/metrics/figures.py
    from hybridpress.metrics.interval import Interval
    from hybridpress.metrics.result import ThresholdResult

_COMPARES: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le, ">=": operator.ge, "==": operator.eq, "<": operator.lt, ">": operator.gt,
}  # fmt: skip
# A name may have anything in it, brackets and comparisons too: it ends at the last bracket that one follows.
_EXPRESSION = re.compile(
    r"\s*(?P<what>[^<>=()\s]+)\s*(?:\(\s*(?P<name>.+?)\s*\))?\s*(?P<compare><=|>=|==|<|>)\s*(?P<limit>[^<>=()]+?)\s*"
)
_EXAMPLE = '"p99<50ms", "failed<0.1%" or "qps>=990"'


@dataclass(frozen=True, slots=True)
class Threshold:
    """One objective. Times are of the response (from the moment an iteration was due) unless it says otherwise."""

    expression: str
    figure: Figure
    compare: str
    limit: float
    """ms for times, percent or a count for failures, percent for checks, a number for the others."""
    is_percent: bool = False

    def value(self, interval: Interval, length_s: float, times: str | None = None) -> float | None:
        """What it is about, of what was measured in *length_s*; None: nothing was. *times*: of these times instead."""
        return self.figure.value(interval, length_s, times=times, in_percent=self.is_percent)

    def holds(self, value: float | None) -> bool:
        """Whether it is kept by *value*; by nothing measured it is not."""
        return value is not None and _COMPARES[self.compare](value, self.limit)

    def told(self, value: float | None) -> str:
        """*value* in words: "p99 is 61.2 ms"."""
        return f"{self.figure} {'was not measured' if value is None else f'is {self.told_value(value)}'}"

    def told_value(self, value: float) -> str:
        """*value* with its unit, in as many digits as show on which side of the limit it is."""
        if self.figure.times:
            text = format_ms(value)
            return f"{value:.6g} ms" if text == format_ms(self.limit) and value != self.limit else text
        number = format_count(value) if float(value).is_integer() else f"{value:,.6g}"
        return number + " %" * self.is_percent

    def why_not_measured(self, interval: Interval) -> str:
        """Why there was nothing to judge it by."""
        if self.figure.name is None:
            return "nothing was measured"
        if self.figure.name in self.figure.names_in(interval):
            return f'nothing of "{self.figure.name}" was measured'
        kind = "check" if self.figure.is_of_checks else "part" if self.figure.which == "dropped" else "step"
        names = ", ".join(f'"{name}"' for name in self.figure.names_in(interval)[:10])
        return f'{kind} "{self.figure.name}" never happened; ' + (f"there were {names}" if names else "there was none")


def told_value(found: ThresholdResult) -> str:
    """What was found for a threshold, with its unit."""
    if found.value is None:
        return "never happened"
    try:
        return parse_threshold(found.expression).told_value(found.value)
    except UsageError:  # of a result that another version wrote
        return format_count(found.value)


def parse_threshold(text: str) -> Threshold:
    """An objective from "p99<50ms", "service.p90 <= 10ms", "max(GET /) < 1s", "failed<0.1%", "dropped==0", "qps>=990",
    "check(status is 200) >= 99%".

    Raises:
        UsageError: it is not one.
    """
    match = _EXPRESSION.fullmatch(text)
    if match is None:
        raise UsageError(f'must be an objective such as {_EXAMPLE}, got "{text}"')
    what, limit = match["what"], match["limit"].replace(" ", "")
    figure = parse_figure(what, match["name"])
    if isinstance(figure, str):
        raise UsageError(f'must {figure}, got "{text}"; such as {_EXAMPLE}')
    if figure.times:
        return Threshold(text, figure, match["compare"], _limit_ms(limit, text))
    is_percent = limit.endswith("%")
    try:
        number = float(limit.removesuffix("%"))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise UsageError(f'must compare {what} with a number, got "{text}"')
    if is_percent and figure.which != "failed" and not figure.is_of_checks:
        raise UsageError(f'must compare {what} with a number, not a percentage; got "{text}"')
    if figure.is_of_checks and not (is_percent and 0 <= number <= 100):
        raise UsageError(f'must compare {what} with a percentage up to 100%, such as "{figure} >= 99%", got "{text}"')
    return Threshold(text, figure, match["compare"], number, is_percent)


def parse_thresholds(value: object) -> tuple[Threshold, ...]:
    """One objective in words, or several.

    Raises:
        UsageError: each that is none.
    """
    words = [value] if isinstance(value, str | Threshold) else value
    if not isinstance(words, Iterable):
        raise UsageError(f"must be an objective such as {_EXAMPLE}, or a list of them, got {value!r}")
    found: list[Threshold] = []
    mistakes: list[str] = []
    for word in words:
        try:
            found.append(word if isinstance(word, Threshold) else parse_threshold(str(word)))
        except UsageError as error:
            mistakes += error.mistakes
    if mistakes:
        raise UsageError(mistakes)
    return tuple(dict.fromkeys(found))


def _limit_ms(limit: str, text: str) -> float:
    try:
        limit_ms = 1e3 * parse_duration_s(limit)
    except UsageError:
        raise UsageError(f'must compare a time with a duration such as "50ms", got "{text}"') from None
    if limit.replace(".", "").isdigit():
        raise UsageError(f'must have a unit to its duration, such as "{limit}ms", got "{text}"')
    return limit_ms
