"""How whole things (slots, iterations) are dealt to workers so that none is lost in rounding."""

from __future__ import annotations

from collections.abc import Sequence


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
