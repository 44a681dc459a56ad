"""What arithmetic says of a server's times: queues, a freeze, percentiles of a list. Knows nothing of the tool."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def percentile(times: Sequence[float] | Floats, percent: float) -> float:
    """The time that *percent* of all do not exceed: the order statistic of that rank."""
    ordered = np.sort(np.asarray(times))
    return float(ordered[max(math.ceil(percent / 100 * len(ordered) - 1e-9), 1) - 1])


def responses(due_s: Floats, service_s: Floats) -> Floats:
    """Of one server that works first come, first served: from due time to the end (Lindley's recursion, 1952).

    Several rows are several queues.
    """
    free = np.zeros(due_s.shape[:-1])
    found = np.empty(due_s.shape)
    for k in range(due_s.shape[-1]):
        free = np.maximum(free, due_s[..., k]) + service_s[..., k]
        found[..., k] = free - due_s[..., k]
    return found


def mm1_cdf(rate_per_s: float, mean_s: float) -> Callable[[float], float]:
    """Response time of M/M/1: exponential with the rate μ − λ (Kleinrock, Queueing Systems I, 1975, 5.118)."""
    return lambda t: 1 - math.exp(-(1 / mean_s - rate_per_s) * t)


def md1_cdf(rate_per_s: float, service_s: float) -> Callable[[float], float]:
    """Response time of M/D/1: the wait is by Crommelin ("Delay probability formulae when the holding times are
    constant", 1932) at most t with probability (1 − ρ) Σ_{k ≤ t/D} (λ(kD − t))^k e^(−λ(kD − t)) / k!, and D is added.

    The terms change sign and grow with t: good to some 20 services at ρ = 0.8, which is beyond p99.9.
    """
    load = rate_per_s * service_s

    def cdf(t: float) -> float:
        wait = t - service_s
        if wait < 0:
            return 0.0
        terms = []
        for k in range(int(wait / service_s) + 1):
            x = rate_per_s * (k * service_s - wait)
            terms.append(x**k / math.factorial(k) * math.exp(-x))
        return (1 - load) * math.fsum(terms)

    return cdf


def inverse(cdf: Callable[[float], float], p: float, most: float) -> float:
    """The least t with cdf(t) ≥ p, below *most*."""
    low, high = 0.0, most
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if cdf(middle) >= p else (middle, high)
    return high


def frozen(due_s: Floats, service_s: float, n_slots: int, from_s: float, to_s: float) -> tuple[Floats, Floats]:
    """Response and service times of a server that answers each request *service_s* after it came, but in the freeze
    only at its end; asked by *n_slots* slots that take what is due in order.
    """
    free = [0.0] * n_slots
    response, service = np.empty(len(due_s)), np.empty(len(due_s))
    for k, due in enumerate(due_s):
        start = max(due, heapq.heappop(free))
        asked = to_s if from_s <= start < to_s else start
        end = asked + service_s
        if from_s <= end < to_s:
            end = to_s
        heapq.heappush(free, end)
        response[k], service[k] = end - due, end - start
    return response, service
