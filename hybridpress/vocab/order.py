"""Which word is drawn when: all of a table's words, dealt to the workers of a run in advance.

Nothing is asked of other processes during a run. Each worker has its part of the words from the beginning, by its part
of the slots, and goes through it in its own time. So an order over the whole box is one of plan: word i is drawn as the
i-th as long as workers start iterations in the proportion of their slots, which a paced run does. A worker that falls
behind draws its words later, and they are never another's; a counter that all share would follow the pace, and cost
every draw a lock that a worker can die with.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from math import gcd

import numpy as np

from hybridpress.errors import UsageError
from hybridpress.units import format_count
from hybridpress.vocab.draw import CountedDraw, Draw, FixedDraw, NotedDraw, RandomDraw
from hybridpress.vocab.permutation import Numbers, Shuffle
from hybridpress.vocab.policy import Policy, parts_of
from hybridpress.vocab.progress import Progress


class Order:
    """One table's words, dealt to the workers of one run: the same in every process that makes it from the same."""

    def __init__(self, policy: Policy, n_words: int, slots_by_worker: Sequence[int], seed: int | None = None) -> None:
        """*seed* None: a random one, known to this object and to the processes forked from here.

        Raises:
            UsageError: the policy does not suit the table.
            ValueError: there are no words, or no slots.
        """
        if n_words < 1 or sum(slots_by_worker) < 1:
            raise ValueError(f"cannot deal {n_words} words to {sum(slots_by_worker)} slots")
        if mistakes := policy.mistakes(n_words, slots_by_worker):
            raise UsageError(mistakes)
        self.policy = policy
        self.n_words = n_words
        self._slots_by_worker = list(slots_by_worker)
        self._seed = random.getrandbits(63) if seed is None else seed
        self._is_striped = policy.name in {"sequential", "shuffle"}
        self._stripes = _stripes(self._slots_by_worker) if self._is_striped else []
        self._period = sum(map(len, self._stripes))
        self._parts = parts_of(n_words, slots_by_worker)
        self._shuffle = Shuffle(n_words, f"{self._seed}/shuffle")

    def share_of_worker(self, worker: int) -> int:
        """How many of the words are the worker's in one pass; the shares of all add up to the table.

        With "random", every word is every worker's.
        """
        if self.policy.name == "random":
            return self.n_words
        if self.policy.name == "per_slot":
            return self._slots_by_worker[worker]
        if not self._is_striped:
            return len(self._parts[worker])
        stripes = self._stripes[worker]
        return self.n_words // self._period * len(stripes) + int((stripes < self.n_words % self._period).sum())

    def indexes(self, worker: int, begin: int, end: int) -> list[int]:
        """The words at the places from *begin* to *end* − 1 of the worker's order; fewer where the order ends before.

        Not for "random" and "per_slot", which have no places.
        """
        if not self._slots_by_worker[worker]:
            return []
        share = self.share_of_worker(worker)
        places = np.arange(begin, end if self.policy.is_endless else min(end, share), dtype=np.int64)
        if not len(places):
            return []
        if not self._is_striped:
            return _as_list(self._parts[worker].start + places % share)
        stripes = self._stripes[worker]
        everybodys = places // len(stripes) * self._period + stripes[places % len(stripes)]
        if self.policy.name == "shuffle":
            return _as_list(self._shuffle.at(everybodys))
        return _as_list(everybodys % self.n_words)

    def draw(self, worker: int, progress: Progress | None = None) -> Draw:
        """What the slots of *worker* draw by. With the run's *progress*, a replacement goes on where the dead one was.

        Without it, as nobody else needs to know.
        """
        progress = progress or Progress(self._slots_by_worker)
        name = self.policy.name
        if name == "random":
            return RandomDraw(self.n_words, f"{self._seed}/{worker}")
        if name == "per_slot":
            return FixedDraw()

        def indexes(begin: int, end: int) -> list[int]:
            return self.indexes(worker, begin, end)

        if self.policy.is_endless:
            return CountedDraw(indexes, progress, worker)
        return NotedDraw(indexes, progress, worker, again=self.policy.in_flight == "again")

    def lost(self, worker: int, progress: Progress) -> list[int]:
        """The words that slots of *worker* had drawn and not done with when it was killed, and that nobody drew again.
        Nothing where words are recycled. While the worker lives, those that it has now are among them.
        """
        if self.policy.is_endless:
            return []
        places = {*progress.places_lost(worker), *progress.places_in_flight(worker).values()}
        return [self.indexes(worker, place, place + 1)[0] for place in sorted(places)]

    def left(self, worker: int, progress: Progress, at_most: int) -> list[int]:
        """The first *at_most* of the words that *worker* has not drawn yet. Nothing where words have no end."""
        if self.policy.is_endless:
            return []
        n_drawn = progress.n_drawn(worker)
        return self.indexes(worker, n_drawn, n_drawn + at_most)

    def n_left(self, progress: Progress, worker: int | None = None) -> int | None:
        """How many words were not drawn yet, by *worker* or by all; None where they have no end."""
        if self.policy.is_endless:
            return None
        workers = range(len(self._slots_by_worker)) if worker is None else [worker]
        return sum(self.share_of_worker(number) - progress.n_drawn(number) for number in workers)

    def told_exhausted(self) -> str:
        """The end of the words, in a sentence."""
        return f"all {format_count(self.n_words)} words are used, each once"


def _as_list(indexes: Numbers) -> list[int]:
    found: list[int] = indexes.tolist()
    return found


def _stripes(weights: Sequence[int]) -> list[Numbers]:
    """Which of the places 0, 1, 2, … are each worker's: those given here, and the same again after so many as all of
    them together. In proportion to *weights*, and as evenly mixed as can be; with equal weights, one after another.
    """
    smallest = [weight // gcd(*weights) for weight in weights]
    n_all = sum(smallest)
    # Worker k's j-th place should be at (j + ½) / weight of the way: sorted, that is everybody's order.
    wanted = [((2 * j + 1) / weight, k) for k, weight in enumerate(smallest) for j in range(weight)]
    owners = np.fromiter((k for _, k in sorted(wanted)), np.int64, n_all)
    return [np.flatnonzero(owners == k) for k in range(len(weights))]
