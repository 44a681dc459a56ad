"""The kept seconds of a long run: fewer the older they are, every count exact."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridpress.metrics.histogram import Histogram
from hybridpress.metrics.interval import Interval, StepCounts
from hybridpress.metrics.result import IntervalResult
from hybridpress.metrics.seconds import FINE_S, TENS_S, Seconds, span_of
from hybridpress.metrics.summary import second_of

SUMS = ("started", "completed", "failed", "dropped", "length_s")


def second(at_s: int, in_flight: int = 0) -> IntervalResult:
    """A second that has a few iterations of a few ms."""
    n = at_s % 50 + 1
    times = Histogram()
    times.add(np.full(n, (at_s % 7 + 1) * 1_000_000))
    interval = Interval(at_s, n, n - 1, 1, at_s % 3, in_flight, response=times, steps={"a": StepCounts(n, times=times)})
    return second_of(interval, 10.0)


def test_a_day() -> None:
    """The last hour by the second, some ten hours before it by ten seconds, the rest by the minute."""
    kept, bare = Seconds(), IntervalResult(0, 1, 1, 0, 0, 100.0, 3)
    n_all = 86_400
    for at_s in range(n_all):
        kept.add(dataclasses.replace(bare, at_s=at_s))
    lengths = [found.length_s for found in kept]
    assert sum(found.started for found in kept) == sum(lengths) == n_all
    assert lengths == sorted(lengths, reverse=True)
    assert set(lengths) == {60, 10, 1}
    assert FINE_S <= lengths.count(1) <= FINE_S + 20
    assert TENS_S / 10 <= lengths.count(10) <= TENS_S / 10 + 12
    assert [found.at_s for found in kept] == [sum(lengths[:k]) for k in range(len(kept))]


@given(st.sets(st.integers(0, 2_000), min_size=1), st.integers(10, 60), st.integers(60, 300))
def test_sums_stay_exact(present: set[int], fine_s: int, tens_s: int) -> None:
    """Whichever seconds there are: sums, order and the highest time are those of all of them."""
    all_of_them = [second(at_s) for at_s in sorted(present)]
    kept = Seconds(fine_s, tens_s)
    for one in all_of_them:
        kept.add(one)
    for name in SUMS:
        assert sum(getattr(found, name) for found in kept) == sum(getattr(found, name) for found in all_of_them), name
    assert [found.at_s for found in kept] == sorted(found.at_s for found in kept)
    assert kept[-1].in_flight == all_of_them[-1].in_flight
    assert all(found.at_s >= max(present) - fine_s - 10 for found in kept if found.length_s == 1) or len(kept) <= 80
    histograms = [Histogram.decode(found.histogram) for found in kept if found.histogram]
    assert sum(found.count for found in histograms) == sum(found.started for found in all_of_them)
    assert max(found.max_ms or 0 for found in kept) == max(found.max_ms or 0 for found in all_of_them)
    assert max(kept.most_started, *(found.started / found.length_s for found in kept), 0) >= max(
        (found.started for found in all_of_them if found not in kept), default=0
    )


def test_a_span() -> None:
    """Rates are means, what is in flight is that of the end, percentiles are those of all, not means of means."""
    span = span_of([second(0), second(1), second(6, 4)])
    assert (span.at_s, span.length_s, span.started, span.in_flight, span.target_qps) == (0, 3, 1 + 2 + 7, 4, 10.0)
    assert span.p50_ms == pytest.approx(7, rel=1e-3)
    assert list(span.step_histograms) == ["a"]
    assert Histogram.decode(span.step_histograms["a"]).count == 10
