"""What a worker tells while it runs: counts that never go back, and seconds that add up to them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from hybridpress.ipc.channel import WorkerEnd
from hybridpress.ipc.messages import Counts, Measured, Report
from hybridpress.metrics.interval import Health, Interval
from hybridpress.metrics.recorder import Recorder
from hybridpress.units import NS_PER_MS, NS_PER_S
from hybridpress.worker import flush
from hybridpress.worker.flush import COUNTS_GAP_S, Reporter
from hybridpress.worker.gate import ClosedGate, Gate
from hybridpress.worker.health import Watch
from hybridpress.worker.slots import Slots
from tests.load import series

START_NS = 1_000 * NS_PER_S


class Worker:
    """A worker without a loop: its clock, its slots, its watch, its channel and its timer, all moved by the test."""

    def __init__(self) -> None:
        self.now_ns = START_NS
        self.recorder = Recorder(paced=False)
        self.running: list[int] = []
        self.gate: Gate = ClosedGate()
        self.sent: list[Report] = []
        self.calls: list[tuple[float, Callable[[], None]]] = []
        self.starts: list[int] = []
        self.ends: list[tuple[int, bool]] = []
        self.n_taken = 0

    # as its parts see it

    def send(self, report: Report) -> None:
        self.sent.append(report)

    def running_since_ns(self) -> list[int]:
        return list(self.running)

    def take(self) -> Health:
        self.n_taken += 1
        return Health(cpu_ns=self.n_taken)

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Worker:
        self.calls.append((delay_s, callback))
        return self

    def cancel(self) -> None:
        self.calls.clear()

    # as the test moves it

    def reporter(self) -> Reporter:
        async def make() -> Reporter:
            return Reporter(7, cast("WorkerEnd", self), self.recorder, cast("Slots", self), cast("Watch", self))

        reporter = uvloop.run(make())
        reporter._loop = cast("asyncio.AbstractEventLoop", self)
        return reporter

    def start(self) -> None:
        self.running.append(self.now_ns)
        self.starts.append(self.now_ns)

    def end(self, which: int, *, failed: bool) -> None:
        """An iteration ends, and its slot notes it."""
        if self.now_ns >= self.recorder.until_ns:
            self.recorder.cut(self.now_ns)
        since_ns = self.running.pop(which % len(self.running))
        self.recorder.service_ns.append(self.now_ns - since_ns)
        self.recorder.last_end_ns = self.now_ns
        self.recorder.n_failed += failed
        self.ends.append((self.now_ns, failed))

    def tick(self) -> None:
        """The reporter's timer fires."""
        ((_, callback),) = self.calls
        self.calls.clear()
        callback()

    @property
    def intervals(self) -> list[Interval]:
        return [report.interval for report in self.sent if isinstance(report, Measured)]

    @property
    def counts(self) -> list[Counts]:
        return [report for report in self.sent if isinstance(report, Counts)]


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Worker:
    worker = Worker()
    monkeypatch.setattr(flush, "now_ns", lambda: worker.now_ns)
    return worker


moves = st.lists(
    st.one_of(
        st.tuples(st.just("start"), st.just(0)),
        st.tuples(st.just("end"), st.integers(0, 9)),
        st.tuples(st.just("fail"), st.integers(0, 9)),
        st.tuples(st.just("tick"), st.just(0)),
        st.tuples(st.just("pass"), st.integers(1, 2_500)),
    ),
    max_size=60,
)


def play(worker: Worker, history: list[tuple[str, int]]) -> None:
    for move, number in history:
        if move == "start":
            worker.start()
        elif move in ("end", "fail") and worker.running:
            worker.end(number, failed=move == "fail")
        elif move == "pass":
            worker.now_ns += number * NS_PER_MS
        elif move == "tick":
            worker.tick()
            assert_counted(worker, worker.counts[-1])


def assert_counted(worker: Worker, counts: Counts) -> None:
    """Counts are what has happened up to now, all of it."""
    n_failed = sum(failed for _, failed in worker.ends)
    assert counts.worker == 7
    assert counts.at_ns == worker.now_ns
    assert (counts.started, counts.in_flight) == (len(worker.starts), len(worker.running))
    assert (counts.completed, counts.failed) == (len(worker.ends) - n_failed, n_failed)


@given(moves)
def test_seconds_add_up(history: list[tuple[str, int]]) -> None:
    """Whenever the timer fires, and whichever iteration ends before it does: seconds come in order, none is left out,
    each holds what began and ended in it, and the last word holds the rest.
    """
    worker = Worker()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flush, "now_ns", lambda: worker.now_ns)
        reporter = worker.reporter()
        reporter.begin(START_NS)
        play(worker, history)
        intervals = [*worker_intervals(worker, reporter)]
    assert [interval.index for interval in intervals] == list(range(len(intervals)))
    for interval in intervals:
        is_last = interval is intervals[-1]
        from_ns = START_NS + interval.index * NS_PER_S
        until_ns = worker.now_ns + 1 if is_last else from_ns + NS_PER_S
        ended = [failed for at_ns, failed in worker.ends if from_ns <= at_ns < until_ns]
        assert interval.started == sum(from_ns <= at_ns < until_ns for at_ns in worker.starts)
        assert (interval.completed, interval.failed) == (ended.count(False), ended.count(True))
        assert interval.service.count == len(ended)
        n_begun = sum(at_ns < until_ns for at_ns in worker.starts)
        assert interval.in_flight == n_begun - sum(at_ns < until_ns for at_ns, _ in worker.ends)


def worker_intervals(worker: Worker, reporter: Reporter) -> list[Interval]:
    last = reporter.end(worker.running)
    assert worker.calls == []
    return [*worker.intervals, last]


def test_counts_every_100_ms(worker: Worker) -> None:
    """The timer is armed anew at each tick, and each tick sends the counts, the whole second before them."""
    reporter = worker.reporter()
    assert worker.calls == []
    reporter.begin(START_NS)
    for n in range(1, 11):
        assert [delay_s for delay_s, _ in worker.calls] == [COUNTS_GAP_S]
        worker.now_ns = START_NS + n * NS_PER_S // 10
        worker.tick()
        assert len(worker.counts) == n
    assert [type(report) for report in worker.sent[-3:]] == [Counts, Measured, Counts]
    assert len(worker.intervals) == 1


def test_a_tick_that_comes_late(worker: Worker) -> None:
    """A loop that stood still for seconds still tells them apart, each with its own health."""
    reporter = worker.reporter()
    reporter.begin(START_NS)
    worker.start()
    worker.now_ns += 500 * NS_PER_MS
    worker.end(0, failed=False)
    worker.now_ns = START_NS + 3_200 * NS_PER_MS
    worker.tick()
    assert [(interval.index, interval.completed) for interval in worker.intervals] == [(0, 1), (1, 0), (2, 0)]
    assert [interval.health.cpu_ns for interval in worker.intervals] == [1, 2, 3]
    assert reporter.end([]).index == 3


def test_an_iteration_that_ends_before_the_tick(worker: Worker) -> None:
    """Where an iteration ends past the boundary, the seconds before it are told at once, it belongs to its own second,
    and the tick that comes later tells none of them again.
    """
    reporter = worker.reporter()
    reporter.begin(START_NS)
    assert worker.recorder.until_ns == START_NS + NS_PER_S
    worker.start()
    worker.start()
    worker.now_ns = START_NS + NS_PER_S - 1
    worker.end(0, failed=False)
    assert worker.sent == []
    worker.now_ns = START_NS + 2 * NS_PER_S
    worker.end(0, failed=True)
    assert [(i.index, i.started, i.completed, i.in_flight) for i in worker.intervals] == [(0, 2, 1, 1), (1, 0, 0, 1)]
    assert [i.health.cpu_ns for i in worker.intervals] == [1, 2]
    assert worker.recorder.until_ns == START_NS + 3 * NS_PER_S
    assert len(worker.calls) == 1
    worker.now_ns += 10 * NS_PER_MS
    worker.tick()
    assert [type(report) for report in worker.sent] == [Measured, Measured, Counts]
    assert_counted(worker, worker.counts[-1])
    last = reporter.end([])
    assert (last.index, last.started, last.failed, last.in_flight) == (2, 0, 1, 0)


def test_a_second_that_nobody_told_before_the_end(worker: Worker) -> None:
    """A run that ends past a boundary, with no tick and no iteration since, tells that second before its last word."""
    reporter = worker.reporter()
    reporter.begin(START_NS)
    worker.start()
    worker.now_ns = START_NS + NS_PER_S
    last = reporter.end(worker.running)
    assert [(i.index, i.started, i.in_flight) for i in (*worker.intervals, last)] == [(0, 1, 1), (1, 0, 1)]


def test_the_backlog(worker: Worker) -> None:
    """What is due and was not taken waits for a slot."""
    pacer = series.series(series.leg(START_NS, float(10 * NS_PER_MS), 100))
    for _ in range(3):
        pacer.take()
    worker.gate = pacer
    reporter = worker.reporter()
    reporter.begin(START_NS)
    worker.now_ns += 95 * NS_PER_MS
    worker.tick()
    assert worker.counts[-1].backlog == 7


def test_what_was_given_up_is_in_flight(worker: Worker) -> None:
    """The last word counts as in flight what the drain gave up, and nothing else."""
    reporter = worker.reporter()
    reporter.begin(START_NS)
    for _ in range(3):
        worker.start()
    worker.end(0, failed=True)
    worker.now_ns += 300 * NS_PER_MS
    last = reporter.end(worker.running)
    assert (last.started, last.completed, last.failed, last.in_flight) == (3, 0, 1, 2)


def test_the_end_of_a_worker_that_never_began(worker: Worker) -> None:
    """It has a last word, too: nothing, and no seconds before it, however long the clock has run."""
    last = worker.reporter().end([])
    assert (last.index, last.started, worker.sent) == (0, 0, [])
    assert worker.recorder.until_ns > worker.now_ns


def test_the_real_timer() -> None:
    """On a real loop the counts come by themselves."""
    worker = Worker()

    async def main() -> Any:
        reporter = Reporter(7, cast("WorkerEnd", worker), worker.recorder, cast("Slots", worker), cast("Watch", worker))
        from hybridpress.clock import now_ns

        reporter.begin(now_ns())
        async with asyncio.timeout(5):
            while not worker.sent:
                await asyncio.sleep(0.01)
        return reporter.end([])

    assert uvloop.run(main()).index == 0
    assert isinstance(worker.sent[0], Counts)


# iterations that fail afterwards


class Verification:
    """Iterations whose outcome is not known yet."""

    n_given = 0
    n_settled = 0


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.booleans()), min_size=1, max_size=12))
def test_seconds_wait_for_their_outcomes(seconds: list[tuple[int, int, bool]]) -> None:
    """A second is told when all that ended in it is settled; what failed afterwards has failed in it. Nothing is lost,
    no count is below 0, and the counts on the way say the same.
    """
    worker, settling = Worker(), Verification()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flush, "now_ns", lambda: worker.now_ns)
        reporter = worker.reporter()
        reporter.settling = [settling]
        reporter.begin(START_NS)
        n_failed = 0
        for n_seconds, (n_ends, n_fail_late, settles) in enumerate(seconds, 1):
            for _ in range(n_ends):
                worker.start()
                worker.end(0, failed=False)
                settling.n_given += 1
            n_late = min(n_fail_late, settling.n_given - n_failed - settling.n_settled)
            if n_late > 0:
                reporter.failed_late(n_late)
                n_failed += n_late
            worker.now_ns += NS_PER_S
            if settles:
                settling.n_settled = settling.n_given
                n_failed = 0
            worker.tick()
            if settles:
                assert len(worker.intervals) == n_seconds
        last = reporter.end([])
    intervals = [*worker.intervals, last]
    assert [interval.index for interval in intervals] == list(range(len(seconds) + 1))
    assert all(interval.completed >= 0 and interval.failed >= 0 for interval in intervals)
    assert sum(interval.completed + interval.failed for interval in intervals) == sum(n for n, _, _ in seconds)
    counts = worker.counts[-1]
    assert sum(interval.failed for interval in intervals) == counts.failed
    assert counts.completed + counts.failed == counts.started


def test_a_second_is_held() -> None:
    """Until it is settled nothing of it is told; a failure that is found meanwhile is its own."""
    worker, settling = Worker(), Verification()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flush, "now_ns", lambda: worker.now_ns)
        reporter = worker.reporter()
        reporter.settling = [settling]
        reporter.begin(START_NS)
        for _ in range(3):
            worker.start()
            worker.end(0, failed=False)
        settling.n_given = 3
        worker.now_ns += NS_PER_S
        worker.tick()
        assert worker.intervals == []
        worker.now_ns += NS_PER_S // 2
        reporter.failed_late(2)
        settling.n_settled = 3
        worker.tick()
        [interval] = worker.intervals
        assert (interval.index, interval.completed, interval.failed) == (0, 1, 2)
