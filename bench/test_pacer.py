"""What a due time costs: taken one by one, counted in advance, and when a new leg arrives."""

from __future__ import annotations

import pytest
from harness import ROUNDS_UNDER_PYTEST, Bench, Measured, main, measure

from hybridpress.load.arrivals import Poisson, Uniform
from hybridpress.load.pacer import Pacer
from hybridpress.load.plan import Leg
from hybridpress.load.profile import Profile, constant, ramp

N_ITERATIONS = 20_000
RATE = constant(30_000)


def _leg(first: int = 0, weights: tuple[int, ...] = (1,)) -> Leg:
    return Leg(first, None, 0, 0.0, None, weights)


def _following(profile: Profile = RATE, weights: tuple[int, ...] = (1,), *, poisson: bool = False) -> Pacer:
    pacer = Pacer(0, profile, Poisson(1) if poisson else Uniform())
    pacer.apply(_leg(0, weights))
    return pacer


def _take(name: str, n_rounds: int, profile: Profile, weights: tuple[int, ...], *, poisson: bool = False) -> Measured:
    def run(pacer: Pacer) -> None:
        for _ in range(N_ITERATIONS):
            pacer.take()

    return measure(name, n_rounds, N_ITERATIONS, run, lambda: _following(profile, weights, poisson=poisson))


def take(n_rounds: int) -> Measured:
    """The next due time, as a slot takes it; what works them out in advance is in it."""
    return _take("take", n_rounds, RATE, (1,))


def take_a_share(n_rounds: int) -> Measured:
    """The same by one of four workers, after shares were moved."""
    return _take("take, one of four workers", n_rounds, RATE, (217, 261, 261, 261))


def take_on_a_ramp(n_rounds: int) -> Measured:
    """The same while the rate rises."""
    return _take("take, on a ramp", n_rounds, ramp(1_000, 100_000, 600), (1, 1))


def take_at_random(n_rounds: int) -> Measured:
    """The same with Poisson arrivals, by one of two workers: each draws for both."""
    return _take("take, Poisson, one of two workers", n_rounds, RATE, (1, 1), poisson=True)


def n_due(n_rounds: int) -> Measured:
    """How many are due: asked every 100 ms, here with a backlog of 20,000."""
    until_ns = int(N_ITERATIONS / 30_000 * 10**9)

    def run(pacer: Pacer) -> None:
        for _ in range(1_000):
            pacer.n_due(until_ns)

    def check(pacer: Pacer) -> None:
        assert pacer.n_due(until_ns) == N_ITERATIONS

    return measure("n_due", n_rounds, 1_000, run, _following, check)


def apply(n_rounds: int) -> Measured:
    """A new leg, and the batch that it begins with."""

    def run(pacer: Pacer) -> None:
        for first in range(1, 1_001):
            pacer.apply(_leg(first))
            pacer.take()

    return measure("apply and take", n_rounds, 1_000, run, _following)


BENCHES = [take, take_a_share, take_on_a_ramp, take_at_random, n_due, apply]


@pytest.mark.parametrize("bench", BENCHES)
def test_pacer(bench: Bench) -> None:
    """The bench runs and counts right."""
    assert bench(ROUNDS_UNDER_PYTEST).median_ns > 0


if __name__ == "__main__":
    main(BENCHES)
