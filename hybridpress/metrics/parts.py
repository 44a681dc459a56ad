"""What each part of a mix came to: which part an iteration was of, noted beside its samples."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from hybridpress.metrics.histogram import Histogram, Times


def named(part: str, name: str) -> str:
    """How a step or a check of a part is named in the run; *part* is "" where there are no parts."""
    return f"{part}: {name}" if part else name


@dataclass(slots=True)
class PartCounts:
    """The iterations of one part. Like an interval's counts, but `started` may be told one second late."""

    started: int = 0
    completed: int = 0
    failed: int = 0
    dropped: int = 0
    response: Histogram = field(default_factory=Histogram)

    def merge(self, other: PartCounts) -> None:
        self.merge_counts(other)
        self.response.merge(other.response)

    def merge_counts(self, other: PartCounts) -> None:
        """Add *other*'s counts, and leave its times."""
        self.started += other.started
        self.completed += other.completed
        self.failed += other.failed
        self.dropped += other.dropped


class PartsRecorder:
    """Notes, by the parts' numbers, which iterations start, and which end and how.

    `ended` runs beside the recorder's samples: who runs the press() appends to it at its end, and the slot appends to
    the samples right after, before anybody else can. So the first n of both belong together.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = list(names)
        self.n_started = [0] * len(names)
        self._n_told = [0] * len(names)
        self._n_ended = np.zeros(2 * len(names), dtype=np.int64)
        """So many ended that were taken, by what `ended` says of each."""
        self.ended = array("q")
        """For each iteration that ended: twice the number of its part, and 1 more when it failed."""

    def counts(self) -> dict[str, tuple[int, int, int]]:
        """Of each part how many started, completed and failed, since the run began."""
        n_ended = (self._n_ended + np.bincount(np.array(self.ended), minlength=2 * len(self._names))).tolist()
        return {name: (self.n_started[k], n_ended[2 * k], n_ended[2 * k + 1]) for k, name in enumerate(self._names)}

    def fail_late(self, name: str, n: int, *, of_taken: int) -> None:
        """*n* iterations of this part have failed after all; *of_taken* of them were taken as completed."""
        k = self._names.index(name)
        self._n_ended[2 * k : 2 * k + 2] += (-of_taken, of_taken)
        at = 0
        for _ in range(n - of_taken):
            at = self.ended.index(2 * k, at)
            self.ended[at] = 2 * k + 1

    def take(self, response: Times) -> dict[str, PartCounts]:
        """What was noted since the last call. *response* holds the response times, ns, of the iterations that ended."""
        n = len(response)
        ended = np.frombuffer(self.ended, dtype=np.int64)[:n].copy() if n else np.zeros(0, dtype=np.int64)
        del self.ended[:n]
        self._n_ended += np.bincount(ended, minlength=2 * len(self._names))
        found = {}
        for k, name in enumerate(self._names):
            is_its = ended >> 1 == k
            n_ended, n_failed = int(is_its.sum()), int((ended == 2 * k + 1).sum())
            counts = PartCounts(self.n_started[k] - self._n_told[k], n_ended - n_failed, n_failed)
            self._n_told[k] = self.n_started[k]
            counts.response.add(response[is_its])
            found[name] = counts
        return found
