"""Seconds of workers become seconds of the run, and seconds of the run become the run."""

from __future__ import annotations

import copy
import pickle

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridpress.metrics.histogram import Histogram
from hybridpress.metrics.interval import CheckCounts, ErrorCounts, Health, Interval, StepCounts

small = st.integers(0, 1_000)
names = st.sampled_from(["a", "b", "c"])


@st.composite
def histograms(draw: st.DrawFn) -> Histogram:
    histogram = Histogram()
    histogram.add(np.array(draw(st.lists(st.integers(0, 10**9), max_size=4)), dtype=np.int64))
    return histogram


# A first time belongs to one example, as it does in a run: whole ns of one clock.
errors = st.builds(lambda count, first: ErrorCounts(count, first, f"seen at {first}"), small, small)
intervals = st.builds(
    Interval,
    index=st.just(3),
    started=small,
    completed=small,
    failed=small,
    dropped=small,
    in_flight=small,
    response=histograms(),
    service=histograms(),
    lateness=histograms(),
    steps=st.dictionaries(names, st.builds(StepCounts, small, small, small, small, histograms()), max_size=2),
    checks=st.dictionaries(names, st.builds(CheckCounts, small, small), max_size=2),
    errors=st.dictionaries(st.tuples(names, names), errors, max_size=2),
    health=st.builds(Health, histograms(), small, small, small, small),
)


def merged(first: Interval, *others: Interval) -> Interval:
    total = copy.deepcopy(first)
    for other in others:
        total.merge(other)
    return total


@settings(max_examples=15)
@given(intervals, intervals, intervals)
def test_merging(a: Interval, b: Interval, c: Interval) -> None:
    """Merging workers is associative and commutative."""
    assert merged(merged(a, b), c) == merged(a, merged(b, c)) == merged(c, a, b)


@settings(max_examples=20)
@given(intervals, intervals)
def test_merging_leaves_the_other_alone(a: Interval, b: Interval) -> None:
    """What is merged in is not changed, not even by what is merged later."""
    before = copy.deepcopy(b)
    total = Interval(3)
    total.merge(b)
    total.merge(a)
    total.extend(a)
    assert b == before


@settings(max_examples=20)
@given(intervals)
def test_merging_nothing(interval: Interval) -> None:
    """An interval without anything in it changes nothing, and pickling is the identity."""
    assert merged(interval, Interval(3)) == merged(Interval(3), interval) == interval
    assert pickle.loads(pickle.dumps(interval)) == interval  # noqa: S301  # our own bytes


def test_over_workers() -> None:
    """The same second of two workers: everything adds up, what is in flight too."""
    one = Interval(3, started=10, completed=7, failed=1, dropped=2, in_flight=2)
    one.merge(Interval(3, started=5, completed=5, failed=0, dropped=1, in_flight=4))
    assert one == Interval(3, started=15, completed=12, failed=1, dropped=3, in_flight=6)


def test_over_time() -> None:
    """One second after another: flows add up, what is in flight is what is at the end."""
    run = Interval(0)
    run.extend(Interval(0, started=10, completed=6, failed=1, in_flight=3))
    run.extend(Interval(1, started=10, completed=12, failed=0, in_flight=1))
    assert run == Interval(0, started=20, completed=18, failed=1, in_flight=1)
    assert run.started == run.completed + run.failed + run.in_flight


def test_the_first_error_is_the_example() -> None:
    """Of errors alike the earliest is kept, whichever worker tells first."""
    late, early = ErrorCounts(2, 900, "late"), ErrorCounts(3, 100, "early")
    late.merge(early)
    assert late == ErrorCounts(5, 100, "early")
    early.merge(ErrorCounts(1, 500, "later"))
    assert early == ErrorCounts(4, 100, "early")


def test_health() -> None:
    """CPU is a share of one core over the time that was watched; the longest pause is the longest of all."""
    health = Health(cpu_ns=500, span_ns=1_000, gc_pause_ns=30, longest_gc_pause_ns=20)
    assert health.cpu_pct == 50.0
    health.merge(Health(cpu_ns=1_000, span_ns=1_000, gc_pause_ns=10, longest_gc_pause_ns=10))
    assert (health.cpu_pct, health.gc_pause_ns, health.longest_gc_pause_ns) == (75.0, 40, 20)
    assert Health().cpu_pct == 0.0
