"""How far each worker has come with its words, in memory that all processes share and that outlives each of them.

Every number has one writer and is written as one machine word, so a worker that is killed leaves what it had written.
"""

from __future__ import annotations

import mmap
from collections.abc import Sequence

_APART = 8
"""Counts of different workers lie a cache line apart: they are written with every draw."""


class Progress:
    """A count of drawn words for each worker, and for each slot a note of the word it has. To be made before the fork.

    What counts is the place of a word in its worker's order, from 0.
    """

    __slots__ = ("_counts", "_notes", "_slots_by_worker")

    def __init__(self, slots_by_worker: Sequence[int]) -> None:
        self._slots_by_worker = list(slots_by_worker)
        n_counts, n_notes = _APART * len(self._slots_by_worker), sum(self._slots_by_worker)
        memory = memoryview(mmap.mmap(-1, 8 * (n_counts + max(n_notes, 1)))).cast("q")
        self._counts = memory[:n_counts]
        self._notes = memory[n_counts:]

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
