"""How whole things (slots, iterations) are dealt to workers so that none is lost in rounding."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

MAX_TURNS = 4096
"""A round of turns is at most so long; weights that need a longer one are rounded to it."""


def deal(total: int, weights: Sequence[float]) -> list[int]:
    """Deal *total* in proportion to *weights*, by largest remainder: the shares add up to *total* exactly.

    Each share is within 1 of its exact part; of equal remainders the first is served first.

    Raises:
        ValueError: *total* is negative, or no weight is above 0, or one is negative.
    """
    whole = sum(weights)
    if total < 0 or whole <= 0 or min(weights) < 0:
        raise ValueError(f"cannot deal {total} by weights {list(weights)}")
    # Whole numbers stay whole: exact for totals of any size.
    shares = [int(total * weight // whole) for weight in weights]
    by_remainder = sorted(range(len(shares)), key=lambda i: (-(total * weights[i] % whole), i))
    for i in by_remainder[: total - sum(shares)]:
        shares[i] += 1
    return shares


@lru_cache(maxsize=64)
def turns(weights: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """For each worker, which turns of a round are its own, ascending; all together are 0, 1, 2… to the last.

    A worker has as many as its weight (all of them divided by what they have in common), spread evenly over the round:
    with equal weights everyone comes once, in order.

    Raises:
        ValueError: no weight is above 0, or one is negative.
    """
    if sum(weights) <= 0 or min(weights) < 0:
        raise ValueError(f"cannot take turns by weights {list(weights)}")
    common = math.gcd(*weights)
    parts = [weight // common for weight in weights]
    if sum(parts) > MAX_TURNS:
        parts = deal(MAX_TURNS, weights)
    # The j-th of a worker's q turns would stand best in the middle of the j-th q-th of the round.
    wanted = sorted(((j + 0.5) / part, k) for k, part in enumerate(parts) for j in range(part))
    found: list[list[int]] = [[] for _ in parts]
    for turn, (_, k) in enumerate(wanted):
        found[k].append(turn)
    return tuple(map(tuple, found))
