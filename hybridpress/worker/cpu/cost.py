"""What items of the CPU tier cost, by the last few batches: how many make a batch, how many there may be at a time."""

from __future__ import annotations

from hybridpress.units import NS_PER_MS

MAX_ITEMS = 4096
"""Most words that are ready or on their way, and most replies that wait, in one load worker."""
MAX_BYTES = 64 * 2**20
"""The same in bytes, as far as the sizes seen so far tell."""
BATCH_NS = 4 * NS_PER_MS
"""A batch is as much work as this: what is wanted soon waits no longer, and a hand-over is little of it."""
MAX_BATCH = 256
MAX_BATCH_BYTES = 2**20
FIRST_BATCH = 4
FIRST_ITEMS = 64
"""Items of a batch, and of all there may be at a time, while nothing is known of what they take."""


class Cost:
    """What one kind of item takes: time and bytes, by the last few batches."""

    __slots__ = ("_item_bytes", "_item_ns")

    def __init__(self) -> None:
        self._item_ns = 0.0
        self._item_bytes = 0.0

    def saw(self, n_items: int, duration_ns: int, n_bytes: int) -> None:
        """One batch more."""
        weight = 0.2 if self._item_ns else 1.0
        self._item_ns += weight * (max(duration_ns / n_items, 1.0) - self._item_ns)
        # Sizes grow at once and shrink slowly: they bound memory.
        size = n_bytes / n_items
        self._item_bytes = max(size, self._item_bytes + weight * (size - self._item_bytes))

    @property
    def batch(self) -> int:
        """How many items make a batch."""
        if not self._item_ns:
            return FIRST_BATCH
        n_items = min(BATCH_NS / self._item_ns, MAX_BATCH, MAX_BATCH_BYTES / max(self._item_bytes, 1.0))
        return max(int(n_items), 1)

    @property
    def limit(self) -> int:
        """How many items there may be at a time."""
        if not self._item_ns:
            return FIRST_ITEMS
        return max(int(min(MAX_ITEMS, MAX_BYTES / max(self._item_bytes, 1.0))), 1)

    def limit_within(self, work_ns: int) -> int:
        """The same, for what is to be worked off within *work_ns* by one CPU worker."""
        if not self._item_ns:
            return FIRST_ITEMS
        return min(self.limit, max(int(work_ns / self._item_ns), 2 * self.batch))
