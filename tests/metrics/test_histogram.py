"""A histogram against the plain sorted list of what it counted."""

from __future__ import annotations

import base64
import copy
import math
import pickle
import zlib
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridpress.metrics.histogram import HIGHEST_NS, Histogram, highest_us, place_of

# Small times, times of every magnitude, and those at the edges of powers of two.
times = st.one_of(
    st.integers(0, 3_000_000),
    st.integers(0, HIGHEST_NS),
    st.integers(0, 31).flatmap(lambda bits: st.integers(-2, 2).map(lambda off: max(((1 << bits) + off) * 1_000, 0))),
).map(lambda ns: min(ns, HIGHEST_NS))
lists_of_times = st.lists(times, max_size=60)
filled_lists = st.lists(times, min_size=1, max_size=60)


def histogram_of(times_ns: Sequence[int]) -> Histogram:
    histogram = Histogram()
    histogram.add(np.array(times_ns, dtype=np.int64))
    return histogram


def merged(*histograms: Histogram) -> Histogram:
    total = Histogram()
    for histogram in histograms:
        total.merge(histogram)
    return total


@pytest.mark.slow
@given(filled_lists, st.lists(st.floats(0, 100), min_size=1, max_size=5))
def test_percentiles_are_near_and_never_below(times_ns: list[int], percents: list[float]) -> None:
    """A percentile is the exact order statistic, or above it by at most 0.1 % and 1 µs."""
    found = histogram_of(times_ns).percentiles_ns(*percents)
    assert found is not None
    ordered = sorted(times_ns)
    for percent, ns in zip(percents, found, strict=True):
        exact = ordered[max(math.ceil(percent / 100 * len(ordered) - 1e-9), 1) - 1]
        assert exact <= ns <= exact * 1.001 + 1_000


@pytest.mark.parametrize(
    ("count", "percent", "rank"),
    [
        (1, 0, 1),
        (1, 99.99, 1),
        (2, 50, 1),
        (2, 50.1, 2),
        (100, 99, 99),
        (100, 99.9, 100),
        (1_000, 99.9, 999),
        (1_000, 100, 1_000),
        (10_000, 99.99, 9_999),
    ],
)
def test_ranks(count: int, percent: float, rank: int) -> None:
    """Of n times, p percent do not exceed the one of rank p · n / 100, rounded up."""
    # 1, 2, 3 … µs: each time has a place of its own up to 2,047 µs, above two share one.
    found = histogram_of(range(1_000, count * 1_000 + 1, 1_000)).percentiles_ns(percent)
    assert found is not None
    assert rank <= found[0] // 1_000 <= rank * 1.001


@pytest.mark.slow
@given(lists_of_times, lists_of_times, lists_of_times)
def test_merging(a: list[int], b: list[int], c: list[int]) -> None:
    """Merging is associative and commutative, and the same as counting everything at once."""
    first, second, third = map(histogram_of, (a, b, c))
    at_once = histogram_of(a + b + c)
    assert merged(merged(first, second), third) == at_once
    assert merged(first, merged(second, third)) == at_once
    assert merged(third, first, second) == at_once
    assert (first, second, third) == tuple(map(histogram_of, (a, b, c)))


@given(lists_of_times)
def test_merging_nothing(times_ns: list[int]) -> None:
    """An empty histogram changes nothing, on either side."""
    assert merged(histogram_of(times_ns), Histogram()) == histogram_of(times_ns)
    assert merged(Histogram(), histogram_of(times_ns)) == histogram_of(times_ns)


@pytest.mark.slow
@given(lists_of_times)
def test_pickling_is_the_identity(times_ns: list[int]) -> None:
    """What comes out of a pickle is equal, says the same, and can be added to."""
    histogram = histogram_of(times_ns)
    for twin in (pickle.loads(pickle.dumps(histogram)), copy.deepcopy(histogram)):  # noqa: S301  # our own bytes
        assert twin == histogram
        assert (twin.stddev_ns, twin.mean_ns) == (histogram.stddev_ns, histogram.mean_ns)
        twin.merge(histogram)
        assert twin == merged(histogram, histogram)
        assert histogram == histogram_of(times_ns)


@given(filled_lists)
def test_exact_numbers(times_ns: list[int]) -> None:
    """Count, sum, mean, lowest and highest are exact; the standard deviation is up to rounding."""
    histogram = histogram_of(times_ns)
    assert histogram.count == len(times_ns)
    assert histogram.sum_ns == sum(times_ns)
    assert (histogram.min_ns, histogram.max_ns) == (min(times_ns), max(times_ns))
    assert histogram.mean_ns == sum(times_ns) / len(times_ns)
    assert histogram.stddev_ns == pytest.approx(np.std(times_ns), rel=1e-6, abs=1e-6 * max(times_ns) + 1)


@given(filled_lists, st.integers(0, 50))
def test_zeros(times_ns: list[int], n_zeros: int) -> None:
    """Zeros counted in bulk are zeros like any other."""
    in_bulk, one_by_one = histogram_of(times_ns), histogram_of([*times_ns, *[0] * n_zeros])
    in_bulk.add_zeros(n_zeros)
    assert in_bulk == one_by_one
    only_zeros = Histogram()
    only_zeros.add_zeros(n_zeros)
    assert only_zeros == histogram_of([0] * n_zeros)


@given(st.integers(0, HIGHEST_NS // 1_000))
def test_places_hold_what_they_say(value_us: int) -> None:
    """A value lies in a place that is at most 0.1 % wide, and the places have no gaps between them."""
    place = int(place_of(np.array([value_us]))[0])
    lowest, highest = (highest_us(place - 1) + 1 if place else 0), highest_us(place)
    assert lowest <= value_us <= highest
    assert highest - lowest <= value_us / 1_000
    assert place_of(np.array([lowest, highest])).tolist() == [place, place]


@pytest.mark.parametrize(
    ("value_us", "place", "highest"),
    [
        (0, 0, 0),
        (1, 1, 1),
        (2_047, 2_047, 2_047),
        (2_048, 2_048, 2_049),
        (2_049, 2_048, 2_049),
        (2_050, 2_049, 2_051),
        (4_095, 3_071, 4_095),
        (4_096, 3_072, 4_099),
        (3_600_000_000, 23_220, 3_600_809_983),
    ],
)
def test_layout(value_us: int, place: int, highest: int) -> None:
    """Up to 2,047 µs a place each; above, 1,024 places to a power of two: the HDR layout of 3 digits."""
    assert int(place_of(np.array([value_us]))[0]) == place
    assert highest_us(place) == highest


def test_above_the_range() -> None:
    """Times above an hour count as an hour, and are counted apart."""
    histogram = histogram_of([1_000, HIGHEST_NS, HIGHEST_NS + 1, 5 * HIGHEST_NS])
    assert (histogram.count, histogram.n_above, histogram.max_ns) == (4, 2, HIGHEST_NS)
    assert histogram.percentiles_ns(50, 100) == [HIGHEST_NS, HIGHEST_NS]
    assert merged(histogram, histogram).n_above == 4


def test_only_above_the_range() -> None:
    """When all times are above an hour, the lowest is an hour too."""
    histogram = histogram_of([2 * HIGHEST_NS])
    assert (histogram.min_ns, histogram.max_ns) == (HIGHEST_NS, HIGHEST_NS)


def test_below_the_range() -> None:
    """Negative times count as 0 everywhere."""
    assert histogram_of([-5, 7_000]) == histogram_of([0, 7_000])
    assert histogram_of([-5]) == histogram_of([0])


def test_nothing_counted() -> None:
    """Of nothing there is no percentile, no mean: None, never 0."""
    empty = Histogram()
    empty.add(np.zeros(0, dtype=np.int64))
    empty.add_zeros(0)
    assert (empty.count, empty.percentiles_ns(50), empty.mean_ns, empty.stddev_ns) == (0, None, None, None)
    assert empty == Histogram()
    assert repr(empty) == "<Histogram empty>"
    assert empty != "something else"


def test_constant_memory() -> None:
    """A pickle holds the filled places alone: of a million times with 1,000 values, a few KB."""
    histogram = histogram_of(np.tile(np.arange(1_000, dtype=np.int64) * 1_000, 1_000).tolist()[:100_000])
    assert histogram.count == 100_000
    assert len(histogram.places()[0]) == 1_000
    assert len(pickle.dumps(histogram)) < 11_000
    assert repr(histogram) == "<Histogram 100000 times, p50 499999 ns, p99 989999 ns, max 999000 ns>"


@pytest.mark.slow
@given(st.lists(st.integers(0, 3 * HIGHEST_NS), max_size=60))
def test_text(times_ns: list[int]) -> None:
    """A histogram's text is the whole of it."""
    histogram = histogram_of(times_ns)
    found = Histogram.decode(histogram.encode())
    assert found == histogram
    assert found.stddev_ns == histogram.stddev_ns


@pytest.mark.slow
@given(lists_of_times, lists_of_times, st.integers(120, 600))
def test_coarse_text(a: list[int], b: list[int], most_chars: int) -> None:
    """A text that may not be long loses nothing but fineness: count, mean and extremes are exact, percentiles are not
    below the truth and not above the next power of two, and it merges as every other does.
    """
    exact, coarse = merged(histogram_of(a), histogram_of(b)), Histogram()
    for times_ns in (a, b):
        text = histogram_of(times_ns).encode(most_chars)
        assert len(text) <= most_chars
        coarse.merge(Histogram.decode(text))
    assert (coarse.count, coarse.sum_ns, coarse.min_ns, coarse.max_ns) == (
        (exact.count, exact.sum_ns, exact.min_ns, exact.max_ns)
    )
    assert coarse.stddev_ns == exact.stddev_ns
    for low, high in zip(exact.percentiles_ns(1, 50, 99) or [], coarse.percentiles_ns(1, 50, 99) or [], strict=True):
        assert low <= high <= 2 * low + 1_000


@pytest.mark.parametrize(
    ("median_ns", "sigma", "count", "worst"),
    [(1e6, 0.3, 10_000, 0.008), (1e6, 0.8, 10_000, 0.016), (20e6, 1.5, 1_000, 0.016), (20e6, 1.5, 10_000, 0.032)],
)
def test_how_coarse(median_ns: float, sigma: float, count: int, worst: float) -> None:
    """What 600 characters, a second of the result, tell of times as servers have them."""
    drawn = np.random.default_rng(1).lognormal(np.log(median_ns), sigma, count).astype(np.int64)
    histogram = histogram_of(drawn.tolist())
    found = Histogram.decode(histogram.encode(600)).percentiles_ns(50, 90, 99)
    for exact, coarse in zip(histogram.percentiles_ns(50, 90, 99) or [], found or [], strict=True):
        assert exact <= coarse <= exact * (1 + worst)


@pytest.mark.parametrize("cut", [0, 1, 10, -1])
def test_no_text_of_a_histogram(cut: int) -> None:
    """A text that is cut off, or another, is refused."""
    text = histogram_of([1_000, 5_000_000]).encode()
    with pytest.raises(ValueError, match="not a histogram"):
        Histogram.decode(text[:cut])
    with pytest.raises(ValueError, match="not a histogram"):
        Histogram.decode(base64.b64encode(zlib.compress(b"2,11,0,0,0,0,0.0\n")).decode())
