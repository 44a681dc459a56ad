"""Poisson arrivals, held against the distributions that they must have; all seeds are fixed."""

from __future__ import annotations

import math
import pickle
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridpress.load.arrivals import Poisson
from hybridpress.load.profile import Profile, constant, hold, ramp, sine

if TYPE_CHECKING:
    from hybridpress.load.stages import Floats

SHARES = [0.5, 0.3, 0.15, 0.05]


def p_value(samples: Floats, distribution: Floats) -> float:
    """How probable a greater distance from the *distribution* at each of the sorted *samples* is (Kolmogorov–Smirnov).

    By the series for many samples, with Stephens' correction for few (Numerical Recipes, 14.3).
    """
    n = len(samples)
    steps = np.arange(n + 1) / n
    distance = max(np.max(steps[1:] - distribution), np.max(distribution - steps[:-1]))
    scaled = float(distance) * (math.sqrt(n) + 0.12 + 0.11 / math.sqrt(n))
    terms = [math.exp(-2 * (k * scaled) ** 2) for k in range(1, 101)]
    return min(2 * (sum(terms[::2]) - sum(terms[1::2])), 1.0)


def p_exponential(gaps: Floats) -> float:
    """How well *gaps* go with the exponential distribution of mean 1."""
    samples = np.sort(gaps)
    return p_value(samples, 1 - np.exp(-samples))


def gaps_of(points: Floats) -> Floats:
    return np.diff(points, prepend=0.0)


def merged(profile: Profile, seed: int, window_s: float = 0.5) -> Floats:
    """When all workers' iterations are due, in s, window by window, each worker having its share of the rate."""
    workers = [Poisson(seed, worker) for worker in range(len(SHARES))]
    found = [np.empty(0, np.int64)]
    t_s = 0.0
    while t_s < profile.duration_s:
        t_s += window_s
        for worker, share in zip(workers, SHARES, strict=True):
            found.append(profile.due_ns_at(worker.until(share * profile.arrivals(t_s)) / share))
    return np.sort(np.concatenate(found)) / 1e9


def test_the_judge() -> None:
    """The test of the distributions lets exponential gaps pass, and neither even ones nor those 5 % too long."""
    drawn = np.random.default_rng(1).exponential(size=20_000)
    assert p_exponential(drawn) > 0.01
    assert p_exponential(drawn * 1.05) < 1e-6
    assert p_exponential(np.ones(100)) < 1e-6
    assert p_exponential(np.random.default_rng(1).uniform(0, 2, size=1_000)) < 1e-6


@pytest.mark.parametrize("seed", range(5))
def test_gaps_are_exponential(seed: int) -> None:
    """One worker's gaps in its area are exponential with mean 1, and know nothing of one another."""
    gaps = gaps_of(Poisson(seed, 0).until(20_000))
    assert p_exponential(gaps) > 0.01
    assert abs(np.corrcoef(gaps[:-1], gaps[1:])[0, 1]) < 4 / math.sqrt(len(gaps))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    "profile",
    [
        constant(1000, 20),
        ramp(0, 2000, 10) + hold(5) + ramp(2000, 0, 5),
        sine(1000, 1000, 7, 20),
        constant(50, 5) + constant(0, 5) + constant(3000, 5),
    ],
    ids=Profile.describe,
)
def test_all_workers_together(profile: Profile, seed: int) -> None:
    """The workers' arrivals together are Poisson with the whole rate of the profile, wherever it stands."""
    due_s = merged(profile, seed)
    areas = np.array([profile.arrivals(t_s) for t_s in due_s])
    gaps = gaps_of(areas)
    assert p_exponential(gaps) > 0.005
    assert abs(np.corrcoef(gaps[:-1], gaps[1:])[0, 1]) < 4 / math.sqrt(len(gaps))
    assert abs(len(due_s) - profile.area) < 4 * math.sqrt(profile.area)
    # Each tenth of the area has its part: the rate is followed over time, not only on the whole.
    counts, _ = np.histogram(areas, 10, (0, profile.area))
    assert np.abs(counts - profile.area / 10).max() < 4.5 * math.sqrt(profile.area / 10)


def test_counts_vary_as_they_must() -> None:
    """The counts in windows have their mean for variance, one worker's and those of all."""
    for due_s in (merged(constant(1000, 50), 3), Poisson(3, 0).until(50_000) / 1000):
        counts, _ = np.histogram(due_s, 1000, (0, 50))
        assert counts.mean() == pytest.approx(50, rel=0.02)
        assert counts.var() == pytest.approx(50, rel=0.15)


def test_streams_differ() -> None:
    """Seed, worker and stream each make another series, and no two go together; a negative seed is one, too."""
    keys = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (-1, 0, 0), (2**64, 0, 0)]
    series = [gaps_of(Poisson(*key).until(5_000))[:4_000] for key in keys]
    together = np.corrcoef(series)
    assert np.abs(together - np.eye(len(keys))).max() < 0.07


cuts = st.lists(st.floats(0, 2_000), max_size=30).map(sorted)


@given(st.integers(-(2**31), 2**63), st.integers(0, 100), cuts)
def test_windows_make_no_difference(seed: int, worker: int, areas: list[float]) -> None:
    """The same arrivals to the last bit, whatever the windows, and each in its own window."""
    whole = Poisson(seed, worker).until(2_000)
    poisson = Poisson(seed, worker)
    found = []
    for begin, end in pairwise([0.0, *areas, 2_000.0]):
        assert poisson.area == begin
        found.append(poisson.until(end))
        assert ((found[-1] >= begin) & (found[-1] < end)).all()
    assert np.array_equal(np.concatenate(found), whole)
    assert (np.diff(whole) > 0).all()


def test_state_can_be_copied() -> None:
    """A copy made in the midst goes on with the same arrivals."""
    poisson = Poisson(7, 2)
    poisson.until(123.4)
    copy = pickle.loads(pickle.dumps(poisson))  # noqa: S301  # our own bytes
    assert np.array_equal(copy.until(1_000), poisson.until(1_000))


@pytest.mark.parametrize("seed", range(3))
def test_a_replaced_worker(seed: int) -> None:
    """A worker that takes over goes on where the other ended, and the whole is Poisson still."""
    first, second = Poisson(seed, 0), Poisson(seed, 0, stream=1, area=9_000)
    areas = np.concatenate([first.until(9_000), second.until(20_000)])
    assert p_exponential(gaps_of(areas)) > 0.01


@pytest.mark.parametrize("area", [4.9, -1, math.inf, math.nan])
def test_areas_that_cannot_be_asked(area: float) -> None:
    """What was asked for already does not come again, and there is no end to all arrivals."""
    poisson = Poisson(0, 0)
    poisson.until(5)
    with pytest.raises(ValueError, match="after those until 5"):
        poisson.until(area)
