"""The figures that thresholds and `--until` are about, such as "p99", "failed(QueryVm)" or "check(status is 200)".

A name in brackets is that of a part of a mix, or of a step. Steps of a mix carry their part's name ("QueryVm: query"),
so that the two do not meet, unless somebody names them so: then it is the part.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:  # what is written is read before a run, where numpy would only cost time
    from hybridpress.metrics.histogram import Histogram
    from hybridpress.metrics.interval import Interval

_TIME = re.compile(r"(?:(?P<times>response|service|lateness)\.)?(?P<which>p\d{1,2}(?:\.\d+)?|max|mean)")
_COUNTS = ("failed", "dropped", "qps")
_PERCENTAGES = ("check", "checks")


class _Counted(NamedTuple):
    """All iterations, a part, or a step: so often begun, ended, failed, with these times."""

    n_begun: int
    n_ended: int
    n_failed: int
    times: Histogram


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of what was measured: ms for times, percent for checks, else a number."""

    which: str
    """"p99", "max", "mean"; "failed", "dropped", "qps"; "check", "checks"."""
    times: str = ""
    """"response", "service" or "lateness"; empty for what is no time."""
    name: str | None = None
    """Of a step, of a part, of a check; None: of all iterations, of all checks."""

    @property
    def is_of_checks(self) -> bool:
        return self.which in _PERCENTAGES

    @property
    def percent(self) -> float | None:
        """Which percentile it is; None: none."""
        return float(self.which[1:]) if self.times and self.which[0] == "p" else None

    def __str__(self) -> str:
        times = "" if self.times in ("", "response") else f"{self.times}."
        return f"{times}{self.which}" + ("" if self.name is None else f"({self.name})")

    def histogram(self, interval: Interval, times: str | None = None) -> Histogram | None:
        """The times that it is about, or, where it does not name a step or part, others of the iterations; None: there
        was no such step or part.
        """
        if self.name is None:
            found: Histogram = getattr(interval, times or self.times)
            return found
        counted = self._counted(interval)
        return None if counted is None else counted.times

    def value(
        self, interval: Interval, length_s: float, *, times: str | None = None, in_percent: bool = False
    ) -> float | None:
        """What it comes to in *interval*, which is *length_s* long; None: it was not measured. *times*: of these times
        instead; *in_percent*: failures as a share of what ended.
        """
        if self.times:
            histogram = self.histogram(interval, times)
            return None if histogram is None or not histogram.count else _time_ms(histogram, self.which)
        match self.which:
            case "failed":
                return self._failed(interval, in_percent=in_percent)
            case "dropped":
                counts = interval if self.name is None else interval.parts.get(self.name)
                return None if counts is None else float(counts.dropped)
            case "qps":
                counted = self._counted(interval)
                return counted.n_begun / length_s if length_s and counted is not None else None
        checks = [check for name, check in interval.checks.items() if self.name in (None, name)]
        n_checked = sum(check.passed + check.failed for check in checks)
        return 100 * sum(check.passed for check in checks) / n_checked if n_checked else None

    def names_in(self, interval: Interval) -> list[str]:
        """What it might have named."""
        if self.is_of_checks:
            return sorted(interval.checks)
        return sorted(interval.parts if self.which == "dropped" else {*interval.parts, *interval.steps})

    def _counted(self, interval: Interval) -> _Counted | None:
        """What it names; None: it never happened."""
        if self.name is not None and self.name not in interval.parts:
            step = interval.steps.get(self.name)
            return None if step is None else _Counted(step.count, step.count, step.failed, step.times)
        its = interval if self.name is None else interval.parts[self.name]
        return _Counted(its.started, its.completed + its.failed, its.failed, its.response)

    def _failed(self, interval: Interval, *, in_percent: bool) -> float | None:
        counted = self._counted(interval)
        if counted is None or (not counted.n_ended and (in_percent or self.name is not None)):
            return None
        return 100 * counted.n_failed / counted.n_ended if in_percent else float(counted.n_failed)


def parse_figure(what: str, name: str | None) -> Figure | str:
    """The figure that *what* is, of the step, part or check *name*; or what is wrong with it, to go on after "must"."""
    time = _TIME.fullmatch(what)
    if time is not None:
        times = time["times"] or "response"
        if name is not None and time["times"]:
            return f"ask for the times of a step, or for {times}, not for both"
        return Figure(time["which"], times, name)
    if what not in (*_COUNTS, *_PERCENTAGES):
        return f"be about p50, p99.9, max, mean, {', '.join(_COUNTS)} or check(NAME)"
    if (what == "check") != (name is not None) and what in _PERCENTAGES:
        return 'name a check, as in "check(status is 200) >= 99%", or be about all "checks"'
    return Figure(what, name=name)


def _time_ms(histogram: Histogram, which: str) -> float:
    if which == "max":
        return histogram.max_ns / 1e6
    if which == "mean":
        return (histogram.mean_ns or 0.0) / 1e6
    found = histogram.percentiles_ns(float(which[1:]))
    assert found is not None
    return found[0] / 1e6
