"""What one worker gives up and another takes over, while messages are under way and the run ends: none of it is lost.

The messages between coordinator and workers are delivered here one by one, in any order but that of each channel, so
that each may cross each. In a run that is cut short the plan says nothing of how many there must be: each worker's own
part of it, up to the instant at which that one heard the order to stop, does.
"""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridpress.config import Layer, RunConfig
from hybridpress.coordinator.actions import Action, Tell
from hybridpress.coordinator.phase import Phase
from hybridpress.coordinator.state import RunState
from hybridpress.ipc.messages import Begin, Done, GivenUp, GiveUp, Order, Ready, Report, Stop, TakeOver
from hybridpress.load.arrivals import Uniform
from hybridpress.load.pacer import Pacer
from hybridpress.metrics.interval import Interval
from hybridpress.units import NEVER_NS, NS_PER_MS, NS_PER_S

T0 = 1_000 * NS_PER_S
N_WORKERS = 3


class Worker:
    """Does what a worker does with due times: starts some, gives some up, takes some over, and tells the rest."""

    def __init__(self, number: int, config: RunConfig) -> None:
        assert config.profile is not None
        self.number = number
        self.pacer = Pacer(number, config.profile, Uniform())
        self.alone = Pacer(number, config.profile, Uniform())
        """What would be its own if nothing were ever handed over."""
        self.started = 0
        self.n_taken_over = 0
        self.until_ns = NEVER_NS
        self.stopped_ns: int | None = None
        """From then on nothing is started; NEVER_NS: its plan was over by itself."""
        self.is_done = False
        self.orders: deque[Order] = deque()
        self.reports: deque[Report] = deque()

    def hear(self, now_ns: int) -> None:
        if not self.orders:
            return
        order = self.orders.popleft()
        if self.is_done:
            return
        match order:
            case Begin(leg=leg):
                assert leg is not None
                assert order.until_ns is not None
                self.until_ns = order.until_ns
                self.pacer.apply(leg)
                self.alone.apply(leg)
            case GiveUp(at_most):
                until_ns = now_ns if self.stopped_ns is None else 0
                self.reports.append(GivenUp(self.number, tuple(self.pacer.give_up(until_ns, at_most))))
            case TakeOver(dues_ns):
                self.n_taken_over += len(dues_ns)
                self.pacer.take_over(dues_ns)
            case Stop():
                self.stopped_ns = now_ns
            case _:
                raise AssertionError(order)

    def start(self, n: int, now_ns: int) -> None:
        if self.stopped_ns is None:
            while n and self.pacer.due_ns < now_ns:
                self.pacer.take()
                self.started += 1
                n -= 1

    def end(self, now_ns: int) -> None:
        """Say the last word: when it must stop, or because its plan is over."""
        if self.stopped_ns is None and now_ns >= self.until_ns:
            self.stopped_ns = NEVER_NS
        if self.stopped_ns is not None and not self.is_done:
            self.is_done = True
            interval = Interval(0, started=self.started, completed=self.started)
            interval.dropped = self.pacer.n_due(self.stopped_ns)
            self.reports.append(Done(self.number, interval, 0, 0, n_taken_over=self.n_taken_over))


steps = st.lists(
    st.tuples(
        st.sampled_from(["hear", "hear", "tell", "tell", "start", "give_up", "give_up", "pass", "end"]),
        st.integers(0, N_WORKERS - 1),
        st.integers(1, 40),
    ),
    max_size=60,
)


class Play:
    """A run with its workers, whose messages wait until they are delivered."""

    def __init__(self) -> None:
        given = {"qps": 300, "duration": "1s", "processes": N_WORKERS, "concurrent": N_WORKERS, "timeout": 1}
        config = RunConfig.build("made.py:Made", [Layer(given, str)])
        self.state = RunState(config, T0)
        self.workers = [Worker(number, config) for number in range(N_WORKERS)]
        self.now_ns = T0
        for number in range(N_WORKERS):
            self.state.forked(number, 100 + number)
            self.act(self.state.heard(Ready(number, 100 + number, 1, ()), T0))
        for worker in self.workers:
            worker.hear(T0)
        self.now_ns = self.state.start_ns

    def act(self, actions: list[Action]) -> None:
        for action in actions:
            if isinstance(action, Tell):
                self.workers[action.worker].orders.append(action.order)

    def tell(self, worker: Worker) -> None:
        """The coordinator hears the next that *worker* said."""
        if worker.reports:
            self.act(self.state.heard(worker.reports.popleft(), self.now_ns))

    def take(self, step: str, worker: Worker, n: int) -> None:
        match step:
            case "hear":
                worker.hear(self.now_ns)
            case "tell":
                self.tell(worker)
            case "start":
                worker.start(n, self.now_ns)
            case "give_up":
                worker.orders.append(GiveUp(n))
            case "pass":
                self.now_ns += 50 * n * NS_PER_MS
            case "end":
                worker.end(self.now_ns)

    def stop(self, by: str) -> None:
        if self.state.phase is Phase.PRESSING:
            self.act(getattr(self.state, by)(self.now_ns))

    def finish(self) -> None:
        """All that is under way arrives, and the workers end."""
        while any(worker.orders or worker.reports or not worker.is_done for worker in self.workers):
            for worker in self.workers:
                worker.hear(self.now_ns)
                worker.end(self.now_ns)
                self.tell(worker)
        for worker in self.workers:
            self.act(self.state.exited(worker.number, 0, self.now_ns))


@pytest.mark.parametrize("by", ["interrupted", "end_plan"])
@given(before=steps, after=steps)
@settings(max_examples=200)
def test_nothing_is_lost_between_two_workers(
    by: str, before: list[tuple[str, int, int]], after: list[tuple[str, int, int]]
) -> None:
    """Started + dropped is what the workers had to start by the instant at which each heard of the end."""
    play = Play()
    for step, number, n in before:
        play.take(step, play.workers[number], n)
    play.stop(by)
    for step, number, n in after:
        play.take(step, play.workers[number], n)
    play.finish()
    total = play.state.total
    assert play.state.phase is Phase.OVER
    assert total.started == sum(worker.started for worker in play.workers)
    assert total.started + total.dropped == sum(worker.alone.n_due(worker.stopped_ns or 0) for worker in play.workers)
