"""What coordinator and worker say to one another. Instants are ns on CLOCK_MONOTONIC; counts run since the start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hybridpress.load.plan import Leg
from hybridpress.metrics.interval import Interval

# coordinator → worker


@dataclass(frozen=True, slots=True)
class Begin:
    """The load begins at *start_ns*. No iteration starts from *until_ns* on (None: until all planned are started).

    *leg* is the plan, of which more legs may come later; without it the slots go as fast as they can, *iterations*
    times in all (None: no limit). *n_slots* of the slots press. The first second that is told is number *first_index*:
    a worker that replaces another begins in the midst of the run.
    """

    start_ns: int
    until_ns: int | None
    leg: Leg | None
    iterations: int | None
    n_slots: int
    first_index: int = 0


@dataclass(frozen=True, slots=True)
class Pace:
    """The plan goes on with *leg*, and the run until *until_ns*."""

    leg: Leg
    until_ns: int | None


@dataclass(frozen=True, slots=True)
class Hold:
    """Unpaced: start nothing, until there is word again."""


@dataclass(frozen=True, slots=True)
class GoOn:
    """Unpaced: start again, until *until_ns*."""

    until_ns: int | None


@dataclass(frozen=True, slots=True)
class Resize:
    """So many slots are to press; those that are missing are made, with these *numbers*."""

    n_slots: int
    numbers: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Give up *at_most* so many of those that are due and wait for a slot; tell them, for others to start."""

    at_most: int


@dataclass(frozen=True, slots=True)
class Discard:
    """Drop all that is due and waits for a slot."""


@dataclass(frozen=True, slots=True)
class TakeOver:
    """Start also these, which another worker gave up, by their due times."""

    dues_ns: tuple[int, ...]


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
    """Where a worker is, every 100 ms. *backlog* is what is due and waits for a slot; *cpu_ns* its CPU time so far."""

    worker: int
    at_ns: int
    started: int
    completed: int
    failed: int
    in_flight: int
    backlog: int
    cpu_ns: int = 0
    parts: Mapping[str, tuple[int, int, int]] = field(default_factory=dict)
    """Of each part of a mix how many started, completed and failed."""


@dataclass(frozen=True, slots=True)
class GivenUp:
    """What the worker gave up when it was told to, by due times; perhaps nothing."""

    worker: int
    dues_ns: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Resized:
    """So many slots press now; these errors kept others from it."""

    worker: int
    n_slots: int
    failures: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Measured:
    """One whole second of a worker."""

    worker: int
    interval: Interval


@dataclass(frozen=True, slots=True)
class Done:
    """The worker's last word: the rest of what it measured, with what was due and never started as `dropped`.

    *last_start_ns* and *last_end_ns* are 0 when nothing was started, or nothing ended. *is_out_of_words*: it ended
    because there were no more words for it. *n_taken_over*: of what others gave up, so many came to it in time to be
    started, or told as dropped. *n_beyond*: so many more it started than its part of the plan came to, for it heard too
    late that others had its share.
    """

    worker: int
    interval: Interval
    last_start_ns: int
    last_end_ns: int
    is_out_of_words: bool = False
    n_taken_over: int = 0
    n_beyond: int = 0


@dataclass(frozen=True, slots=True)
class Broken:
    """The worker cannot go on; *text* says why."""

    worker: int
    text: str


Order = Begin | Pace | Hold | GoOn | Resize | GiveUp | Discard | TakeOver | Stop
Report = Ready | Counts | GivenUp | Resized | Measured | Done | Broken
