"""A gate that lets an iteration begin only when there is what it needs: a word that is ready, room for its reply.

While there is none it says so by `STARVED_NS`, an instant that never comes either, but does not mean the end.
"""

from __future__ import annotations

from collections.abc import Callable

from hybridpress.units import NEVER_NS
from hybridpress.worker.gate import Gate

STARVED_NS = NEVER_NS - 1
PLENTY = NEVER_NS
"""Words that need not be counted."""


class StockedGate:
    """*gate* as far as the stock goes: `n_free` iterations may begin, none while `is_clogged`. *low* is called when
    `n_free` has fallen to `low_at`.
    """

    __slots__ = ("_low", "inner", "is_clogged", "low_at", "n_free", "n_taken")

    def __init__(self, gate: Gate, low: Callable[[], None], n_free: int = 0) -> None:
        self.inner = gate
        self._low = low
        self.n_free = n_free
        self.low_at = -1
        self.is_clogged = False
        self.n_taken = 0

    @property
    def due_ns(self) -> int:
        due_ns = self.inner.due_ns
        if (self.n_free <= 0 or self.is_clogged) and due_ns != NEVER_NS:
            return STARVED_NS
        return due_ns

    @property
    def is_starved(self) -> bool:
        """Whether more could begin but for the stock."""
        return self.due_ns == STARVED_NS

    @property
    def is_over(self) -> bool:
        return self.inner.is_over

    def take(self) -> int:
        inner = self.inner
        take = inner.take  # read first, then called: it may be an iterator's
        due = take()
        self.n_taken += 1
        n_free = self.n_free = self.n_free - 1
        if n_free <= self.low_at:
            self._low()
        return due

    def n_due(self, until_ns: int) -> int:
        return self.inner.n_due(until_ns)
