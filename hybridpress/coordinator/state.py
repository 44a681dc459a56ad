"""What the coordinator decides: events in, actions out. No clock, no I/O; the time comes with each event.

Here is how a run comes and goes: its phases, its workers, what its user wants of it. What they counted is the tally's
(hybridpress/coordinator/tally.py), and what they are to start the dealer's (hybridpress/coordinator/dealer.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hybridpress.config import RunConfig
from hybridpress.coordinator.actions import Action, Draining, Fork, Happened, Kill, Second, Started, Tell
from hybridpress.coordinator.course import AHEAD_NS
from hybridpress.coordinator.dealer import Dealer
from hybridpress.coordinator.ending import OVERDUE_S, end_of_load_ns, end_of_words_ns, overdue_ns
from hybridpress.coordinator.fitness import Fitness
from hybridpress.coordinator.judge import Judge
from hybridpress.coordinator.phase import Phase
from hybridpress.coordinator.places import WorkerPlaces
from hybridpress.coordinator.seeker import Seeker
from hybridpress.coordinator.tally import Tally, Worker
from hybridpress.ipc.messages import Broken, Counts, Done, GivenUp, Measured, Ready, Report, Resized, Stop
from hybridpress.metrics.interval import Interval
from hybridpress.metrics.result import EventResult
from hybridpress.metrics.seconds import Seconds
from hybridpress.metrics.summary import WorkerTotals
from hybridpress.metrics.verdict import Conditions
from hybridpress.units import NS_PER_S, format_count, format_duration

MAX_RESTARTS = 5
"""A worker that was lost so many times is not replaced again: its scenario kills it."""


@dataclass(slots=True)
class RunState(WorkerPlaces):
    """One run, from the fork of its workers to their end.

    Over several machines it is the same twice (hybridpress/cluster): what is told here of workers, one state says of
    nodes, and one of each node's workers.
    """

    config: RunConfig
    begun_at_ns: int
    """When the workers were asked for."""
    seeker: Seeker | None = None
    """Searches for the highest rate in this run."""
    phase: Phase = Phase.STARTING
    start_ns: int = 0
    end_ns: int | None = None
    """When nothing more was started; None as long as the plan alone says so."""
    events: list[EventResult] = field(default_factory=list)
    n_workers_lost: int = 0
    is_interrupted: bool = False
    is_out_of_words: bool = False
    """Whether a worker ended because there were no more words for it."""
    broken: str | None = None
    """Why the run broke; None while it did not."""
    tally: Tally = field(init=False)
    """What the workers counted."""
    dealer: Dealer = field(init=False)
    """What they are to start."""
    judge: Judge = field(init=False)
    """What its thresholds come to."""
    fitness: Fitness = field(init=False)
    """How the generator fares."""
    places: list[Worker] = field(default_factory=list)
    """The worker that is in each place now."""
    _complaints: list[str] = field(default_factory=list)
    _awaited: set[int] = field(default_factory=set)  # whose fresh workers were asked for, and are not forked yet
    _alone_until_ns: int | None = None
    """Nobody presses, and a fresh worker must by this time; None: somebody does."""
    _deadline_ns: int | None = None
    _has_lost: bool = False
    _is_cut: bool = False

    def __post_init__(self) -> None:
        self.places = [Worker(WorkerTotals(number, 0)) for number in range(self.n_places)]
        self.tally = Tally(self.places)
        self.dealer = self.new_dealer()
        self.judge = Judge(self.config)
        self.fitness = Fitness(self.config)
        self._deadline_ns = self.begun_at_ns + int(self.config.start_timeout_s * NS_PER_S)

    # what others read

    @property
    def workers(self) -> list[WorkerTotals]:
        return [worker.totals for worker in self.places]

    @property
    def total(self) -> Interval:
        return self.tally.total

    @property
    def seconds(self) -> Seconds:
        return self.tally.seconds

    @property
    def n_lost(self) -> int:
        return self.tally.n_lost

    @property
    def load_s(self) -> float:
        """How long iterations were started."""
        end_ns = self._end_ns()
        return 0.0 if not self.start_ns or end_ns is None else max((end_ns - self.start_ns) / NS_PER_S, 0.0)

    @property
    def n_planned(self) -> int | None:
        """How many iterations the plan held in the end; None where nothing but the time limited them."""
        course = self.dealer.course
        if self._is_cut:
            # Where the plan was cut each worker had its own last iteration.
            return None if course is None else self.total.started + self.total.dropped
        return self.config.n_planned if course is None else self.dealer.n_planned()

    @property
    def target_qps(self) -> float | None:
        """The rate that was asked for, on average over the run where it was not always the same; None: unpaced."""
        course = self.dealer.course
        if course is None or (course.is_constant and self.config.qps is not None):
            return self.config.qps
        end_ns = self._end_ns()
        if end_ns is None or end_ns <= self.start_ns:
            return None
        return round(course.n_due(end_ns) / ((end_ns - self.start_ns) / NS_PER_S), 3)

    def conditions(self) -> Conditions:
        """What the verdict rests on besides the measurements."""
        return self.fitness.conditions(self.total.dropped, self.n_workers_lost, self.workers)

    # events

    def forked(self, number: int, pid: int, now_ns: int = 0) -> list[Action]:
        """Worker *number* runs as process *pid*."""
        self._awaited.discard(number)
        worker = self.places[number]
        worker.totals.pid = pid
        if not worker.is_gone:
            return []
        # A fresh process in the place of one that was lost; it counts from 0.
        worker.totals.restarts += 1
        limit = None if worker.limit is None else max(worker.limit - worker.started, 0)
        fresh = Worker(worker.totals, limit=limit, last_start_ns=worker.last_start_ns, last_end_ns=worker.last_end_ns)
        self.places[number] = fresh
        if self.phase is not Phase.PRESSING:
            return self._dismiss(fresh)
        return [self._happened(now_ns, "worker_replaced", f"process {pid} takes the place of {self.name_of(number)}")]

    def heard(self, report: Report, now_ns: int) -> list[Action]:
        """A worker reported. What comes after the end of the run counts no more."""
        if self.phase is Phase.OVER:
            return []
        worker = self.places[report.worker]
        match report:
            case Ready():
                return self._ready(worker, report, now_ns)
            case Counts():
                worker.counts = report
                self.fitness.counted(report, worker.n_slots)
                self.dealer.counted(report)
                return []
            case GivenUp():
                return [*self.dealer.given_up(report, is_over=self.phase is not Phase.PRESSING)]
            case Resized():
                self.dealer.resized(report)
                if not report.failures:
                    return []
                return [self._not_started(report.worker, len(report.failures), report.failures, now_ns)]
            case Measured():
                self.fitness.measured(report.interval.index, report.interval.health)
                self.tally.note(worker, report.interval)
                return self._complete(now_ns)
            case Done():
                self.tally.done(worker, report)
                self.is_out_of_words |= report.is_out_of_words
                self.dealer.done(worker, report)
                return self._complete(now_ns) + self._drained(now_ns)
            case Broken():
                self._complaints.append(report.text)
                first_line = report.text.partition("\n")[0]
                return [self._happened(now_ns, "worker_broken", f"{self.name_of(report.worker)} broke: {first_line}")]

    def exited(self, number: int, exit_code: int, now_ns: int) -> list[Action]:
        """Worker *number*'s process is gone, and all that it sent was heard."""
        worker = self.places[number]
        if worker.is_gone or self.phase is Phase.OVER:
            return []
        worker.is_gone = True
        actions: list[Action] = []
        if not worker.is_done and not worker.is_dismissed:
            n_lost = self._lose(worker, now_ns)
            text = self.told_end(number, exit_code)
            if n_lost:
                text += f"; {n_lost} iterations in flight are lost"
            actions += [self._happened(now_ns, self.loss, text), *self._replace(worker, now_ns)]
        is_deserted = self._is_deserted
        if is_deserted and not (self.phase is Phase.PRESSING and self._awaited):
            return actions + self.deserted(now_ns)
        actions += self._begin_if_ready(now_ns) + self._complete(now_ns)
        if self.phase is Phase.PRESSING and not is_deserted:
            actions += self._drained(now_ns)
        if self.phase is Phase.PRESSING and not any(worker.can_press for worker in self.places):
            self._alone_until_ns = self._alone_until_ns or now_ns + int(self.config.start_timeout_s * NS_PER_S)
        return actions

    def deserted(self, now_ns: int) -> list[Action]:
        """No worker is left, and none will come."""
        if self.phase is Phase.OVER or not self._is_deserted:
            return []
        return self._give_up(self.all_gone, now_ns)

    def cpu_worker_exited(self, number: int, pid: int, why: str, now_ns: int) -> list[Action]:
        """CPU worker *number* is gone, and another has taken its place."""
        if self.phase is Phase.OVER:
            return []
        told = self.fitness.lost_cpu_worker(number, pid, why)
        return [] if told is None else [self._happened(now_ns, "cpu_worker_lost", told)]

    def interrupted(self, now_ns: int) -> list[Action]:
        """The user wants it to end: the first time drains, the second gives up what is in flight."""
        if self.phase is Phase.OVER:
            return []
        if self.is_interrupted or self.phase is Phase.STARTING:
            self.is_interrupted = True
            for worker in self.places:
                if not worker.reports_no_more:
                    self._lose(worker, now_ns)
            return self._finish(now_ns)
        self.is_interrupted = True
        actions: list[Action] = [self._happened(now_ns, "interrupted", "interrupted: waiting for what is in flight")]
        return actions + self._stop(now_ns)

    def ticked(self, now_ns: int, suspended_ns: int = 0, wall_ahead_ns: int | None = None) -> list[Action]:
        """Time passed: is anything to be moved, and has anybody been waited for too long? *suspended_ns*: so long the
        machine stood still so far; *wall_ahead_ns*: so far its wall clock is ahead.
        """
        if (told := self.fitness.clocks(suspended_ns, wall_ahead_ns)) is not None:
            return [self._happened(now_ns, "wall_clock_set", told), *self._ticked(now_ns)]
        return self._ticked(now_ns)

    def _ticked(self, now_ns: int) -> list[Action]:
        if self.phase is Phase.PRESSING and (until_ns := self._alone_until_ns) is not None:
            if now_ns < until_ns:
                return []
            return self._give_up(
                "all worker processes died, and no fresh one was ready in time; see --start-timeout", now_ns
            )
        if self.phase is Phase.PRESSING:
            actions: list[Action] = [*self.dealer.look(now_ns)]
            deadline_ns = overdue_ns(self.dealer.until_ns, self.config.timeout_s, self._deadline_ns)
        else:
            actions, deadline_ns = [], self._deadline_ns
        if deadline_ns is None or now_ns < deadline_ns or self.phase is Phase.OVER:
            return actions
        self._deadline_ns = now_ns + int(OVERDUE_S * NS_PER_S)
        if self.phase is Phase.STARTING:
            n_ready = sum(worker.is_ready for worker in self.places)
            limit = format_duration(self.config.start_timeout_s)
            self._break(
                f"only {n_ready} of {len(self.places)} workers were ready within {limit}: "
                "start() takes longer in some slots; see --start-timeout"
            )
            return self._finish(now_ns)
        overdue = [worker.totals.id for worker in self.places if not worker.is_gone]
        text = (
            f"worker(s) {', '.join(map(str, overdue))} did not end in time and were killed: something in press() blocks"
        )
        return [self._happened(now_ns, "worker_overdue", text), *(Kill(number) for number in overdue)]

    def complain(self, text: str) -> None:
        """Should the run break, this is likely why."""
        self._complaints.append(text)

    def end_plan(self, now_ns: int) -> list[Action]:
        """The plan ends now, and with it the load; what is in flight is waited for."""
        self._is_cut = True
        self.dealer.end(now_ns)
        return self._stop(now_ns)

    def stuck(self, number: int, now_ns: int) -> Action:
        """Who is in place *number* takes no orders, and is ended."""
        return self._happened(now_ns, "worker_stuck", f"{self.name_of(number)} takes no orders any more and is killed")

    def note(self, now_ns: int, kind: str, text: str) -> Action:
        """Something happened that is to be in the result."""
        return self._happened(now_ns, kind, text)

    # decisions

    def _ready(self, worker: Worker, report: Ready, now_ns: int) -> list[Action]:
        worker.is_ready = True
        worker.n_slots = worker.n_made = report.n_slots
        n_wanted = self.slots_wanted(report.worker)
        actions: list[Action] = []
        if report.n_slots < n_wanted:
            self._complaints += report.failures
            actions.append(self._not_started(report.worker, n_wanted - report.n_slots, report.failures, now_ns))
        if self.phase is Phase.PRESSING:
            if self._alone_until_ns is not None and not report.n_slots:
                if self._awaited or not all(place.is_ready or place.is_gone for place in self.places):
                    return actions  # another is still to come
                why = "no slot could start in the worker that was to take the place of the last"
                return actions + self._give_up(why, now_ns)
            self._alone_until_ns = None
            return [*actions, *self.dealer.join(worker, now_ns)]
        return actions + self._begin_if_ready(now_ns)

    def _not_started(self, number: int, n_failed: int, failures: tuple[str, ...], now_ns: int) -> Happened:
        return self._happened(now_ns, "start_failed", self.told_failures(number, n_failed, failures))

    def _begin_if_ready(self, now_ns: int) -> list[Action]:
        alive = [worker for worker in self.places if not worker.is_gone]
        if self.phase is not Phase.STARTING or not all(worker.is_ready for worker in alive):
            return []
        if not any(worker.n_slots for worker in alive):
            self._break("no slot could start")
            return self._finish(now_ns)
        self.phase = Phase.PRESSING
        self._deadline_ns = None
        self.start_ns = now_ns + self.begin_ahead_ns
        return [*self.dealer.begin(self.start_ns), Started()]

    def _replace(self, worker: Worker, now_ns: int) -> list[Action]:
        """What follows when a worker is lost: the others have its share, and a fresh one is to take its place."""
        if self.phase is not Phase.PRESSING:
            return []
        until_ns = self.dealer.until_ns
        actions: list[Action] = [*self.dealer.leave(now_ns)]
        if worker.totals.restarts < MAX_RESTARTS and (until_ns is None or now_ns < until_ns):
            self._awaited.add(worker.totals.id)
            actions.append(Fork(worker.totals.id))
        return actions

    @property
    def _is_deserted(self) -> bool:
        return all(worker.is_gone for worker in self.places)

    def _complete(self, now_ns: int) -> list[Action]:
        """The merged seconds that nobody will add to any more, in order."""
        actions: list[Action] = []
        for interval in self.tally.complete(self._n_whole(now_ns)):
            self.total.extend(interval)
            is_inside = self._is_inside(interval.index)
            if interval.started or interval.completed or interval.failed or interval.dropped or is_inside:
                target_qps = self.dealer.target_qps(interval.index)
                self.tally.keep(interval, target_qps)
                actions.append(Second(interval, target_qps))
                elapsed_s = self._elapsed_s(interval.index)
                self.judge.second(elapsed_s, interval, self.total)
                if self.phase is not Phase.PRESSING:
                    continue
                if self.seeker is not None:
                    actions += self._seek(self.seeker, interval, now_ns)
                    continue
                if target_qps and is_inside:
                    actions += self._look_for_saturation(interval, target_qps, now_ns)
                if is_inside and (why := self.judge.ending(elapsed_s)) is not None:
                    actions += [self._happened(now_ns, *why), *self.end_plan(now_ns)]
        return actions

    def _n_whole(self, now_ns: int) -> int | None:
        """How many seconds are over. Of one that is not, a fresh worker may still tell; None: none will come."""
        return (now_ns - self.start_ns) // NS_PER_S if self.phase is Phase.PRESSING else None

    def _seek(self, seeker: Seeker, interval: Interval, now_ns: int) -> list[Action]:
        """The next step of a search, when one is done; its end, when it was the last."""
        before = seeker.rate
        text = seeker.second(interval, self.dealer.n_slots, self.dealer.busiest_cpu_pct)
        actions: list[Action] = []
        if text is not None:
            # What waits for a slot is of a rate that is past.
            actions = [self._happened(now_ns, "search", text), *self.dealer.discard()]
        rate = seeker.rate
        if rate is None:
            return [*actions, *self.end_plan(now_ns)]
        if text is not None or rate != before:
            seeker.begin_step((now_ns + AHEAD_NS - self.start_ns) // NS_PER_S + 1)
            actions += self.dealer.set_rate(rate, now_ns)
        return actions

    def _look_for_saturation(self, interval: Interval, target_qps: float, now_ns: int) -> list[Action]:
        end_ns = self._end_ns()
        if end_ns is not None and self.start_ns + (interval.index + 1) * NS_PER_S > end_ns:
            return []  # a part of a second says little of a rate
        text = self.fitness.second(interval, target_qps, self.dealer, len(self.places))
        return [] if text is None else [self._happened(now_ns, "saturation", text)]

    def _is_inside(self, index: int) -> bool:
        """Whether second *index* began before the end of the load, as far as that is known."""
        end_ns = self._end_ns()
        return end_ns is None or self.start_ns + index * NS_PER_S < end_ns

    def _elapsed_s(self, index: int) -> float:
        """For how long iterations were started by the end of second *index*."""
        end_ns = self._end_ns()
        return index + 1.0 if end_ns is None else min(index + 1.0, (end_ns - self.start_ns) / NS_PER_S)

    def _end_ns(self) -> int | None:
        return self.dealer.until_ns if self.end_ns is None else self.end_ns

    def _drained(self, now_ns: int) -> list[Action]:
        """A worker is done: once all are, only their last rites remain. Where all are lost, but a fresh one is to come,
        the load goes on with that.
        """
        if not any(worker.is_done for worker in self.places) or not all(
            worker.reports_no_more or not worker.is_pressing for worker in self.places
        ):
            return []
        actions: list[Action] = []
        for worker in self.places:
            if not worker.reports_no_more:
                actions += self._dismiss(worker)
        self.phase = Phase.DRAINING
        self._deadline_ns = now_ns + int((self.config.timeout_s + OVERDUE_S) * NS_PER_S)
        return actions + self._complete(now_ns)

    def _dismiss(self, worker: Worker) -> list[Action]:
        """A fresh worker comes too late: the load is over."""
        worker.is_dismissed = True
        return [Kill(worker.totals.id)]

    def _finish(self, now_ns: int) -> list[Action]:
        """Nothing more will be heard: settle the end, and what was due before it and never started."""
        self.end_ns = self._settled_end_ns(now_ns)
        self.phase = Phase.OVER
        self._is_cut |= self.is_out_of_words
        actions = self._complete(now_ns)
        if not self.is_out_of_words:
            target_qps = self.dealer.target_qps(0)
            self.tally.drop(self.dealer.n_unclaimed, target_qps)
            if self._has_lost or not (self._is_cut or self.is_interrupted):
                # Whoever lives tells to the last one what it started and what it dropped: the rest is the lost ones',
                # or the share of one that was done when it heard of it.
                n_told = self.total.started + self.total.dropped
                self.tally.drop(self.dealer.n_left_over(self.end_ns, n_told), target_qps)
        if self.dealer.n_beyond:
            n_beyond = format_count(self.dealer.n_beyond)
            text = f"{n_beyond} iterations were started beyond the plan: a worker that stood still had not heard of it"
            actions.append(self._happened(self.end_ns, "beyond_the_plan", text))
        if self.total.held:
            text = f"{format_count(self.total.held)} iterations were held back while catching up (--catch-up)"
            actions.append(self._happened(self.end_ns, "held_back", text))
        return actions

    def _settled_end_ns(self, now_ns: int) -> int:
        """The end of the load: the time limit or the interrupt, else what there was of it says so."""
        course = self.dealer.course
        if self.is_out_of_words and not self.is_interrupted:
            return end_of_words_ns(self.config, course, self.places, self.start_ns)
        if (end_ns := self._end_ns()) is not None:
            return min(end_ns, max(now_ns, self.start_ns))
        return end_of_load_ns(course, self.places, now_ns)

    def _lose(self, worker: Worker, now_ns: int) -> int:
        """A worker ended before its last word. Returns how many iterations are lost with it."""
        if self.phase is Phase.STARTING:
            worker.is_gone = True
            return 0
        self._has_lost = True
        if not self.is_interrupted:
            self.n_workers_lost += 1
        return self.tally.lose(worker, now_ns)

    def _break(self, why: str) -> None:
        """The run broke: for this reason, and the first thing that a worker complained of."""
        self.broken = f"{why}: {self._complaints[0]}" if self._complaints else why

    def _give_up(self, why: str, now_ns: int) -> list[Action]:
        """Nobody is left to go on; the run broke by that, unless its user ended it or somebody came to the end."""
        if not self.is_interrupted and not any(worker.is_done for worker in self.places):
            self._break(why)
        return self._finish(now_ns)

    def _stop(self, now_ns: int, drain_until_ns: int | None = None) -> list[Action]:
        self.phase = Phase.DRAINING
        pressing = [worker for worker in self.places if worker.is_pressing and not worker.reports_no_more]
        if pressing:
            until_ns = self._end_ns()
            self.end_ns = now_ns if until_ns is None else min(now_ns, until_ns)
        if drain_until_ns is None:
            drain_until_ns = now_ns + int(self.config.timeout_s * NS_PER_S)
        self._deadline_ns = drain_until_ns + int(OVERDUE_S * NS_PER_S)
        in_flight = sum(worker.counts.in_flight for worker in pressing if worker.counts)
        stops: list[Action] = [Tell(worker.totals.id, Stop(drain_until_ns)) for worker in pressing]
        for worker in self.places:
            if not worker.reports_no_more and not worker.is_pressing:
                stops += self._dismiss(worker)
        return [*stops, Draining(in_flight), *(self._finish(now_ns) if self._is_deserted else [])]

    def _happened(self, now_ns: int, kind: str, text: str) -> Happened:
        at_s = max((now_ns - self.start_ns) / NS_PER_S, 0.0) if self.start_ns else 0.0
        event = EventResult(round(at_s, 3), kind, text)
        self.events.append(event)
        return Happened(event)
