"""What a page shows of a result, as plain lists and dicts for its scripts. charts.js says what each chart takes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from hybridpress.config import knobs_by_name
from hybridpress.config.secrets import masked_url
from hybridpress.metrics.histogram import Histogram, coarse_places
from hybridpress.metrics.result import PERCENTS, IntervalResult, Result, Times
from hybridpress.metrics.seconds import longest_s, span_of, spans
from hybridpress.units import format_bytes, format_count, format_span

MOST_SECONDS = 7_200
"""Of a longer run several seconds are one point."""
MOST_COLUMNS = 300
"""How many columns a heat map has at most."""
HEAT_BITS = 3
"""The rows of a heat map tell so many leading bits of a time apart: four rows for each power of two, 14 to 25 % high.
Each is a union of a histogram's places, also of one that was kept coarse: nothing falls between two rows.
"""
POINTS_A_NINE = 24
"""How many points a curve has up to 90 %, from there to 99 %, and so on."""

LEAST_S = 0.5
"""Of the second in which the load ends, rates are told if it lasted that long."""

_RATES = ("started", "completed", "failed", "dropped")
_AS_THEY_ARE = (
    *("at_s", "target_qps", "in_flight", "mean_ms", "p50_ms", "p90_ms", "p99_ms", "max_ms"),
    *("cpu_pct", "loop_lag_p99_ms", "lateness_p99_ms"),
)
_OF_THE_LOAD = ("started", "dropped", "target_qps", "cpu_pct", "loop_lag_p99_ms", "lateness_p99_ms")


def seconds_of(result: Result) -> dict[str, list[Any]]:
    """A list for each field of the intervals that charts take. Of a long run some seconds are one point: rates are
    their mean, percentiles those of all their iterations. In the seconds after the load, in which the last replies
    come, nothing is planned or started, and the generator has nothing to do.
    """
    groups = spans(result.intervals, each_of(result.intervals))
    points = [_point(group, result.duration_s) for group in groups]
    if points and points[-1]["at_s"] >= result.duration_s:
        # The last replies came within this second; how long that took is not known, nor is their rate.
        points[-1]["completed"] = None
    found: dict[str, list[Any]] = {
        name: [_rounded(point.get(name)) for point in points] for name in (*_AS_THEY_ARE, *_RATES)
    }
    found["errors"] = [point["errors"] for point in points]
    return {name: values for name, values in found.items() if any(value not in (None, {}) for value in values)}


def _point(group: Sequence[IntervalResult], load_s: float) -> dict[str, Any]:
    """*group* as one point, without what says nothing because the load had ended after *load_s*."""
    span = span_of(group, has_texts=False)
    point: dict[str, Any] = {name: getattr(span, name) for name in _AS_THEY_ARE}
    point |= {name: _a_second(getattr(span, name), span.length_s) for name in _RATES}
    point["errors"] = {kind: _rounded(_a_second(count, span.length_s)) for kind, count in span.errors.items()}
    pressed_s = load_s - span.at_s
    if pressed_s <= 0:
        return point | dict.fromkeys(_OF_THE_LOAD)
    if pressed_s < span.length_s:
        # A rate over a small part of a second says little, except where there is nothing else.
        is_told = pressed_s >= LEAST_S or not span.at_s
        point |= {name: getattr(span, name) / pressed_s if is_told else None for name in _RATES}
    return point


def _a_second(count: int, length_s: int) -> float:
    """Of one second the count itself: as a whole number it is shown to the last digit."""
    return count if length_s == 1 else count / length_s


def _merged(group: Sequence[IntervalResult]) -> Histogram:
    histogram = Histogram()
    for second in group:
        if second.histogram is not None:
            histogram.merge(Histogram.decode(second.histogram))
    return histogram


def each_of(intervals: Sequence[IntervalResult]) -> int:
    """How many seconds are one point on the page."""
    return max(math.ceil(_n_seconds(intervals) / MOST_SECONDS), 1)


def _n_seconds(intervals: Sequence[IntervalResult]) -> int:
    return intervals[-1].at_s + intervals[-1].length_s if intervals else 0


def heat_of(intervals: Sequence[IntervalResult]) -> dict[str, Any] | None:
    """Where the response times of each second lay, for the heat map. None: the intervals have no histograms."""
    if all(second.histogram is None for second in intervals):
        return None
    # Whole multiples of the coarsest interval: else one column would have twice as many of them as the next.
    coarsest_s = longest_s(intervals)
    each = max(math.ceil(_n_seconds(intervals) / MOST_COLUMNS / coarsest_s), 1) * coarsest_s
    groups = spans(intervals, each)
    return {
        "x": [group[0].at_s for group in groups],
        "bins": [heat_bins(_merged(group)) for group in groups],
        "span_s": each,
    }


def heat_bins(histogram: Histogram) -> list[int]:
    """One column of a heat map: bin, count, bin, count, …; shapes.js says which times a bin holds."""
    places, counts = histogram.places()
    if not len(places):
        return []
    bins = coarse_places(HEAT_BITS)[places]
    starts = np.flatnonzero(np.diff(bins, prepend=-1))
    sums = np.add.reduceat(counts, starts)
    return [int(number) for pair in zip(bins[starts], sums, strict=True) for number in pair]


def curve_of(histogram: Histogram) -> list[tuple[float, float]]:
    """Percentages, and the times in ms that they did not exceed: as many points for each further nine. Empty: nothing
    was counted.
    """
    if not histogram.count:
        return []
    most_nines = math.log10(histogram.count)
    nines = np.arange(0, most_nines, 1 / POINTS_A_NINE)
    percents = [100 * (1 - 10 ** -float(n)) for n in nines] + [100 * (1 - 1 / histogram.count)]
    found = histogram.percentiles_ns(*percents)
    assert found is not None
    points = [(round(percent, 6), _short(ns / 1e6)) for percent, ns in zip(percents, found, strict=True)]
    points[0] = (points[0][0], _short(histogram.min_ns / 1e6))
    points[-1] = (points[-1][0], _short(histogram.max_ns / 1e6))
    return points


def curve_of_times(times: Times) -> list[tuple[float, float]]:
    """The same of what a result without histograms has: its few percentiles."""
    known = [(0.0, times.min), *((percent, getattr(times, name)) for name, percent in PERCENTS.items())]
    enough = [(percent, ms) for percent, ms in known if ms is not None and times.count * (1 - percent / 100) >= 1]
    return [(percent, _short(ms)) for percent, ms in enough]


def response_curve(result: Result) -> list[tuple[float, float]]:
    """The response times of *result* by percentile."""
    if result.histograms is None:
        return curve_of_times(result.response_time_ms)
    return curve_of(Histogram.decode(result.histograms.response))


def curves_of(result: Result) -> list[dict[str, Any]]:
    """Response time, service time and lateness by percentile, with label and colour."""
    kept = result.histograms
    found = [("response time", 0, response_curve(result))]
    for label, colour, times, text in (
        ("service time", 2, result.service_time_ms, kept and kept.service),
        ("lateness", 1, result.lateness_ms, kept and kept.lateness),
    ):
        if label == "lateness" and result.qps.target is None:
            continue
        points = curve_of(Histogram.decode(text)) if text else curve_of_times(times)
        found.append((label, colour, points))
    styles = {"response time": "line", "service time": "dash", "lateness": "dot"}
    return [
        {"label": name, "colour": n, "style": styles[name], "points": points} for name, n, points in found if points
    ]


def row_of(times: Times) -> dict[str, float | None]:
    """Percentiles, mean and deviation by the names that tables have for them ("p99.9")."""
    names = (*PERCENTS, "max", "mean", "stddev", "min")
    return {name.replace("_", "."): _rounded(getattr(times, name)) for name in names}


def percent_of(part: float, whole: float) -> float | None:
    """*part* of *whole* in percent; None where there is nothing that it could be a part of."""
    return None if not whole else round(100 * part / whole, 4)


def _short(ms: float) -> float:
    return float(f"{ms:.4g}")


def _rounded(value: Any) -> Any:
    """A number with the digits that a chart can show: pages are to be small."""
    return _short(value) if isinstance(value, float) else value


def told_setting(name: str, value: Any) -> str:
    """The value of setting *name* in words, with its unit."""
    if value is None or value in ([], {}, ""):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return "\n".join(f"{key}={told_setting('', item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return "\n".join(told_setting("", item) for item in value)
    if isinstance(value, int | float):
        knob = knobs_by_name().get(name)
        return _WITH_UNIT.get(knob.metavar if knob else "", format_count)(value)
    return masked_url(str(value))


_WITH_UNIT: dict[str, Callable[[float], str]] = {
    "TIME": format_span,
    "RATE": lambda rate: f"{format_count(rate)}/s",
    "SIZE": format_bytes,
    "N": str,
}
