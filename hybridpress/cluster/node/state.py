"""What a node decides: an ordinary run's state, but that the head says what is to be done, and is told what was.

Events in, actions out, as there (hybridpress/coordinator/state.py); what the head is to hear waits in `take_said`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hybridpress.cluster.messages import Closing, NodeReport, Told
from hybridpress.cluster.node.dealer import NodeDealer
from hybridpress.config import RunConfig
from hybridpress.coordinator.actions import Action, Happened
from hybridpress.coordinator.dealer import Dealer
from hybridpress.coordinator.phase import Phase
from hybridpress.coordinator.state import RunState
from hybridpress.coordinator.tally import Worker
from hybridpress.ipc.messages import (
    Begin,
    Broken,
    Counts,
    Discard,
    Done,
    GivenUp,
    GiveUp,
    GoOn,
    Hold,
    Measured,
    Order,
    Pace,
    Ready,
    Report,
    Resize,
    Resized,
    Stop,
    TakeOver,
)
from hybridpress.metrics.interval import Interval
from hybridpress.metrics.verdict import judge

AT_REST_NS = 190_000_000
"""A node where nothing waits tells where it is so often; else at every tick…"""
GAP_NS = 300_000
"""…but for each node of the cluster so much less often, for the head hears them all…"""
MOST_GAP_NS = 250_000_000
"""…and still as often as this."""


class NodeState(RunState):
    """Node number *node* in a run of *config*, whose workers *first* and on, with so many slots each, are its own."""

    def __init__(
        self, config: RunConfig, begun_at_ns: int, node: int, first: int, slots: Sequence[int], n_nodes: int = 1
    ) -> None:
        self._node = node
        self._first = first
        self._slots = list(slots)
        self._past = [Counts(0, 0, 0, 0, 0, 0, 0) for _ in slots]
        """What those counted that were lost from each place."""
        self._held: Interval | None = None
        """The last second that is complete: it is told when there is another, or with the last word."""
        self._next_index = 0
        self._is_ready = False
        self._said_done = False
        self._gap_ns = min(n_nodes * GAP_NS, MOST_GAP_NS)
        self._counted_ns = begun_at_ns
        self._said: list[Report | NodeReport] = []
        super().__init__(config, begun_at_ns)

    @property
    def n_places(self) -> int:
        return len(self._slots)

    def slots_wanted(self, number: int) -> int:
        return self._slots[number]

    def name_of(self, number: int) -> str:
        return f"worker {self._first + number} of node {self._node}"

    def new_dealer(self) -> Dealer:
        return NodeDealer(self.config, self.places, self._node)

    @property
    def _deals(self) -> NodeDealer:
        assert isinstance(self.dealer, NodeDealer)
        return self.dealer

    # what the head says

    def obey(self, order: Order, now_ns: int) -> list[Action]:
        """Do what the head says. Before the load and after it most of it comes to nothing."""
        deals = self._deals
        match order:
            case Begin():
                return self._begin_by(order)
            case GiveUp(at_most):
                # Whoever asks is answered, or asks no more.
                asked = deals.give_up(at_most) if self.phase is Phase.PRESSING else []
                if not asked:
                    self._say(deals.settled())
                return [*asked]
        if self.phase not in {Phase.PRESSING, Phase.DRAINING}:
            return []
        match order:
            case Stop(drain_until_ns):
                actions = self._stop(now_ns, drain_until_ns)
                self._say_done()
                return actions
            case Pace():
                return [*deals.follow(order, now_ns)]
            case Hold() | Discard():
                return [*deals.pass_on(order)]
            case GoOn(until_ns):
                deals.until(until_ns)
                return [*deals.pass_on(order)]
            case Resize():
                return [*deals.resize(order, now_ns)]
            case TakeOver(dues_ns):
                return [] if self._said_done else [*deals.take_over(dues_ns)]

    def _begin_by(self, order: Begin) -> list[Action]:
        if self.phase is not Phase.STARTING:
            return []
        self.phase = Phase.PRESSING
        self.start_ns = order.start_ns
        return [*self._deals.begin_by(order)]

    def take_said(self) -> list[Report | NodeReport]:
        """What the head is to hear, by what happened since the last call."""
        said, self._said = self._said, []
        return said

    # what the workers say

    def heard(self, report: Report, now_ns: int) -> list[Action]:
        """A worker reported, by its number in the whole cluster."""
        report = replace(report, worker=report.worker - self._first)
        if isinstance(report, GivenUp) and self._deals.is_for_head(report.worker):
            self._say(self._deals.gave_up(report.worker, report.dues_ns))
            return []
        actions = super().heard(report, now_ns)
        if isinstance(report, Resized) and report.failures:
            self._say(Resized(self._node, self.dealer.n_slots, report.failures))
        if isinstance(report, Broken):
            self._say(Broken(self._node, report.text))
        return actions

    def forked(self, number: int, pid: int, now_ns: int = 0) -> list[Action]:
        before = self.places[number]
        actions = super().forked(number, pid, now_ns)
        if self.places[number] is not before:
            past = self._past[number]
            self._past[number] = _sum([past, _counted(before)])
        return actions

    def exited(self, number: int, exit_code: int, now_ns: int) -> list[Action]:
        actions = super().exited(number, exit_code, now_ns)
        if self._deals.is_for_head(number):
            self._say(self._deals.gave_up(number, ()))
        return actions

    def ticked(self, now_ns: int, suspended_ns: int = 0, wall_ahead_ns: int | None = None) -> list[Action]:
        actions = super().ticked(now_ns, suspended_ns, wall_ahead_ns)
        is_at_rest = not self.dealer.backlog
        is_due = now_ns - self._counted_ns >= max(self._gap_ns, AT_REST_NS if is_at_rest else 0)
        if is_due and self.phase in {Phase.PRESSING, Phase.DRAINING} and not self._said_done:
            self._counted_ns = now_ns
            self._say(self._counts(now_ns))
        return actions

    # what the head is told

    def _say(self, report: Report | NodeReport | None) -> None:
        if report is not None:
            self._said.append(report)

    def _counts(self, now_ns: int) -> Counts:
        """Where the node is: the sums of where its workers are, and of what those counted that were lost."""
        found = _sum([*self._past, *map(_counted, self.places)])
        return replace(found, worker=self._node, at_ns=now_ns, cpu_ns=found.cpu_ns // len(self.places))

    def _begin_if_ready(self, now_ns: int) -> list[Action]:
        """Here the head begins: it is told that all are ready."""
        alive = [worker for worker in self.places if not worker.is_gone]
        if self.phase is not Phase.STARTING or not all(worker.is_ready for worker in alive) or self._is_ready:
            return []
        n_slots = sum(worker.n_slots for worker in alive)
        if not n_slots:
            self._break("no slot could start")
            return self._finish(now_ns)
        self._is_ready = True
        self._deadline_ns = None
        self._say(Ready(self._node, 0, n_slots, tuple(self._complaints[:3])))
        return []

    def _complete(self, now_ns: int) -> list[Action]:
        found = self.tally.complete(self._n_whole(now_ns))
        for interval in found:
            self.total.extend(interval)
            self._next_index = interval.index + 1
        if self._held is not None:
            found, self._held = [self._held, *found], None
        if found and self._is_drained:
            # The last one goes with the last word.
            self._held = found.pop()
        for interval in found:
            self._say(Measured(self._node, interval))
        return []

    @property
    def _is_drained(self) -> bool:
        """Whether no worker has any more to say."""
        return all(worker.reports_no_more or not worker.is_pressing for worker in self.places)

    def _drained(self, now_ns: int) -> list[Action]:
        actions = super()._drained(now_ns)
        self._say_done()
        return actions

    def _say_done(self) -> None:
        """The last word on what was counted, once no worker has any more to say."""
        if self._said_done or self.phase not in {Phase.DRAINING, Phase.OVER} or not self._is_drained:
            return
        self._said_done = True
        last, self._held = self._held or Interval(self._next_index), None
        last.in_flight = sum(worker.in_flight_left for worker in self.places if worker.is_done)
        last_start_ns = max(worker.last_start_ns for worker in self.places)
        last_end_ns = max(worker.last_end_ns for worker in self.places)
        n_taken_over = self._deals.n_taken_over - self._deals.n_unclaimed
        n_beyond = self._deals.n_beyond
        self._say(Done(self._node, last, last_start_ns, last_end_ns, self.is_out_of_words, n_taken_over, n_beyond))

    def _finish(self, now_ns: int) -> list[Action]:
        """Nobody is left. What was due and never started, of those that were lost, the head settles."""
        self.phase = Phase.OVER
        self.end_ns = now_ns
        self._complete(now_ns)
        if self.broken is not None:
            self._say(Broken(self._node, self.broken))
        elif self.start_ns:
            self._say_done()
        return []

    def closing(self, words: Sequence[tuple[str, str]] = (), complaint: str | None = None) -> Closing:
        """The very last word."""
        conditions = self.conditions()
        verdict, reasons = judge(self.total, conditions)
        totals = tuple(replace(worker.totals, id=self._first + worker.totals.id) for worker in self.places)
        return Closing(
            self._node,
            totals,
            verdict,
            tuple((reason.code, reason.text) for reason in reasons),
            tuple(words),
            complaint,
            conditions.suspended_s,
            self.n_lost,
            self.n_workers_lost,
        )

    def _happened(self, now_ns: int, kind: str, text: str) -> Happened:
        told = Told(self._node, kind, text, self.n_lost, self.n_workers_lost, self.fitness.n_cpu_workers_lost)
        self._say(told)
        return super()._happened(now_ns, kind, text)


def _counted(worker: Worker) -> Counts:
    """Where the worker in a place is: by its last counts, or by what it told since."""
    counts = worker.counts
    parts = {name: (part.started, part.completed, part.failed) for name, part in worker.parts.items()}
    n_ended = worker.completed + worker.failed
    in_flight = worker.in_flight_left if worker.reports_no_more else worker.started - n_ended
    noted = Counts(0, 0, worker.started, worker.completed, worker.failed, in_flight, 0, 0, parts)
    if (
        counts is None
        or worker.reports_no_more
        or noted.started + noted.completed + noted.failed > (counts.started + counts.completed + counts.failed)
    ):
        return noted if counts is None else replace(noted, cpu_ns=counts.cpu_ns)
    return counts


def _sum(several: Sequence[Counts]) -> Counts:
    parts: dict[str, tuple[int, int, int]] = {}
    for counts in several:
        for name, (started, completed, failed) in counts.parts.items():
            before = parts.get(name, (0, 0, 0))
            parts[name] = (before[0] + started, before[1] + completed, before[2] + failed)
    return Counts(
        worker=0,
        at_ns=0,
        started=sum(counts.started for counts in several),
        completed=sum(counts.completed for counts in several),
        failed=sum(counts.failed for counts in several),
        in_flight=sum(counts.in_flight for counts in several),
        backlog=sum(counts.backlog for counts in several),
        cpu_ns=sum(counts.cpu_ns for counts in several),
        parts=parts,
    )
