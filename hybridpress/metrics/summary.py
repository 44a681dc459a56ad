"""From a run's merged intervals to its Result: arithmetic and wording, nothing measured here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from hybridpress.metrics.histogram import Histogram
from hybridpress.metrics.interval import Health, Interval
from hybridpress.metrics.result import (
    CheckResult,
    CpuTierResult,
    ErrorResult,
    EventResult,
    GeneratorResult,
    HistogramsResult,
    IntervalResult,
    Iterations,
    NodeResult,
    PartResult,
    Qps,
    ReasonResult,
    Result,
    StepResult,
    ThresholdResult,
    Times,
    WorkerResult,
)
from hybridpress.metrics.verdict import Conditions, judge
from hybridpress.units import NS_PER_S, format_count

SECOND_CHARS = 600
"""The longest text of a second's histogram, and, below, of those of its steps together: an hour of the widest ones
takes less than 5 MB in the result's file.
"""
STEPS_CHARS = 300
MAX_STEPS_A_SECOND = 2


@dataclass(slots=True)
class WorkerTotals:
    """One worker over the whole run."""

    id: int
    pid: int
    started: int = 0
    health: Health = field(default_factory=Health)
    restarts: int = 0


@dataclass(slots=True)
class RunFacts:
    """All that the coordinator knows of a finished run."""

    version: str
    scenario: str
    config: dict[str, Any]
    started_at: str
    start_ns: int
    load_s: float
    """How long iterations were started."""
    target_qps: float | None
    n_planned: int | None
    n_lost: int
    total: Interval
    seconds: Sequence[IntervalResult]
    workers: Sequence[WorkerTotals]
    conditions: Conditions
    n_cpu_workers_lost: int = 0
    most_started: int = 0
    """The most that any second had of those that are kept in longer intervals."""
    events: list[EventResult] = field(default_factory=list)
    nodes: list[NodeResult] | None = None
    thresholds: list[ThresholdResult] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)


def second_of(interval: Interval, target_qps: float | None) -> IntervalResult:
    """One second as the result shows it: all that is kept of it, so that a long run stays small."""
    second = IntervalResult(
        at_s=interval.index,
        started=interval.started,
        completed=interval.completed,
        failed=interval.failed,
        dropped=interval.dropped,
        target_qps=target_qps,
        in_flight=interval.in_flight,
        step_histograms=_step_histograms(interval),
        errors=_errors_by_kind(interval),
        cpu_pct=round(interval.health.cpu_pct, 1) if interval.health.span_ns else None,
        loop_lag_p99_ms=_p99_ms(interval.health.loop_lag),
        lateness_p99_ms=None if target_qps is None else _p99_ms(interval.lateness),
    )
    return with_times(second, interval.response)


def _errors_by_kind(interval: Interval) -> dict[str, int]:
    found: dict[str, int] = {}
    for (kind, _), error in interval.errors.items():
        found[kind] = found.get(kind, 0) + error.count
    return found


def _p99_ms(times: Histogram) -> float | None:
    found = times.percentiles_ns(99)
    return None if found is None else found[0] / 1e6


def with_times(second: IntervalResult, response: Histogram, *, has_texts: bool = True) -> IntervalResult:
    """*second*, with what *response* says of the response times in it; as text as well, unless told otherwise."""
    found = response.percentiles_ns(50, 90, 99)
    if found is None or response.mean_ns is None:
        return second
    p50_ms, p90_ms, p99_ms = (ns / 1e6 for ns in found)
    return replace(
        second,
        mean_ms=response.mean_ns / 1e6,
        p50_ms=p50_ms,
        p90_ms=p90_ms,
        p99_ms=p99_ms,
        max_ms=response.max_ns / 1e6,
        histogram=response.encode(SECOND_CHARS) if has_texts else None,
    )


def _step_histograms(interval: Interval) -> dict[str, str]:
    """Those of the steps that the second had most of."""
    steps = sorted(interval.steps.items(), key=lambda item: (-item[1].count, item[0]))[:MAX_STEPS_A_SECOND]
    return {name: step.times.encode(STEPS_CHARS // len(steps)) for name, step in steps}


def summarize(facts: RunFacts) -> Result:
    """The Result of a run."""
    total = facts.total
    verdict, reasons = judge(total, facts.conditions)
    return Result(
        version=facts.version,
        scenario=facts.scenario,
        config=facts.config,
        started_at=facts.started_at,
        duration_s=round(facts.load_s, 6),
        iterations=Iterations(
            planned=facts.n_planned,
            started=total.started,
            completed=total.completed,
            failed=total.failed,
            dropped=total.dropped,
            lost=facts.n_lost,
            in_flight_at_end=total.started - total.completed - total.failed - facts.n_lost,
        ),
        qps=_qps(facts, total),
        response_time_ms=Times.of(total.response),
        service_time_ms=Times.of(total.service),
        lateness_ms=Times.of(total.lateness),
        steps={
            name: StepResult(step.count, step.failed, step.bytes_in, step.bytes_out, Times.of(step.times), step.resent)
            for name, step in sorted(total.steps.items())
        },
        parts=_parts(total),
        checks={name: CheckResult(check.passed, check.failed) for name, check in sorted(total.checks.items())},
        errors=_errors(total, facts.start_ns),
        intervals=list(facts.seconds),
        workers=[
            WorkerResult(
                worker.id,
                worker.pid,
                worker.started,
                round(worker.health.cpu_pct, 1),
                Times.of(worker.health.loop_lag),
                worker.restarts,
            )
            for worker in facts.workers
        ],
        cpu_tier=_cpu_tier(facts),
        generator=GeneratorResult(
            verdict,
            [ReasonResult(reason.code, reason.text) for reason in reasons],
            Times.of(total.health.loop_lag),
            round(sum(worker.health.cpu_pct for worker in facts.workers), 1),
        ),
        thresholds=facts.thresholds,
        events=[*facts.events, *_resent(facts)],
        nodes=facts.nodes,
        histograms=_histograms(facts),
        versions=facts.versions,
    )


def _resent(facts: RunFacts) -> list[EventResult]:
    """That requests were sent twice, so that the server may have counted more of them than the run has exchanges."""
    n = sum(step.resent for step in facts.total.steps.values())
    if not n:
        return []
    text = f"{format_count(n)} requests were sent once more: the server had closed a kept connection without an answer"
    return [EventResult(round(facts.load_s, 3), "resent", text)]


def _histograms(facts: RunFacts) -> HistogramsResult:
    total = facts.total
    has_tier = facts.conditions.cpu_tier is not None
    return HistogramsResult(
        response=total.response.encode(),
        service=total.service.encode(),
        lateness=total.lateness.encode(),
        loop_lag=total.health.loop_lag.encode(),
        steps={name: step.times.encode() for name, step in sorted(total.steps.items())},
        parts={name: part.response.encode() for name, part in total.parts.items()},
        prepare=total.cpu.prepare.encode() if has_tier else None,
        verify=total.cpu.verify.encode() if has_tier else None,
    )


def _cpu_tier(facts: RunFacts) -> CpuTierResult | None:
    cpu, tier = facts.total.cpu, facts.conditions.cpu_tier
    if tier is None:
        return None
    return CpuTierResult(
        workers=tier.n_workers,
        prepared=cpu.prepare.count,
        prepare_failed=cpu.prepare_failed,
        prepare_ms=Times.of(cpu.prepare),
        waits=cpu.waits,
        verified=cpu.verify.count,
        verify_failed=cpu.verify_failed,
        unverified=cpu.unverified,
        verify_ms=Times.of(cpu.verify),
        busy_pct=round(100 * tier.busy_share(cpu), 1),
        restarts=facts.n_cpu_workers_lost,
    )


def _qps(facts: RunFacts, total: Interval) -> Qps:
    achieved = total.started / facts.load_s if facts.load_s else 0.0
    target = facts.target_qps
    error_pct = None if target is None else 100 * (achieved - target) / target
    peak = float(facts.most_started)
    for second in facts.seconds:
        if second.length_s > 1:
            continue
        length_s = min(1.0, facts.load_s - second.at_s)
        # A part of a second says little of a rate, except where there is nothing else.
        if length_s == 1.0 or second.at_s == 0 < length_s:
            peak = max(peak, second.started / length_s)
    return Qps(target, round(achieved, 3), None if error_pct is None else round(error_pct, 4), round(peak, 3))


def _parts(total: Interval) -> dict[str, PartResult] | None:
    if not total.parts:
        return None
    return {
        name: PartResult(part.started, part.completed, part.failed, part.dropped, Times.of(part.response))
        for name, part in total.parts.items()
    }


def _errors(total: Interval, start_ns: int) -> list[ErrorResult]:
    found = [
        ErrorResult(kind, message, error.count, max(round((error.first_ns - start_ns) / NS_PER_S, 3), 0), error.example)
        for (kind, message), error in total.errors.items()
    ]
    return sorted(found, key=lambda error: (-error.count, error.kind, error.message))
