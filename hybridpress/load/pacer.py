"""A worker's schedule: of the box's plan, the iterations that are its own, and when each is due.

Due times are worked out some hundred at a time, and handed out one by one. A new leg of the plan changes the future
alone: what is due before it keeps its due time, and nothing is lost or doubled however late the leg arrives. Without
news a worker goes on with the leg it has.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from operator import neg
from typing import TYPE_CHECKING

from hybridpress.load.arrivals import Arrivals
from hybridpress.load.plan import Leg
from hybridpress.load.profile import Profile
from hybridpress.units import NEVER_NS

if TYPE_CHECKING:
    from hybridpress.load.stages import Integers

BATCH = 512
"""So many due times are worked out together: 40 µs, in which no slot gets its turn (bench/test_pacer.py)."""
_MAX_LEGS = 64
"""So many are kept, and those of which not all was handed out: a leg that is heard late may change what they said."""


class Pacer:
    """Hands out due times in order. `due_ns` is the next one; `take()` takes it.

    One attribute and one call: what a slot's turn can afford (bench/test_pacer.py).
    """

    __slots__ = (
        "_arrivals",
        "_aside",
        "_batch",
        "_debt",
        "_legs",
        "_numbers",
        "_profile",
        "_seen",
        "_worker",
        "due_ns",
    )

    def __init__(self, worker: int, profile: Profile, arrivals: Arrivals) -> None:
        """*profile*: the one of the run's settings, which legs without a profile follow."""
        self._worker = worker
        self._profile = profile
        self._arrivals = arrivals
        self._legs: list[Leg] = []
        self._seen = 0
        """Up to this number of the box all that is ours was handed out, or lies in the batch."""
        self._debt = 0
        """So many were taken that a later leg gave to others: as many of our next ones are passed over."""
        self._batch: list[int] = []
        """Due times, the next one last."""
        self._numbers: Integers | None = None
        """The numbers of the plan's batch, as it was when it was whole."""
        self._aside: list[int] | None = None
        """The plan's batch, while what was taken over from others comes before it."""
        self.due_ns = NEVER_NS

    @property
    def is_over(self) -> bool:
        """Whether nothing comes any more, by the last leg."""
        return self.due_ns == NEVER_NS and bool(self._legs) and self._legs[-1].is_final

    @property
    def n_beyond(self) -> int:
        """So many more were handed out than are ours by the legs heard since, and not made up for yet."""
        return self._debt

    def take(self) -> int:
        """The next due time; the one after it is then in `due_ns`. Only to be called when `due_ns` is not NEVER_NS."""
        batch = self._batch
        due_ns = batch.pop()
        if batch:
            self.due_ns = batch[-1]
        else:
            self._refill()
        return due_ns

    def apply(self, leg: Leg) -> None:
        """Follow *leg* from its first iteration on; the legs before it end there.

        Where iterations were taken that *leg* gives to others, as many of the next ones that are ours are passed over.

        Raises:
            ValueError: *leg* would leave iterations unplanned between itself and the one before it.
        """
        end = self._legs[-1].end if self._legs else leg.first
        if end is not None and leg.first > end:
            raise ValueError(f"the leg begins at iteration {leg.first}, but only {end} are planned before it")
        planned = self._batch if self._aside is None else self._aside
        if not self._legs:
            self._arrivals.take_up(leg.mark)
            self._seen = leg.first
        elif self._seen > leg.first:
            n_left = 0
            if self._numbers is not None:
                n_kept = int(self._numbers.searchsorted(leg.first))
                n_left = min(len(self._numbers) - n_kept, len(planned))
                self._numbers = self._numbers[:n_kept]
                del planned[:n_left]
            self._debt += sum(self._n_own(leg.first, self._seen)) - n_left
            self._seen = leg.first
        while self._legs and self._legs[-1].first >= leg.first:
            self._legs.pop()
        # Whoever stood still hears of many at once, and has not begun with most of them.
        n_seen = sum(later.first <= self._seen for later in self._legs[1:])
        self._legs = [*self._legs[min(n_seen, max(len(self._legs) + 1 - _MAX_LEGS, 0)) :], leg]
        if self._batch:
            self.due_ns = self._batch[-1]
        else:
            self._refill()

    def n_due(self, until_ns: int) -> int:
        """How many iterations not yet taken are due before *until_ns*; NEVER_NS: that are planned at all."""
        if self.due_ns >= until_ns:
            return 0
        planned = self._batch if self._aside is None else self._aside
        n_due = _n_before(until_ns, self._batch)
        if self._aside is not None:
            n_due += _n_before(until_ns, self._aside)
        if planned and planned[0] >= until_ns:
            return n_due
        later = 0
        for leg, first, stop in self._spans(self._seen, None):
            area, end = leg.end_area, stop
            if until_ns < NEVER_NS:
                area = min(leg.area_at(until_ns, leg.profile or self._profile), area)
            if area < math.inf:
                n_by_then = self._arrivals.n_before(area)
                end = n_by_then if end is None else min(end, n_by_then)
            if end is not None and end > first:
                later += self._arrivals.n_own(self._worker, leg.weights, first, end, leg.above)
        return n_due + max(later - self._debt, 0)

    def give_up(self, until_ns: int, at_most: int) -> list[int]:
        """Take what is due before *until_ns*, *at_most* so many, for others to start. Returns their due times."""
        found: list[int] = []
        while self.due_ns < until_ns and len(found) < at_most:
            found.append(self.take())
        return found

    def take_over(self, dues_ns: Iterable[int]) -> None:
        """Start also what others gave up."""
        if self._aside is None:
            self._aside, self._batch = self._batch, []
        self._batch = sorted([*self._batch, *dues_ns], reverse=True)
        if self._batch:
            self.due_ns = self._batch[-1]
        else:
            self._refill()

    def _refill(self) -> None:
        """The batch is empty: work out the next one, and set `due_ns`."""
        if self._aside is not None:
            self._batch, self._aside = self._aside, None
            if self._batch:
                self.due_ns = self._batch[-1]
                return
        for leg, first, end in self._spans(self._seen, None):
            self._seen = first
            while self._next_batch(leg, end):
                if self._batch:
                    self.due_ns = self._batch[-1]
                    return
        self._batch, self._numbers = [], None
        self.due_ns = NEVER_NS

    def _next_batch(self, leg: Leg, end: int | None) -> bool:
        """Work out the next batch of *leg*; it is empty where all were passed over. Whether there was more to see."""
        first = self._seen
        if end is not None and first >= end:
            return False
        numbers, points, self._seen = self._arrivals.own(self._worker, leg.weights, first, end, BATCH, leg.above)
        if len(points) and points[-1] >= leg.end_area:
            n_within = int(points.searchsorted(leg.end_area))
            self._seen = int(numbers[n_within])
            numbers, points = numbers[:n_within], points[:n_within]
            if not n_within:
                return False
        n_passed = min(self._debt, len(numbers))
        self._debt -= n_passed
        self._numbers = numbers[n_passed:]
        self._batch = leg.due_ns(points[n_passed:], leg.profile or self._profile)[::-1].tolist()
        return self._seen > first

    def _spans(self, first: int, end: int | None) -> Iterator[tuple[Leg, int, int | None]]:
        """Each leg with the numbers from *first* up to *end* that it is for."""
        for leg, after in zip(self._legs, [*self._legs[1:], None], strict=True):
            bounds = [bound for bound in (end, leg.end, None if after is None else after.first) if bound is not None]
            stop = min(bounds, default=None)
            begin = max(first, leg.first)
            if stop is None or begin < stop:
                yield leg, begin, stop

    def _n_own(self, first: int, end: int) -> Iterator[int]:
        """How many are ours from number *first* up to *end*, leg by leg."""
        for leg, begin, stop in self._spans(first, end):
            assert stop is not None
            yield self._arrivals.n_own(self._worker, leg.weights, begin, stop, leg.above)


def _n_before(until_ns: int, dues: list[int]) -> int:
    """How many of *dues*, descending, come before *until_ns*."""
    return len(dues) - bisect_right(dues, -until_ns, key=neg)
