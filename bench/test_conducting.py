"""What the coordinator's decisions cost with 16 workers: their counts, shares, and a merged second."""

from __future__ import annotations

import numpy as np
import pytest
from harness import ROUNDS_UNDER_PYTEST, Bench, Measured, main, measure

from hybridpress.config import Layer, RunConfig
from hybridpress.coordinator.actions import Tell
from hybridpress.coordinator.balance import Balance
from hybridpress.coordinator.state import RunState
from hybridpress.ipc.messages import Counts, Ready
from hybridpress.ipc.messages import Measured as MeasuredSecond
from hybridpress.load.split import turns
from hybridpress.metrics.interval import Interval, StepCounts

N_WORKERS = 16
N_TICKS = 100


def pressing() -> RunState:
    """A run in which all workers press."""
    settings = {"qps": 16_000, "concurrent": 64, "processes": N_WORKERS, "duration": "1h"}
    state = RunState(RunConfig.build("made.py:Made", [Layer(settings, lambda name: name)]), 0)
    for worker in range(N_WORKERS):
        state.forked(worker, 1 + worker)
    for worker in range(N_WORKERS):
        state.heard(Ready(worker, 1 + worker, 4, ()), 10**9)
    return state


def ticks(n_rounds: int) -> Measured:
    """A tenth of a second: a report of every worker, and the look at what is to be moved."""

    def run(state: RunState) -> None:
        for n in range(1, N_TICKS + 1):
            now_ns = state.start_ns + n * 100_000_000
            for worker in range(N_WORKERS):
                state.heard(Counts(worker, now_ns, 100 * n, 100 * n - 1, 0, 1, 0, n * 10**7), now_ns)
            state.ticked(now_ns)

    return measure("tick, 16 workers", n_rounds, N_TICKS, run, pressing)


def seconds(n_rounds: int) -> Measured:
    """A second of every worker, merged and judged."""
    drawn = np.random.default_rng(1).exponential(1e6, 1_000).astype(np.int64)

    def interval(index: int) -> Interval:
        found = Interval(index, started=1_000, completed=1_000, steps={"GET /": StepCounts(1_000)})
        for histogram in (found.response, found.service, found.lateness, found.steps["GET /"].times):
            histogram.add(drawn)
        return found

    def set_up() -> tuple[RunState, list[list[Interval]]]:
        return pressing(), [[interval(index) for _ in range(N_WORKERS)] for index in range(10)]

    def run(made: tuple[RunState, list[list[Interval]]]) -> None:
        state, intervals = made
        for index, of_all in enumerate(intervals):
            for worker, of_one in enumerate(of_all):
                state.heard(MeasuredSecond(worker, of_one), state.start_ns + (index + 1) * 10**9)

    def check(made: tuple[RunState, list[list[Interval]]]) -> None:
        assert made[0].total.started == 10 * N_WORKERS * 1_000

    return measure("second, 16 workers", n_rounds, 10, run, set_up, check)


def relief(n_rounds: int) -> Measured:
    """One of 16 falls behind: new shares, and the turns that follow from them."""

    def set_up() -> Balance:
        balance = Balance([4] * N_WORKERS)
        for n in range(1, 5):
            for worker in range(N_WORKERS):
                backlog = 50 * n if worker == 3 else 0
                counts = Counts(worker, n * 10**8, 50 * n, 50 * n, 0, 1, backlog, n * 10**7)
                balance.counted(counts, 16_000)
        return balance

    def run(balance: Balance) -> None:
        turns.cache_clear()
        moves = balance.decide(16_000, 10**9)
        assert moves.weights is not None
        turns(moves.weights)

    return measure("relief, 16 workers", n_rounds, 1, run, set_up)


def rate_changes(n_rounds: int) -> Measured:
    """Another rate, told to all."""

    def run(state: RunState) -> None:
        for n in range(100):
            orders = state.dealer.set_rate(1_000.0 + n, state.start_ns + n * 10**7)
            assert isinstance(orders[0], Tell)

    return measure("rate change, 16 workers", n_rounds, 100, run, pressing)


BENCHES = [ticks, seconds, relief, rate_changes]


@pytest.mark.slow
@pytest.mark.parametrize("bench", BENCHES)
def test_conducting(bench: Bench) -> None:
    """The bench runs and counts right."""
    assert bench(ROUNDS_UNDER_PYTEST).median_ns > 0


if __name__ == "__main__":
    main(BENCHES)
