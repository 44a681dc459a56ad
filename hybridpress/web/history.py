"""A run over time, as a page draws it: a bounded number of points, coarser the longer the run. Arithmetic only.

Points merge by adding counts and histograms: the p99 of a longer span is the p99 of all its iterations, never a mean.
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field
from typing import Any

from hybridpress.metrics.histogram import Histogram
from hybridpress.metrics.interval import Interval
from hybridpress.metrics.news import Moment
from hybridpress.report.page.data import heat_bins
from hybridpress.report.safe import visible

MOST_POINTS = 600


@dataclass(slots=True)
class Point:
    """A span of the run that begins at `at_s`."""

    at_s: int
    span_s: int
    counts: dict[str, int]
    target_sum: float | None
    """The rates asked for in its seconds, added up."""
    in_flight: int
    slots: int
    cpu_ns: int
    watched_ns: int
    """CPU time of the workers, and over how much time, added up over them, it was watched."""
    errors: dict[str, int]
    packed: list[bytes] = field(repr=False)
    """Response time, lateness and loop lag: histograms that are mostly empty, pickled to what is in them."""

    @classmethod
    def of(cls, moment: Moment) -> Point:
        interval = moment.interval
        errors: dict[str, int] = {}
        for (kind, _), error in interval.errors.items():
            errors[visible(kind)] = errors.get(visible(kind), 0) + error.count
        return cls(
            at_s=interval.index,
            span_s=1,
            counts={name: getattr(interval, name) for name in ("started", "completed", "failed", "dropped")},
            target_sum=moment.target_qps,
            in_flight=interval.in_flight,
            slots=moment.n_slots,
            cpu_ns=interval.health.cpu_ns,
            watched_ns=interval.health.span_ns,
            errors=errors,
            packed=[pickle.dumps(times) for times in _times_of(interval)],
        )

    def extend(self, later: Point) -> None:
        """Add the span that follows."""
        self.span_s = later.at_s + later.span_s - self.at_s
        for name, count in later.counts.items():
            self.counts[name] += count
        if later.target_sum is not None:
            self.target_sum = (self.target_sum or 0.0) + later.target_sum
        self.in_flight, self.slots = later.in_flight, later.slots
        self.cpu_ns += later.cpu_ns
        self.watched_ns += later.watched_ns
        for kind, count in later.errors.items():
            self.errors[kind] = self.errors.get(kind, 0) + count
        merged = self._unpacked()
        for mine, theirs in zip(merged, later._unpacked(), strict=True):
            mine.merge(theirs)
        self.packed = [pickle.dumps(times) for times in merged]

    def shown(self) -> dict[str, Any]:
        """The point in figures: counts a second, times in ms."""
        response, lateness, lag = self._unpacked()
        p50, p90, p99, p999 = percentiles_ms(response, 50, 90, 99, 99.9)
        return {
            "at_s": self.at_s,
            **{name: count / self.span_s for name, count in self.counts.items()},
            "target_qps": None if self.target_sum is None else self.target_sum / self.span_s,
            "in_flight": self.in_flight,
            "slots": self.slots,
            "p50_ms": p50,
            "p90_ms": p90,
            "p99_ms": p99,
            "p99_9_ms": p999,
            "max_ms": response.max_ns / 1e6 if response.count else None,
            "lateness_p99_ms": percentiles_ms(lateness, 99)[0],
            "loop_lag_p99_ms": percentiles_ms(lag, 99)[0],
            "cpu_pct": 100 * self.cpu_ns / self.watched_ns if self.watched_ns else None,
            "errors": {kind: count / self.span_s for kind, count in self.errors.items()},
            "bins": heat_bins(response),
        }

    def _unpacked(self) -> list[Histogram]:
        return [pickle.loads(packed) for packed in self.packed]  # noqa: S301 (of our own making)


class History:
    """The points of a run. Beyond `MOST_POINTS` each two become one, and new ones are as long from then on."""

    def __init__(self) -> None:
        self.points: list[Point] = []
        self.span_s = 1

    def add(self, point: Point) -> bool:
        """Add a second. Whether that changed more than the last point."""
        if self.points and point.at_s // self.span_s == self.points[-1].at_s // self.span_s:
            self.points[-1].extend(point)
            return False
        self.points.append(point)
        if len(self.points) <= MOST_POINTS:
            return False
        self.span_s *= 2
        points, self.points = self.points, []
        for each in points:
            if self.points and each.at_s // self.span_s == self.points[-1].at_s // self.span_s:
                self.points[-1].extend(each)
            else:
                self.points.append(each)
        return True


def _times_of(interval: Interval) -> tuple[Histogram, Histogram, Histogram]:
    return interval.response, interval.lateness, interval.health.loop_lag


def percentiles_ms(times: Histogram, *percents: float) -> list[float | None]:
    """The times in ms that *percents* of all do not exceed; None where nothing was counted."""
    found = times.percentiles_ns(*percents)
    return [None] * len(percents) if found is None else [ns / 1e6 for ns in found]
