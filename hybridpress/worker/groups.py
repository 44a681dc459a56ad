"""All slots of a worker's mix: in one group that every part uses, and in groups that are one part's own.

Where all share one group, a part's turn comes when an iteration starts. Where some have slots of their own, the sorter
decides at the instant an iteration is due whose it is, and puts it into the queue of that part's group: so a part whose
slots are all busy keeps none of the others waiting.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial

from hybridpress.clock import now_ns
from hybridpress.load.plan import Leg
from hybridpress.load.profile import Profile
from hybridpress.load.proportion import turns_by_weight
from hybridpress.load.split import deal
from hybridpress.metrics.interval import Interval
from hybridpress.metrics.parts import PartCounts, PartsRecorder
from hybridpress.metrics.recorder import Recorder
from hybridpress.parts import RunPart
from hybridpress.units import NEVER_NS
from hybridpress.worker.cpu.process import Door
from hybridpress.worker.cpu.tier import Tier
from hybridpress.worker.drawn import Drawing
from hybridpress.worker.foresight import Foresight
from hybridpress.worker.gate import ClosedGate, Gate, OpenGate
from hybridpress.worker.mix import Mix, PartsClients, StagedMix
from hybridpress.worker.slots import WAKE_GAP_NS, Slots
from hybridpress.worker.staged import StagedSlots
from hybridpress.worker.stages import stages_of
from hybridpress.worker.timer import open_timer
from hybridpress.worker.turns import ChangingTurns, TurnsGate, turns_of


class QueueGate:
    """What is due for one group of slots, and whose it is: filled by the sorter."""

    __slots__ = ("_dues_ns", "due_ns", "kinds")

    def __init__(self) -> None:
        self._dues_ns: deque[int] = deque()
        self.kinds: deque[int] = deque()
        """Whose turns are next: one longer for each iteration that was taken and has not started yet."""
        self.due_ns = NEVER_NS

    @property
    def is_over(self) -> bool:
        """As far as this queue knows: the sorter may fill it again."""
        return not self._dues_ns

    def put(self, due_ns: int, kind: int) -> None:
        if not self._dues_ns:
            self.due_ns = due_ns
        self._dues_ns.append(due_ns)
        self.kinds.append(kind)

    def take(self) -> int:
        due_ns = self._dues_ns.popleft()
        self.due_ns = self._dues_ns[0] if self._dues_ns else NEVER_NS
        return due_ns

    def n_due(self, until_ns: int) -> int:
        return len(self._dues_ns)


class MixedSlots:
    """All slots of a worker's mix, as if they were one group of slots. To be made inside the loop."""

    def __init__(
        self,
        parts: Sequence[RunPart],
        numbers: range,
        worker: int,
        clients: PartsClients,
        recorder: Recorder,
        ran_out: Callable[[str], None],
        doors: Sequence[Door] = (),
        profile: Profile | None = None,
    ) -> None:
        """*ran_out* is called with the part that has no more words: it cannot have its share any more. *doors* are the
        ways to the CPU workers, *profile* is the rate of the run over time.
        """
        self._names = [part.name for part in parts]
        self._turns = turns_of(parts, profile)
        self._next_kind = self._turns.next
        self._kinds: deque[int] | None = deque() if isinstance(self._turns, ChangingTurns) else None
        """Of a single group whose turns depend on when they are due: those that were taken and not begun yet."""
        recorder.parts = noted = PartsRecorder(self._names)
        shared = {kind: part for kind, part in enumerate(parts) if not part.own_slots}
        groups = [shared] if shared else []
        groups += [{kind: part} for kind, part in enumerate(parts) if part.own_slots]
        self._members = groups
        self._queues = [QueueGate() for _ in groups] if len(groups) > 1 else []
        self._groups: list[Slots] = []
        self._group_of: dict[int, int] = {}
        first = numbers.start
        for place, members in enumerate(groups):
            slots_by_worker = next(iter(members.values())).slots_by_worker
            mine = range(first, first + slots_by_worker[worker])
            first = mine.stop
            self._group_of |= dict.fromkeys(members, place)
            next_turn = self._next_kind if self._kinds is None else self._kinds.popleft
            if self._queues:
                next_turn = self._queues[place].kinds.popleft
            offset = mine.start - sum(slots_by_worker[:worker])
            outs = {kind: partial(ran_out, part.name) for kind, part in members.items()}
            if any(part.shape.has_stages for part in members.values()):
                n_slots = {kind: math.ceil(len(mine) * self._share(kind, members)) for kind in members}
                lines = {
                    kind: stages_of(kind, part, worker, recorder, outs[kind], doors, n_slots[kind])
                    for kind, part in members.items()
                }
                mix = StagedMix(members)
                slots: Slots = StagedSlots(
                    mix, mine, worker, clients, recorder, lines, next_turn=next_turn, noted=noted, offset=offset
                )
            else:
                drawings = {
                    kind: Drawing(part.supply, worker, outs[kind])
                    for kind, part in members.items()
                    if part.shape.takes_word
                }
                mixed = Mix(members, drawings, noted, next_turn, offset)
                slots = Slots(mixed, mine, worker, clients, recorder, words=[], takes_word=False, seed=None)
            self._groups.append(slots)
        self._open_gates: list[OpenGate] = []
        self._gate: Gate = ClosedGate()
        self._is_over = False
        self._timer = open_timer(asyncio.get_running_loop(), self._sort) if self._queues else None

    def __len__(self) -> int:
        return sum(map(len, self._groups))

    @property
    def gate(self) -> Gate:
        """What is still to begin, due or not."""
        return _Remaining(self._gate, [group.gate for group in self._groups]) if self._queues else self._groups[0].gate

    @property
    def behind(self) -> Gate:
        """What is followed, also while slots are leaving."""
        if self._queues:
            return _Remaining(self._gate, [group.behind for group in self._groups])
        return self._groups[0].behind

    def resize(self, n: int) -> None:
        """Let *n* of the slots press: of each group in proportion to its size, and one at least."""
        if len(self._groups) == 1:
            self._groups[0].resize(n)
            return
        shares = deal(max(n, len(self._groups)), [max(len(group), 1) for group in self._groups])
        for group, share in zip(self._groups, shares, strict=True):
            group.resize(max(share, 1))

    async def add(self, numbers: Sequence[int]) -> list[BaseException]:
        """Make and start more slots, of the first group; the errors."""
        return await self._groups[0].add(numbers)

    def has_idle(self) -> bool:
        """Whether a slot waits for something to begin; with queues, what is due is taken at once."""
        return bool(self._queues) or self._groups[0].has_idle()

    @property
    def given_up_ns(self) -> list[int]:
        """The start of each iteration that the drain gave up."""
        return [start_ns for group in self._groups for start_ns in group.given_up_ns]

    async def start(self) -> list[BaseException]:
        """Every slot's start(); a slot whose start() fails will not press. Returns the errors."""
        errors = await asyncio.gather(*(group.start() for group in self._groups))
        return [error for of_group in errors for error in of_group]

    async def stop(self, timeout_s: float) -> None:
        """Every slot's stop(), for *timeout_s* at most."""
        await asyncio.gather(*(group.stop(timeout_s) for group in self._groups))

    def open(self) -> None:
        """As `Slots.open`."""
        for group in self._groups:
            group.open()

    def plan(self, leg: Leg) -> None:
        """From now on this leg of the run's plan holds."""
        self._turns.plan(leg)

    def follow(self, gate: Gate) -> None:
        """From now on, start what *gate* lets begin."""
        if self._is_over:
            return
        if not self._queues:
            kinds = self._kinds
            self._groups[0].follow(gate if kinds is None else TurnsGate(gate, self._turns.at, kinds.append))
            self._foresee(0, gate)
        elif isinstance(gate, OpenGate):
            self._gate = ClosedGate(is_over=True)  # nothing for the sorter: the groups have gates of their own
            if not self._open_gates:
                self._make_open_gates(gate.n_left)
            for place, own in enumerate(self._open_gates):
                self._groups[place].follow(own)
                self._foresee(place, own)
        else:
            self._gate = gate
            for group, queue in zip(self._groups, self._queues, strict=True):
                group.follow(queue)
            self._sort()
            for place, queue in enumerate(self._queues):
                self._foresee(place, gate, queue)

    def _foresee(self, place: int, gate: Gate, queue: QueueGate | None = None) -> None:
        """Have words ready for what of *gate*, and of its own *queue*, is of each part of group number *place*."""
        group, members = self._groups[place], self._members[place]
        if not isinstance(group, StagedSlots):
            return
        for kind, stages in group.lines.items():
            if stages.tier is None or not stages.draws_ahead:
                continue
            everybody = dict.fromkeys(range(len(self._names))) if queue is not None or not self._queues else members
            gates: list[tuple[Gate, Callable[[], float]]] = [(gate, partial(self._share, kind, everybody))]
            if queue is not None:
                gates.append((queue, partial(self._share, kind, members)))
            stages.tier.foresee(Foresight(gates))

    def _share(self, kind: int, among: Collection[int]) -> float:
        """The part's share of what starts of these parts together."""
        weights = self._turns.weights()
        return weights[kind] / (sum(weights[other] for other in among) or 1.0)

    @property
    def tiers(self) -> dict[str, Tier]:
        """What the parts have of the CPU workers, by the parts' names."""
        found: dict[str, Tier] = {}
        for group in self._groups:
            if isinstance(group, StagedSlots):
                found |= group.tiers
        return found

    def share_of(self, part: str) -> float:
        """The part's share of what starts."""
        return self._share(self._names.index(part), range(len(self._names)))

    def _make_open_gates(self, limit: int | None) -> None:
        """Each group as fast as its slots go; *limit* is shared by the weights."""
        limits: list[int | None] = [None] * len(self._groups)
        if limit is not None:
            found = Counter(self._group_of[self._next_kind()] for _ in range(limit))
            limits = [found[place] for place in range(len(self._groups))]
        for queue, members, own_limit in zip(self._queues, self._members, limits, strict=True):
            kinds = list(members)
            turns = turns_by_weight([self._turns.weights()[kind] for kind in kinds])
            gate = OpenGate(own_limit)
            self._open_gates.append(gate)
            gate.take = partial(_take_with_kind, gate.take, map(kinds.__getitem__, turns), queue.kinds)

    def _sort(self) -> None:
        """Put all that is due into the queues, and wake those who wait for it."""
        gate, queues, group_of, kind_at = self._gate, self._queues, self._group_of, self._turns.at
        now = now_ns()
        filled = set()
        while gate.due_ns <= now:
            due_ns = gate.take()
            kind = kind_at(due_ns)
            place = group_of[kind]
            queues[place].put(due_ns, kind)
            filled.add(place)
        for place in filled:
            self._groups[place].follow(queues[place])
        if gate.due_ns != NEVER_NS and self._timer is not None:
            self._timer.arm(max(gate.due_ns, now + WAKE_GAP_NS) if filled else gate.due_ns)

    def close(self) -> None:
        """Start nothing any more."""
        self._is_over = True
        self._gate = ClosedGate(is_over=True)
        for group in self._groups:
            group.close()

    async def drain(self, until_ns: int) -> None:
        """Wait for the iterations in flight until *until_ns*, then give them up."""
        self.close()
        await asyncio.gather(*(group.drain(until_ns) for group in self._groups))
        if self._timer is not None:
            self._timer.close()

    def running_since_ns(self) -> list[int]:
        """The start of each iteration that runs now."""
        return [since_ns for group in self._groups for since_ns in group.running_since_ns()]

    def last_start_ns(self) -> int:
        """When the last iteration of all started; 0: none has."""
        return max(group.last_start_ns() for group in self._groups)

    def drop(self, n: int, interval: Interval) -> None:
        """Note whose the *n* iterations are that were due and will not start: those in the queues, then the next."""
        queued = [kind for queue in self._queues for kind in queue.kinds][:n]
        dropped = Counter(queued + [self._next_kind() for _ in range(n - len(queued))])
        for kind, n_dropped in dropped.items():
            interval.parts.setdefault(self._names[kind], PartCounts()).dropped += n_dropped


def _take_with_kind(take: Callable[[], int], turns: Iterator[int], kinds: deque[int]) -> int:
    """Begin the next iteration of a group that no sorter fills, and say whose it is."""
    kinds.append(next(turns))
    return take()


class _Remaining:
    """What several gates together still let begin: those of the groups, which are filled from the one before them."""

    def __init__(self, before: Gate, gates: Sequence[Gate]) -> None:
        self._gates = [before, *gates]
        self.due_ns = min(gate.due_ns for gate in self._gates)
        self.is_over = all(gate.is_over for gate in self._gates)

    @property
    def take(self) -> Callable[[], int]:
        raise AssertionError("iterations are taken from the gates themselves")

    def n_due(self, until_ns: int) -> int:
        return sum(gate.n_due(until_ns) for gate in self._gates)
