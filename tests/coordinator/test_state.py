"""What the coordinator decides: made-up workers report at made-up times, and the counts add up in any order."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from hybridpress.config import Layer, RunConfig
from hybridpress.coordinator import live
from hybridpress.coordinator.actions import Action, Draining, Fork, Happened, Kill, Second, Started, Tell
from hybridpress.coordinator.ending import OVERDUE_S
from hybridpress.coordinator.fitness import EXHAUSTED_COUNTS, MAX_CPU_LOSSES_TOLD
from hybridpress.coordinator.phase import Phase
from hybridpress.coordinator.places import BEGIN_AHEAD_NS
from hybridpress.coordinator.state import (
    MAX_RESTARTS,
    RunState,
)
from hybridpress.ipc.messages import (
    Begin,
    Broken,
    Counts,
    Done,
    GivenUp,
    GiveUp,
    Measured,
    Pace,
    Ready,
    Report,
    Stop,
    TakeOver,
)
from hybridpress.load.arrivals import Uniform
from hybridpress.load.pacer import Pacer
from hybridpress.load.plan import CATCH_UP_S
from hybridpress.metrics.interval import Health, Interval
from hybridpress.metrics.verdict import judge
from hybridpress.units import NEVER_NS, NS_PER_S

T0 = 1_000 * NS_PER_S


def config(**given: Any) -> RunConfig:
    defaults = {"concurrent": 4, "processes": 2}
    return RunConfig.build("made.py:Made", [Layer({**defaults, **given}, lambda name: name)])


def s(seconds: float) -> int:
    """So long, in ns."""
    return int(seconds * NS_PER_S)


class Run:
    """A state, its clock in seconds since the begin of the load (before it: since the fork), and all its actions."""

    def __init__(self, **given: Any) -> None:
        self.state = RunState(config(**given), T0)
        self.actions: list[Action] = []
        for worker in range(len(self.state.workers)):
            self.state.forked(worker, 100 + worker)

    def ns(self, at_s: float) -> int:
        return (self.state.start_ns or T0) + s(at_s)

    def note(self, actions: list[Action]) -> list[Action]:
        self.actions += actions
        return actions

    def ready(self, worker: int, n_slots: int | None = None, *failures: str, at_s: float = 0.5) -> list[Action]:
        n_wanted = self.state.config.slots_by_worker[worker]
        report = Ready(worker, 100 + worker, n_wanted if n_slots is None else n_slots, failures)
        return self.heard(report, at_s)

    def begin(self) -> list[Action]:
        """All workers are ready; the load begins at 0 s from here on."""
        actions: list[Action] = []
        for worker in range(len(self.state.workers)):
            actions += self.ready(worker)
        return actions

    def heard(self, report: Report, at_s: float = 0.0) -> list[Action]:
        return self.note(self.state.heard(report, self.ns(at_s)))

    def measured(self, worker: int, index: int, *, at_s: float | None = None, **counts: Any) -> list[Action]:
        return self.heard(Measured(worker, Interval(index, **counts)), index + 1 if at_s is None else at_s)

    def counts(self, worker: int, at_s: float, started: int, completed: int, failed: int = 0, **more: Any) -> None:
        report = Counts(worker, self.ns(at_s), started, completed, failed, started - completed - failed, 0)
        self.heard(replace(report, **more), at_s)

    def done(
        self, worker: int, index: int, at_s: float, *, last_s: float | None = None, n_taken_over: int = 0, **counts: Any
    ) -> list[Action]:
        last_ns = self.ns(at_s if last_s is None else last_s)
        report = Done(worker, Interval(index, **counts), last_ns, last_ns, n_taken_over=n_taken_over)
        return self.heard(report, at_s)

    def exited(self, worker: int, at_s: float, exit_code: int = 0) -> list[Action]:
        return self.note(self.state.exited(worker, exit_code, self.ns(at_s)))

    def interrupted(self, at_s: float) -> list[Action]:
        return self.note(self.state.interrupted(self.ns(at_s)))

    def ticked(self, at_s: float) -> list[Action]:
        return self.note(self.state.ticked(self.ns(at_s)))

    def end(self, at_s: float) -> None:
        """Every process ends as it should."""
        for worker in range(len(self.state.workers)):
            self.exited(worker, at_s)

    def phase(self) -> Phase:
        return self.state.phase

    @property
    def events(self) -> list[tuple[str, str]]:
        return [(event.kind, event.text) for event in self.state.events]

    @property
    def outcome(self) -> tuple[int, int, int, int, int]:
        """started, completed, failed, lost, dropped"""
        total = self.state.total
        return total.started, total.completed, total.failed, self.state.n_lost, total.dropped


def tells(actions: list[Action]) -> dict[int, Any]:
    return {action.worker: action.order for action in actions if isinstance(action, Tell)}


def pacer_of(run: Run, worker: int, legs: list[Any]) -> Pacer:
    """The schedule of a worker that heard of *legs*."""
    assert run.state.config.profile is not None
    pacer = Pacer(worker, run.state.config.profile, Uniform())
    for leg in legs:
        pacer.apply(leg)
    return pacer


def take_all(pacer: Pacer) -> list[int]:
    taken = []
    while pacer.due_ns != NEVER_NS:
        taken.append(pacer.take())
    return taken


def told(actions: list[Action]) -> list[Action]:
    """All actions but the telling of events."""
    return [action for action in actions if not isinstance(action, Happened)]


def assert_lawful(state: RunState) -> None:
    """The sums of the seconds are the totals, seconds come in order, and so do workers' own counts add up."""
    total = state.total
    for name in ("started", "completed", "failed", "dropped"):
        assert sum(getattr(second, name) for second in state.seconds) == getattr(total, name), name
    indexes = [second.at_s for second in state.seconds]
    assert indexes == sorted(set(indexes))
    if state.phase is Phase.OVER:
        # Before that, what a worker lost may lie in a second that others have yet to report.
        assert sum(worker.started for worker in state.workers) == total.started
        assert total.started - total.completed - total.failed - state.n_lost >= 0
    assert state.n_lost >= 0


# the begin


def test_slots_are_dealt() -> None:
    """Every worker is to have its share of the slots."""
    assert Run(concurrent=10, processes=3).state.config.slots_by_worker == [4, 3, 3]


def test_the_load_begins_when_all_are_ready() -> None:
    """Nobody is told to begin before the last is ready; then all are, for the same instant, a little ahead."""
    run = Run(qps=100, duration="2s", processes=3, concurrent=6)
    assert run.ready(1) == run.ready(0) == []
    assert run.phase() is Phase.STARTING
    actions = run.ready(2, at_s=0.7)
    assert isinstance(actions[-1], Started)
    assert run.phase() is Phase.PRESSING
    orders = tells(actions)
    assert list(orders) == [0, 1, 2]
    start_ns = T0 + s(0.7) + BEGIN_AHEAD_NS
    assert {(order.start_ns, order.until_ns) for order in orders.values()} == {(start_ns, start_ns + s(2))}
    assert run.state.start_ns == start_ns


@pytest.mark.parametrize("limit", [{"duration": "1.7s"}, {"iterations": 1_001}])
@pytest.mark.parametrize("n_ready", [[2, 2, 1], [2, 0, 1], [0, 0, 1]])
def test_a_paced_plan_is_dealt(limit: dict[str, Any], n_ready: list[int]) -> None:
    """The workers' shares add up to the plan, in proportion to the slots that really started, all within its time."""
    run = Run(qps=333, processes=3, concurrent=5, **limit)
    orders = tells([action for worker in range(3) for action in run.ready(worker, n_ready[worker])])
    n_planned = run.state.n_planned
    assert n_planned == run.state.config.n_planned == (1_001 if "iterations" in limit else 567)
    dues = [take_all(pacer_of(run, worker, [orders[worker].leg])) for worker in range(3)]
    assert sum(map(len, dues)) == n_planned
    for due, n_slots in zip(dues, n_ready, strict=True):
        assert abs(len(due) - n_planned * n_slots / sum(n_ready)) < 2
        if due:
            assert run.state.start_ns <= due[0]
            assert due[-1] < run.state.start_ns + n_planned / 333 * NS_PER_S
    assert all(order.iterations is None for order in orders.values())


def test_unpaced_iterations_are_dealt() -> None:
    """Without a rate each worker gets its number of iterations, and no time limit."""
    orders = tells(Run(iterations=10, processes=3, concurrent=3).begin())
    assert [(order.leg, order.iterations, order.until_ns) for order in orders.values()] == [
        (None, 4, None),
        (None, 3, None),
        (None, 3, None),
    ]


def test_unpaced_for_a_time() -> None:
    """Without a rate and a number only the time limits."""
    run = Run(duration="3s")
    orders = tells(run.begin())
    assert [(order.leg, order.iterations) for order in orders.values()] == [(None, None)] * 2
    assert {order.until_ns for order in orders.values()} == {run.ns(3)}
    assert run.state.config.n_planned is None


def test_a_worker_that_dies_while_it_starts() -> None:
    """The others begin without it, as soon as they are all ready, and share the whole plan."""
    run = Run(qps=100, duration="1s")
    run.ready(0)
    actions = run.exited(1, 0.6, exit_code=-9)
    assert tells(actions).keys() == {0}
    assert len(take_all(pacer_of(run, 0, [tells(actions)[0].leg]))) == 100
    assert run.events == [("worker_lost", "worker 1 (process 101) died: killed by signal 9")]
    run.done(0, 0, 1.0, started=100, completed=100)
    run.exited(0, 1.1)
    assert run.phase() is Phase.OVER
    assert run.state.broken is None
    assert run.outcome == (100, 100, 0, 0, 0)
    assert run.state.load_s == 1.0


def test_a_ready_worker_that_dies_before_the_begin() -> None:
    """Its share goes to the others, and it is told nothing."""
    run = Run(iterations=10)
    run.ready(0)
    run.exited(0, 0.6, exit_code=3)
    orders = tells(run.ready(1))
    assert {worker: order.iterations for worker, order in orders.items()} == {1: 10}
    assert "exit code 3" in run.events[0][1]


def test_slots_that_cannot_start() -> None:
    """Fewer slots than asked for is told, with what kept them from it; the others press."""
    run = Run()
    run.ready(0, 1, "ValueError: wrong password\n  File …", "OSError: no")
    assert run.events == [
        ("start_failed", "start() failed in 1 of 2 slots of worker 0: ValueError: wrong password; OSError: no")
    ]
    run.ready(1)
    assert run.phase() is Phase.PRESSING


def test_no_slot_can_start() -> None:
    """A run without a single slot broke, and says what the first complaint was."""
    run = Run()
    run.ready(0, 0, "ValueError: wrong password")
    actions = run.ready(1, 0, "OSError: no")
    assert told(actions) == []
    assert run.phase() is Phase.OVER
    assert run.state.broken == "no slot could start: ValueError: wrong password"
    assert (run.state.start_ns, run.state.load_s, run.outcome) == (0, 0.0, (0, 0, 0, 0, 0))


def test_all_die_while_they_start() -> None:
    """A run whose workers all died before the begin broke, for what the first said."""
    run = Run()
    run.heard(Broken(0, "TypeError: no\nat line 3"))
    run.exited(0, 0.1, exit_code=1)
    assert run.phase() is Phase.STARTING
    run.exited(1, 0.2, exit_code=-11)
    assert run.phase() is Phase.OVER
    assert run.state.broken == "all worker processes died: TypeError: no\nat line 3"
    assert [kind for kind, _ in run.events] == ["worker_broken", "worker_lost", "worker_lost"]
    assert run.events[0][1] == "worker 0 broke: TypeError: no"


def test_a_start_that_takes_too_long() -> None:
    """When the time for the start is over, the run broke; not before."""
    run = Run(start_timeout="10s")
    run.ready(0, at_s=9)
    assert run.ticked(9.9) == []
    run.ticked(10.0)
    assert run.phase() is Phase.OVER
    assert run.state.broken is not None
    assert run.state.broken.startswith("only 1 of 2 workers were ready within 10s")
    assert "--start-timeout" in run.state.broken


# seconds


def test_a_second_is_told_once_all_have_reported_it() -> None:
    """A second is complete when no worker can add to it any more; then it is told, merged, once."""
    run = Run(duration="3s")
    run.begin()
    assert run.measured(0, 0, started=5, completed=4, in_flight=1) == []
    assert run.measured(0, 1, started=1, completed=1, in_flight=1) == []
    (second,) = run.measured(1, 0, started=7, completed=6, failed=1)
    assert isinstance(second, Second)
    found = second.interval
    assert (found.index, found.started, found.completed, found.failed, found.in_flight) == (0, 12, 10, 1, 1)
    (second,) = run.measured(1, 1, started=1)
    assert isinstance(second, Second)
    assert second.interval.index == 1
    assert [result.at_s for result in run.state.seconds] == [0, 1]


def test_seconds_that_come_together() -> None:
    """A worker that was far behind lets out many seconds at once, in order."""
    run = Run(duration="9s")
    run.begin()
    for index in range(4):
        assert run.measured(0, index, started=index) == []
    actions = [action for index in range(4) for action in run.measured(1, index, started=10)]
    assert [action.interval.started for action in actions if isinstance(action, Second)] == [10, 11, 12, 13]


def test_an_empty_second_within_the_load_is_one() -> None:
    """A second in which nothing happened is told as long as the load lasts, and not after it."""
    run = Run(duration="2s", processes=1)
    run.begin()
    run.measured(0, 0, started=1)
    run.measured(0, 1)
    run.measured(0, 2)
    run.done(0, 3, 3.5, completed=1)
    assert [second.at_s for second in run.state.seconds] == [0, 1, 3]
    assert_lawful(run.state)


def test_a_cpu_worker_dies() -> None:
    """It is an event, and counted; the run goes on. Of many that die only the first are told one by one."""
    state = RunState(config(), 0)
    for number in range(MAX_CPU_LOSSES_TOLD + 5):
        state.cpu_worker_exited(number % 2, 100 + number, "killed by signal 9" if number else "exit code 3", 0)
    assert state.fitness.n_cpu_workers_lost == MAX_CPU_LOSSES_TOLD + 5
    texts = [event.text for event in state.events]
    assert len(texts) == MAX_CPU_LOSSES_TOLD
    assert texts[0] == "CPU worker 0 (process 100) died: exit code 3; another does its batches again"
    assert "CPU worker 1 (process 101) died: killed by signal 9" in texts[1]


def test_a_worker_that_is_done_holds_up_no_second() -> None:
    """Seconds after a worker's last are complete without it; what it left in flight still is."""
    run = Run(duration="4s")
    run.begin()
    run.done(0, 0, 0.5, started=3, completed=1, in_flight=2)
    (second,) = run.measured(1, 0, started=1, completed=1)
    assert isinstance(second, Second)
    assert second.interval.in_flight == 2
    (second,) = run.measured(1, 1, started=1, completed=0, in_flight=1)
    assert isinstance(second, Second)
    assert second.interval.in_flight == 3


def test_a_worker_that_dies_holds_up_no_second() -> None:
    """What waited for a dead worker is told when it is gone."""
    run = Run(duration="4s")
    run.begin()
    run.measured(0, 0, started=3, completed=3)
    actions = run.exited(1, 1.5, exit_code=-9)
    assert [action.interval.started for action in actions if isinstance(action, Second)] == [3]


def test_health_is_kept_by_worker() -> None:
    """The busiest worker's share of a core is one worker's, over the whole run."""
    run = Run(duration="2s")
    run.begin()
    for worker, cpu_ns in ((0, 200), (1, 900)):
        interval = Interval(0, health=Health(cpu_ns=cpu_ns, span_ns=1_000))
        run.heard(Measured(worker, interval), 1.0)
    assert run.state.conditions().busiest_worker_cpu_pct == 90.0
    assert run.state.total.health.cpu_ns == 1_100


@pytest.mark.parametrize(
    ("backlog", "in_flight", "n_reports", "is_exhausted"),
    [(1, 2, EXHAUSTED_COUNTS, True), (1, 2, EXHAUSTED_COUNTS - 1, False), (0, 2, 9, False), (5, 1, 9, False)],
)
def test_exhausted_slots(backlog: int, in_flight: int, n_reports: int, *, is_exhausted: bool) -> None:
    """Slots are exhausted when iterations wait while every slot is busy, and not just for a moment."""
    run = Run(qps=100, duration="30s")
    run.begin()
    for n in range(n_reports):
        run.counts(0, n / 10, in_flight, 0, backlog=backlog)
    assert run.state.conditions().slots_were_exhausted is is_exhausted


def test_a_moment_in_a_long_run_is_not_exhaustion() -> None:
    """Of a long run's reports at least one in a hundred must have found the slots exhausted."""
    run = Run(qps=100, duration="1h")
    run.begin()
    for n in range(1_000):
        run.counts(0, n / 10, 2, 0, backlog=n < 9)
    assert not run.state.conditions().slots_were_exhausted
    run.counts(0, 100, 2, 0, backlog=1)
    run.counts(0, 100.1, 2, 0, backlog=1)
    assert run.state.conditions().slots_were_exhausted


# the end


def test_the_end_of_a_timed_run() -> None:
    """A run of a given duration lasts just that, though its last iterations end later."""
    run = Run(qps=10, duration="1s")
    run.begin()
    for worker in range(2):
        run.measured(worker, 0, started=5, completed=4, in_flight=1)
        run.done(worker, 1, 1.8, completed=1)
    assert run.phase() is Phase.DRAINING
    run.end(1.9)
    assert run.phase() is Phase.OVER
    assert run.state.load_s == 1.0
    assert run.outcome == (10, 10, 0, 0, 0)
    assert (run.state.broken, run.state.n_workers_lost) == (None, 0)
    assert_lawful(run.state)


def test_the_end_of_unpaced_iterations() -> None:
    """It is the end of the last iteration; what stop() takes after it does not count."""
    run = Run(iterations=10)
    run.begin()
    run.done(0, 0, 0.9, last_s=0.6, started=5, completed=5)
    run.done(1, 0, 0.95, last_s=0.8, started=5, completed=5)
    run.end(4.0)
    assert run.state.load_s == pytest.approx(0.8)


@pytest.mark.parametrize(("last_s", "load_s"), [(0.9, 1.0), (1.3, 1.3)])
def test_the_end_of_paced_iterations(last_s: float, load_s: float) -> None:
    """It is the plan's own end, number / rate, or the last start where the plan was not held."""
    run = Run(qps=10, iterations=10)
    run.begin()
    for worker in range(2):
        run.done(worker, 1, 1.5, last_s=last_s, started=5, completed=5)
    run.end(1.6)
    assert run.state.load_s == pytest.approx(load_s)


def test_what_was_due_and_not_started_is_dropped() -> None:
    """What the workers could not start by the end of the plan is told by them, and is part of the last second."""
    run = Run(qps=100, duration="1s")
    run.begin()
    for worker in range(2):
        run.measured(worker, 0, started=20, completed=20)
        run.done(worker, 1, 2.1, started=10, completed=10, dropped=20)
    run.end(2.2)
    assert run.outcome == (60, 60, 0, 0, 40)
    assert run.state.seconds[-1].dropped == 40
    assert run.state.conditions().n_unstarted == 40
    assert_lawful(run.state)


def test_what_is_handed_to_a_worker_that_is_done() -> None:
    """What one worker gave up may reach another just after its last word, or find nobody: it is dropped, and told."""
    run = Run(qps=100, duration="1s")
    run.begin()
    run.measured(0, 0, started=20, completed=20)
    run.measured(1, 0, started=50, completed=50)
    given_up = run.heard(GivenUp(0, tuple(run.ns(0.9 + k / 1_000) for k in range(20))), 1.05)
    assert isinstance(tells(given_up)[1], TakeOver)
    run.done(1, 1, 1.1)
    assert tells(run.heard(GivenUp(0, (run.ns(0.95),)), 1.15)).keys() == {0}, "it gets back what nobody else can take"
    run.done(0, 1, 1.2, started=10, completed=10, n_taken_over=1)
    run.end(1.3)
    assert run.outcome == (80, 80, 0, 0, 20)
    assert run.state.n_planned == 100
    assert_lawful(run.state)


def test_a_worker_that_dies_while_it_presses() -> None:
    """What it had in flight is lost; what it counted since its last second counts; what is due next is the others', and
    what was due before and is not known to have started is dropped.
    """
    run = Run(qps=10, duration="2s")
    run.begin()
    for worker in range(2):
        run.measured(worker, 0, started=5, completed=4, failed=1)
    run.counts(1, 1.2, started=6, completed=4, failed=1)
    actions = run.exited(1, 1.3, exit_code=-9)
    assert [action for action in actions if isinstance(action, Fork)] == [Fork(1)]
    leg = tells(actions)[0].leg
    assert (leg.first, leg.weights) == (14, (2, 0))
    assert run.state.n_workers_lost == 1
    assert run.events == [
        ("worker_lost", "worker 1 (process 101) died: killed by signal 9; 1 iterations in flight are lost")
    ]
    run.measured(0, 1, started=8, completed=8)
    run.done(0, 2, 2.1)
    run.exited(0, 2.2)
    assert run.outcome == (19, 16, 2, 1, 1)
    assert run.state.load_s == 2.0
    assert run.state.broken is None
    assert run.state.conditions().n_workers_lost == 1
    assert_lawful(run.state)


def test_what_a_lost_worker_ended_is_not_lost() -> None:
    """Iterations that ended since the last second are known from the counts, also when none was started since."""
    run = Run(duration="9s", processes=1)
    run.begin()
    run.measured(0, 0, started=3, completed=0, in_flight=3)
    run.counts(0, 1.4, started=3, completed=1, failed=1)
    run.exited(0, 1.5, exit_code=-9)
    run.interrupted(1.6)
    assert run.outcome == (3, 1, 1, 1, 0)
    assert_lawful(run.state)


def test_old_counts_of_a_lost_worker() -> None:
    """Counts from before its last second add nothing to it."""
    run = Run(duration="9s", processes=1)
    run.begin()
    run.counts(0, 0.9, started=2, completed=1)
    run.measured(0, 0, started=3, completed=2, in_flight=1)
    run.exited(0, 1.05, exit_code=-9)
    assert run.outcome == (3, 2, 0, 1, 0)
    assert_lawful(run.state)


def test_all_die_while_they_press() -> None:
    """The run broke; what was measured until then stands, and the load ended with the last of them."""
    run = Run(qps=10, duration="10s")
    run.begin()
    run.measured(0, 0, started=5, completed=5)
    run.measured(1, 0, started=5, completed=4, in_flight=1)
    run.exited(0, 1.5, exit_code=-9)
    run.exited(1, 2.0, exit_code=-9)
    run.note(run.state.deserted(run.ns(2.0)))
    assert run.phase() is Phase.OVER
    assert run.state.broken == "all worker processes died"
    assert run.state.load_s == pytest.approx(2.0)
    assert run.outcome == (10, 9, 0, 1, 10)
    assert_lawful(run.state)


def test_the_only_worker_is_replaced() -> None:
    """Where nobody is left for a moment, the load goes on with the fresh one; what was due meanwhile is dropped."""
    run = Run(qps=10, duration="4s", processes=1)
    run.begin()
    run.measured(0, 0, started=10, completed=10)
    actions = run.exited(0, 1.5, exit_code=-9)
    assert Fork(0) in actions
    assert run.phase() is Phase.PRESSING
    run.note(run.state.forked(0, 200, run.ns(1.6)))
    orders = tells(run.ready(0, at_s=2.0))
    assert isinstance(orders[0], Begin)
    assert orders[0].first_index == 2
    n_left = len(take_all(pacer_of(run, 0, [orders[0].leg])))
    assert 18 <= n_left <= 20
    run.measured(0, 2, started=10, completed=10)
    run.done(0, 3, 4.0, started=n_left - 10, completed=n_left - 10)
    run.end(4.1)
    assert (run.phase(), run.state.broken, run.state.n_workers_lost) == (Phase.OVER, None, 1)
    assert run.state.total.started + run.state.total.dropped == 40
    assert run.state.workers[0].restarts == 1
    assert_lawful(run.state)


def test_the_only_worker_is_replaced_within_a_second() -> None:
    """What the lost one and the fresh one counted in the same second is told as one second."""
    run = Run(qps=10, duration="4s", processes=1)
    run.begin()
    run.measured(0, 0, started=10, completed=10)
    run.counts(0, 1.3, started=13, completed=12)
    run.exited(0, 1.4, exit_code=-9)
    run.note(run.state.forked(0, 200, run.ns(1.45)))
    orders = tells(run.ready(0, at_s=1.6))
    assert orders[0].first_index == 1
    n_left = len(take_all(pacer_of(run, 0, [orders[0].leg])))
    run.measured(0, 1, started=3, completed=3)
    run.done(0, 2, 4.0, started=n_left - 3, completed=n_left - 3)
    run.end(4.1)
    assert [second.started for second in run.state.seconds][:2] == [10, 6]
    assert [second.at_s for second in run.state.seconds] == [0, 1, 2, 3][: len(run.state.seconds)]
    assert [each.interval.index for each in run.actions if isinstance(each, Second)][:2] == [0, 1]
    assert run.state.total.started + run.state.total.dropped == 40
    assert_lawful(run.state)


def test_a_scenario_that_kills_every_worker_breaks_the_run() -> None:
    """Nobody is replaced for ever."""
    run = Run(qps=10, duration="1h", processes=1)
    run.begin()
    for n in range(MAX_RESTARTS):
        assert Fork(0) in run.exited(0, 1.5 + n, exit_code=-9)
        run.note(run.state.forked(0, 200 + n, run.ns(1.6 + n)))
        run.ready(0, at_s=2.0 + n)
    run.exited(0, 30, exit_code=-9)
    assert (run.phase(), run.state.broken) == (Phase.OVER, "all worker processes died")
    assert run.state.n_workers_lost == MAX_RESTARTS + 1


def test_a_fresh_worker_that_never_is_ready() -> None:
    """It is waited for as long as at the begin, and interrupted at once; one without slots is none."""
    for ends in ("time", "interrupt", "no slots"):
        run = Run(iterations=1_000, processes=1, start_timeout="5s")
        run.begin()
        run.exited(0, 1.0, exit_code=-9)
        if ends == "interrupt":
            run.interrupted(2.0)
            assert (run.phase(), run.state.broken) == (Phase.OVER, None)
            continue
        run.note(run.state.forked(0, 200, run.ns(1.1)))
        if ends == "no slots":
            run.ready(0, 0, "ValueError: no", at_s=2.0)
            assert "no slot could start" in str(run.state.broken)
        else:
            run.ticked(5.9)
            assert run.phase() is Phase.PRESSING
            run.ticked(6.1)
            assert "no fresh one was ready in time; see --start-timeout" in str(run.state.broken)
        assert run.phase() is Phase.OVER


@pytest.mark.parametrize("exits_first", [False, True])
def test_one_dies_when_the_other_is_done(*, exits_first: bool) -> None:
    """A worker that dies at the very end is lost; the run is not broken by it: another came to its end."""
    run = Run(duration="1s")
    run.begin()
    run.done(0, 0, 1.0, started=3, completed=3)
    if exits_first:
        run.exited(0, 1.1)
    run.exited(1, 1.2, exit_code=-9)
    run.exited(0, 1.3)
    assert run.phase() is Phase.OVER
    assert run.state.broken is None
    assert run.state.n_workers_lost == 1


def test_a_lost_worker_does_not_stretch_the_load() -> None:
    """An unpaced number of iterations ends with the last iteration, or the loss, not with the last process."""
    run = Run(iterations=10)
    run.begin()
    run.exited(1, 0.7, exit_code=-9)
    run.done(0, 0, 0.8, last_s=0.5, started=5, completed=5)
    run.exited(0, 9.0)
    assert run.state.load_s == pytest.approx(0.7)


def test_one_lost_at_the_start_does_not_stretch_the_load() -> None:
    """A worker that never pressed has no part in when the load ended."""
    run = Run(iterations=10)
    run.ready(0)
    run.exited(1, 0.6, exit_code=-9)
    run.done(0, 0, 0.8, last_s=0.5, started=10, completed=10)
    run.exited(0, 9.0)
    assert run.state.load_s == pytest.approx(0.5)


# interrupts


def test_the_first_interrupt_drains() -> None:
    """All are told to stop, and how long they may wait; the load ends there, and the results stand."""
    run = Run(qps=100, duration="60s", timeout="3s")
    run.begin()
    run.counts(0, 1.0, started=50, completed=48)
    run.counts(1, 1.0, started=50, completed=49)
    actions = run.interrupted(1.5)
    assert tells(actions) == {worker: Stop(run.ns(1.5 + 3)) for worker in (0, 1)}
    assert told(actions)[-1] == Draining(3)
    assert run.phase() is Phase.DRAINING
    for worker in range(2):
        run.done(worker, 1, 1.6, started=75, completed=75)
    run.end(1.7)
    assert run.phase() is Phase.OVER
    assert run.state.is_interrupted
    assert run.state.broken is None
    assert run.state.load_s == pytest.approx(1.5)
    assert run.outcome == (150, 150, 0, 0, 0)
    assert [kind for kind, _ in run.events] == ["interrupted"]


def test_the_second_interrupt_ends() -> None:
    """What is in flight then is given up at once; what is known of it stands."""
    run = Run(qps=10, duration="60s")
    run.begin()
    run.measured(0, 0, started=5, completed=5)
    run.measured(1, 0, started=5, completed=3, in_flight=2)
    run.interrupted(1.0)
    run.done(0, 1, 1.1)
    run.interrupted(1.2)
    assert run.phase() is Phase.OVER
    assert run.outcome == (10, 8, 0, 2, 0)
    assert run.state.load_s == pytest.approx(1.0)
    assert run.state.n_workers_lost == 0
    assert_lawful(run.state)


def test_an_interrupt_before_the_begin() -> None:
    """There is nothing to drain: the run ends at once, without a load."""
    run = Run()
    run.ready(0)
    run.interrupted(0.7)
    assert run.phase() is Phase.OVER
    assert (run.state.is_interrupted, run.state.start_ns, run.state.broken) == (True, 0, None)


def test_an_interrupt_in_the_moment_before_the_load() -> None:
    """The load did not begin: it has no length, and nothing was due."""
    run = Run(qps=100, duration="60s")
    run.begin()
    run.interrupted(-0.005)
    for worker in range(2):
        run.done(worker, 0, 0.1, last_s=-run.state.start_ns / NS_PER_S)
    run.end(0.2)
    assert run.state.load_s == 0.0
    assert run.outcome == (0, 0, 0, 0, 0)


def test_an_interrupt_after_the_load() -> None:
    """When all iterations have ended and only stop() runs, an interrupt does not move the end of the load."""
    run = Run(iterations=10)
    run.begin()
    for worker in range(2):
        run.done(worker, 0, 0.9, last_s=0.6, started=5, completed=5)
    run.interrupted(5.0)
    run.end(5.1)
    assert run.state.load_s == pytest.approx(0.6)


def test_those_that_are_done_are_not_told_to_stop() -> None:
    """An order goes to those alone that still press."""
    run = Run(duration="60s")
    run.begin()
    run.done(0, 0, 0.5)
    assert tells(run.interrupted(1.0)).keys() == {1}


# deadlines


def test_overdue_workers_are_killed() -> None:
    """Whoever has not ended when the catching up, the drain and some patience are over is killed; again, if need be."""
    run = Run(qps=10, duration="1s", timeout="2s")
    run.begin()
    run.done(0, 0, 1.0, started=5, completed=5)
    run.exited(0, 1.1)
    overdue_s = 1 + CATCH_UP_S + 2 + OVERDUE_S
    assert run.ticked(overdue_s - 0.01) == []
    assert told(run.ticked(overdue_s)) == [Kill(1)]
    assert run.ticked(overdue_s + 0.1) == []
    assert told(run.ticked(overdue_s + OVERDUE_S)) == [Kill(1)]
    assert [kind for kind, _ in run.events] == ["worker_overdue"] * 2
    run.exited(1, overdue_s + OVERDUE_S + 0.1, exit_code=-9)
    assert run.phase() is Phase.OVER
    assert run.state.load_s == 1.0


def test_overdue_after_the_drain() -> None:
    """A worker whose stop() hangs is killed when all had time enough for it; its numbers stand."""
    run = Run(iterations=4, timeout="2s")
    run.begin()
    for worker in range(2):
        run.done(worker, 0, 0.5, started=2, completed=2)
    run.exited(0, 0.6)
    assert run.ticked(0.5 + 2 + OVERDUE_S - 0.01) == []
    assert told(run.ticked(0.5 + 2 + OVERDUE_S)) == [Kill(1)]
    run.exited(1, 9, exit_code=-9)
    assert (run.outcome, run.state.n_workers_lost) == ((4, 4, 0, 0, 0), 0)


def test_overdue_after_an_interrupt() -> None:
    """A worker that does not stop when told is killed when the drain is over."""
    run = Run(iterations=1_000, timeout="2s")
    run.begin()
    run.interrupted(10)
    assert run.ticked(10 + 2 + OVERDUE_S - 0.01) == []
    assert told(run.ticked(10 + 2 + OVERDUE_S)) == [Kill(0), Kill(1)]


def test_iterations_may_take_their_time() -> None:
    """A number of iterations without a time limit has no deadline while it presses."""
    run = Run(iterations=4)
    run.begin()
    assert run.ticked(100_000) == []


def test_nothing_counts_after_the_end() -> None:
    """Whatever still comes in when the run is over changes no number of it."""
    run = Run(qps=10, duration="60s")
    run.begin()
    run.measured(0, 0, started=5, completed=5)
    run.measured(1, 0, started=5, completed=3, in_flight=2)
    run.counts(0, 1.0, started=8, completed=6)
    run.interrupted(5.0)
    run.done(1, 1, 5.1, completed=2)
    run.interrupted(5.2)
    before = (run.outcome, run.state.load_s, list(run.state.seconds), run.state.n_workers_lost)
    assert_lawful(run.state)
    run.measured(0, 1, started=9, completed=9)
    run.done(0, 2, 5.3, started=1, completed=1)
    run.interrupted(5.4)
    run.exited(0, 5.5)
    run.exited(1, 5.5)
    run.ticked(1_000)
    assert (run.outcome, run.state.load_s, list(run.state.seconds), run.state.n_workers_lost) == before
    assert run.phase() is Phase.OVER


# all of it, in any order


class Sim:
    """A worker as it might be: what it did, what it has told of it, and whether it still lives."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.n_slots = 0
        self.begin: Begin | None = None
        self.pacer: Pacer | None = None
        self.stopped_ns: int | None = None
        self.is_ready = self.is_done = self.is_gone = False
        self.started = self.completed = self.failed = 0
        self.told_started = self.told_completed = self.told_failed = 0
        self.known = (0, 0, 0)
        """What the coordinator can know: started, completed, failed."""
        self.next_index = 0
        self.n_taken_over = 0

    @property
    def n_beyond(self) -> int:
        return 0 if self.pacer is None else self.pacer.n_beyond

    @property
    def in_flight(self) -> int:
        return self.started - self.completed - self.failed

    def interval(self, *, all_of_it: bool) -> Interval:
        """The next second; where not *all_of_it*, what ended since the last counts is left for the one after."""
        _, completed, failed = (0, self.completed, self.failed) if all_of_it else self.known
        found = Interval(self.next_index, started=self.started - self.told_started)
        found.completed = completed - self.told_completed
        found.failed = failed - self.told_failed
        self.next_index += 1
        self.told_started += found.started
        self.told_completed += found.completed
        self.told_failed += found.failed
        found.in_flight = self.told_started - self.told_completed - self.told_failed
        self.known = (
            max(self.known[0], self.told_started),
            max(self.known[1], self.told_completed),
            max(self.known[2], self.told_failed),
        )
        return found

    def n_due(self, until_ns: int) -> int:
        """How many more are due before an instant."""
        assert self.pacer is not None
        return self.pacer.n_due(until_ns)

    def start(self, n: int) -> None:
        if self.pacer is not None:
            for _ in range(n):
                self.pacer.take()
        self.started += n


settings_of_runs = st.one_of(
    st.fixed_dictionaries({"duration": st.sampled_from(["1s", "2.5s"])}),
    st.fixed_dictionaries({"duration": st.sampled_from(["1s", "2.5s"]), "qps": st.sampled_from([1, 7, 33.3])}),
    st.fixed_dictionaries({"iterations": st.integers(1, 40)}),
    st.fixed_dictionaries({"iterations": st.integers(1, 40), "qps": st.sampled_from([3, 20])}),
)
of_workers = st.integers(0, 2)


class AnyOrder(RuleBasedStateMachine):
    """Workers start, press, report, end and die in any order, and the user may interrupt: the counts add up."""

    @initialize(
        given=settings_of_runs,
        processes=st.integers(1, 3),
        slots=st.integers(0, 4),
        timeout=st.sampled_from([1, 3]),
        n_ready=st.sampled_from([3, 3, 3, 1, 0]),
    )
    def fork(self, given: dict[str, Any], processes: int, slots: int, timeout: int, n_ready: int) -> None:
        self.state = RunState(config(processes=processes, concurrent=processes + slots, timeout=timeout, **given), T0)
        self.now_ns = T0
        self.sims = [Sim(number) for number in range(processes)]
        self.told_seconds: list[int] = []
        self.n_interrupts = 0
        self.n_lost = 0
        self.former: list[Sim] = []
        """Those that are lost and have a successor."""
        self.to_fork: list[int] = []
        for number in range(min(n_ready, processes)):
            self.becomes_ready(number, 0)
        self.now_ns += BEGIN_AHEAD_NS

    def act(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Tell(number, order):
                    sim = self.sims[number]
                    assert not sim.is_gone
                    match order:
                        case Begin():
                            assert sim.is_ready
                            assert sim.begin is None
                            sim.begin = order
                            sim.next_index = order.first_index
                            if order.leg is not None:
                                assert self.state.config.profile is not None
                                sim.pacer = Pacer(number, self.state.config.profile, Uniform())
                                sim.pacer.apply(order.leg)
                        case Pace():
                            assert sim.pacer is not None
                            sim.pacer.apply(order.leg)
                        case Stop():
                            assert sim.stopped_ns is None
                            sim.stopped_ns = self.now_ns
                        case GiveUp():
                            assert sim.pacer is not None
                            dues = tuple(sim.pacer.give_up(self.now_ns, order.at_most))
                            self.act(self.state.heard(GivenUp(number, dues), self.now_ns))
                        case TakeOver():
                            assert sim.pacer is not None
                            sim.n_taken_over += 0 if sim.is_done else len(order.dues_ns)
                            sim.pacer.take_over(order.dues_ns)
                        case _:
                            raise AssertionError(order)
                case Fork(number):
                    assert self.sims[number].is_gone
                    self.to_fork.append(number)
                case Kill(number):
                    assert not self.sims[number].is_gone
                case Second(interval):
                    self.told_seconds.append(interval.index)
        if self.phase() is not Phase.STARTING and self.state.start_ns:
            assert self.state.start_ns <= self.now_ns + BEGIN_AHEAD_NS

    def phase(self) -> Phase:
        return self.state.phase

    def sim(self, number: int) -> Sim:
        return self.sims[number % len(self.sims)]

    @rule(ms=st.integers(1, 900))
    def time_passes(self, ms: int) -> None:
        self.now_ns += ms * 1_000_000

    @rule()
    def tick(self) -> None:
        self.act(self.state.ticked(self.now_ns))

    @precondition(lambda self: self.to_fork)
    @rule()
    def replaces(self) -> None:
        """The spawner forks a worker that it was asked for."""
        number = self.to_fork.pop(0)
        if self.phase() is Phase.OVER:
            return
        self.former.append(self.sims[number])
        self.sims[number] = Sim(number)
        self.act(self.state.forked(number, 200 + number, self.now_ns))

    @precondition(lambda self: any(not sim.is_ready for sim in self.sims))
    @rule(number=of_workers, n_failed=st.sampled_from([0, 0, 0, 1, 9]))
    def becomes_ready(self, number: int, n_failed: int) -> None:
        sim = self.sim(number)
        if sim.is_ready or sim.is_gone or self.phase() not in (Phase.STARTING, Phase.PRESSING):
            return
        n_wanted = self.state.config.slots_by_worker[sim.number]
        sim.is_ready, sim.n_slots = True, max(n_wanted - n_failed, 0)
        failures = () if sim.n_slots == n_wanted else ("ValueError: no",)
        self.act(self.state.heard(Ready(sim.number, 1, sim.n_slots, failures), self.now_ns))

    @precondition(lambda self: any(sim.begin for sim in self.sims))
    @rule(number=of_workers, n_started=st.integers(0, 9), n_ended=st.integers(0, 9), n_failed=st.integers(0, 2))
    def presses(self, number: int, n_started: int, n_ended: int, n_failed: int) -> None:
        sim = self.sim(number)
        if sim.begin is None or sim.is_done or sim.is_gone or self.now_ns < sim.begin.start_ns:
            return
        if sim.stopped_ns is None:
            left = n_started
            if sim.pacer is not None:
                left = sim.n_due(self.now_ns)
            elif sim.begin.iterations is not None:
                left = sim.begin.iterations - sim.started
            elif sim.begin.until_ns is not None and self.now_ns >= sim.begin.until_ns:
                left = 0
            sim.start(max(min(n_started, left), 0))
        ended = min(n_ended, sim.in_flight)
        failed = min(n_failed, ended)
        sim.completed += ended - failed
        sim.failed += failed

    @precondition(lambda self: any(sim.begin for sim in self.sims))
    @rule(number=of_workers, late=st.booleans(), all_of_it=st.booleans())
    def reports(self, number: int, late: bool, all_of_it: bool) -> None:
        sim = self.sim(number)
        if sim.begin is None or sim.is_done or sim.is_gone or self.phase() is Phase.OVER:
            return
        while self.state.start_ns + (sim.next_index + 1) * NS_PER_S <= self.now_ns:
            interval = sim.interval(all_of_it=all_of_it)
            self.act(self.state.heard(Measured(sim.number, interval), self.now_ns))
        if not late:
            sim.known = (sim.started, sim.completed, sim.failed)
            counts = Counts(sim.number, self.now_ns, *sim.known, sim.in_flight, 0)
            self.act(self.state.heard(counts, self.now_ns))

    @precondition(lambda self: any(sim.begin for sim in self.sims))
    @rule(number=of_workers)
    def is_done(self, number: int) -> None:
        sim = self.sim(number)
        if sim.begin is None or sim.is_done or sim.is_gone or self.phase() is Phase.OVER:
            return
        until_ns = sim.begin.until_ns
        all_started = sim.pacer.is_over if sim.pacer is not None else sim.started == sim.begin.iterations
        time_is_over = until_ns is not None and self.now_ns >= until_ns
        if sim.stopped_ns is None and not time_is_over and not (until_ns is None and all_started):
            return
        self.reports(number, late=True, all_of_it=False)
        interval = sim.interval(all_of_it=True)
        if sim.pacer is not None:
            ends = [ns for ns in (until_ns, sim.stopped_ns, self.now_ns) if ns is not None]
            interval.dropped = sim.n_due(min(ends))
        sim.is_done = True
        last_ns = self.now_ns if sim.started else 0
        done = Done(sim.number, interval, last_ns, last_ns, n_taken_over=sim.n_taken_over, n_beyond=sim.n_beyond)
        self.act(self.state.heard(done, self.now_ns))

    @precondition(lambda self: any(sim.is_done and not sim.is_gone for sim in self.sims))
    @rule(number=of_workers)
    def ends(self, number: int) -> None:
        sim = self.sim(number)
        if sim.is_done and not sim.is_gone:
            sim.is_gone = True
            self.act(self.state.exited(sim.number, 0, self.now_ns))

    @rule(number=of_workers, chance=st.integers(0, 3))
    def dies(self, number: int, chance: int) -> None:
        if chance == 0:
            self.die(self.sim(number))

    def die(self, sim: Sim) -> None:
        if sim.is_gone:
            return
        if not sim.is_done and sim.begin is not None and self.phase() is not Phase.OVER:
            self.n_lost += sim.known[0] - sim.known[1] - sim.known[2]
        sim.is_gone = True
        self.act(self.state.exited(sim.number, -9, self.now_ns))

    @rule(chance=st.integers(0, 5))
    def interrupt(self, chance: int) -> None:
        if chance or self.phase() is Phase.OVER:
            return
        is_last = self.n_interrupts or self.phase() is Phase.STARTING or all(sim.is_gone for sim in self.sims)
        if is_last:
            lost = [sim for sim in self.sims if sim.begin is not None and not sim.is_done and not sim.is_gone]
            self.n_lost += sum(sim.known[0] - sim.known[1] - sim.known[2] for sim in lost)
        self.n_interrupts += 1
        self.act(self.state.interrupted(self.now_ns))
        assert (self.phase() is Phase.OVER) == bool(is_last)

    @invariant()
    def seconds_are_in_order(self) -> None:
        """Each second is told once, in order, and what is told adds up."""
        assert self.told_seconds == sorted(set(self.told_seconds))
        assert_lawful(self.state)

    def teardown(self) -> None:
        """Whoever still lives ends or dies: the run comes to its end, and every law holds."""
        if not hasattr(self, "state"):
            return
        for sim in self.sims:
            self.is_done(sim.number)
            self.ends(sim.number)
        for sim in self.sims:
            self.die(sim)
        self.act(self.state.deserted(self.now_ns))
        state, total = self.state, self.state.total
        assert self.phase() is Phase.OVER
        self.seconds_are_in_order()
        sims = self.sims + self.former
        known = [sim.known for sim in sims]
        assert (total.started, total.completed, total.failed) == tuple(map(sum, zip(*known, strict=True)))
        assert state.n_lost == self.n_lost
        n_left = sum(sim.in_flight for sim in sims if sim.is_done)
        assert total.started - total.completed - total.failed - state.n_lost == n_left
        assert (state.broken is not None) == (not self.n_interrupts and not any(sim.is_done for sim in self.sims))
        if state.config.n_planned is not None and any(sim.begin for sim in self.sims):
            self.assert_the_plan_adds_up()

    def assert_the_plan_adds_up(self) -> None:
        """Planned = started + dropped + not yet due"""
        state = self.state
        n_planned = state.n_planned
        assert n_planned is not None
        assert state.end_ns is not None
        n_left = n_planned - state.total.started - state.total.dropped
        assert n_left >= 0
        course = state.dealer.course
        if course is not None and any(not sim.is_done for sim in self.sims + self.former if sim.begin is not None):
            assert n_left == n_planned - max(course.n_due(state.end_ns), state.total.started + state.total.dropped)


TestAnyOrder = pytest.mark.slow(AnyOrder.TestCase)
AnyOrder.TestCase.settings = settings(max_examples=500, stateful_step_count=40)


# thresholds


def test_a_threshold_that_fails_ends_the_load() -> None:
    """With --abort-on-fail: an event, an order to stop to all, and the plan as long as it came to be."""
    run = Run(qps=100, duration="1h", threshold="failed < 10%", abort_on_fail=True, abort_grace="2s")
    run.begin()
    for index in range(2):
        for worker in range(2):
            actions = run.measured(worker, index, started=50, completed=40, failed=10)
    assert run.phase() is Phase.DRAINING
    assert {worker: type(order) for worker, order in tells(actions).items()} == {0: Stop, 1: Stop}
    assert (
        "aborted",
        "failed is 20 % after 2s: the run is ended, as failed < 10% does not hold (--abort-on-fail)",
    ) in (run.events)
    for worker in range(2):
        run.done(worker, 2, 2.1, started=0)
    run.end(2.2)
    assert run.phase() is Phase.OVER
    assert run.state.load_s == pytest.approx(2.0)
    assert run.state.n_planned == 200
    assert [each.passed for each in run.state.judge.thresholds(run.state.total, run.state.load_s)] == [False]
    assert_lawful(run.state)


def test_a_moment_has_the_thresholds() -> None:
    """Listeners hear each second what they come to."""
    run = Run(qps=100, duration="10s", threshold="failed == 0")
    run.begin()
    for worker in range(2):
        actions = run.measured(worker, 0, started=50, completed=50)
    [second] = [action for action in actions if isinstance(action, Second)]
    moment = live.moment(run.state, second.interval, second.target_qps)
    assert [(each.expression, each.value, each.passed) for each in moment.thresholds] == [("failed == 0", 0.0, True)]


def test_the_last_part_of_a_second_counts_as_long_as_it_is() -> None:
    """A rate is judged over the time in which iterations were started, and the drain ends nothing."""
    run = Run(qps=100, duration="1500ms", threshold="qps >= 99", abort_on_fail=True, abort_grace="0s")
    run.begin()
    for index, started in enumerate((50, 25, 0)):
        for worker in range(2):
            run.measured(worker, index, started=started, completed=started)
    assert run.phase() is Phase.PRESSING
    assert run.state.judge.standing[0].value == pytest.approx(100)


# the clocks


def test_a_suspend_and_a_clock_that_is_set() -> None:
    """A machine that stood still makes the run invalid; a wall clock that was set is an event, and nothing else."""
    run = Run(qps=100, duration="10s")
    run.begin()
    for at_s, suspended_s, wall_s in ((0.1, 0, 50), (0.2, 0, 47), (0.3, 2, 47)):
        run.note(run.state.ticked(run.ns(at_s), s(suspended_s), s(wall_s)))
    assert run.events == [
        ("wall_clock_set", "the wall clock was set back by 3 s; only the run's started_at is taken from it")
    ]
    verdict, [reason] = judge(Interval(0), run.state.conditions())
    assert (verdict, reason.code) == ("invalid", "clock_jump")
