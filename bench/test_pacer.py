"""What a due time costs: taken one by one, counted in advance, and when a new piece arrives."""

from __future__ import annotations

import pytest
from harness import ROUNDS_UNDER_PYTEST, Bench, Measured, main, measure

from hybridpress.load.pacer import Pacer, Piece
from hybridpress.load.plan import plan_constant

N_ITERATIONS = 20_000
DELAY_NS = 1e9 / 30_000


def _following(piece: Piece) -> Pacer:
    pacer = Pacer()
    pacer.apply(piece)
    return pacer


def take(n_rounds: int) -> Measured:
    """The next due time, as a slot takes it."""

    def run(pacer: Pacer) -> None:
        for _ in range(N_ITERATIONS):
            pacer.take()

    def check(pacer: Pacer) -> None:
        assert (pacer.index, pacer.due_ns) == (N_ITERATIONS, int(N_ITERATIONS * DELAY_NS))

    return measure("take", n_rounds, N_ITERATIONS, run, lambda: _following(Piece(0, 0, DELAY_NS)), check)


def n_due(n_rounds: int) -> Measured:
    """How many are due: asked every 100 ms."""
    until_ns = int(N_ITERATIONS * DELAY_NS)

    def run(pacer: Pacer) -> None:
        for _ in range(1_000):
            pacer.n_due(until_ns)

    def check(pacer: Pacer) -> None:
        assert pacer.n_due(until_ns) == N_ITERATIONS

    return measure("n_due", n_rounds, 1_000, run, lambda: _following(Piece(0, 0, DELAY_NS)), check)


def apply(n_rounds: int) -> Measured:
    """A new piece, and the iteration at which it takes over."""

    def run(pacer: Pacer) -> None:
        for index in range(1, 1_001):
            pacer.apply(Piece(index, int(index * DELAY_NS), DELAY_NS))
            pacer.take()

    def check(pacer: Pacer) -> None:
        assert (pacer.index, pacer.due_ns) == (1_000, int(1_000 * DELAY_NS))

    return measure("apply and take", n_rounds, 1_000, run, lambda: _following(Piece(0, 0, DELAY_NS)), check)


def plan(n_rounds: int) -> Measured:
    """A run's plan for 8 workers."""

    def run(pieces: list[Piece]) -> None:
        for _ in range(100):
            pieces[:] = plan_constant(49_999.9, 499_999, [1] * 8, 0)

    def check(pieces: list[Piece]) -> None:
        assert sum(piece.count or 0 for piece in pieces) == 499_999

    return measure("plan for 8 workers", n_rounds, 100, run, list, check)


BENCHES = [take, n_due, apply, plan]


@pytest.mark.parametrize("bench", BENCHES)
def test_pacer(bench: Bench) -> None:
    """The bench runs and counts right."""
    assert bench(ROUNDS_UNDER_PYTEST).median_ns > 0


if __name__ == "__main__":
    main(BENCHES)
