"""The plan of a whole run: exact to the iteration, and even."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hybridpress.load.pacer import Piece
from hybridpress.load.plan import ConstantRate, plan_constant
from hybridpress.units import NS_PER_S

START_NS = 7_000_000_000_000
SHARES = {
    "one": [10],
    "two": [5, 5],
    "seven": [1] * 7,
    "uneven": [4, 3, 3],
    "very uneven": [1, 100],
    "one idle": [3, 0, 5],
}


def due_times(pieces: list[Piece]) -> list[int]:
    """All workers' due times in order, in ns since the start."""
    return sorted(piece.due_ns(i) - START_NS for piece in pieces for i in range(piece.count or 0))


@pytest.mark.slow
@pytest.mark.parametrize("shares", SHARES.values(), ids=SHARES.keys())
@pytest.mark.parametrize(
    ("rate", "duration_s", "total"),
    [
        (0.5, 10, 5),
        (7, 3, 21),
        (333, 3, 999),
        (333, 0.1, 34),
        (5_000, 2, 10_000),
        (49_999.9, 1, 50_000),
        (49_999.9, 10, 499_999),
    ],
)
def test_exact_and_even(rate: float, duration_s: float, total: int, shares: list[float]) -> None:
    """The run has its iterations to the last one, all within its time, each second within one a worker of the rate."""
    assert ConstantRate(rate).n_arrivals(duration_s) == total
    pieces = plan_constant(rate, total, shares, START_NS)
    assert sum(piece.count or 0 for piece in pieces) == total
    assert all(piece.index == 0 for piece in pieces)
    assert [piece.count for piece, share in zip(pieces, shares, strict=True) if not share] == [0] * shares.count(0)
    due = due_times(pieces)
    assert due[0] == 0
    assert due[-1] < max(duration_s, total / rate) * NS_PER_S
    for second in range(math.floor(duration_s)):
        n_due = sum(
            min(piece.first_from(START_NS + (second + 1) * NS_PER_S), int(piece.end))
            - min(piece.first_from(START_NS + second * NS_PER_S), int(piece.end))
            for piece in pieces
        )
        assert abs(n_due - rate) <= len(shares)


@pytest.mark.parametrize("n_workers", [1, 2, 3, 7])
@pytest.mark.parametrize(
    ("rate", "total"), [(0.5, 5), (1, 3), (7, 21), (333, 999), (333, 34), (5_000, 1_000), (49_999.9, 2_001)]
)
def test_equal_shares_fire_evenly(rate: float, total: int, n_workers: int) -> None:
    """With equal shares the n-th iteration of the box is due at n / rate, whether or not the shares come out equal."""
    due = due_times(plan_constant(rate, total, [1.0] * n_workers, START_NS))
    assert len(due) == total
    assert max(abs(due_ns - n / rate * NS_PER_S) for n, due_ns in enumerate(due)) <= 2


@pytest.mark.parametrize("shares", [[1, 1], [5, 5, 5], [3, 2]])
def test_who_has_no_share_is_not_there(shares: list[float]) -> None:
    """A worker without a share (it died before the start) takes no turn: the others fire as if it were not there."""
    expected = due_times(plan_constant(7, 20, shares, START_NS))
    for idle in range(len(shares) + 1):
        assert due_times(plan_constant(7, 20, [*shares[:idle], 0, *shares[idle:]], START_NS)) == expected


@given(
    st.integers(1, 500_000).map(lambda tenths: tenths / 10),
    st.integers(1, 3_000),
    st.lists(st.integers(0, 64), min_size=1, max_size=6).filter(any),
)
def test_each_worker_is_even(rate: float, total: int, shares: list[float]) -> None:
    """A worker's iterations are evenly spaced over the whole run, the first within one gap of the start."""
    pieces = plan_constant(rate, total, shares, START_NS)
    length_ns = total / rate * NS_PER_S
    assert sum(piece.count or 0 for piece in pieces) == total
    for piece in pieces:
        if piece.count:
            assert 0 <= piece.first_due_ns - START_NS < piece.delay_ns
            # Where shares are equal, the gap is the box's own, and the run's end may cut the last one short.
            assert abs(piece.delay_ns * piece.count - length_ns) <= piece.delay_ns + 1
            assert all(first <= second for first, second in pairwise(map(piece.due_ns, range(piece.count))))
            assert piece.due_ns(piece.count - 1) - START_NS < length_ns


@pytest.mark.parametrize(
    ("rate", "elapsed_s", "n_arrivals"),
    [
        (100, 0, 0),
        (100, 1e-6, 1),
        (100, 0.01, 1),
        (100, 0.0101, 2),
        (100, 1, 100),
        (333, 0.1, 34),
        (0.1, 10, 1),
        (0.1, 10.1, 2),
        (4.1, 10, 41),
        (0.7, 10, 7),
    ],
)
def test_arrivals(rate: float, elapsed_s: float, n_arrivals: int) -> None:
    """One iteration at the start, then one whenever rate times time reaches a whole number; none at the very end."""
    assert ConstantRate(rate).n_arrivals(elapsed_s) == n_arrivals


@given(st.integers(1, 500_000), st.integers(1, 30 * 86_400))
@example(50_936, 12_080)
def test_arrivals_of_long_runs(tenths_per_s: int, elapsed_s: int) -> None:
    """No rounding error adds or takes an iteration, in a month of load either."""
    exact = math.ceil(Fraction(tenths_per_s, 10) * elapsed_s)
    assert ConstantRate(tenths_per_s / 10).n_arrivals(elapsed_s) == exact
