"""How well a figure is known: intervals with the truth in them as often as they say, at a cost that does not grow."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest

from hybridpress.metrics.histogram import Histogram
from hybridpress.metrics.precision import MAX_BATCHES, MIN_BATCHES, Estimate, Precision, student_t

MEDIAN_MS = 20.0
SIGMA = 0.5
N_RUNS = 200


@pytest.mark.parametrize(
    ("n", "quantile"), [(9, 2.2622), (19, 2.0930), (38, 2.0244), (1_000, 1.9623)]
)  # fmt: skip
def test_students_t(n: int, quantile: float) -> None:
    """As in the tables."""
    assert student_t(n) == pytest.approx(quantile, rel=0.001)


def second(rng: np.random.Generator, *, spread: float = 0.0, rate: int = 300) -> Histogram:
    """A second of a made-up server; by *spread* whole seconds are slower or faster than others."""
    found = Histogram()
    factor = math.exp(rng.normal(0, spread)) if spread else 1.0
    times = MEDIAN_MS * factor * rng.lognormal(0, SIGMA, rng.poisson(rate))
    found.add((times * 1e6).astype(np.int64))
    return found


def truth_ms(percent: float | None, spread: float) -> float:
    sigma = math.hypot(SIGMA, spread)
    if percent is None:
        return MEDIAN_MS * math.exp(sigma**2 / 2)
    return MEDIAN_MS * math.exp(sigma * NormalDist().inv_cdf(percent / 100))


def known_when_told_to_stop(seed: int, percent: float | None, share: float, spread: float) -> Estimate:
    """The interval at which a run ends that asks each second, as runs do."""
    rng, precision = np.random.default_rng(seed), Precision(percent)
    for _ in range(900):
        precision.add(second(rng, spread=spread))
        estimate = precision.estimate()
        if estimate is not None and estimate.share <= share:
            return estimate
    raise AssertionError("it never was known that well")


@pytest.mark.slow
@pytest.mark.parametrize(("percent", "share"), [(99.0, 0.05), (50.0, 0.05), (None, 0.05)])
@pytest.mark.parametrize("spread", [0.0, 0.1])
def test_the_truth_is_in_it(percent: float | None, share: float, spread: float) -> None:
    """Of 200 runs that end at the first interval that is narrow enough, it has the truth in it in about 95 %; stopping
    by what one sees costs some of them. By chance alone, of 95 % fewer than 90 % come once in a thousand times.
    """
    truth = truth_ms(percent, spread)
    hits = 0
    for seed in range(N_RUNS):
        estimate = known_when_told_to_stop(seed, percent, share, spread)
        assert estimate.high_ms is not None
        # Histograms know times to 0.1 %.
        hits += estimate.low_ms <= 1.001 * truth and truth <= 1.001 * estimate.high_ms
    assert hits >= 0.9 * N_RUNS


def test_seconds_that_differ_tell_less() -> None:
    """The same number of times says less where seconds are not alike, and the interval is wider."""
    widths = []
    for spread in (0.0, 0.3):
        rng, precision = np.random.default_rng(7), Precision(50.0)
        for _ in range(30):
            precision.add(second(rng, spread=spread))
        estimate = precision.estimate()
        assert estimate is not None
        widths.append(estimate.share)
    assert widths[1] > 3 * widths[0]


def test_it_agrees_with_the_histogram() -> None:
    """The figure is that of all times in whole batches, to a histogram's digits."""
    rng = np.random.default_rng(1)
    percentile, mean, everything = Precision(90.0), Precision(None), Histogram()
    for _ in range(2 * MAX_BATCHES):
        times = second(rng)
        everything.merge(times)
        percentile.add(times)
        mean.add(times)
    found, average = percentile.estimate(), mean.estimate()
    assert found is not None
    assert average is not None
    [p90_ns] = everything.percentiles_ns(90) or [0]
    assert found.value_ms == pytest.approx(p90_ns / 1e6, rel=0.001)
    assert everything.mean_ns is not None
    assert average.value_ms == pytest.approx(everything.mean_ns / 1e6)
    assert average.high_ms is not None
    assert average.low_ms < average.value_ms < average.high_ms


def test_too_little() -> None:
    """Of few seconds, and of seconds without times, nothing is known; of few times the top is not bounded."""
    precision = Precision(99.0)
    for _ in range(MIN_BATCHES + 5):
        precision.add(None)
        precision.add(Histogram())
    assert precision.estimate() is None
    precision = Precision(99.0)
    rng = np.random.default_rng(3)
    for n in range(MIN_BATCHES):
        assert precision.estimate() is None, n
        precision.add(second(rng, rate=20))
    estimate = precision.estimate()
    assert estimate is not None
    assert (estimate.high_ms, estimate.share) == (None, math.inf)


def test_times_that_are_all_the_same_are_known() -> None:
    """A server that always takes as long has an interval without width."""
    precision, always = Precision(50.0), Histogram()
    always.add(np.full(100, 5_000_000, dtype=np.int64))
    for _ in range(MIN_BATCHES):
        precision.add(always)
    estimate = precision.estimate()
    assert estimate is not None
    assert estimate.share == pytest.approx(0, abs=0.001)


def test_it_does_not_grow_with_the_run() -> None:
    """After any number of seconds there are fewer than 40 batches to look at."""
    rng, precision = np.random.default_rng(5), Precision(99.0)
    sizes = []
    for _ in range(1_000):
        precision.add(second(rng, rate=5))
        sizes.append(len(precision._batches))
    assert max(sizes) < MAX_BATCHES
    assert min(sizes[MAX_BATCHES:]) >= MAX_BATCHES // 2
