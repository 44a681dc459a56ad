"""What the head decides: an ordinary run's state whose workers are nodes, which may fall silent and come back.

Events in, actions out (hybridpress/coordinator/state.py). A node that dies is not replaced: the others have its share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from hybridpress.cluster.late import LateTally
from hybridpress.cluster.messages import Closing, Hello, Told
from hybridpress.config import RunConfig
from hybridpress.coordinator.actions import Action, Kill
from hybridpress.coordinator.phase import Phase
from hybridpress.coordinator.seeker import Seeker
from hybridpress.coordinator.state import RunState
from hybridpress.coordinator.tally import Worker
from hybridpress.ipc.messages import Counts, Measured, Report
from hybridpress.metrics.result import NodeResult, ReasonResult
from hybridpress.metrics.summary import WorkerTotals
from hybridpress.metrics.verdict import Conditions
from hybridpress.units import NS_PER_S

BEGIN_AHEAD_NS = NS_PER_S
"""All nodes have the order to begin by then, with their clocks and the way there."""
SILENT_S = 3.0
"""A node of which nothing is heard for so long is silent: the others have its share."""
WORDS_USED = "words_used"
FRESH_NS = NS_PER_S
"""A node is back when it says where it is now, and not where it was."""


@dataclass(slots=True)
class Node:
    """What is known of one node, besides what it counted."""

    hello: Hello
    workers: range
    """The numbers of its workers."""
    unsure_ms: float = 0.0
    """How well its clock is known."""
    heard_ns: int = 0
    n_lost: int = 0
    """Iterations that were lost with workers of its own."""
    n_workers_lost: int = 0
    n_cpu_workers_lost: int = 0
    silences: list[tuple[float, float]] = field(default_factory=list)
    lost_at_s: float | None = None
    closing: Closing | None = None


class HeadState(RunState):
    """A run of *config* over *nodes*."""

    begin_ahead_ns: ClassVar[int] = BEGIN_AHEAD_NS
    loss: ClassVar[str] = "node_lost"
    all_gone: ClassVar[str] = "all nodes were lost"

    def __init__(
        self, config: RunConfig, begun_at_ns: int, nodes: Sequence[Node], seeker: Seeker | None = None
    ) -> None:
        self.nodes = list(nodes)
        self.complaint: str | None = None
        """What is wrong with how the words ended."""
        super().__init__(config, begun_at_ns, seeker)
        self.tally = LateTally(self.places)

    @property
    def n_places(self) -> int:
        return len(self.nodes)

    def slots_wanted(self, number: int) -> int:
        """What keeps slots from starting the node tells by itself."""
        return 0

    def name_of(self, number: int) -> str:
        return f"node {number} ({self.nodes[number].hello.address})"

    def told_end(self, number: int, exit_code: int) -> str:
        return f"{self.name_of(number)} was lost"

    @property
    def all_workers(self) -> list[WorkerTotals]:
        """Every worker of every node that told of them at its end; of another, the node as one."""
        found: list[WorkerTotals] = []
        for node, place in zip(self.nodes, self.places, strict=True):
            found += node.closing.workers if node.closing else [replace(place.totals, id=node.workers.start)]
        return found

    def results(self) -> list[NodeResult]:
        """Each node over the whole run."""
        found = []
        for number, (node, place) in enumerate(zip(self.nodes, self.places, strict=True)):
            state = "lost" if node.lost_at_s is not None else "silent" if place.is_silent else "ok"
            closing = node.closing
            found.append(
                NodeResult(
                    id=number,
                    address=node.hello.address,
                    hostname=node.hello.hostname,
                    workers=len(node.workers),
                    slots=place.n_slots,
                    started=place.totals.started,
                    completed=place.completed,
                    failed=place.failed,
                    lost=node.n_lost,
                    cpu_pct=round(place.totals.health.cpu_pct, 1),
                    clock_unsure_ms=round(node.unsure_ms, 3),
                    state=state,
                    lost_at_s=node.lost_at_s,
                    verdict=closing.verdict if closing else None,
                    reasons=[ReasonResult(*reason) for reason in closing.reasons] if closing else [],
                )
            )
        return found

    def conditions(self) -> Conditions:
        """As a whole run's, with what only the nodes know of their workers."""
        found = super().conditions()
        closings = [node.closing for node in self.nodes if node.closing]
        busiest = [worker.health.cpu_pct for closing in closings for worker in closing.workers]
        troubled = [
            f"{self.name_of(closing.worker)}: {closing.verdict}, {', '.join(code for code, _ in closing.reasons)}"
            for closing in closings
            if closing.verdict != "valid"
        ]
        return replace(
            found,
            n_workers_lost=sum(node.n_workers_lost for node in self.nodes if node.lost_at_s is None),
            busiest_worker_cpu_pct=max([found.busiest_worker_cpu_pct, *busiest]),
            suspended_s=max([found.suspended_s, *(closing.suspended_s for closing in closings)]),
            n_nodes_lost=sum(node.lost_at_s is not None for node in self.nodes),
            troubled_nodes=tuple(troubled),
        )

    # events

    def heard_from(self, report: Report | Told | Closing, now_ns: int) -> list[Action]:
        """A node reported."""
        node = self.nodes[report.worker]
        node.heard_ns = now_ns
        if isinstance(report, Told):
            return self._told(node, report, now_ns)
        if isinstance(report, Closing):
            return self._closed(node, report, now_ns)
        actions = self.heard(report, now_ns)
        place = self.places[report.worker]
        if isinstance(report, Counts) and place.is_silent and now_ns - report.at_ns < FRESH_NS:
            actions += self._back(place, now_ns)
        if isinstance(report, Measured):
            self._tallied.settle()
        return actions

    def exited(self, number: int, exit_code: int, now_ns: int) -> list[Action]:
        """A node is gone, and all that it sent was heard."""
        place = self.places[number]
        if not place.is_done and not place.is_gone and self.start_ns:
            self.nodes[number].lost_at_s = round(max(now_ns - self.start_ns, 0) / NS_PER_S, 3)
        return super().exited(number, exit_code, now_ns)

    def ticked(self, now_ns: int, suspended_ns: int = 0, wall_ahead_ns: int | None = None) -> list[Action]:
        actions = super().ticked(now_ns, suspended_ns, wall_ahead_ns)
        if self.phase in {Phase.PRESSING, Phase.DRAINING} and self._only_silent_are_left():
            # All that the others had to do is done; nobody waits for those that may never come back.
            return [*actions, *(Kill(place.totals.id) for place in self.places if place.is_silent)]
        if self.phase is not Phase.PRESSING:
            return actions
        for number, (node, place) in enumerate(zip(self.nodes, self.places, strict=True)):
            is_due = place.is_pressing and not place.reports_no_more and not place.is_silent
            if is_due and now_ns - max(node.heard_ns, self.start_ns) > SILENT_S * NS_PER_S:
                place.is_silent = True
                text = f"{self.name_of(number)} has not been heard of for {SILENT_S:g} s: the others have its share"
                actions += [self._happened(now_ns, "node_silent", text), *self.dealer.leave(now_ns)]
                actions += self._complete(now_ns)
        return actions

    # decisions

    def _only_silent_are_left(self) -> bool:
        left = [place for place in self.places if not place.reports_no_more]
        return bool(left) and len(left) < len(self.places) and all(place.is_silent for place in left)

    @property
    def _tallied(self) -> LateTally:
        assert isinstance(self.tally, LateTally)
        return self.tally

    def _back(self, place: Worker, now_ns: int) -> list[Action]:
        place.is_silent = False
        text = f"{self.name_of(place.totals.id)} is heard of again, and has its share"
        return [self._happened(now_ns, "node_back", text), *self.dealer.leave(now_ns)]

    def _told(self, node: Node, report: Told, now_ns: int) -> list[Action]:
        self._lost_there(node, report.n_lost, report.n_workers_lost)
        self.fitness.n_cpu_workers_lost += max(report.n_cpu_workers_lost - node.n_cpu_workers_lost, 0)
        node.n_cpu_workers_lost = max(report.n_cpu_workers_lost, node.n_cpu_workers_lost)
        if self.phase is Phase.OVER:
            return []
        return [self._happened(now_ns, report.kind, report.text)]

    def _closed(self, node: Node, report: Closing, now_ns: int) -> list[Action]:
        node.closing = report
        self._lost_there(node, report.n_lost, report.n_workers_lost)
        self.complaint = self.complaint or report.complaint
        name = self.name_of(report.worker)
        # That all are used is told once, of all nodes.
        words = [(kind, text) for kind, text in report.words if kind != WORDS_USED]
        return [self._happened(now_ns, kind, f"{name}: {text}") for kind, text in words]

    def words_used(self) -> list[str]:
        """That all words are used, where every node says so of its part."""
        told = [
            [text for kind, text in node.closing.words if kind == WORDS_USED] if node.closing else []
            for node in self.nodes
        ]
        return list(dict.fromkeys(text for texts in told for text in texts)) if all(told) else []

    def _lost_there(self, node: Node, n_lost: int, n_workers_lost: int) -> None:
        """So much is lost by now with a node's workers."""
        self._has_lost |= n_workers_lost > 0
        self.tally.n_lost += max(n_lost - node.n_lost, 0)
        node.n_lost = max(node.n_lost, n_lost)
        node.n_workers_lost = max(node.n_workers_lost, n_workers_lost)

    def _lose(self, worker: Worker, now_ns: int) -> int:
        """A node is lost: what it had lost by itself is counted already."""
        node = self.nodes[worker.totals.id]
        n_lost = super()._lose(worker, now_ns)
        if worker.is_gone and self.phase is not Phase.STARTING:
            self.tally.n_lost -= node.n_lost
            n_lost -= node.n_lost
            node.n_lost += n_lost
        return n_lost

    def _n_whole(self, now_ns: int) -> int | None:
        """Nobody comes who could tell of a second that the nodes have told."""
        return None

    def _replace(self, worker: Worker, now_ns: int) -> list[Action]:
        """Nobody takes its place."""
        return [*self.dealer.leave(now_ns)] if self.phase is Phase.PRESSING else []
