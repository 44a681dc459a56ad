"""Whose turn is next when several share one sequence, by weights or by rates over time: decided, not drawn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import cycle, islice
from math import copysign, gcd, inf, lcm

from hybridpress.load.profile import Profile

_PERIOD_KEPT = 10_000
"""Sequences that repeat after so many turns are worked out once; longer ones turn by turn, some µs each."""
_SOON_S = 1e-3
_ROUNDING = 1e-9


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


class TurnsOverTime:
    """Whose turn it is when each has a rate of its own over time, and the sequence is that of their sum.

    What each is owed grows with the area under its own rate, measured from turn to turn, so that however many share the
    sequence among themselves first (the workers of a run), each of *profiles* keeps its part of what it asks for.
    Of those who are owed enough, the one whose turn would first be too late if rates stayed as they are: as with
    weights, in which case it comes to the same.
    """

    def __init__(self, profiles: Sequence[Profile]) -> None:
        self._profiles = profiles
        self._owed = [0.0] * len(profiles)
        self._areas = [0.0] * len(profiles)
        self._shares = [1 / len(profiles)] * len(profiles)
        self._is_first = True

    def next(self, t_s: float) -> int:
        """The turn of the iteration that is due at *t_s*."""
        areas = [profile.arrivals(t_s) for profile in self._profiles]
        gains = [after - before for after, before in zip(areas, self._areas, strict=True)]
        self._areas = areas
        shares = self.shares(t_s)
        owed = self._owed
        if not self._is_first:
            total = sum(gains)
            for k, share in enumerate(shares):
                # Due earlier than the one before: another worker gave it up. Then what counts is what holds now.
                owed[k] += gains[k] / total if total > 0 else share
        self._is_first = False
        chosen = _latest(owed, shares)
        owed[chosen] -= 1
        return chosen

    def shares(self, t_s: float) -> list[float]:
        """The part of each in what is due around *t_s*."""
        rates = [profile.rate(t_s) for profile in self._profiles]
        if not any(rates):
            rates = [profile.rate(t_s + _SOON_S) for profile in self._profiles]  # all begin at 0
        if total := sum(rates):
            self._shares = [rate / total for rate in rates]
        return self._shares


def _latest(owed: list[float], shares: list[float]) -> int:
    """Who must not wait: *owed* is what each is owed but this turn, *shares* what each gains by a turn."""
    slack = max(2 * len(owed) - 2, 1)
    chosen, chosen_turns = -1, inf
    for k, share in enumerate(shares):
        pending = owed[k] + share
        if pending < 1 / slack - _ROUNDING:
            continue
        left = 1 - 1 / slack - pending
        turns = left / share if share else copysign(inf, left)
        if chosen < 0 or turns < chosen_turns:
            chosen, chosen_turns = k, turns
    if chosen >= 0:
        return chosen
    return max(range(len(owed)), key=lambda k: owed[k] + shares[k])
