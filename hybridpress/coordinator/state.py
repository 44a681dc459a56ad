"""What the coordinator knows and decides: events in, actions out. No clock, no I/O; the time comes with each event."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum, auto

from hybridpress.config import RunConfig
from hybridpress.ipc.messages import Begin, Broken, Counts, Done, Measured, Order, Ready, Report, Stop
from hybridpress.load.pacer import Piece
from hybridpress.load.plan import CATCH_UP_S, plan_constant
from hybridpress.load.split import deal
from hybridpress.metrics.interval import Interval
from hybridpress.metrics.result import EventResult, IntervalResult
from hybridpress.metrics.summary import WorkerTotals, second_of
from hybridpress.metrics.verdict import Conditions
from hybridpress.units import NS_PER_S, format_duration

BEGIN_AHEAD_NS = 10_000_000
"""The load begins so long after the order goes out, so that every worker has it in time."""
OVERDUE_S = 5.0
"""A worker that has not reported so long after it should have is given up."""
EXHAUSTED_COUNTS = 3
"""Slots count as exhausted when iterations waited for them in so many of the reports (every 100 ms) of a run…"""
EXHAUSTED_SHARE = 0.01
"""…and in at least this share of them."""


class Phase(Enum):
    STARTING = auto()
    PRESSING = auto()
    DRAINING = auto()
    OVER = auto()


# Actions


@dataclass(frozen=True, slots=True)
class Tell:
    """Send *order* to *worker*."""

    worker: int
    order: Order


@dataclass(frozen=True, slots=True)
class Kill:
    """End *worker*'s process now."""

    worker: int


@dataclass(frozen=True, slots=True)
class Started:
    """The load begins."""


@dataclass(frozen=True, slots=True)
class Draining:
    """Nothing is started any more; so many are in flight."""

    in_flight: int


@dataclass(frozen=True, slots=True)
class Second:
    """One merged second is complete."""

    interval: Interval


@dataclass(frozen=True, slots=True)
class Happened:
    """Something to show, and to keep in the result."""

    event: EventResult


Action = Tell | Kill | Started | Draining | Second | Happened


@dataclass(slots=True)
class _Worker:
    """What is known of one worker."""

    totals: WorkerTotals
    n_slots: int = 0
    piece: Piece | None = None
    counts: Counts | None = None
    completed: int = 0
    failed: int = 0
    next_index: int = 0
    in_flight_left: int = 0
    last_start_ns: int = 0
    last_end_ns: int = 0
    is_ready: bool = False
    is_done: bool = False
    is_gone: bool = False
    is_lost: bool = False

    @property
    def reports_no_more(self) -> bool:
        return self.is_done or self.is_gone


@dataclass(slots=True)
class RunState:
    """One run, from the fork of its workers to their end."""

    config: RunConfig
    begun_at_ns: int
    """When the workers were asked for."""
    phase: Phase = Phase.STARTING
    start_ns: int = 0
    end_ns: int | None = None
    """When nothing more is started; known from the beginning where a time limits the run."""
    total: Interval = field(default_factory=lambda: Interval(0))
    seconds: list[IntervalResult] = field(default_factory=list)
    events: list[EventResult] = field(default_factory=list)
    n_lost: int = 0
    n_workers_lost: int = 0
    is_interrupted: bool = False
    is_out_of_words: bool = False
    """Whether a worker ended because there were no more words for it."""
    suspended_ns: int = 0
    """For how long the whole machine stood still since the workers were asked for."""
    broken: str | None = None
    """Why the run broke; None while it did not."""
    _workers: list[_Worker] = field(default_factory=list)
    _pending: dict[int, Interval] = field(default_factory=dict)
    _complaints: list[str] = field(default_factory=list)
    _n_counts: int = 0
    _n_counts_behind: int = 0
    _deadline_ns: int | None = None

    def __post_init__(self) -> None:
        self._workers = [_Worker(WorkerTotals(number, 0)) for number in range(self.config.processes)]
        self._deadline_ns = self.begun_at_ns + int(self.config.start_timeout_s * NS_PER_S)

    # what others read

    @property
    def workers(self) -> list[WorkerTotals]:
        return [worker.totals for worker in self._workers]

    @property
    def load_s(self) -> float:
        """How long iterations were started."""
        if not self.start_ns or self.end_ns is None:
            return 0.0
        return max((self.end_ns - self.start_ns) / NS_PER_S, 0.0)

    def conditions(self) -> Conditions:
        """What the verdict rests on besides the measurements."""
        behind = self._n_counts_behind
        return Conditions(
            paced=self.config.is_paced,
            n_unstarted=self.total.dropped,
            n_workers_lost=self.n_workers_lost,
            busiest_worker_cpu_pct=max((worker.totals.health.cpu_pct for worker in self._workers), default=0.0),
            suspended_s=self.suspended_ns / NS_PER_S,
            slots_were_exhausted=behind >= max(EXHAUSTED_COUNTS, EXHAUSTED_SHARE * self._n_counts),
        )

    # events

    def forked(self, number: int, pid: int) -> None:
        """Worker *number* runs as process *pid*."""
        self._workers[number].totals.pid = pid

    def heard(self, report: Report, now_ns: int) -> list[Action]:
        """A worker reported. What comes after the end of the run counts no more."""
        if self.phase is Phase.OVER:
            return []
        match report:
            case Ready():
                return self._ready(report, now_ns)
            case Counts():
                self._workers[report.worker].counts = report
                self._n_counts += 1
                self._n_counts_behind += report.backlog > 0 and report.in_flight >= self._workers[report.worker].n_slots
                return []
            case Measured():
                return self._measured(report.worker, report.interval)
            case Done():
                worker = self._workers[report.worker]
                worker.is_done = True
                worker.in_flight_left = report.interval.in_flight
                worker.last_start_ns, worker.last_end_ns = report.last_start_ns, report.last_end_ns
                self.is_out_of_words |= report.is_out_of_words
                return self._measured(report.worker, report.interval) + self._drained(now_ns)
            case Broken():
                self._complaints.append(report.text)
                first_line = report.text.partition("\n")[0]
                return [self._happened(now_ns, "worker_broken", f"worker {report.worker} broke: {first_line}")]

    def exited(self, number: int, exit_code: int, now_ns: int) -> list[Action]:
        """Worker *number*'s process is gone, and all that it sent was heard."""
        worker = self._workers[number]
        if worker.is_gone or self.phase is Phase.OVER:
            return []
        worker.is_gone = True
        actions: list[Action] = []
        if not worker.is_done:
            how = f"killed by signal {-exit_code}" if exit_code < 0 else f"exit code {exit_code}"
            text = f"worker {number} (process {worker.totals.pid}) died: {how}"
            n_lost = self._lose(worker, now_ns)
            if n_lost:
                text += f"; {n_lost} iterations in flight are lost"
            actions.append(self._happened(now_ns, "worker_lost", text))
        if all(worker.is_gone for worker in self._workers):
            if not self.is_interrupted and not any(worker.is_done for worker in self._workers):
                self._break("all worker processes died")
            return actions + self._finish(now_ns)
        return actions + self._begin_if_ready(now_ns) + self._complete()

    def interrupted(self, now_ns: int) -> list[Action]:
        """The user wants it to end: the first time drains, the second gives up what is in flight."""
        if self.phase is Phase.OVER:
            return []
        if self.is_interrupted or self.phase is Phase.STARTING:
            self.is_interrupted = True
            for worker in self._workers:
                if not worker.reports_no_more:
                    self._lose(worker, now_ns)
            return self._finish(now_ns)
        self.is_interrupted = True
        actions: list[Action] = [self._happened(now_ns, "interrupted", "interrupted: waiting for what is in flight")]
        return actions + self._stop(now_ns)

    def ticked(self, now_ns: int, suspended_ns: int = 0) -> list[Action]:
        """Time passed: has anybody been waited for too long? *suspended_ns*: so long the machine stood still so far."""
        self.suspended_ns = suspended_ns
        if self._deadline_ns is None or now_ns < self._deadline_ns or self.phase is Phase.OVER:
            return []
        self._deadline_ns = now_ns + int(OVERDUE_S * NS_PER_S)
        if self.phase is Phase.STARTING:
            n_ready = sum(worker.is_ready for worker in self._workers)
            limit = format_duration(self.config.start_timeout_s)
            self._break(
                f"only {n_ready} of {len(self._workers)} workers were ready within {limit}: "
                "start() takes longer in some slots; see --start-timeout"
            )
            return self._finish(now_ns)
        overdue = [worker.totals.id for worker in self._workers if not worker.is_gone]
        text = (
            f"worker(s) {', '.join(map(str, overdue))} did not end in time and were killed: something in press() blocks"
        )
        return [self._happened(now_ns, "worker_overdue", text), *(Kill(number) for number in overdue)]

    # decisions

    def _ready(self, report: Ready, now_ns: int) -> list[Action]:
        worker = self._workers[report.worker]
        worker.is_ready, worker.n_slots = True, report.n_slots
        n_wanted = self.config.slots_by_worker[report.worker]
        actions: list[Action] = []
        if report.n_slots < n_wanted:
            self._complaints += report.failures
            first_lines = "; ".join(failure.partition("\n")[0] for failure in report.failures[:3])
            text = f"start() failed in {n_wanted - report.n_slots} of {n_wanted} slots of worker {report.worker}: "
            actions.append(self._happened(now_ns, "start_failed", text + first_lines))
        return actions + self._begin_if_ready(now_ns)

    def _begin_if_ready(self, now_ns: int) -> list[Action]:
        alive = [worker for worker in self._workers if not worker.is_gone]
        if self.phase is not Phase.STARTING or not all(worker.is_ready for worker in alive):
            return []
        if not any(worker.n_slots for worker in alive):
            self._break("no slot could start")
            return self._finish(now_ns)
        return self._begin(now_ns)

    def _begin(self, now_ns: int) -> list[Action]:
        config = self.config
        self.phase = Phase.PRESSING
        self.start_ns = now_ns + BEGIN_AHEAD_NS
        until_ns = None
        if config.duration_s is not None:
            until_ns = self.end_ns = self.start_ns + int(config.duration_s * NS_PER_S)
            slack_s = CATCH_UP_S + config.timeout_s + OVERDUE_S
            self._deadline_ns = until_ns + int(slack_s * NS_PER_S)
        else:
            self._deadline_ns = None
        shares = [0 if worker.is_gone else worker.n_slots for worker in self._workers]
        n_planned = config.n_planned
        limits: list[int | None] = [None] * len(shares)
        if config.qps is not None:
            assert n_planned is not None
            for worker, piece in zip(
                self._workers, plan_constant(config.qps, n_planned, shares, self.start_ns), strict=True
            ):
                worker.piece = piece
        elif n_planned is not None:
            limits = list(deal(n_planned, shares))
        orders = [
            Tell(worker.totals.id, Begin(self.start_ns, until_ns, worker.piece, limit))
            for worker, limit in zip(self._workers, limits, strict=True)
            if not worker.is_gone
        ]
        return [*orders, Started()]

    def _measured(self, number: int, interval: Interval) -> list[Action]:
        self._note(self._workers[number], interval)
        return self._complete()

    def _note(self, worker: _Worker, interval: Interval) -> None:
        """Merge a worker's second into the box's."""
        worker.totals.started += interval.started
        worker.totals.health.merge(interval.health)
        worker.completed += interval.completed
        worker.failed += interval.failed
        worker.next_index = interval.index + 1
        if (pending := self._pending.get(interval.index)) is None:
            self._pending[interval.index] = interval
        else:
            pending.merge(interval)

    def _complete(self) -> list[Action]:
        """The merged seconds that nobody will add to any more, in order."""
        reporting = [worker.next_index for worker in self._workers if not worker.reports_no_more]
        complete_below = min(reporting, default=None)
        actions: list[Action] = []
        for index in sorted(self._pending):
            if complete_below is not None and index >= complete_below:
                break
            interval = self._pending.pop(index)
            for worker in self._workers:
                if worker.is_done and worker.next_index <= index:
                    interval.in_flight += worker.in_flight_left
            self.total.extend(interval)
            if interval.started or interval.completed or interval.failed or interval.dropped or self._is_inside(index):
                self.seconds.append(second_of(interval, self.config.qps))
                actions.append(Second(interval))
        return actions

    def _is_inside(self, index: int) -> bool:
        """Whether second *index* began before the end of the load, as far as that is known."""
        return self.end_ns is None or self.start_ns + index * NS_PER_S < self.end_ns

    def _drained(self, now_ns: int) -> list[Action]:
        """A worker is done: once all are, only their last rites remain."""
        if not all(worker.reports_no_more for worker in self._workers):
            return []
        self.phase = Phase.DRAINING
        self._deadline_ns = now_ns + int((self.config.timeout_s + OVERDUE_S) * NS_PER_S)
        return self._complete()

    def _finish(self, now_ns: int) -> list[Action]:
        """Nothing more will be heard: settle the end, and what was due before it and never started."""
        self.end_ns = self._settled_end_ns(now_ns)
        self.phase = Phase.OVER
        actions = self._complete()
        n_unstarted = 0
        for worker in self._workers:
            if worker.is_lost and worker.piece is not None:
                n_due = min(worker.piece.first_from(self.end_ns), int(worker.piece.end))
                n_unstarted += max(n_due - worker.totals.started, 0)
        if n_unstarted:
            last = self.seconds.pop() if self.seconds else second_of(Interval(0), self.config.qps)
            self.seconds.append(replace(last, dropped=last.dropped + n_unstarted))
            self.total.dropped += n_unstarted
        return actions

    def _settled_end_ns(self, now_ns: int) -> int:
        """The end of the load: the time limit or the interrupt, else the plan's own end or the last iteration's, or the
        last loss of a worker.
        """
        if self.is_out_of_words and not self.is_interrupted:
            return self._end_of_words_ns()
        if self.end_ns is not None:
            return min(self.end_ns, max(now_ns, self.start_ns))
        if not any(worker.is_done for worker in self._workers):
            return now_ns
        if self.config.qps is None or self.config.n_planned is None:
            return max(worker.last_end_ns for worker in self._workers)
        nominal_ns = self.start_ns + int(self.config.n_planned / self.config.qps * NS_PER_S)
        return max(nominal_ns, *(worker.last_start_ns for worker in self._workers))

    def _end_of_words_ns(self) -> int:
        """When the last words were used: a plan that all of them followed is as long as it takes to start them."""
        if self.config.qps is None:
            return max(worker.last_end_ns for worker in self._workers)
        n_started = sum(worker.totals.started for worker in self._workers)
        nominal_ns = self.start_ns + int(n_started / self.config.qps * NS_PER_S)
        return max(nominal_ns, *(worker.last_start_ns for worker in self._workers))

    def _lose(self, worker: _Worker, now_ns: int) -> int:
        """A worker ended before its last word. What it counted since its last interval is known from its counts; what
        it had in flight is lost; the times of both are not known. Returns how many are lost.
        """
        worker.is_gone = worker.is_lost = True
        if self.phase is Phase.STARTING:
            return 0
        worker.last_end_ns = now_ns
        if not self.is_interrupted:
            self.n_workers_lost += 1
        n_noted = worker.totals.started + worker.completed + worker.failed
        if (counts := worker.counts) is not None and counts.started + counts.completed + counts.failed > n_noted:
            rest = Interval(
                worker.next_index,
                started=counts.started - worker.totals.started,
                completed=counts.completed - worker.completed,
                failed=counts.failed - worker.failed,
            )
            self._note(worker, rest)
        n_lost = worker.totals.started - worker.completed - worker.failed
        self.n_lost += n_lost
        return n_lost

    def _break(self, why: str) -> None:
        """The run broke: for this reason, and the first thing that a worker complained of."""
        self.broken = f"{why}: {self._complaints[0]}" if self._complaints else why

    def _stop(self, now_ns: int) -> list[Action]:
        self.phase = Phase.DRAINING
        if not all(worker.reports_no_more for worker in self._workers):
            self.end_ns = now_ns if self.end_ns is None else min(now_ns, self.end_ns)
        drain_until_ns = now_ns + int(self.config.timeout_s * NS_PER_S)
        self._deadline_ns = drain_until_ns + int(OVERDUE_S * NS_PER_S)
        in_flight = sum(w.counts.in_flight for w in self._workers if w.counts and not w.reports_no_more)
        stops = [Tell(w.totals.id, Stop(drain_until_ns)) for w in self._workers if not w.reports_no_more]
        return [*stops, Draining(in_flight)]

    def _happened(self, now_ns: int, kind: str, text: str) -> Happened:
        at_s = max((now_ns - self.start_ns) / NS_PER_S, 0.0) if self.start_ns else 0.0
        event = EventResult(round(at_s, 3), kind, text)
        self.events.append(event)
        return Happened(event)
