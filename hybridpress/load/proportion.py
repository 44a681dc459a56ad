"""Whose turn is next when several share one sequence by weights: decided, not drawn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import cycle, islice
from math import gcd, lcm

_PERIOD_KEPT = 10_000
"""Sequences that repeat after so many turns are worked out once; longer ones turn by turn, some µs each."""


def turns_by_weight(weights: Sequence[int | float | Fraction]) -> Iterator[int]:
    """Whose turn it is, by number, without end. At every moment each has had its part of the turns so far, within one:
    |turns of k − all turns · weight of k / sum of weights| < 1.

    By Tijdeman's algorithm ("The chairman assignment problem", 1980): of those who are owed enough of a turn, the one
    whose turn would first be too late. Drawing lots would be off by the root of the number of turns, and the smooth
    weighted round robin of some balancers by more than one.

    Raises:
        ValueError: there are no weights, or one is not above 0.
    """
    if not weights or min(weights) <= 0:
        raise ValueError(f"cannot share turns by weights {list(weights)}")
    shares = _whole(weights)
    if sum(shares) <= _PERIOD_KEPT:
        return cycle(list(islice(_turns(shares), sum(shares))))
    return _turns(shares)


def _whole(weights: Sequence[int | float | Fraction]) -> list[int]:
    """The smallest whole numbers in the same proportion; a float is what it is written as."""
    exact = [Fraction(str(weight)) if isinstance(weight, float) else Fraction(weight) for weight in weights]
    common = lcm(*(weight.denominator for weight in exact))
    whole = [int(weight * common) for weight in exact]
    return [share // gcd(*whole) for share in whole]


def _turns(shares: list[int]) -> Iterator[int]:
    n, total = len(shares), sum(shares)
    # All in whole numbers: what k is owed after t turns is (share · t − total · had) / total.
    slack = max(2 * n - 2, 1)
    had = [0] * n
    t = 0
    while True:
        t += 1
        chosen, chosen_left = -1, 0
        for k, share in enumerate(shares):
            owed = slack * (share * t - total * had[k])
            if owed < total and n > 1:
                continue  # not yet
            left = total * (slack - 1) - owed  # over share: the turns that it can still wait
            if chosen < 0 or left * shares[chosen] < chosen_left * share:
                chosen, chosen_left = k, left
        had[chosen] += 1
        if t == total:
            t, had = 0, [0] * n
        yield chosen
