"""What the CPU work around press() cost: the times of prepare() and verify(), and how often a slot waited for its word.

They are kept apart from the iterations' times: a server did not make them.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field

import numpy as np

from hybridpress.metrics.histogram import Histogram, Times


@dataclass(slots=True)
class CpuCounts:
    """What prepare() and verify() came to. `prepare` and `verify` hold the time of every call, failed ones too."""

    prepare: Histogram = field(default_factory=Histogram)
    verify: Histogram = field(default_factory=Histogram)
    waits: int = 0
    """Iterations that were due, with a slot free, and waited for their word, or for room for their reply."""
    prepare_failed: int = 0
    verify_failed: int = 0
    """Replies of which a check did not hold, or verify() raised."""
    unverified: int = 0
    """Replies handed to verify() that the run's end was not willing to wait for."""

    def merge(self, other: CpuCounts) -> None:
        self.prepare.merge(other.prepare)
        self.verify.merge(other.verify)
        self.waits += other.waits
        self.prepare_failed += other.prepare_failed
        self.verify_failed += other.verify_failed
        self.unverified += other.unverified

    @property
    def busy_ns(self) -> int:
        """All the time that went into the two."""
        return self.prepare.sum_ns + self.verify.sum_ns


class CpuRecorder:
    """One worker's samples of prepare() and verify() since the last flush."""

    __slots__ = ("n_prepare_failed", "n_unverified", "n_verify_failed", "n_waits", "prepare_ns", "verify_ns")

    def __init__(self) -> None:
        self.prepare_ns = array("q")
        self.verify_ns = array("q")
        self.n_waits = 0
        self.n_prepare_failed = 0
        self.n_verify_failed = 0
        self.n_unverified = 0

    def take(self) -> CpuCounts:
        """What was noted since the last call."""
        counts = CpuCounts(
            waits=self.n_waits,
            prepare_failed=self.n_prepare_failed,
            verify_failed=self.n_verify_failed,
            unverified=self.n_unverified,
        )
        counts.prepare.add(_times_of(self.prepare_ns))
        counts.verify.add(_times_of(self.verify_ns))
        del self.prepare_ns[:]
        del self.verify_ns[:]
        self.n_waits = self.n_prepare_failed = self.n_verify_failed = self.n_unverified = 0
        return counts


def _times_of(samples: array[int]) -> Times:
    return np.array(samples, dtype=np.int64)
