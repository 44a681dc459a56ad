"""Shares follow what workers can do: made-up workers with made-up limits, 100 ms by 100 ms."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from hybridpress.coordinator.balance import Balance
from hybridpress.ipc.messages import Counts

TICK_NS = 100_000_000
TICK_S = 0.1


@dataclass
class Made:
    """A worker that starts up to *limit_per_s* and needs a part of a core for it."""

    limit_per_s: float
    n_slots: int = 32
    cost_s: float = 0.0002
    started: float = 0.0
    backlog: float = 0.0
    cpu_s: float = 0.0

    def tick(self, worker: int, planned: float, at_ns: int) -> Counts:
        self.backlog += planned
        n = min(self.backlog, self.limit_per_s * TICK_S)
        self.backlog -= n
        self.started += n
        self.cpu_s += n * self.cost_s
        in_flight = self.n_slots if self.backlog >= 1 else 1
        return Counts(
            worker, at_ns, int(self.started), int(self.started) - in_flight, 0, in_flight, int(self.backlog),
            int(self.cpu_s * 1e9),
        )  # fmt: skip


class Box:
    """Workers, their balance, and what the box started in each tick. Weights take effect a tick later."""

    def __init__(self, rate: float, workers: list[Made]) -> None:
        self.rate = rate
        self.workers = workers
        self.balance = Balance([worker.n_slots for worker in workers])
        self.weights = tuple(worker.n_slots for worker in workers)
        self.n_moves = 0
        self.started: list[float] = []
        self._n = 0

    def run(self, seconds: float, noise: Callable[[], float] = lambda: 1.0) -> list[float]:
        """What was started in each tick."""
        found = []
        for _ in range(round(seconds / TICK_S)):
            self._n += 1
            at_ns = self._n * TICK_NS
            before = sum(worker.started for worker in self.workers)
            for k, worker in enumerate(self.workers):
                planned = self.rate * TICK_S * self.weights[k] / sum(self.weights) * noise()
                self.balance.counted(worker.tick(k, planned, at_ns), self.rate)
            found.append(sum(worker.started for worker in self.workers) - before)
            moves = self.balance.decide(self.rate, at_ns)
            for k, n in moves.given_up.items():
                moved = min(n, self.workers[k].backlog)
                self.workers[k].backlog -= moved
                able = [w for j, w in enumerate(self.workers) if j != k and self.balance.has_room(j, self.rate)]
                for other in able or [self.workers[k]]:
                    other.backlog += moved / len(able or [1])
            if moves.weights is not None:
                self.weights = moves.weights
                self.n_moves += 1
        return found

    def per_second(self, ticks: list[float]) -> list[float]:
        return [sum(ticks[k : k + 10]) for k in range(0, len(ticks) - 9, 10)]


def test_nothing_moves_while_all_keep_up() -> None:
    """Workers that keep up keep their shares, whatever the noise."""
    box = Box(2_000, [Made(4_000), Made(4_000)])
    drawn = random.Random(1)
    box.run(60, lambda: drawn.gauss(1, 0.05))
    assert box.n_moves == 0


@pytest.mark.parametrize("limit", [300, 500, 800])
def test_a_slow_worker_is_relieved(limit: float) -> None:
    """The box is back at its rate within 2 s, and stays within 1 % of it for minutes."""
    box = Box(2_000, [Made(4_000), Made(4_000)])
    box.run(5)
    box.workers[1].limit_per_s = limit
    seconds = box.per_second(box.run(120))
    assert all(abs(n - 2_000) <= 20 for n in seconds[2:]), seconds
    assert sum(seconds) == pytest.approx(240_000, abs=100), "what waited was started, too"


def test_what_waited_goes_to_the_others() -> None:
    """A worker that stands still altogether gives up what is due, and has nearly no share."""
    box = Box(2_000, [Made(4_000), Made(4_000), Made(4_000)])
    box.run(5)
    box.workers[0].limit_per_s = 0
    seconds = box.per_second(box.run(10))
    assert all(abs(n - 2_000) <= 20 for n in seconds[2:]), seconds
    assert box.workers[0].backlog < 50


def test_a_worker_that_says_nothing() -> None:
    """One that is stopped altogether does not even report: after a while the others have its share."""
    balance = Balance([4, 4])
    started = [0, 0]
    weights = None
    for tick in range(1, 30):
        for worker in range(2):
            if tick <= 10 or worker == 0:
                started[worker] += 100
                counts = Counts(worker, tick * TICK_NS, started[worker], started[worker] - 1, 0, 1, 0, tick * 10**7)
                balance.counted(counts, 2_000)
        moves = balance.decide(2_000, tick * TICK_NS)
        if moves.weights is not None:
            weights, when = moves.weights, tick
            assert moves.given_up[1] >= 600
    assert weights == (1_000, 0)
    assert when <= 18


def test_a_worker_that_recovers_gets_its_share_back() -> None:
    """When nothing slows it any more, its share comes back, bit by bit."""
    box = Box(2_000, [Made(4_000), Made(4_000)])
    box.run(5)
    box.workers[1].limit_per_s = 500
    box.run(5)
    slowed = box.weights[1] / sum(box.weights)
    assert slowed < 0.26
    box.workers[1].limit_per_s = 4_000
    box.run(120)
    assert box.weights[1] / sum(box.weights) == pytest.approx(0.5, abs=0.01)


def test_nobody_has_room() -> None:
    """When all are behind nothing is moved: that is no matter of shares."""
    box = Box(2_000, [Made(500), Made(700)])
    box.run(30)
    assert box.n_moves == 0


def test_no_more_is_moved_than_there_is_room_for() -> None:
    """A worker that has little room gets little: it does not fall behind in its turn."""
    box = Box(3_000, [Made(3_000, cost_s=0.0004), Made(3_000, cost_s=0.0004)])
    box.run(5)
    box.workers[1].limit_per_s = 300
    box.run(20)
    share = box.weights[0] / sum(box.weights)
    assert share * 3_000 * 0.0004 <= 0.95, "of a core"


def test_uneven_slots_are_fair() -> None:
    """Shares are by slots where all keep up, and a lost worker's weight is 0."""
    balance = Balance([4, 3, 3])
    assert balance.fair([4, 3, 3], 0) == (4, 3, 3)
    assert balance.fair([4, 0, 3], 0) == (4, 0, 3)


def test_one_that_never_reported() -> None:
    """It stopped before its first report: it is silent as any, and others have its share."""
    balance = Balance([0, 0])
    balance.fair([4, 4], 10 * TICK_NS)
    moves = []
    for k in range(10, 30):
        balance.counted(Counts(0, k * TICK_NS, 10 * k, 10 * k, 0, 0, 0), 100.0)
        moves.append(balance.decide(100.0, k * TICK_NS).weights)
    found = [weights for weights in moves if weights is not None]
    assert found[0][1] == 0
    assert moves.index(found[0]) <= 8
