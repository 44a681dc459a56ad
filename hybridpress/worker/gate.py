"""What lets iterations begin: the plan's pacer, or, unpaced, a gate that is open while there is anything to start.

All say in `due_ns` when the next iteration may begin, and hand it out by `take()`, so that a slot's turn is the same
for all. What is done with iterations that are late is the business of gates of their own, around the pacer, so that it
costs nothing where it is not asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import repeat
from typing import Protocol

from hybridpress.clock import now_ns
from hybridpress.load.pacer import Pacer
from hybridpress.units import NEVER_NS

FREE_AGAIN_NS = 1_000_000
"""Policy `drop`: a slot that is free again so soon after an iteration was due starts it; it was as good as free."""
BURST_NS = 10_000_000
"""Catching up is bounded over so long a time, not from one iteration to the next: wakes are not that even."""


class Gate(Protocol):
    """The next iteration may begin once the clock reaches `due_ns`; NEVER_NS: none will, as things stand."""

    @property
    def due_ns(self) -> int: ...

    @property
    def take(self) -> Callable[[], int]:
        """Begin it; returns its due time."""

    @property
    def is_over(self) -> bool:
        """Whether nothing will begin any more, whatever the coordinator may still say."""

    def n_due(self, until_ns: int) -> int:
        """How many more may begin before *until_ns*; 0 where there is no plan."""


@dataclass(slots=True)
class Late:
    """What became of late iterations since the last interval: so many were dropped, so many held back."""

    dropped: int = 0
    held: int = 0


class OpenGate:
    """Unpaced: always due, *limit* times (None: without end)."""

    __slots__ = ("_left", "due_ns", "is_limited", "take")

    def __init__(self, limit: int | None) -> None:
        self.is_limited = limit is not None
        self._left = limit or 0
        self.due_ns = NEVER_NS if limit == 0 else 0
        # Without a limit there is nothing to count, and an iterator is faster than a method
        self.take: Callable[[], int] = repeat(0).__next__ if limit is None else self._take_one

    @property
    def n_left(self) -> int | None:
        """How many more may begin; None: without end."""
        return self._left if self.is_limited else None

    @property
    def is_over(self) -> bool:
        return self.due_ns == NEVER_NS

    def _take_one(self) -> int:
        self._left -= 1
        if not self._left:
            self.due_ns = NEVER_NS
        return 0

    def n_due(self, until_ns: int) -> int:
        return 0


class ClosedGate:
    """Before the load, in a pause, and after the load: nothing is due. Only after it nothing ever will be."""

    __slots__ = ("due_ns", "is_over")

    def __init__(self, *, is_over: bool = False) -> None:
        self.due_ns = NEVER_NS
        self.is_over = is_over

    def take(self) -> int:
        raise AssertionError("a closed gate has nothing to take")

    def n_due(self, until_ns: int) -> int:
        return 0


class DropGate:
    """Policy `drop`: what came due while no slot was free is passed over and counted, as soon as anybody looks."""

    __slots__ = ("_has_idle", "_late", "_pacer")

    def __init__(self, pacer: Pacer, late: Late, has_idle: Callable[[], bool]) -> None:
        self._pacer = pacer
        self._late = late
        self._has_idle = has_idle

    @property
    def due_ns(self) -> int:
        self._pass_over()
        return self._pacer.due_ns

    @property
    def take(self) -> Callable[[], int]:
        return self._pacer.take

    @property
    def is_over(self) -> bool:
        self._pass_over()
        return self._pacer.is_over

    def n_due(self, until_ns: int) -> int:
        self._pass_over()
        return self._pacer.n_due(until_ns)

    def _pass_over(self) -> None:
        pacer = self._pacer
        latest_ns = now_ns() - FREE_AGAIN_NS
        if pacer.due_ns < latest_ns and not self._has_idle():
            while pacer.due_ns < latest_ns:
                pacer.take()
                self._late.dropped += 1


class CatchUpGate:
    """Policy `wait`, bounded: while behind, no more than *factor* times the plan's rate begins.

    By the generic cell rate algorithm (ITU-T I.371): each start puts the next one off by the plan's gap / *factor*,
    counted on from the one before or, where that is long past, from a little before now.
    """

    __slots__ = ("_factor", "_late", "_open_ns", "_pacer")

    def __init__(self, pacer: Pacer, late: Late, factor: float) -> None:
        self._pacer = pacer
        self._late = late
        self._factor = factor
        self._open_ns = 0.0

    @property
    def due_ns(self) -> int:
        return max(self._pacer.due_ns, int(self._open_ns))

    @property
    def is_over(self) -> bool:
        return self._pacer.is_over

    def take(self) -> int:
        pacer, open_ns, now = self._pacer, self._open_ns, now_ns()
        due_ns = pacer.take()
        if open_ns > due_ns:
            self._late.held += 1
        gap_ns = max(pacer.due_ns - due_ns, 0) if pacer.due_ns != NEVER_NS else 0
        self._open_ns = max(open_ns, now - BURST_NS) + gap_ns / self._factor
        return due_ns

    def n_due(self, until_ns: int) -> int:
        return self._pacer.n_due(until_ns)
