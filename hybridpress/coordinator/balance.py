"""Who is behind, who has room, and which shares follow from that. Arithmetic on what the workers count.

A worker is behind when iterations that are due keep waiting in it. Its share becomes what it was seen to start, less a
little; what that leaves goes to those that have room, by their room. So one step is enough, and it is not taken again
before its effect could be seen. The way back is slow: a worker that has kept up for a while gets a small part of its
share back, and waits twice as long for the next one when that was too much. Where nobody has room nothing is moved:
that is saturation (hybridpress/coordinator/saturation.py), and no dealing mends it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from hybridpress.ipc.messages import Counts
from hybridpress.load.split import deal
from hybridpress.units import NS_PER_S

BEHIND_S = 0.02
"""Behind is who has more due than the plan brings in this time…"""
BEHIND_AT_LEAST = 4
"""…and more than so many."""
WINDOW_NS = 350_000_000
"""What a worker can start is seen over so long a time."""
SILENT_NS = 600_000_000
"""Who has not reported for so long is taken to start nothing: its loop is blocked, or its process stopped."""
CALM_NS = 400_000_000
"""After a step so long nothing is moved."""
KEEPS_UP = 0.92
"""The part of what a worker was seen to start that it gets."""
BUSY_CPU = 0.9
"""A worker that uses more of a core than this has no room."""
WAY_BACK_NS = 3 * NS_PER_S
BACK = 0.04
"""After so long without being behind, a worker gets this part of its fair share back."""
NEAR_LIMIT = 0.97
TRUST_NS = 20 * NS_PER_S
"""For so long a worker does not get more than nearly what it could just bear when it was behind."""
MOST_PATIENT_NS = 60 * NS_PER_S
N_PARTS = 1_000
"""Shares are told in thousandths."""


@dataclass(slots=True)
class _Member:
    """One worker, as its counts show it."""

    n_slots: int
    share: float
    since_ns: int = 0
    """Since when it could have reported; 0: it is not there."""
    seen: deque[Counts] = field(default_factory=lambda: deque(maxlen=8))
    behind_since_ns: int | None = None
    patience_ns: int = WAY_BACK_NS
    level_since_ns: int = 0
    was_given_back_ns: int = -MOST_PATIENT_NS
    limit: float | None = None
    """The share that it could just bear when it was last behind."""
    limited_ns: int = 0

    @property
    def backlog(self) -> int:
        return self.seen[-1].backlog if self.seen else 0

    def silence_ns(self, now_ns: int) -> int:
        """How long it has not reported."""
        if not self.n_slots:
            return 0
        return now_ns - (self.seen[-1].at_ns if self.seen else self.since_ns)

    def _window(self) -> tuple[Counts, Counts] | None:
        if len(self.seen) < 2:
            return None
        last = self.seen[-1]
        first = next(counts for counts in self.seen if last.at_ns - counts.at_ns <= WINDOW_NS)
        if first is last:
            first = self.seen[-2]
        return (first, last) if last.at_ns > first.at_ns else None

    def started_per_s(self) -> float | None:
        if (window := self._window()) is None:
            return None
        first, last = window
        return (last.started - first.started) / (last.at_ns - first.at_ns) * NS_PER_S

    def cpu(self) -> float:
        """The part of a core that it uses."""
        if (window := self._window()) is None:
            return 0.0
        first, last = window
        return (last.cpu_ns - first.cpu_ns) / (last.at_ns - first.at_ns)


@dataclass(frozen=True, slots=True)
class Moves:
    """What is to be done: new weights (None: as they are), and how many each worker is to give up to others."""

    weights: tuple[int, ...] | None = None
    given_up: dict[int, int] = field(default_factory=dict)


class Balance:
    """The shares of all workers. `fair` sets them by slots, `counted` and `decide` follow what happens."""

    def __init__(self, n_slots: Sequence[int]) -> None:
        self._members = [_Member(0, 0.0) for _ in n_slots]
        self._calm_until_ns = 0
        self.fair(n_slots, 0)

    def fair(self, n_slots: Sequence[int], now_ns: int) -> tuple[int, ...]:
        """Everyone has a share by its slots (0: it is not there). Returns the weights."""
        whole = sum(n_slots)
        for member, n in zip(self._members, n_slots, strict=True):
            member.n_slots, member.share = n, n / whole if whole else 0.0
            member.behind_since_ns, member.level_since_ns = None, now_ns
            member.since_ns = member.since_ns or now_ns
        self._calm_until_ns = now_ns + CALM_NS
        return tuple(n_slots)

    def is_new(self, worker: int) -> None:
        """Another process is in the worker's place: its counts begin anew."""
        member = self._members[worker]
        member.seen.clear()
        member.since_ns = 0

    def counted(self, counts: Counts, rate_per_s: float) -> None:
        """A worker reported, while the plan's rate is *rate_per_s*."""
        member = self._members[counts.worker]
        member.seen.append(counts)
        if not self._is_behind(member, rate_per_s):
            member.behind_since_ns = None
        elif member.behind_since_ns is None:
            member.behind_since_ns = counts.at_ns

    def has_room(self, worker: int, rate_per_s: float) -> bool:
        """Whether it could start more: it is level, has idle slots, and CPU left."""
        return self._has_room(self._members[worker], rate_per_s)

    def busiest_cpu(self) -> float:
        """The part of a core that the busiest worker uses."""
        return max((member.cpu() for member in self._members), default=0.0)

    def decide(self, rate_per_s: float, now_ns: int) -> Moves:
        """What is to be moved now."""
        members = self._members
        silent = {k for k, member in enumerate(members) if member.silence_ns(now_ns) > SILENT_NS}
        behind = [k for k, member in enumerate(members) if k in silent or self._stays_behind(member)]
        free = [k for k, member in enumerate(members) if k not in silent and self._has_room(member, rate_per_s)]
        for k in behind:
            members[k].level_since_ns = now_ns
        if not free or rate_per_s <= 0:
            return Moves()
        if behind:
            waiting = {k: rate_per_s * members[k].share * members[k].silence_ns(now_ns) / NS_PER_S for k in silent}
            given_up = {k: int(max(members[k].backlog, waiting.get(k, 0.0))) for k in behind}
            if now_ns < self._calm_until_ns:
                return Moves(given_up=given_up)
            return Moves(self._relieve(behind, silent, free, rate_per_s, now_ns), given_up)
        return Moves(self._give_back(free, now_ns)) if now_ns >= self._calm_until_ns else Moves()

    def _is_behind(self, member: _Member, rate_per_s: float) -> bool:
        return member.backlog > max(BEHIND_AT_LEAST, BEHIND_S * rate_per_s * member.share)

    def _stays_behind(self, member: _Member) -> bool:
        """Two reports running found it so."""
        return member.behind_since_ns is not None and member.seen[-1].at_ns > member.behind_since_ns

    def _has_room(self, member: _Member, rate_per_s: float) -> bool:
        if not member.seen or not member.n_slots:
            return False
        counts = member.seen[-1]
        is_idle = counts.in_flight < member.n_slots
        return is_idle and member.cpu() < BUSY_CPU and not self._is_behind(member, rate_per_s)

    def _relieve(
        self, behind: list[int], silent: set[int], free: list[int], rate_per_s: float, now_ns: int
    ) -> tuple[int, ...] | None:
        """Take from those that are *behind* what they cannot start, as far as the *free* ones have room for it."""
        rooms = {k: self._room_per_s(self._members[k], rate_per_s) for k in free}
        whole_room = sum(rooms.values())
        too_much = {}
        for k in behind:
            member = self._members[k]
            can = 0.0 if k in silent else member.started_per_s()
            if can is not None:
                too_much[k] = max(member.share * rate_per_s - KEEPS_UP * can, 0.0)
        whole = sum(too_much.values())
        if not whole or not whole_room:
            return None
        moved = min(whole, whole_room)
        for k, per_s in too_much.items():
            member = self._members[k]
            member.share -= per_s * moved / whole / rate_per_s
            if k not in silent:
                member.limit, member.limited_ns = (member.started_per_s() or 0.0) / rate_per_s, now_ns
            if now_ns - member.was_given_back_ns < 2 * WAY_BACK_NS:
                member.patience_ns = min(2 * member.patience_ns, MOST_PATIENT_NS)
        for k, room in rooms.items():
            self._members[k].share += room * moved / whole_room / rate_per_s
        return self._weights(now_ns)

    def _room_per_s(self, member: _Member, rate_per_s: float) -> float:
        """How much more it could start a second, by its idle slots and by its CPU."""
        now_per_s = member.share * rate_per_s
        counts = member.seen[-1]
        by_slots = now_per_s * (member.n_slots / max(counts.in_flight, 1) - 1)
        by_cpu = now_per_s * (BUSY_CPU / max(member.cpu(), 0.01) - 1)
        return max(min(by_slots, by_cpu), 0.0)

    def _give_back(self, free: list[int], now_ns: int) -> tuple[int, ...] | None:
        """Those that have kept up for a while get a little of their fair share back, from those that have more."""
        whole = sum(member.n_slots for member in self._members)
        fair = [member.n_slots / whole for member in self._members]
        given = 0.0
        for k in free:
            member = self._members[k]
            lacks = fair[k] - member.share
            if lacks > 1e-6 and now_ns - member.level_since_ns >= member.patience_ns:
                part = min(lacks, BACK * fair[k])
                if member.limit is not None and member.share + part > NEAR_LIMIT * member.limit:
                    if now_ns - member.limited_ns < TRUST_NS:
                        continue
                    member.limit = None
                member.share += part
                member.was_given_back_ns = member.level_since_ns = now_ns
                given += part
        if not given:
            return None
        over = {k: m.share - fair[k] for k, m in enumerate(self._members) if m.share > fair[k]}
        for k, more in over.items():
            self._members[k].share -= given * more / sum(over.values())
        return self._weights(now_ns)

    def _weights(self, now_ns: int) -> tuple[int, ...]:
        self._calm_until_ns = now_ns + CALM_NS
        shares = [max(member.share, 0.0) for member in self._members]
        whole = sum(member.n_slots for member in self._members)
        if all(abs(member.share - member.n_slots / whole) < 1e-6 for member in self._members):
            return tuple(member.n_slots for member in self._members)
        return tuple(deal(N_PARTS, shares))
