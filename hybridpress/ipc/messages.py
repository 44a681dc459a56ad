"""What coordinator and worker say to one another. Instants are ns on CLOCK_MONOTONIC; counts run since the start."""

from __future__ import annotations

from dataclasses import dataclass

from hybridpress.load.pacer import Piece
from hybridpress.metrics.interval import Interval

# coordinator → worker


@dataclass(frozen=True, slots=True)
class Begin:
    """The load begins at *start_ns*. No iteration starts from *until_ns* on (None: until all planned are started).

    *pace* is the worker's paced plan, and later pieces of it may come as orders by themselves; without it the slots go
    as fast as they can, *iterations* times in all (None: no limit).
    """

    start_ns: int
    until_ns: int | None
    pace: Piece | None
    iterations: int | None


@dataclass(frozen=True, slots=True)
class Stop:
    """Start no iteration any more; wait for those in flight, at most until *drain_until_ns*; then report and end."""

    drain_until_ns: int


# worker → coordinator


@dataclass(frozen=True, slots=True)
class Ready:
    """All slots of the worker went through start(): so many can press, and these errors kept the others from it."""

    worker: int
    pid: int
    n_slots: int
    failures: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Counts:
    """Where a worker is, every 100 ms. *backlog* is what is due and waits for a slot."""

    worker: int
    at_ns: int
    started: int
    completed: int
    failed: int
    in_flight: int
    backlog: int


@dataclass(frozen=True, slots=True)
class Measured:
    """One whole second of a worker."""

    worker: int
    interval: Interval


@dataclass(frozen=True, slots=True)
class Done:
    """The worker's last word: the rest of what it measured, with what was due and never started as `dropped`.

    *last_start_ns* and *last_end_ns* are 0 when nothing was started, or nothing ended. *is_out_of_words*: it ended
    because there were no more words for it.
    """

    worker: int
    interval: Interval
    last_start_ns: int
    last_end_ns: int
    is_out_of_words: bool = False


@dataclass(frozen=True, slots=True)
class Broken:
    """The worker cannot go on; *text* says why."""

    worker: int
    text: str


Order = Begin | Piece | Stop
Report = Ready | Counts | Measured | Done | Broken
