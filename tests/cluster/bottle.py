"""A cluster in a bottle: the head's state and those of its nodes, with made-up workers and a clock of its own."""

from __future__ import annotations

import pickle
from collections import deque
from typing import Any

import numpy as np

from hybridpress.cluster.clocks import order_by, report_by
from hybridpress.cluster.head import HeadState, Node
from hybridpress.cluster.messages import Closing, Hello, Told
from hybridpress.cluster.node.state import NodeState
from hybridpress.config import Layer, RunConfig
from hybridpress.coordinator.actions import Action, Fork, Kill, Second, Tell
from hybridpress.coordinator.phase import Phase
from hybridpress.ipc.messages import (
    Begin,
    Counts,
    Done,
    GivenUp,
    GiveUp,
    Measured,
    Order,
    Pace,
    Ready,
    Report,
    Stop,
    TakeOver,
)
from hybridpress.load.arrivals import Poisson, Uniform
from hybridpress.load.pacer import Pacer
from hybridpress.metrics.interval import Interval
from hybridpress.units import NEVER_NS, NS_PER_S

T0 = 1_000 * NS_PER_S
TICK_NS = NS_PER_S // 10


class Worker:
    """Starts what is due at each tick, at most *most* of it, and all that starts ends at once."""

    def __init__(self, number: int, place: int, config: RunConfig) -> None:
        assert config.profile is not None
        arrivals = Poisson(config.seed or 0) if config.arrivals == "poisson" else Uniform()
        self.number = number
        self.pacer = Pacer(place, config.profile, arrivals)
        self.dues: list[int] = []
        self.most = 10**9
        self.begun: Begin | None = None
        self.until_ns: int | None = None
        self.is_over = False
        self.n_taken_over = 0
        self._interval = Interval(0)
        self._n_told = 0

    def obey(self, order: Order, now_ns: int) -> list[Report]:
        match order:
            case Begin():
                assert order.leg is not None
                self.begun, self.until_ns = order, order.until_ns
                self._interval = Interval(order.first_index)
                self.pacer.apply(order.leg)
            case Pace(leg, until_ns):
                self.until_ns = until_ns
                self.pacer.apply(leg)
            case GiveUp(at_most):
                return [GivenUp(self.number, tuple(self.pacer.give_up(now_ns, at_most)))]
            case TakeOver(dues_ns):
                self.n_taken_over += 0 if self.is_over else len(dues_ns)
                self.pacer.take_over(dues_ns)
            case Stop():
                return self._done(self.pacer.n_due(now_ns), now_ns)
        return []

    def tick(self, now_ns: int) -> list[Report]:
        if self.begun is None or self.is_over:
            return []
        reports: list[Report] = []
        while now_ns >= self.begun.start_ns + (self._interval.index + 1) * NS_PER_S:
            reports.append(Measured(self.number, self._interval))
            self._interval = Interval(self._interval.index + 1)
        n = 0
        while self.pacer.due_ns <= now_ns and self.pacer.due_ns != NEVER_NS and n < self.most:
            due_ns = self.pacer.take()
            n += 1
            self.dues.append(due_ns)
            self._interval.started += 1
            self._interval.completed += 1
            self._interval.response.add(np.array([1_000 + due_ns % 10_000_000], dtype=np.int64))
        backlog = self.pacer.n_due(now_ns)
        reports.append(Counts(self.number, now_ns, len(self.dues), len(self.dues), 0, 0, backlog))
        is_past = self.until_ns is None or now_ns >= self.until_ns
        if is_past and (self.pacer.is_over or now_ns >= (self.until_ns or now_ns + 1) + NS_PER_S):
            reports += self._done(self.pacer.n_due(NEVER_NS), now_ns)
        return reports

    def _done(self, n_dropped: int, now_ns: int) -> list[Report]:
        if self.is_over:
            return []
        self.is_over = True
        self._interval.dropped += n_dropped
        last_ns = max(self.dues, default=0)
        return [
            Done(
                self.number,
                self._interval,
                last_ns,
                last_ns,
                n_taken_over=self.n_taken_over,
                n_beyond=self.pacer.n_beyond,
            )
        ]


class Bottle:
    """A run of *settings* over nodes with so many workers each; the clock of each is ahead by its *ahead_ns*."""

    def __init__(self, workers: list[int], ahead_ns: list[int] | None = None, **settings: Any) -> None:
        common = {"processes": sum(workers), "concurrent": 4 * sum(workers), "seed": 1}
        self.config = RunConfig.build("made.py:Made", [Layer({**common, **settings}, str)])
        self.now_ns = T0
        self.ahead_ns = ahead_ns or [0] * len(workers)
        self.frozen: set[int] = set()
        self.dead: set[int] = set()
        self.seconds: list[int] = []
        hello = Hello("10.0.0.1", "box", 1, 4, {})
        firsts = [sum(workers[:k]) for k in range(len(workers))]
        self.head = HeadState(
            self.config, T0, [Node(hello, range(f, f + n)) for f, n in zip(firsts, workers, strict=True)]
        )
        slots = self.config.slots_by_worker
        self.nodes = [
            NodeState(self.config, T0 + ahead, k, first, slots[first : first + n], len(workers))
            for k, (first, n, ahead) in enumerate(zip(firsts, workers, self.ahead_ns, strict=True))
        ]
        self.workers = [
            [Worker(first + place, place, self.config) for place in range(n)]
            for first, n in zip(firsts, workers, strict=True)
        ]
        self._closed: set[int] = set()
        self._late: list[deque[bytes]] = [deque() for _ in workers]
        for node in range(len(workers)):
            self._to_head(self.head.forked(node, 100 + node, T0))
            for place, worker in enumerate(self.workers[node]):
                self._in_node(node, self.nodes[node].forked(place, 1_000 + worker.number, T0))
            for worker in self.workers[node]:
                n_slots = slots[worker.number]
                self._in_node(node, self.nodes[node].heard(Ready(worker.number, 1, n_slots, ()), self._there(node)))

    def run_until(self, at_s: float) -> None:
        """Until so long after the begin of the load."""
        while self.now_ns < self.head.start_ns + int(at_s * NS_PER_S) and self.head.phase is not Phase.OVER:
            self.now_ns += TICK_NS
            for node in range(len(self.nodes)):
                if node in self.dead or node in self.frozen:
                    continue
                while self._late[node]:
                    self._obey(node, _copy(self._late[node].popleft()))
                for worker in self.workers[node]:
                    for report in worker.tick(self._there(node)):
                        self._in_node(node, self.nodes[node].heard(report, self._there(node)))
                self._in_node(node, self.nodes[node].ticked(self._there(node)))
            self._to_head(self.head.ticked(self.now_ns))
            self._let_end()

    def run_to_end(self) -> None:
        self.run_until(200)
        assert self.head.phase is Phase.OVER

    def kill(self, node: int) -> None:
        self.dead.add(node)
        self._to_head(self.head.exited(node, -9, self.now_ns))

    @property
    def dues(self) -> list[int]:
        """When everything that was started was due, by the head's clock."""
        return sorted(
            due_ns - self.ahead_ns[node]
            for node, workers in enumerate(self.workers)
            for worker in workers
            for due_ns in worker.dues
        )

    def _there(self, node: int) -> int:
        """What the node's clock shows."""
        return self.now_ns + self.ahead_ns[node]

    def _let_end(self) -> None:
        """Processes end that have said their last word."""
        for node, workers in enumerate(self.workers):
            if node in self.dead or node in self.frozen or node in self._closed or not all(w.is_over for w in workers):
                continue
            self._closed.add(node)
            for place in range(len(workers)):
                self._in_node(node, self.nodes[node].exited(place, 0, self._there(node)))
            self._hear(self.nodes[node].closing())
            self._to_head(self.head.exited(node, 0, self.now_ns))

    def _to_head(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Tell(node, order):
                    self._late[node].append(pickle.dumps(order))
                    if node not in self.dead and node not in self.frozen:
                        while self._late[node]:
                            self._obey(node, _copy(self._late[node].popleft()))
                case Kill(node):
                    self.kill(node)
                case Second(interval, _):
                    self.seconds.append(interval.started)

    def _obey(self, node: int, order: Order) -> None:
        self._in_node(node, self.nodes[node].obey(order_by(order, self.ahead_ns[node]), self._there(node)))

    def _in_node(self, node: int, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Tell(place, order):
                    for report in self.workers[node][place].obey(order, self._there(node)):
                        self._in_node(node, self.nodes[node].heard(report, self._there(node)))
                case Fork() | Kill():
                    raise AssertionError(action)
        for said in self.nodes[node].take_said():
            told = said if isinstance(said, Told | Closing) else report_by(said, -self.ahead_ns[node])
            self._hear(_copy(pickle.dumps(told)))

    def _hear(self, report: Any) -> None:
        self._to_head(self.head.heard_from(report, self.now_ns))


def _copy(packed: bytes) -> Any:
    """What comes out at the other end: nobody there has the same object."""
    return pickle.loads(packed)  # noqa: S301 (our own)
