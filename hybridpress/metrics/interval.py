"""What was measured in one second: plain counts and histograms that merge over workers, over time, over nodes."""

from __future__ import annotations

from dataclasses import dataclass, field

from hybridpress.metrics.cpu import CpuCounts
from hybridpress.metrics.histogram import Histogram
from hybridpress.metrics.parts import PartCounts
from hybridpress.metrics.traces import FollowedIteration

ErrorKey = tuple[str, str]


@dataclass(slots=True)
class StepCounts:
    """One step: a named, timed part of an iteration. `times` holds failed ones too."""

    count: int = 0
    failed: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    times: Histogram = field(default_factory=Histogram)
    resent: int = 0
    """Requests that were sent once more, because the server had closed the kept connection without an answer."""

    def merge(self, other: StepCounts) -> None:
        self.count += other.count
        self.failed += other.failed
        self.bytes_in += other.bytes_in
        self.bytes_out += other.bytes_out
        self.times.merge(other.times)
        self.resent += other.resent


@dataclass(slots=True)
class CheckCounts:
    """How often one check held, and how often it did not."""

    passed: int = 0
    failed: int = 0

    def merge(self, other: CheckCounts) -> None:
        self.passed += other.passed
        self.failed += other.failed


@dataclass(slots=True)
class ErrorCounts:
    """Errors of one kind and message: how many, when the first was seen (ns), and that one's whole text."""

    count: int
    first_ns: int
    example: str

    def merge(self, other: ErrorCounts) -> None:
        self.count += other.count
        if other.first_ns < self.first_ns:
            self.first_ns, self.example = other.first_ns, other.example


@dataclass(slots=True)
class Health:
    """How the generator itself fared: what its event loop was late by, its CPU time, its collector's pauses.

    `blocker` is the place in the user's code at which the loop was held up longest, and for how long in ns.
    """

    loop_lag: Histogram = field(default_factory=Histogram)
    cpu_ns: int = 0
    span_ns: int = 0
    gc_pause_ns: int = 0
    longest_gc_pause_ns: int = 0
    blocker: tuple[int, str] | None = None

    def merge(self, other: Health) -> None:
        self.loop_lag.merge(other.loop_lag)
        self.cpu_ns += other.cpu_ns
        self.span_ns += other.span_ns
        self.gc_pause_ns += other.gc_pause_ns
        self.longest_gc_pause_ns = max(self.longest_gc_pause_ns, other.longest_gc_pause_ns)
        self.blocker = max(self.blocker or (0, ""), other.blocker or (0, "")) if self.blocker or other.blocker else None

    @property
    def cpu_pct(self) -> float:
        """CPU used, as a share of one core, over the time that was watched."""
        return 100 * self.cpu_ns / self.span_ns if self.span_ns else 0.0


@dataclass(slots=True)
class Interval:
    """Second number `index` of the run (or, merged over time, a span that begins with it).

    `started` counts by the time of the start, `completed` and `failed` by that of the end, so that
    started = completed + failed + in_flight over the run so far. `in_flight` is taken at the interval's end.
    Times are those of iterations that ended, failed ones too.
    """

    index: int
    started: int = 0
    completed: int = 0
    failed: int = 0
    dropped: int = 0
    in_flight: int = 0
    held: int = 0
    """Started later than a slot was free for them, because catching up is bounded."""
    response: Histogram = field(default_factory=Histogram)
    service: Histogram = field(default_factory=Histogram)
    lateness: Histogram = field(default_factory=Histogram)
    steps: dict[str, StepCounts] = field(default_factory=dict)
    checks: dict[str, CheckCounts] = field(default_factory=dict)
    errors: dict[ErrorKey, ErrorCounts] = field(default_factory=dict)
    parts: dict[str, PartCounts] = field(default_factory=dict)
    """Of a mix, by the names of its parts."""
    health: Health = field(default_factory=Health)
    cpu: CpuCounts = field(default_factory=CpuCounts)
    followed: list[FollowedIteration] = field(default_factory=list)
    """Iterations that were followed, by --trace-sample: of this second alone, not of a span of time."""
    n_unfollowed: int = 0
    """Iterations that were drawn to be followed, and were too many."""

    def merge(self, other: Interval) -> None:
        """Add *other*: the same second of another worker. Associative; *other* is not changed, and may not be used
        to change this one later.
        """
        self.in_flight += other.in_flight
        self.followed += other.followed
        self._add_flows(other)

    def extend(self, later: Interval) -> None:
        """Add the second that follows: what is in flight is then what is in flight at its end."""
        self.in_flight = later.in_flight
        self._add_flows(later)

    def _add_flows(self, other: Interval) -> None:
        self.started += other.started
        self.completed += other.completed
        self.failed += other.failed
        self.dropped += other.dropped
        self.held += other.held
        self.n_unfollowed += other.n_unfollowed
        self.response.merge(other.response)
        self.service.merge(other.service)
        self.lateness.merge(other.lateness)
        for name, step in other.steps.items():
            self.steps.setdefault(name, StepCounts()).merge(step)
        for name, check in other.checks.items():
            self.checks.setdefault(name, CheckCounts()).merge(check)
        for name, part in other.parts.items():
            self.parts.setdefault(name, PartCounts()).merge(part)
        for key, error in other.errors.items():
            if (mine := self.errors.get(key)) is not None:
                mine.merge(error)
            else:
                self.errors[key] = ErrorCounts(error.count, error.first_ns, error.example)
        self.health.merge(other.health)
        self.cpu.merge(other.cpu)
