"""A run over time in a bounded number of points, of which none says more or less than was measured."""

from __future__ import annotations

from hybridpress.metrics.histogram import Histogram
from hybridpress.metrics.interval import ErrorCounts, Interval
from hybridpress.web.history import MOST_POINTS, History, Point
from tests.report.made import config_of, histogram_of, moment_of, second


def point(index: int, **changes: object) -> Point:
    return Point.of(moment_of(second(index, **changes), Interval(0), config_of()))


def test_a_second_is_a_point() -> None:
    """In figures: counts a second, percentiles in ms, errors by kind, and where the times lay."""
    errors = {
        ("A", "one"): ErrorCounts(2, 0, ""),
        ("A", "two"): ErrorCounts(3, 0, ""),
        ("B", ""): ErrorCounts(1, 0, ""),
    }
    shown = point(7, errors=errors, dropped=4).shown()
    assert (shown["at_s"], shown["started"], shown["failed"], shown["dropped"]) == (7, 5_000, 10, 4)
    assert shown["target_qps"] == 5_000
    assert 50 <= shown["p50_ms"] <= 51
    assert 99 <= shown["p99_ms"] <= 100
    assert shown["errors"] == {"A": 5, "B": 1}
    assert sum(shown["bins"][1::2]) == 100
    assert shown["cpu_pct"] == 40


def test_points_merge_as_what_they_count_does() -> None:
    """The p99 of two seconds is that of all their iterations, not between theirs."""
    quick, slow = point(0, response=histogram_of(*[1] * 199)), point(1, response=histogram_of(100))
    quick.extend(slow)
    shown = quick.shown()
    assert (shown["at_s"], quick.span_s) == (0, 2)
    assert shown["p99_ms"] < 2
    assert 100 <= shown["max_ms"] <= 101
    assert shown["started"] == 5_000  # a second


def test_a_long_run_gets_coarser_and_loses_nothing() -> None:
    """However long the run, the points are few, as long as one another, and hold every iteration."""
    history = History()
    n_seconds = 3 * MOST_POINTS + 7
    times = Histogram()
    for index in range(n_seconds):
        interval = second(index, started=index, response=histogram_of(1 + index % 50))
        times.merge(interval.response)
        history.add(Point.of(moment_of(interval, Interval(0), config_of())))
        assert len(history.points) <= MOST_POINTS
    assert history.span_s == 4
    assert [each.at_s for each in history.points] == list(range(0, n_seconds, 4))
    assert sum(each.counts["started"] for each in history.points) == sum(range(n_seconds))
    whole = history.points[0]
    for each in history.points[1:]:
        whole.extend(each)
    assert whole.shown()["p99_ms"] == (times.percentiles_ns(99) or [0])[0] / 1e6
