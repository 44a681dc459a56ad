"""Result: what a run found, in the shape that `--json` writes (schema `hybridpress.result/1`).

Attributes are named as in the file; percentiles are `p50`, `p99`, `p99_9`. Times are in ms, moments in s since the
start of the run. What was not measured is None, never 0. Files are read here by name, and nowhere else in this room.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hybridpress.errors import UsageError
from hybridpress.metrics.histogram import Histogram

if TYPE_CHECKING:
    from hybridpress.metrics.frames import Frames

SCHEMA = "hybridpress.result/1"
PERCENTS = {"p50": 50.0, "p75": 75.0, "p90": 90.0, "p95": 95.0, "p99": 99.0, "p99_9": 99.9, "p99_99": 99.99}


@dataclass(frozen=True, slots=True)
class Times:
    """A distribution of times, in ms. `over_range` were longer than an hour, and are counted as an hour."""

    count: int = 0
    min: float | None = None
    mean: float | None = None
    stddev: float | None = None
    p50: float | None = None
    p75: float | None = None
    p90: float | None = None
    p95: float | None = None
    p99: float | None = None
    p99_9: float | None = None
    p99_99: float | None = None
    max: float | None = None
    over_range: int = 0

    @classmethod
    def of(cls, histogram: Histogram) -> Times:
        found = histogram.percentiles_ns(*PERCENTS.values())
        mean_ns, stddev_ns = histogram.mean_ns, histogram.stddev_ns
        if found is None or mean_ns is None or stddev_ns is None:
            return cls()
        percentiles = {name: ns / 1e6 for name, ns in zip(PERCENTS, found, strict=True)}
        return cls(
            count=histogram.count,
            min=histogram.min_ns / 1e6,
            mean=mean_ns / 1e6,
            stddev=stddev_ns / 1e6,
            max=histogram.max_ns / 1e6,
            over_range=histogram.n_above,
            **percentiles,
        )


@dataclass(frozen=True, slots=True)
class Iterations:
    """planned = started + dropped + not yet due; started = completed + failed + lost + in_flight_at_end.

    `dropped` were due and never started; `planned` is None where nothing but the time limited an unpaced run.
    """

    planned: int | None
    started: int
    completed: int
    failed: int
    dropped: int
    lost: int
    in_flight_at_end: int


@dataclass(frozen=True, slots=True)
class Qps:
    """Iterations started a second: asked for, achieved over the run, off by, and in the fastest whole second."""

    target: float | None
    achieved: float
    error_pct: float | None
    peak: float


@dataclass(frozen=True, slots=True)
class StepResult:
    """One step over the whole run.

    `resent`: requests that were sent once more on a fresh connection, because the server had closed the kept one
    without an answer; the server may have counted both.
    """

    count: int
    failed: int
    bytes_in: int
    bytes_out: int
    response_time_ms: Times
    resent: int = 0


@dataclass(frozen=True, slots=True)
class PartResult:
    """What the iterations of one part of the load came to."""

    started: int
    completed: int
    failed: int
    dropped: int
    response_time_ms: Times


@dataclass(frozen=True, slots=True)
class CheckResult:
    """How often one check held, and how often it did not."""

    passed: int
    failed: int


@dataclass(frozen=True, slots=True)
class ErrorResult:
    """Errors alike: how many, when first, and the first one's whole text."""

    kind: str
    message: str
    count: int
    first_at_s: float
    example: str


@dataclass(frozen=True, slots=True)
class IntervalResult:
    """One second of the run; of a run of hours, what is long past is kept by ten seconds and the minute (`length_s`).

    `started` counts by start, `completed` and `failed` by end.

    `histogram` is of the response times of those that ended, for `Histogram.decode`; `step_histograms` of the times of
    the most frequent steps. They are coarse where they would be long otherwise; the run's own are not. `errors` counts
    by kind; `cpu_pct` is the mean over the workers, of one core each.
    """

    at_s: int
    started: int
    completed: int
    failed: int
    dropped: int
    target_qps: float | None
    in_flight: int
    mean_ms: float | None = None
    p50_ms: float | None = None
    p90_ms: float | None = None
    p99_ms: float | None = None
    max_ms: float | None = None
    histogram: str | None = None
    step_histograms: dict[str, str] = field(default_factory=dict)
    errors: dict[str, int] = field(default_factory=dict)
    cpu_pct: float | None = None
    loop_lag_p99_ms: float | None = None
    lateness_p99_ms: float | None = None
    length_s: int = 1
    nodes: int | None = None
    """How many nodes of a cluster told of this second; None: there was but one machine."""


@dataclass(frozen=True, slots=True)
class HistogramsResult:
    """What every distribution of the run was taken from, in full: texts for `Histogram.decode`."""

    response: str
    service: str
    lateness: str
    loop_lag: str
    steps: dict[str, str] = field(default_factory=dict)
    parts: dict[str, str] = field(default_factory=dict)
    prepare: str | None = None
    verify: str | None = None


@dataclass(frozen=True, slots=True)
class WorkerResult:
    """One worker over the whole run."""

    id: int
    pid: int
    started: int
    cpu_pct: float
    loop_lag_ms: Times
    restarts: int


@dataclass(frozen=True, slots=True)
class NodeResult:
    """One node of a cluster over the whole run: what its workers started, how it ended, what it says of itself.

    `state` is "ok", "silent" (nothing was heard of it at the end) or "lost". `verdict` is None where it could not say.
    """

    id: int
    address: str
    hostname: str
    workers: int
    slots: int
    started: int
    completed: int
    failed: int
    lost: int
    cpu_pct: float
    clock_unsure_ms: float
    state: str
    lost_at_s: float | None
    verdict: str | None
    reasons: list[ReasonResult]

    @property
    def told(self) -> str:
        """Its verdict; of one that is not "ok", its state, and since when."""
        if self.state == "ok":
            return self.verdict or ""
        return self.state if self.lost_at_s is None else f"{self.state} at {self.lost_at_s:.1f} s"


@dataclass(frozen=True, slots=True)
class CpuTierResult:
    """What prepare() and verify() did and took, in `workers` processes of their own (0: inside the worker processes).

    `waits` is how many iterations were due, with a slot free, and waited for their word, or for room for their reply;
    `busy_pct` the time that went into both kinds of work, as a share of what the CPU workers have (0 of them: of what
    the event loops have).
    """

    workers: int
    prepared: int
    prepare_failed: int
    prepare_ms: Times
    waits: int
    verified: int
    verify_failed: int
    unverified: int
    verify_ms: Times
    busy_pct: float
    restarts: int


@dataclass(frozen=True, slots=True)
class ReasonResult:
    """One thing that was wrong with the generator."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class GeneratorResult:
    """What the generator says of itself."""

    verdict: str
    reasons: list[ReasonResult]
    loop_lag_ms: Times
    cpu_pct: float


@dataclass(frozen=True, slots=True)
class ThresholdResult:
    """A condition on the result, what was found for it, and whether it held."""

    expression: str
    value: float | None
    passed: bool


@dataclass(frozen=True, slots=True)
class EventResult:
    """Something that happened once: a worker was lost, the run was interrupted."""

    at_s: float
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class SearchStepResult:
    """One step of a search: whether the objectives were kept, or the generator did not deliver the rate, and why."""

    qps: float
    kept: bool
    generator_limited: bool
    why: str
    measured: dict[str, float]


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What a search found: the highest rate that kept the objectives (None: none did), and what limits it."""

    qps: float | None
    limit: str
    reason: str
    objectives: list[str]
    steps: list[SearchStepResult]


@dataclass(frozen=True, slots=True)
class Result:
    """A finished run. `to_dict()` is what `--json` writes."""

    version: str
    scenario: str
    config: dict[str, Any]
    started_at: str
    duration_s: float
    iterations: Iterations
    qps: Qps
    response_time_ms: Times
    service_time_ms: Times
    lateness_ms: Times
    steps: dict[str, StepResult]
    parts: dict[str, PartResult] | None
    checks: dict[str, CheckResult]
    errors: list[ErrorResult]
    intervals: list[IntervalResult]
    workers: list[WorkerResult]
    cpu_tier: CpuTierResult | None
    generator: GeneratorResult
    thresholds: list[ThresholdResult] = field(default_factory=list)
    events: list[EventResult] = field(default_factory=list)
    search: SearchResult | None = None
    nodes: list[NodeResult] | None = None
    histograms: HistogramsResult | None = None
    """None: read from a file that was written before it had any."""
    versions: dict[str, str] = field(default_factory=dict)
    """What it ran with and on: Python, the event loop, the system."""
    schema: str = SCHEMA

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Result:
        """The result in a file that `--json` wrote.

        Raises:
            UsageError: it cannot be read, is cut off, is of another version of the schema, or is something else.
        """
        from hybridpress.metrics.reading import result_of

        try:
            data = Path(path).read_bytes()
        except (OSError, ValueError) as error:  # ValueError: a path with a NUL in it
            why = getattr(error, "strerror", None) or error
            raise UsageError(f'cannot read the result "{os.fspath(path)}": {why}') from error
        return result_of(data, os.fspath(path))

    @classmethod
    def merge(cls, results: Iterable[Result]) -> Result:
        """One result of several that pressed at the same time: counts and rates add up, histograms merge, and each
        second is merged with the seconds that began as long after the begin of their own run. See `metrics.merging`.

        Raises:
            UsageError: there is none, or one without histograms.
        """
        from hybridpress.metrics.merging import merged

        return merged(list(results))

    def to_pandas(self) -> Frames:
        """`intervals` and `steps` as DataFrames: by second, and by name; with all columns that the file has.

        Raises:
            UsageError: pandas is not installed.
        """
        from hybridpress.metrics.frames import frames_of

        return frames_of(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts, lists and numbers, keys as in the file ("p99.9")."""
        found = _plain(self)
        assert isinstance(found, dict)
        if self.search is None:
            del found["search"]
        if self.nodes is None:
            del found["nodes"]
            for second in found["intervals"]:
                del second["nodes"]
        return {"schema": found.pop("schema"), **found}


def key_of(owner: object, name: str) -> str:
    """By what key the file has field *name* of *owner*, or of its class: "p99.9" for `p99_9`."""
    is_times = owner is Times or isinstance(owner, Times)
    return name.replace("_", ".") if is_times and name in PERCENTS else name


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {key_of(value, f.name): _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value
