"""When exchanges are over time: one timer for all connections of a worker."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Final, Protocol

from hybridpress.clock import now_ns

_FINEST_NS: Final = 5_000_000
_COARSEST_NS: Final = 50_000_000


class Expiring(Protocol):
    """What has a deadline."""

    deadline_ns: int

    def is_waiting(self) -> bool: ...
    def expire(self) -> None: ...


class Deadlines:
    """Expires whatever in *live* is past its deadline; a tenth of a second late at the most, see `grain_ns`.

    An exchange only writes its deadline down. The timer looks at all of them when the earliest it saw is due, or after
    the shortest timeout there is, before which nothing new can be due: every 10 s for timeouts of 10 s. When many come
    due one after the other, looks are at least `grain_ns` apart.
    """

    def __init__(self, live: Collection[Expiring], timeout_ns: int) -> None:
        self._live = live
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._due_ns = 0
        self.shortest_ns = timeout_ns
        self._wake_in(timeout_ns)

    @property
    def grain_ns(self) -> int:
        """How late an exchange may be told: a fifth of the shortest timeout, within 5 to 50 ms."""
        return max(_FINEST_NS, min(_COARSEST_NS, self.shortest_ns // 5))

    def allow_for(self, timeout_ns: int) -> None:
        """From now on there may be timeouts as short as this."""
        if timeout_ns < self.shortest_ns:
            self.shortest_ns = timeout_ns
            if now_ns() + timeout_ns < self._due_ns:
                self._wake_in(timeout_ns)

    def close(self) -> None:
        """Stop looking."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wake_in(self, gap_ns: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        gap_ns = max(gap_ns, self.grain_ns)
        self._due_ns = now_ns() + gap_ns
        # 1 ms more: the loop counts in whole ms, and a look that comes too early costs another grain
        self._timer = self._loop.call_later(gap_ns / 1e9 + 0.001, self._look)

    def _look(self) -> None:
        now = now_ns()
        earliest = now + self.shortest_ns
        over = []
        for connection in self._live:
            deadline_ns = connection.deadline_ns
            if deadline_ns < earliest and connection.is_waiting():
                if deadline_ns <= now:
                    over.append(connection)
                else:
                    earliest = deadline_ns
        for connection in over:
            connection.expire()
        self._wake_in(earliest - now)
