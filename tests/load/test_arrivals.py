"""Poisson arrivals, held against the distributions that they must have; all seeds are fixed."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridpress.load.arrivals import Arrivals, Poisson, Uniform
from hybridpress.load.profile import Profile, constant, hold, ramp, sine

if TYPE_CHECKING:
    from hybridpress.load.stages import Floats

WEIGHTS = (10, 6, 3, 1)


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


def own_points(poisson: Poisson, worker: int, area: float) -> Floats:
    """A worker's points before *area*."""
    return poisson.own(worker, WEIGHTS, 0, poisson.n_before(area), 10**9).points


def merged(profile: Profile, seed: int) -> Floats:
    """When all workers' iterations are due, in s, each worker drawing for itself."""
    points = [own_points(Poisson(seed), worker, profile.area) for worker in range(len(WEIGHTS))]
    return profile.due_ns_at(np.sort(np.concatenate(points))) / 1e9


def test_the_judge() -> None:
    """The test of the distributions lets exponential gaps pass, and neither even ones nor those 5 % too long."""
    drawn = np.random.default_rng(1).exponential(size=20_000)
    assert p_exponential(drawn) > 0.01
    assert p_exponential(drawn * 1.05) < 1e-6
    assert p_exponential(np.ones(100)) < 1e-6
    assert p_exponential(np.random.default_rng(1).uniform(0, 2, size=1_000)) < 1e-6


@pytest.mark.parametrize("worker", range(len(WEIGHTS)))
@pytest.mark.parametrize("seed", range(5))
def test_gaps_are_exponential(seed: int, worker: int) -> None:
    """Each worker's gaps in the area are exponential, with its share for a rate, and know nothing of one another."""
    share = WEIGHTS[worker] / sum(WEIGHTS)
    gaps = gaps_of(own_points(Poisson(seed), worker, 10_000 / share)) * share
    assert p_exponential(gaps) > 0.002
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
    for due_s in (merged(constant(1000, 50), 3), own_points(Poisson(3), 0, 100_000) / 2000):
        counts, _ = np.histogram(due_s, 1000, (0, 50))
        assert counts.mean() == pytest.approx(50, rel=0.02)
        assert counts.var() == pytest.approx(50, rel=0.15)


def test_seeds_differ() -> None:
    """Each seed makes another series, and no two go together; a negative one is a seed, too."""
    seeds = [0, 1, 2, -1, 2**64]
    series = [gaps_of(Poisson(seed).own(0, (1,), 0, 4_000, 4_000).points) for seed in seeds]
    together = np.corrcoef(series)
    assert np.abs(together - np.eye(len(seeds))).max() < 0.07


@given(st.integers(-(2**31), 2**63), st.lists(st.integers(0, 20_000), max_size=30).map(sorted))
def test_windows_make_no_difference(seed: int, cuts: list[int]) -> None:
    """The same arrivals to the last bit, whatever the windows; each number is one worker's."""
    whole = Poisson(seed).own(0, (1,), 0, 20_000, 20_000)
    assert whole.numbers.tolist() == list(range(20_000))
    assert (np.diff(whole.points) > 0).all()
    numbers = []
    for worker in range(len(WEIGHTS)):
        poisson = Poisson(seed)
        for first, end in pairwise([0, *cuts, 20_000]):
            found = poisson.own(worker, WEIGHTS, first, end, 20_000)
            assert np.array_equal(found.points, whole.points[found.numbers])
            numbers.append(found.numbers)
    assert np.array_equal(np.sort(np.concatenate(numbers)), whole.numbers)


@given(st.floats(0, 30_000))
def test_how_many_are_before(area: float) -> None:
    """The number of points before an area is the number of the first one at it or beyond."""
    n = Poisson(4).n_before(area)
    points = Poisson(4).own(0, (1,), 0, n + 1, n + 1).points
    assert points[n] >= area
    assert n == 0 or points[n - 1] < area


def test_taken_up_in_the_midst() -> None:
    """Who takes up the drawing late finds what the others find, without drawing what came before."""
    first, second = Poisson(7), Poisson(7)
    n = first.n_before(100_000)
    second.take_up(first.mark())
    assert first.mark().number > 80_000
    found = second.own(1, WEIGHTS, n, n + 10_000, 10_000)
    assert np.array_equal(found.points, first.own(1, WEIGHTS, n, n + 10_000, 10_000).points)
    assert len(second._chunks) < 10


@pytest.mark.parametrize("arrivals", [Uniform(), Poisson(0)])
def test_who_has_no_share_has_nothing(arrivals: Arrivals) -> None:
    """A weight of 0 means no iteration at all, however far one looks."""
    for end in (100, None):
        assert len(arrivals.own(1, (1, 0, 2), 0, end, 10).numbers) == 0


@pytest.mark.parametrize(("area", "n"), [(0, 0), (1e-12, 0), (0.5, 1), (1, 1), (55.00000000000001, 55), (55.1, 56)])
def test_uniform_points(area: float, n: int) -> None:
    """Number n has the point n; a rounding error is not one more."""
    assert Uniform().n_before(area) == n


@st.composite
def machines(draw: st.DrawFn) -> tuple[tuple[int, ...], list[tuple[int, ...]]]:
    """Weights of some machines, and those of each one's workers; whoever has a weight has somebody to deal to."""
    weights = st.lists(st.integers(0, 7), min_size=1, max_size=4).filter(any).map(tuple)
    nodes = draw(weights)
    return nodes, [draw(weights) for _ in nodes]


@pytest.mark.parametrize("kind", [Uniform, lambda: Poisson(3)])
@given(machines(), st.integers(0, 5_000), st.integers(0, 700))
def test_dealt_twice(
    kind: Callable[[], Arrivals], dealt: tuple[tuple[int, ...], list[tuple[int, ...]]], first: int, n: int
) -> None:
    """Over several machines every number is somebody's, once; a machine has the same whoever its workers are."""
    nodes, workers = dealt
    arrivals = kind()
    found: list[int] = []
    for node, weights in enumerate(workers):
        own: list[int] = []
        for worker in range(len(weights)):
            numbers = arrivals.own(worker, weights, first, first + n, 10_000, ((node, nodes),)).numbers.tolist()
            assert len(numbers) == arrivals.n_own(worker, weights, first, first + n, ((node, nodes),))
            own += numbers
        assert sorted(own) == arrivals.own(node, nodes, first, first + n, 10_000).numbers.tolist()
        found += own
    assert sorted(found) == list(range(first, first + n))
