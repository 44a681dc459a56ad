"""Standard errors: against what theory says, and the pieces that they are made of."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridpress.metrics.histogram import Histogram
from hybridpress.metrics.spread import (
    Error,
    Floats,
    Seconds,
    block_error,
    joint,
    knows,
    order_error_ms,
    share_error,
    weights,
    width,
)
from tests.report.made import histogram_of

RNG = np.random.default_rng


def seconds_from(times_ms: Floats) -> Seconds:
    return Seconds.of([[histogram_of(*row).encode(600)] for row in times_ms])


@given(st.integers(1, 100), st.integers(1, 20))
def test_weights(n_seconds: int, block_length: int) -> None:
    """Each run drawn anew is as long as the run, and the same arguments draw the same."""
    found = weights(n_seconds, block_length, 20)
    assert found.shape == (20, n_seconds)
    assert (found.sum(axis=1) == n_seconds).all()
    assert np.array_equal(found, weights(n_seconds, block_length, 20))


def test_no_second_is_preferred() -> None:
    """Drawn from a circle: the first and the last second come as often as those between."""
    means = weights(50, 7, 20_000).mean(axis=0)
    assert means == pytest.approx(np.ones(50), abs=0.05)


@pytest.mark.parametrize("percent", [1.0, 50.0, 90.0, 99.0])
def test_percentiles_of_the_whole(percent: float) -> None:
    """All seconds once: the percentile of all times, as near as the layout tells them apart."""
    times_ms = RNG(1).lognormal(3.0, 0.8, (20, 500))
    found, means = seconds_from(times_ms).figures(np.ones((1, 20)), [percent])
    assert found[0, 0] == pytest.approx(np.percentile(times_ms, percent), rel=0.02)
    assert means[0] == pytest.approx(times_ms.mean(), rel=0.005)


def test_idle_seconds_count_for_nothing() -> None:
    """A second in which nothing ended has no times."""
    seconds = Seconds.of([[None], [histogram_of(1.0, 2.0).encode(600)], [None]])
    assert seconds.counts.sum(axis=1).tolist() == [0, 2, 0]
    assert Seconds.of([[None]]).total == 0


@pytest.mark.slow
@pytest.mark.parametrize("percent", [50.0, 90.0, 99.0])
def test_the_error_is_that_of_theory(percent: float) -> None:
    """Independent exponential times: the error of a percentile is √(p(1 − p) / n) / density, for blocks and for order
    statistics alike. Over 20 runs, because one run's own estimate varies by a fifth.
    """
    p, mean_ms, n = percent / 100, 20.0, 60_000
    theory_ms = math.sqrt(p * (1 - p) / n) / ((1 - p) / mean_ms)
    by_blocks, by_order = [], []
    for seed in range(20):
        times_ms = RNG(seed).exponential(mean_ms, (60, 1_000))
        seconds = seconds_from(times_ms)
        drawn = seconds.percentiles(weights(60, seconds.block_length), [percent])[:, 0]
        by_blocks.append(block_error(drawn, 60, seconds.block_length).size)
        alone = order_error_ms(histogram_of(*times_ms.ravel()), percent)
        assert alone is not None
        by_order.append(alone.size)
    assert np.mean(by_blocks) == pytest.approx(theory_ms, rel=0.15)
    assert np.mean(by_order) == pytest.approx(theory_ms, rel=0.15)


@pytest.mark.slow
def test_slow_seconds_in_a_row_widen_it() -> None:
    """Seconds that take after the one before make longer blocks and a larger error than independent ones."""
    levels = [0.0]
    for noise in RNG(3).normal(0, 0.05, 59):
        levels.append(0.8 * levels[-1] + noise)
    independent = RNG(4).lognormal(3.0, 0.3, (60, 500))
    in_a_row = independent * np.exp(levels)[:, None]
    found = []
    for times_ms in (independent, in_a_row):
        seconds = seconds_from(times_ms)
        drawn = seconds.percentiles(weights(60, seconds.block_length), [50.0])[:, 0]
        found.append((seconds.block_length, block_error(drawn, 60, seconds.block_length).size))
    assert found[0][0] == 4, "the cube root of 60"
    assert found[1][0] >= 6
    assert found[1][1] > 3 * found[0][1]


@pytest.mark.parametrize(
    ("freedom", "confidence", "t"),
    [
        (5, 0.95, 2.5706),
        (10, 0.95, 2.2281),
        (10, 0.99, 3.1693),
        (28, 0.95, 2.0484),
        (28, 0.999, 3.6739),
        (1e6, 0.95, 1.96),
    ],
)
def test_students_t(freedom: float, confidence: float, t: float) -> None:
    """The quantiles are those of the tables, within 1 %."""
    assert width(Error(1.0, freedom + 1), confidence) == pytest.approx(t, rel=0.01)


def test_a_difference() -> None:
    """Errors of independent figures add up as squares; the degrees of freedom lie between the smaller and the sum."""
    found = joint(Error(3.0, 16), Error(4.0, 16))
    assert found.size == 5.0
    assert 15 <= found.n_pieces - 1 <= 30
    assert joint(Error(0.0, 16), Error(4.0, 16)) == Error(4.0, 16)
    assert joint(Error(0.0, 16), Error(0.0, 9)).size == 0.0


def test_none_is_not_never() -> None:
    """Of no failure among 1,000 follows that there are fewer than 0.4 %, not that there are none; of 10 among 1,000,
    what the binomial law says.
    """
    assert 0 < 2 * share_error(0, 1_000).size < 0.004
    assert share_error(10, 1_000).size == pytest.approx(math.sqrt(0.01 * 0.99 / 1_000), rel=0.15)


@pytest.mark.parametrize(("count", "percent", "is_known"), [(999, 99.0, False), (1_000, 99.0, True), (20, 50.0, True)])
def test_what_is_too_little(count: int, percent: float, is_known: bool) -> None:
    """A percentile with fewer than ten times beyond it has no error that is known."""
    assert knows(count, percent) is is_known
    assert (order_error_ms(histogram_of(*RNG(1).exponential(1.0, count)), percent) is not None) is is_known
    assert order_error_ms(Histogram(), 50.0) is None
