"""A run's whole plan: how many iterations, who starts which when.

The n-th iteration of the box (from 0) is due when the area under the rate reaches n. Workers get shares of the
iterations dealt by largest remainder, evenly spaced, and offset against one another, so that the box fires evenly.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from hybridpress.load.pacer import Piece
from hybridpress.load.split import deal
from hybridpress.units import NS_PER_S


CATCH_UP_S = 1.0
"""A plan that is behind at its end gets so much longer to start what was due by then."""


@dataclass(frozen=True, slots=True)
class ConstantRate:
    """The same rate from the beginning to the end of the run."""

    rate_per_s: float

    def n_arrivals(self, elapsed_s: float) -> int:
        """Iterations due in the first *elapsed_s*: one at 0, one whenever rate · t reaches a whole number."""
        # 333 · 0.1 is 33.300000000000004: what is off by a rounding error is not one iteration more.
        return math.ceil(self.rate_per_s * elapsed_s - 1e-9)


def plan_constant(rate_per_s: float, total: int, shares: Sequence[float], start_ns: int) -> list[Piece]:
    """Each worker's piece of *total* iterations at *rate_per_s* over all workers, from *start_ns* on.

    Worker k of P gets n of them by its share, total / (n · rate) seconds apart, its first k/P of that after the start:
    with equal shares the box fires exactly every 1 / rate seconds. A worker that is dealt none gets an empty piece.
    """
    counts = deal(total, shares)
    length_ns = total / rate_per_s * NS_PER_S
    pieces = []
    for k, count in enumerate(counts):
        delay_ns = length_ns / count if count else length_ns
        pieces.append(Piece(0, start_ns + int(delay_ns * k / len(counts)), delay_ns, count))
    return pieces
