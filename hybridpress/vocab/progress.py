"""How far each worker has come with its words, in memory that all processes share and that outlives each of them.

Every number has one writer and is written as one machine word, so a worker that is killed leaves what it had written.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Sequence
from itertools import takewhile

_APART = 8
"""Counts of different workers lie a cache line apart: they are written with every draw."""
_LOSSES_PER_SLOT = 64
"""Room for what is lost when workers are killed. Memory that nobody writes takes none."""


class Progress:
    """A count of drawn words for each worker, for each slot a note of the word it has, and what was lost. To be made
    before the fork.

    What counts is the place of a word in its worker's order, from 0.
    """

    __slots__ = ("_counts", "_losses", "_notes", "_size", "_slots_by_worker")

    def __init__(self, slots_by_worker: Sequence[int]) -> None:
        self._slots_by_worker = list(slots_by_worker)
        n_counts, n_notes = _APART * len(self._slots_by_worker), sum(self._slots_by_worker)
        n_all = 1 + n_counts + (1 + _LOSSES_PER_SLOT) * n_notes
        memory = memoryview(mmap.mmap(-1, 8 * n_all)).cast("q")
        self._size, self._counts = memory[:1], memory[1 : 1 + n_counts]
        self._notes = memory[1 + n_counts : 1 + n_counts + n_notes]
        self._losses = memory[1 + n_counts + n_notes :]

    @property
    def n_words(self) -> int:
        """How many words the table has; 0 until the process that builds it has written that down."""
        return self._size[0]

    @n_words.setter
    def n_words(self, n: int) -> None:
        self._size[0] = n

    def slots_of(self, worker: int) -> range:
        """The numbers of the worker's slots."""
        first = sum(self._slots_by_worker[:worker])
        return range(first, first + self._slots_by_worker[worker])

    def count_of(self, worker: int) -> memoryview[int]:
        """Where the worker writes how many words it has drawn: one number."""
        return self._counts[_APART * worker : _APART * worker + 1]

    @property
    def notes(self) -> memoryview[int]:
        """Where each slot notes the word it has, by the slot's number: its place + 1; 0 for none."""
        return self._notes

    def n_drawn(self, worker: int) -> int:
        """How many words the worker, and those before it in its place, drew in all."""
        return self._counts[_APART * worker]

    def places_in_flight(self, worker: int) -> dict[int, int]:
        """For each of the worker's slots that has a word, the word's place.

        After the worker's death: the words that it had drawn and not done with. A word is noted before it is counted,
        and not handed out before both; what is noted only was never used, and is not among them.
        """
        n_drawn = self.n_drawn(worker)
        found = ((slot, self._notes[slot] - 1) for slot in self.slots_of(worker))
        return {slot: place for slot, place in found if 0 <= place < n_drawn}

    def lose(self, worker: int, places: Iterable[int]) -> None:
        """Keep in mind that the words at *places*, which the worker had when it was killed, are not drawn again."""
        losses = self._losses_of(worker)
        begin = len(self.places_lost(worker))
        for at, place in enumerate(places, begin):
            if at < len(losses):
                losses[at] = place + 1

    def places_lost(self, worker: int) -> list[int]:
        """What `lose` was told of the worker, as far as there is room for it."""
        return [place - 1 for place in takewhile(bool, self._losses_of(worker))]

    def _losses_of(self, worker: int) -> memoryview[int]:
        slots = self.slots_of(worker)
        return self._losses[_LOSSES_PER_SLOT * slots.start : _LOSSES_PER_SLOT * slots.stop]
