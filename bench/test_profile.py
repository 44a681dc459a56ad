"""What a profile costs: due times in windows of 100 ms at 100,000/s, counts, and what Poisson arrivals add."""

from __future__ import annotations

import math

import pytest
from harness import ROUNDS_UNDER_PYTEST, Bench, Measured, main, measure

from hybridpress.load.arrivals import Poisson
from hybridpress.load.profile import Profile, constant, curve, hold, ramp, sine

RATE = 100_000
WINDOW_S = 0.1
N_WINDOWS = 20


def _windows(name: str, profile: Profile, begin_s: float, n_rounds: int) -> Measured:
    """All due times of 20 windows from *begin_s* on, ns an iteration; the counts that bound each window are in it."""
    cuts_s = [begin_s + k * WINDOW_S for k in range(N_WINDOWS + 1)]
    n_due = profile.n_arrivals(cuts_s[-1]) - profile.n_arrivals(begin_s)

    def run(found: list[int]) -> None:
        first = profile.n_arrivals(begin_s)
        for end_s in cuts_s[1:]:
            last = profile.n_arrivals(end_s)
            found.append(len(profile.due_ns(first, last)))
            first = last

    def check(found: list[int]) -> None:
        assert sum(found) == n_due

    return measure(name, n_rounds, n_due, run, list, check)


def windows_of_a_constant(n_rounds: int) -> Measured:
    """The same rate all the time."""
    return _windows("due_ns, constant", constant(RATE, 600), 300, n_rounds)


def windows_of_a_ramp(n_rounds: int) -> Measured:
    """A ramp that passes the rate."""
    return _windows("due_ns, ramp", ramp(0, 2 * RATE, 600) + hold(60), 300, n_rounds)


def windows_of_a_curve(n_rounds: int) -> Measured:
    """A day by the second: 86,400 stages, here each a window and more."""
    points = [(t_s, RATE * (1 + 0.1 * math.sin(t_s))) for t_s in range(86_400)]
    return _windows("due_ns, curve by the second", curve(points), 40_000, n_rounds)


def windows_of_a_sine(n_rounds: int) -> Measured:
    """A wave of half the rate."""
    return _windows("due_ns, sine", sine(RATE, RATE / 2, 60, 600), 300, n_rounds)


def windows_of_a_deep_sine(n_rounds: int) -> Measured:
    """A wave down to 0, on its way up."""
    return _windows("due_ns, sine down to 0", sine(RATE, RATE, 60, 600), 300, n_rounds)


def windows_of_a_trough(n_rounds: int) -> Measured:
    """The bottom of that wave; a window has but some 100 iterations there, so this is what the call takes."""
    return _windows("due_ns, bottom of a sine down to 0", sine(RATE, RATE, 60, 600), 344, n_rounds)


def n_arrivals(n_rounds: int) -> Measured:
    """A count, ns a call."""
    profile = ramp(0, RATE, 60) + hold(60) + ramp(RATE, 0, 60)

    def run(_: None) -> None:
        for k in range(10_000):
            profile.n_arrivals(k * 0.018)

    return measure("n_arrivals, per call", n_rounds, 10_000, run)


def poisson(n_rounds: int) -> Measured:
    """Poisson arrivals with their due times, on a ramp, ns an iteration."""
    profile = ramp(0, 2 * RATE, 600)
    n_iterations = 200_000

    def run(arrivals: Poisson) -> None:
        first = 0
        while first < n_iterations:
            found = arrivals.own(0, (1,), first, n_iterations, 10_000)
            profile.due_ns_at(found.points)
            first = found.seen

    return measure("Poisson, ramp", n_rounds, n_iterations, run, lambda: Poisson(1))


def first_use(n_rounds: int) -> Measured:
    """A profile made of 10,001 points and asked for its first due time, ns a point."""
    points = [(float(k), float(k % 100 + 1)) for k in range(10_001)]
    return measure("curve, first use, per point", n_rounds, 10_000, lambda _: curve(points).due_ns(0, 1))


BENCHES = [
    windows_of_a_constant,
    windows_of_a_ramp,
    windows_of_a_curve,
    windows_of_a_sine,
    windows_of_a_deep_sine,
    windows_of_a_trough,
    n_arrivals,
    poisson,
    first_use,
]


@pytest.mark.slow
@pytest.mark.parametrize("bench", BENCHES)
def test_profile(bench: Bench) -> None:
    """The bench runs and counts right."""
    assert bench(ROUNDS_UNDER_PYTEST).median_ns > 0


if __name__ == "__main__":
    main(BENCHES)
