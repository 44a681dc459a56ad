"""What lets iterations begin: the plan's pacer, or, unpaced, a gate that is open while there is anything to start.

Both say in `due_ns` when the next iteration may begin, and hand it out by `take()`, so that a slot's turn is the same
for both.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import repeat
from typing import Protocol

from hybridpress.units import NEVER_NS


class Gate(Protocol):
    """The next iteration may begin once the clock reaches `due_ns`; NEVER_NS: none will, as things stand."""

    due_ns: int

    @property
    def take(self) -> Callable[[], int]:
        """Begin it; returns its due time."""

    def n_due(self, until_ns: int) -> int:
        """How many more may begin before *until_ns*; 0 where there is no plan."""


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

    def _take_one(self) -> int:
        self._left -= 1
        if not self._left:
            self.due_ns = NEVER_NS
        return 0

    def n_due(self, until_ns: int) -> int:
        return 0


class ClosedGate:
    """Before the load and after it: nothing is due."""

    __slots__ = ("due_ns",)

    def __init__(self) -> None:
        self.due_ns = NEVER_NS

    def take(self) -> int:
        raise AssertionError("a closed gate has nothing to take")

    def n_due(self, until_ns: int) -> int:
        return 0
