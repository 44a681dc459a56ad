"""A worker's schedule: from (first due, delay) to due times, exact to the iteration.

The schedule is a function from the number of an iteration to its due time, made of straight pieces:

    due(i) = first_due + (i - index) · delay        for i from `index` to the next piece's index

A new piece changes the future alone: what was due by the old one keeps its due time, and nothing is lost or doubled
however late the piece arrives. Without news a worker goes on with the piece it has.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

from hybridpress.units import NEVER_NS


@dataclass(frozen=True, slots=True)
class Piece:
    """From iteration *index* on, *count* iterations (None: without end), *delay_ns* apart, the first at *first_due_ns*.

    *delay_ns* has fractions: at 30,000/s whole ns would be off by one iteration every few seconds.
    """

    index: int
    first_due_ns: int
    delay_ns: float
    count: int | None = None

    @property
    def end(self) -> float:
        """The number of the first iteration that is no longer this piece's."""
        return math.inf if self.count is None else self.index + self.count

    def due_ns(self, i: int) -> int:
        """When iteration number *i* of this worker is due."""
        return self.first_due_ns + int((i - self.index) * self.delay_ns)

    def first_from(self, at_ns: int) -> int:
        """The number of the first iteration that is due at *at_ns* or later, were this piece without end."""
        if at_ns <= self.first_due_ns:
            return self.index
        i = self.index + int((at_ns - self.first_due_ns) / self.delay_ns)
        while i > self.index and self.due_ns(i - 1) >= at_ns:
            i -= 1
        while self.due_ns(i) < at_ns:
            i += 1
        return i


class Pacer:
    """Hands out due times in order. `due_ns` is the next one; `take()` takes it.

    One attribute and one call: what a slot's turn can afford (bench/test_pacer.py).
    """

    __slots__ = ("_base", "_delay_ns", "_end", "_first_ns", "_pieces", "due_ns", "index")

    def __init__(self) -> None:
        self._pieces: deque[Piece] = deque()
        self._base = 0
        self._end: float = 0
        self._first_ns = 0
        self._delay_ns = 0.0
        self.index = 0
        self.due_ns = NEVER_NS

    def apply(self, piece: Piece) -> None:
        """Follow *piece* from its index on; the pieces before it end there.

        Where *piece* begins at an iteration that was taken already, it takes effect from the next one.

        Raises:
            ValueError: *piece* would leave iterations unplanned between itself and the one before it.
        """
        while self._pieces and self._pieces[-1].index >= piece.index:
            self._pieces.pop()
        planned = max(self._pieces[-1].end, self.index) if self._pieces else self.index
        if piece.index > planned:
            raise ValueError(f"the piece begins at iteration {piece.index}, but only {planned} are planned before it")
        self._pieces.append(piece)
        self._look()

    def take(self) -> int:
        """The next due time; the one after it is then in `due_ns`. Only to be called when `due_ns` is not NEVER_NS."""
        due_ns = self.due_ns
        index = self.index = self.index + 1
        if index < self._end:
            self.due_ns = self._first_ns + int((index - self._base) * self._delay_ns)
        else:
            self._look()
        return due_ns

    def n_due(self, until_ns: int) -> int:
        """How many iterations not yet taken are due before *until_ns*."""
        n_due = 0
        for piece, end in self._spans():
            first = max(piece.index, self.index)
            n_due += max(int(min(piece.first_from(until_ns), end)) - first, 0)
        return n_due

    def _spans(self) -> list[tuple[Piece, float]]:
        """Each piece with the number of the iteration at which it ends: its own end, or the next piece's beginning."""
        pieces = list(self._pieces)
        ends = [float(piece.index) for piece in pieces[1:]] + [math.inf]
        return [(piece, min(piece.end, end)) for piece, end in zip(pieces, ends, strict=True)]

    def _look(self) -> None:
        """Find the piece that `index` lies in, drop those before it, and set `due_ns`."""
        for piece, end in self._spans():
            if self.index < end:
                self._base, self._first_ns, self._delay_ns = piece.index, piece.first_due_ns, piece.delay_ns
                self._end = end
                self.due_ns = piece.due_ns(self.index)
                return
            if len(self._pieces) > 1:
                self._pieces.popleft()
        self.due_ns, self._end = NEVER_NS, 0
