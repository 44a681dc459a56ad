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
        # 2.2 · 25 is 55.00000000000001: what is off by a rounding error is not one iteration more.
        n_exact = self.rate_per_s * elapsed_s
        return math.ceil(n_exact - 1e-9 - n_exact * 4e-16)


def plan_constant(rate_per_s: float, total: int, shares: Sequence[float], start_ns: int) -> list[Piece]:
    """Each worker's piece of *total* iterations at *rate_per_s* over all workers, from *start_ns* on.

    A worker with the share s starts one every 1 / (rate · s) seconds, so many as it is dealt. Its first one is put off
    by a part of that, another part for each worker: with equal shares the box fires exactly every 1 / rate seconds,
    with unequal ones as evenly as regular series can. All are due before the plan's end, total / rate. A worker that is
    dealt none gets an empty piece.
    """
    counts = deal(total, shares)
    whole = sum(shares)
    exact = [total * share / whole for share in shares]
    length_ns = total / rate_per_s * NS_PER_S
    # Who was dealt one more than the whole part of its share begins earliest, by less than the remainder: its last
    # iteration is then due before the end.
    sharing = [k for k, share in enumerate(shares) if share > 0]
    by_remainder = sorted(sharing, key=lambda k: (int(exact[k]) - exact[k], k))
    pieces = [Piece(0, start_ns, length_ns, 0)] * len(counts)
    for rank, k in enumerate(by_remainder):
        if not counts[k]:
            continue
        delay_ns = length_ns / exact[k]
        offset = rank / len(sharing)
        if counts[k] > exact[k]:
            offset = min(offset, (exact[k] - int(exact[k])) * 0.999)
        pieces[k] = Piece(0, start_ns + int(offset * delay_ns), delay_ns, counts[k])
    return pieces
