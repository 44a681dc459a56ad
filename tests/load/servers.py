"""Servers that are formulas: what p99 a step at some rate would measure, with noise where it is asked for."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from hybridpress.load.search import Found, Outcome, Search

N_SERVERS, SERVED_PER_S = 16, 100.0


@cache
def queue_p99_s(rate: float) -> float:
    """The 99th percentile of the response time of a queue M/M/16, 100/s each: flat, then a sharp knee near 1,600/s.

    The response time is the service time plus, with the probability C that Erlang's formula gives, a wait that is
    exponential with the rate that is left over.
    """
    left_per_s = N_SERVERS * SERVED_PER_S - rate
    if left_per_s <= 1e-6:
        return math.inf
    blocked, offered = 1.0, rate / SERVED_PER_S
    for n in range(1, N_SERVERS + 1):
        blocked = offered * blocked / (n + offered * blocked)
    waits = blocked / (1 - offered / N_SERVERS * (1 - blocked))

    def is_longer(t_s: float) -> float:
        served, begun = math.exp(-SERVED_PER_S * t_s), math.exp(-left_per_s * t_s)
        if abs(left_per_s - SERVED_PER_S) < 1e-6:
            return served * (1 + waits * SERVED_PER_S * t_s)
        both = (left_per_s * served - SERVED_PER_S * begun) / (left_per_s - SERVED_PER_S)
        return (1 - waits) * served + waits * both

    return _root(is_longer, 0.01, 0.0, 1e7)


def slow_p99_s(rate: float) -> float:
    """A p99 that grows with the rate, from 10 ms, without a knee: the limit is easily missed."""
    return 0.010 * (1 + rate / 1000)


def _root(falling: Callable[[float], float], value: float, low: float, high: float) -> float:
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if falling(middle) > value else (low, middle)
    return low


@dataclass(frozen=True)
class Server:
    """Bears what keeps its p99 within *objective_s*; each step measures it with noise.

    *sigma* is the spread of what is measured, as a part of it; *pauses* the probability that something stops the server
    in a step, and the p99 is four times as long. The generator delivers up to *generator_rate*.
    """

    p99_s: Callable[[float], float] = queue_p99_s
    objective_s: float = 0.060
    sigma: float = 0.0
    pauses: float = 0.0
    generator_rate: float = math.inf

    @property
    def limit(self) -> float:
        """The highest rate that keeps the objective."""
        return _root(lambda rate: -self.p99_s(rate), -self.objective_s, 0.0, 1e6)

    def outcome(self, rate: float, drawn: random.Random) -> Outcome:
        """What a step shows."""
        if rate > self.generator_rate:
            return Outcome(rate, kept=True, generator_limited=True, why="no CPU left")
        p99_s = self.p99_s(rate) * math.exp(drawn.gauss(0, self.sigma))
        if drawn.random() < self.pauses:
            p99_s *= 4
        return Outcome(rate, p99_s <= self.objective_s, why=f"p99 is {p99_s:.3f} s", measured={"p99_s": p99_s})

    def searched(self, search: Search, seed: int = 0) -> Found:
        """What *search* finds."""
        drawn = random.Random(seed)
        while search.rate is not None:
            search.tell(self.outcome(search.rate, drawn))
        assert search.found is not None
        return search.found

    def is_named(self, found: Found, precision: float = 0.05) -> bool:
        """Whether what was *found* is the limit, within the precision."""
        return found.rate is not None and abs(found.rate / self.limit - 1) <= precision


NOISY = {
    "queue": Server(sigma=0.05, pauses=0.05),
    "queue, noisier": Server(sigma=0.1, pauses=0.05),
    "slow": Server(slow_p99_s, 0.050, sigma=0.03),
    "slow, with pauses": Server(slow_p99_s, 0.050, sigma=0.02, pauses=0.03),
}
