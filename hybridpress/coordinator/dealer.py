"""Deals the load to the workers: who has which share of the plan, how many slots, and what is moved between them."""

from __future__ import annotations

from hybridpress.config import RunConfig
from hybridpress.coordinator.actions import Tell
from hybridpress.coordinator.balance import Balance, Moves
from hybridpress.coordinator.course import Course
from hybridpress.coordinator.tally import Worker
from hybridpress.ipc.messages import (
    Begin,
    Counts,
    Discard,
    Done,
    GivenUp,
    GiveUp,
    GoOn,
    Hold,
    Order,
    Pace,
    Resize,
    Resized,
    TakeOver,
)
from hybridpress.load.plan import Leg
from hybridpress.load.split import deal
from hybridpress.units import NS_PER_S

MOST_GIVEN_UP = 2_000
"""So many due times at most are told in one message: what a pipe holds, so that nobody waits for its reader."""


class Dealer:
    """Deals to those of *workers* that press; the list is the caller's, and always as it is now."""

    def __init__(self, config: RunConfig, workers: list[Worker]) -> None:
        self._config = config
        self._workers = workers
        self._balance = Balance([0] * len(workers))
        self._next_slot = config.concurrent
        self._held_since_ns: int | None = None
        self.n_unclaimed = 0
        """So many were given up when nobody was there any more to start them, or came too late to who was to."""
        self.n_beyond = 0
        """So many more were started than planned, by workers that heard too late that others had their share."""
        self._asked: set[int] = set()
        """Who was told to give up what waits, and has not answered yet: a pipe that nobody reads must not fill."""
        self.start_ns = 0
        self.course: Course | None = None
        """The plan of a paced run, once it has begun."""
        self._until_ns: int | None = None

    @property
    def until_ns(self) -> int | None:
        """When nothing is started any more; None while only a number ends the run, or in a pause."""
        return self._until_ns if self.course is None else self.course.until_ns

    @property
    def is_paused(self) -> bool:
        return self._held_since_ns is not None if self.course is None else self.course.is_paused

    @property
    def n_slots(self) -> int:
        """How many slots are to press, in all workers."""
        return sum(worker.n_slots for worker in self._pressing())

    @property
    def backlog(self) -> int:
        """What is due and waits for a slot, in all workers, by their last counts."""
        return sum(worker.counts.backlog for worker in self._pressing() if worker.counts)

    @property
    def busiest_cpu_pct(self) -> float:
        """What the busiest worker uses of a core now."""
        return 100 * self._balance.busiest_cpu()

    def target_qps(self, index: int) -> float | None:
        """The rate that was asked for in second number *index*; None: unpaced."""
        return None if self.course is None else self.course.target_qps(index)

    def n_planned(self) -> int | None:
        """How many iterations the plan holds, with those beyond it; None: nobody knows, or nothing is planned."""
        n_planned = None if self.course is None else self.course.n_planned()
        return None if n_planned is None else n_planned + self.n_beyond

    def n_left_over(self, end_ns: int, n_told: int) -> int:
        """How many were due before *end_ns* of which nobody told, where *n_told* were started or dropped."""
        return 0 if self.course is None else self.course.n_due(end_ns) + self.n_beyond - n_told

    # begin and end

    def begin(self, start_ns: int) -> list[Tell]:
        """The load begins, with the workers that are ready."""
        config, workers = self._config, self._workers
        self.start_ns = start_ns
        if config.duration_s is not None:
            self._until_ns = start_ns + int(config.duration_s * NS_PER_S)
        for worker in workers:
            worker.is_pressing = not worker.is_gone
        if config.slot_profile is not None:
            self._share_slots(round(config.slot_profile.rate(0.0)))
        leg = None
        if config.is_paced:
            self.course = Course(config, start_ns, self._balance.fair(self._slots(), start_ns))
            leg = self.course.leg
        elif config.iterations is not None:
            for worker, limit in zip(workers, deal(config.iterations, self._slots()), strict=True):
                worker.limit = limit
        return [
            Tell(worker.totals.id, Begin(start_ns, self.until_ns, leg, worker.limit, worker.n_slots))
            for worker in self._pressing()
        ]

    def join(self, worker: Worker, now_ns: int) -> list[Tell]:
        """A fresh worker is ready, in the place of one that is lost: it gets its share."""
        worker.is_pressing = True
        worker.next_index = max(now_ns - self.start_ns, 0) // NS_PER_S
        number = worker.totals.id
        self._balance.is_new(number)
        self._asked.discard(number)
        others, leg = [], None
        if self.course is not None:
            leg = self._fair_leg(self.course, now_ns)
            others = [order for order in self._pace(leg) if order.worker != number]
        begin = Begin(self.start_ns, self.until_ns, leg, worker.limit, worker.n_slots, worker.next_index)
        orders = [Tell(number, begin), *others]
        if self._held_since_ns is not None:
            orders.append(Tell(number, Hold()))
        return orders

    def leave(self, now_ns: int) -> list[Tell]:
        """A worker is lost: the others have its share."""
        if self.course is None or not any(self._slots()):
            return []
        return self._pace(self._fair_leg(self.course, now_ns))

    def end(self, now_ns: int) -> None:
        """The plan ends now."""
        if self.course is not None:
            self.course.end(now_ns)

    # feedback

    def counted(self, counts: Counts) -> None:
        """A worker told where it is."""
        if self.course is not None:
            self._balance.counted(counts, self.course.rate_at(counts.at_ns))

    def look(self, now_ns: int) -> list[Tell]:
        """What is to be moved or changed by now."""
        if self.course is None:
            profile = self._config.slot_profile
            n = self.n_slots if profile is None else round(profile.rate((now_ns - self.start_ns) / NS_PER_S))
            return self.set_slots(n, now_ns) if n != self.n_slots else []
        self.course.keep_up(now_ns)
        if self.course.is_paused:
            return []
        moves: Moves = self._balance.decide(self.course.rate_at(now_ns), now_ns)
        able = {worker.totals.id for worker in self._pressing()} - self._asked
        asked = {number: min(n, MOST_GIVEN_UP) for number, n in moves.given_up.items() if n and number in able}
        self._asked |= asked.keys()
        orders = [Tell(number, GiveUp(n)) for number, n in asked.items()]
        if moves.weights is not None:
            orders = self._pace(self.course.set_weights(moves.weights, now_ns)) + orders
        return orders

    def given_up(self, report: GivenUp, *, is_over: bool = False) -> list[Tell]:
        """What one worker gave up, others take over: those with room, by their slots; if nobody has any, itself. Where
        the load *is_over* nobody does.
        """
        self._asked.discard(report.worker)
        pressing = [] if is_over else self._pressing()
        return self._hand_out(
            report.dues_ns, [worker for worker in pressing if worker.totals.id != report.worker] or pressing
        )

    def done(self, worker: Worker, report: Done) -> None:
        """*worker*'s last word: what was handed to it and came too late is nobody's any more."""
        self.n_beyond += report.n_beyond
        if not report.is_out_of_words:
            self.n_unclaimed += worker.n_handed - report.n_taken_over

    # changes while the run goes on

    def set_rate(self, rate_per_s: float, now_ns: int) -> list[Tell]:
        """A paced run goes at *rate_per_s* from now on, or when its pause is over."""
        assert self.course is not None
        was_paused = self.course.is_paused
        leg = self.course.set_rate(rate_per_s, now_ns)
        return [] if was_paused else self._pace(leg)

    def discard(self) -> list[Tell]:
        """What is due and waits for a slot is dropped."""
        return self._everyone(Discard())

    def set_slots(self, n: int, now_ns: int) -> list[Tell]:
        """*n* slots press from now on; those that are missing are made."""
        before = self._slots()
        self._share_slots(n)
        orders = []
        for worker, n_before in zip(self._workers, before, strict=True):
            if not worker.is_pressing or worker.reports_no_more or worker.n_slots == n_before:
                continue
            numbers = tuple(range(self._next_slot, self._next_slot + max(worker.n_slots - worker.n_made, 0)))
            self._next_slot += len(numbers)
            worker.n_made += len(numbers)
            orders.append(Tell(worker.totals.id, Resize(worker.n_slots, numbers)))
        if self.course is not None and any(self._slots()):
            orders += self._pace(self._fair_leg(self.course, now_ns))
        return orders

    def resized(self, report: Resized) -> None:
        """So many slots of the worker press: fewer than they were to be where some could not start."""
        worker = self._workers[report.worker]
        if report.failures:
            worker.n_slots = min(worker.n_slots, report.n_slots)
            worker.n_made -= len(report.failures)

    def pause(self, now_ns: int) -> list[Tell]:
        """Start nothing, until `resume`; the time that is left stays as it is."""
        if self.course is not None:
            return self._pace(self.course.pause(now_ns))
        self._held_since_ns = now_ns
        return self._everyone(Hold())

    def resume(self, now_ns: int) -> list[Tell]:
        """Go on after a pause."""
        if self.course is not None:
            return self._pace(self.course.resume(now_ns))
        assert self._held_since_ns is not None
        if self._until_ns is not None:
            self._until_ns += now_ns - self._held_since_ns
        self._held_since_ns = None
        return self._everyone(GoOn(self._until_ns))

    # helpers

    def _pressing(self) -> list[Worker]:
        return [worker for worker in self._workers if worker.is_pressing and not worker.reports_no_more]

    def _slots(self) -> list[int]:
        """How many slots each worker has for the load; 0: it does not press."""
        return [
            worker.n_slots if worker.is_pressing and not worker.reports_no_more and not worker.is_silent else 0
            for worker in self._workers
        ]

    def _share_slots(self, n: int) -> None:
        """Deal *n* slots to those that press."""
        pressing = self._pressing()
        if pressing:
            for worker, n_slots in zip(pressing, deal(n, [1] * len(pressing)), strict=True):
                worker.n_slots = n_slots

    def _hand_out(self, dues_ns: tuple[int, ...], workers: list[Worker]) -> list[Tell]:
        """*workers* start also these: those of them with room, else all."""
        if self.course is None or not workers:
            self.n_unclaimed += len(dues_ns)
            return []
        if not dues_ns:
            return []
        rate = self.course.rate_at(dues_ns[-1])
        able = [worker for worker in workers if self._balance.has_room(worker.totals.id, rate)] or workers
        dues = sorted(dues_ns)
        orders = []
        for k, worker in enumerate(able):
            if handed := tuple(dues[k :: len(able)]):
                worker.n_handed += len(handed)
                orders.append(Tell(worker.totals.id, TakeOver(handed)))
        return orders

    def _fair_leg(self, course: Course, now_ns: int) -> Leg:
        return course.set_weights(self._balance.fair(self._slots(), now_ns), now_ns)

    def _pace(self, leg: Leg) -> list[Tell]:
        return self._everyone(Pace(leg, self.until_ns))

    def _everyone(self, order: Order) -> list[Tell]:
        return [Tell(worker.totals.id, order) for worker in self._pressing()]
