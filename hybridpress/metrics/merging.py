"""Several results as one: of runs that pressed the same server at the same time, from several machines, say.

Counts and rates add up, histograms merge, percentiles are taken from the sums. A second is merged with those that
began as long after the begin of their own run: the clocks of several machines are not compared. Which thresholds would
hold, and where a search would have ended, is not known of a sum: these are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from typing import Any

from hybridpress.errors import UsageError
from hybridpress.metrics.histogram import Histogram
from hybridpress.metrics.result import (
    CheckResult,
    CpuTierResult,
    ErrorResult,
    GeneratorResult,
    HistogramsResult,
    IntervalResult,
    Iterations,
    PartResult,
    Qps,
    Result,
    StepResult,
    Times,
)
from hybridpress.metrics.seconds import longest_s, span_of, together

_VERDICTS = ("valid", "degraded", "invalid")
_ADDED_SETTINGS = ("qps", "concurrent", "processes", "cpu_workers", "iterations")


def merged(results: Sequence[Result]) -> Result:
    """One result of *results*. A setting that they do not share is left out of `config`; rates and numbers add up.

    Raises:
        UsageError: there is none, or one without histograms.
    """
    if not results:
        raise UsageError("there are no results to merge")
    if len(results) == 1:
        return results[0]
    texts = [_histograms_of(result) for result in results]
    histograms = HistogramsResult(
        response=_sum(text.response for text in texts),
        service=_sum(text.service for text in texts),
        lateness=_sum(text.lateness for text in texts),
        loop_lag=_sum(text.loop_lag for text in texts),
        steps=_sums([text.steps for text in texts]),
        parts=_sums([text.parts for text in texts]),
        prepare=_sum(text.prepare for text in texts),
        verify=_sum(text.verify for text in texts),
    )
    duration_s = max(result.duration_s for result in results)
    intervals = _intervals(results)
    iterations = _iterations(results)
    return Result(
        version=results[0].version,
        scenario=" + ".join(dict.fromkeys(result.scenario for result in results)),
        config=_config([result.config for result in results]),
        started_at=min(result.started_at for result in results),
        duration_s=duration_s,
        iterations=iterations,
        qps=_qps(results, iterations.started, duration_s, intervals),
        response_time_ms=_times(histograms.response),
        service_time_ms=_times(histograms.service),
        lateness_ms=_times(histograms.lateness),
        steps={name: _step(results, name, text) for name, text in histograms.steps.items()},
        parts={name: _part(results, name, text) for name, text in histograms.parts.items()} or None,
        checks=_checks(results),
        errors=_errors(results),
        intervals=intervals,
        workers=[
            replace(worker, id=number)
            for number, worker in enumerate(worker for result in results for worker in result.workers)
        ],
        cpu_tier=_cpu_tier([result.cpu_tier for result in results if result.cpu_tier is not None], histograms),
        generator=GeneratorResult(
            max((result.generator.verdict for result in results), key=_VERDICTS.index),
            list(dict.fromkeys(reason for result in results for reason in result.generator.reasons)),
            _times(histograms.loop_lag),
            round(sum(result.generator.cpu_pct for result in results), 1),
        ),
        events=sorted((event for result in results for event in result.events), key=lambda event: event.at_s),
        histograms=histograms,
        versions=_shared([result.versions for result in results]),
    )


def _histograms_of(result: Result) -> HistogramsResult:
    if result.histograms is None:
        raise UsageError(
            f"the result of {result.scenario} of {result.started_at} has no histograms, so that it cannot be merged: "
            f"it was written by hybridpress {result.version}"
        )
    return result.histograms


def _sum(texts: Iterable[str | None]) -> Any:
    """The text of the sum; None where there is no text."""
    total, is_there = Histogram(), False
    for text in texts:
        if text is not None:
            total.merge(Histogram.decode(text))
            is_there = True
    return total.encode() if is_there else None


def _sums(texts_by_name: Sequence[dict[str, str]]) -> dict[str, str]:
    names = dict.fromkeys(name for texts in texts_by_name for name in texts)
    return {name: _sum(texts.get(name) for texts in texts_by_name) for name in names}


def _times(text: str | None) -> Times:
    return Times() if text is None else Times.of(Histogram.decode(text))


def _added(values: Iterable[Any]) -> Any:
    """Their sum; None where one of them is not known."""
    found = list(values)
    return None if None in found else sum(found)


def _config(configs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    added = {name: _added(config.get(name) for config in configs) for name in _ADDED_SETTINGS if name in configs[0]}
    shared = _shared(configs)
    return {name: added.get(name, shared.get(name)) for name in configs[0] if name in added or name in shared}


def _shared(dicts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What all of *dicts* agree about."""
    return {name: value for name, value in dicts[0].items() if all(name in d and d[name] == value for d in dicts)}


def _iterations(results: Sequence[Result]) -> Iterations:
    names = [field.name for field in fields(Iterations)]
    return Iterations(**{name: _added(getattr(result.iterations, name) for result in results) for name in names})


def _qps(results: Sequence[Result], started: int, duration_s: float, intervals: Sequence[IntervalResult]) -> Qps:
    achieved = started / duration_s if duration_s else 0.0
    target = _added(result.qps.target for result in results)
    whole = [second for second in intervals if second.at_s + second.length_s <= duration_s]
    peak = max((second.started / second.length_s for second in whole), default=achieved)
    if longest_s(intervals) > 1:
        # The mean of a long interval is less than the best second in it, which its own run knows of.
        peak = max(peak, *(result.qps.peak for result in results))
    error_pct = round(100 * (achieved - target) / target, 4) if target else None
    return Qps(target, round(achieved, 3), error_pct, round(peak, 3))


def _step(results: Sequence[Result], name: str, text: str) -> StepResult:
    steps = [result.steps[name] for result in results if name in result.steps]
    return StepResult(
        count=sum(step.count for step in steps),
        failed=sum(step.failed for step in steps),
        bytes_in=sum(step.bytes_in for step in steps),
        bytes_out=sum(step.bytes_out for step in steps),
        response_time_ms=_times(text),
        resent=sum(step.resent for step in steps),
    )


def _part(results: Sequence[Result], name: str, text: str) -> PartResult:
    parts = [result.parts[name] for result in results if result.parts and name in result.parts]
    return PartResult(
        started=sum(part.started for part in parts),
        completed=sum(part.completed for part in parts),
        failed=sum(part.failed for part in parts),
        dropped=sum(part.dropped for part in parts),
        response_time_ms=_times(text),
    )


def _checks(results: Sequence[Result]) -> dict[str, CheckResult]:
    found: dict[str, CheckResult] = {}
    for result in results:
        for name, check in result.checks.items():
            before = found.get(name, CheckResult(0, 0))
            found[name] = CheckResult(before.passed + check.passed, before.failed + check.failed)
    return found


def _errors(results: Sequence[Result]) -> list[ErrorResult]:
    found: dict[tuple[str, str], ErrorResult] = {}
    for result in results:
        for error in result.errors:
            key = (error.kind, error.message)
            if (before := found.get(key)) is not None:
                first = min(before, error, key=lambda each: each.first_at_s)
                found[key] = replace(first, count=before.count + error.count)
            else:
                found[key] = error
    return sorted(found.values(), key=lambda error: (-error.count, error.kind, error.message))


def _intervals(results: Sequence[Result]) -> list[IntervalResult]:
    """Each second once, or, where one of *results* is coarser, the span of its interval."""
    found: list[list[list[IntervalResult]]] = []
    end_s = 0
    told = [(second, number) for number, result in enumerate(results) for second in result.intervals]
    for second, number in sorted(told, key=lambda each: each[0].at_s):
        if not found or second.at_s >= end_s:
            found.append([[] for _ in results])
        end_s = max(end_s, second.at_s + second.length_s)
        found[-1][number].append(second)
    return [together([span_of(its) for its in span if its]) for span in found]


def _cpu_tier(tiers: Sequence[CpuTierResult], histograms: HistogramsResult) -> CpuTierResult | None:
    """The tiers of all; how busy they were is weighted by their CPU workers."""
    if not tiers:
        return None
    names = ("workers", "prepared", "prepare_failed", "waits", "verified", "verify_failed", "unverified", "restarts")
    sums = {name: sum(getattr(tier, name) for tier in tiers) for name in names}
    weights = [max(tier.workers, 1) for tier in tiers]
    busy = sum(weight * tier.busy_pct for weight, tier in zip(weights, tiers, strict=True)) / sum(weights)
    return CpuTierResult(
        **sums,
        prepare_ms=_times(histograms.prepare),
        verify_ms=_times(histograms.verify),
        busy_pct=round(busy, 1),
    )
