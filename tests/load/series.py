"""Schedules for tests: due times at even gaps, as a worker of its own would have them."""

from __future__ import annotations

from hybridpress.load.arrivals import Uniform
from hybridpress.load.pacer import Pacer
from hybridpress.load.plan import Leg
from hybridpress.load.profile import Profile
from hybridpress.load.stages import Line
from hybridpress.units import NS_PER_S


def leg(first_due_ns: int, gap_ns: float, count: int, first: int = 0) -> Leg:
    """Iterations *first* to *first* + *count*, the first at *first_due_ns*, the others *gap_ns* after one another."""
    rate = NS_PER_S / gap_ns
    profile = Profile((Line(rate, rate, float("inf")),))
    return Leg(first, first + count, first_due_ns, float(first), profile, (1,))


def due_times(first_due_ns: int, gap_ns: float, count: int) -> list[int]:
    """When those are due."""
    return [first_due_ns + round(k * gap_ns) for k in range(count)]


def series(*legs: Leg) -> Pacer:
    """A worker's schedule that follows *legs*, in order."""
    pacer = Pacer(0, Profile((Line(1.0, 1.0, float("inf")),)), Uniform())
    for each in legs:
        pacer.apply(each)
    return pacer
