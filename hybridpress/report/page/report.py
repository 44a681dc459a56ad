"""The report of one run as a page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hybridpress.config import GROUPS, knobs_of
from hybridpress.config.secrets import masked, masked_url
from hybridpress.metrics.result import CpuTierResult, Result
from hybridpress.metrics.thresholds import told_value
from hybridpress.report.page.data import (
    curves_of,
    each_of,
    heat_of,
    percent_of,
    row_of,
    seconds_of,
    told_setting,
)
from hybridpress.report.page.document import document
from hybridpress.units import format_count, format_ms


def report_page(result: Result) -> bytes:
    """One HTML file with all there is to see of *result*. What looks like a secret in the settings is not in it."""
    return document(f"{_name(result.scenario)}: load test report", result.version, _data(result), ["report.js"])


def _name(scenario: str) -> str:
    """QueryVm of "path/query.py:QueryVm"."""
    return scenario.rpartition(":")[2] or scenario or "hybridpress"


def _data(result: Result) -> dict[str, Any]:
    is_paced = result.qps.target is not None
    return {
        "title": _name(result.scenario),
        "scenario": result.scenario,
        "version": result.version,
        "started_at": result.started_at,
        "duration_s": result.duration_s,
        "generator": {
            "verdict": result.generator.verdict,
            "reasons": [{"code": reason.code, "text": reason.text} for reason in result.generator.reasons],
        },
        "thresholds": list(_thresholds(result)),
        "iterations": {
            name: getattr(result.iterations, name) for name in ("planned", "started", "completed", "failed", "dropped")
        },
        "qps": {name: getattr(result.qps, name) for name in ("target", "achieved", "error_pct", "peak")},
        "times": [
            {"name": name, **row_of(times)}
            for name, times, is_shown in (
                ("response time", result.response_time_ms, True),
                ("service time", result.service_time_ms, True),
                ("lateness", result.lateness_ms, is_paced),
            )
            if is_shown
        ],
        "seconds": seconds_of(result),
        "each_s": each_of(result.intervals),
        "heat": heat_of(result.intervals),
        "curves": curves_of(result),
        "steps": list(_steps(result)),
        "parts": list(_parts(result)),
        "checks": [
            {
                "name": name,
                "passed": check.passed,
                "failed": check.failed,
                "passed_pct": percent_of(check.passed, check.passed + check.failed),
            }
            for name, check in sorted(result.checks.items(), key=lambda item: (-item[1].failed, item[0]))
        ],
        "errors": list(_errors(result)),
        "events": [{"at_s": event.at_s, "text": event.text} for event in result.events],
        "search": _search(result),
        "nodes": list(_nodes(result)),
        "workers": [
            {
                "id": worker.id,
                "pid": str(worker.pid),
                "started": worker.started,
                "cpu_pct": worker.cpu_pct,
                "lag_p99": worker.loop_lag_ms.p99,
                "lag_max": worker.loop_lag_ms.max,
                "restarts": worker.restarts,
            }
            for worker in result.workers
        ],
        "cpu_tier": [] if result.cpu_tier is None else list(_cpu_tier(result.cpu_tier)),
        "settings": _settings(result),
    }


def _nodes(result: Result) -> Iterator[dict[str, Any]]:
    for node in result.nodes or []:
        reasons = ", ".join(reason.code for reason in node.reasons)
        yield {
            "id": node.id,
            "address": node.address,
            "workers": node.workers,
            "started": node.started,
            "failed": node.failed,
            "lost": node.lost,
            "cpu_pct": node.cpu_pct,
            "clock_unsure_ms": node.clock_unsure_ms,
            "verdict": f"{node.told}: {reasons}" if reasons else node.told,
        }


def _thresholds(result: Result) -> Iterator[dict[str, Any]]:
    for threshold in result.thresholds:
        yield {
            "expression": threshold.expression,
            "told": told_value(threshold),
            "passed": threshold.passed,
        }


def _steps(result: Result) -> Iterator[dict[str, Any]]:
    for name, step in sorted(result.steps.items(), key=lambda item: (-item[1].count, item[0])):
        yield {
            "name": name,
            "count": step.count,
            "failed": step.failed,
            "failed_pct": percent_of(step.failed, step.count),
            "in_per_s": step.bytes_in / result.duration_s if result.duration_s else None,
            "out_per_s": step.bytes_out / result.duration_s if result.duration_s else None,
            **row_of(step.response_time_ms),
        }


def _parts(result: Result) -> Iterator[dict[str, Any]]:
    parts = result.parts or {}
    n_started = sum(part.started for part in parts.values())
    for name, part in parts.items():
        yield {
            "name": name,
            "started": part.started,
            "share_pct": percent_of(part.started, n_started),
            "failed": part.failed,
            "dropped": part.dropped,
            **row_of(part.response_time_ms),
        }


def _errors(result: Result) -> Iterator[dict[str, Any]]:
    n_errors = sum(error.count for error in result.errors)
    for error in result.errors:
        says_nothing_new = error.example.strip() in ("", error.message, f"{error.kind}: {error.message}")
        yield {
            "kind": error.kind,
            "message": masked_url(error.message),
            "count": error.count,
            "share_pct": percent_of(error.count, n_errors),
            "first_at_s": error.first_at_s,
            "example": "" if says_nothing_new else masked_url(error.example),
        }


def _search(result: Result) -> dict[str, Any] | None:
    search = result.search
    if search is None:
        return None
    rows = [
        {
            "qps": step.qps,
            "started": step.measured.get("qps"),
            "p50": step.measured.get("p50_ms"),
            "p99": step.measured.get("p99_ms"),
            "failed_pct": step.measured.get("failed_pct"),
            "outcome": "not delivered" if step.generator_limited else "kept" if step.kept else "broken",
            "why": step.why,
        }
        for step in search.steps
    ]
    return {
        "qps": search.qps,
        "objectives": search.objectives,
        "limit": search.limit,
        "reason": search.reason,
        "steps": rows,
    }


def _cpu_tier(tier: CpuTierResult) -> Iterator[tuple[str, str]]:
    yield "CPU workers", format_count(tier.workers) if tier.workers else "none: it ran on the event loops"
    yield "busy", f"{tier.busy_pct:.0f} %"
    for name, times, n_failed in (
        ("prepare()", tier.prepare_ms, tier.prepare_failed),
        ("verify()", tier.verify_ms, tier.verify_failed),
    ):
        if times.count:
            told = f"{format_count(times.count)} calls, {format_count(n_failed)} failed"
            yield name, f"{told}, p50 {format_ms(times.p50)}, p99 {format_ms(times.p99)}"
    yield "iterations that waited for them", format_count(tier.waits)
    yield "replies not verified", format_count(tier.unverified)
    yield "restarts", format_count(tier.restarts)


def _settings(result: Result) -> list[dict[str, Any]]:
    """All settings, by what they are about, and the versions; secrets masked."""
    settings = masked(result.config)
    groups = []
    known: set[str] = set()
    for title, group in GROUPS.items():
        knobs = [knob for knob in knobs_of(group).values() if knob.name in settings]
        known |= {knob.name for knob in knobs}
        if knobs:
            groups.append(
                {"title": title, "rows": [(knob.flag, told_setting(knob.name, settings[knob.name])) for knob in knobs]}
            )
    rest = [name for name in settings if name not in known]
    if rest:
        groups.append({"title": "Others", "rows": [(name, told_setting(name, settings[name])) for name in rest]})
    versions = [("hybridpress", result.version), *result.versions.items(), ("form of the result", result.schema)]
    groups.append({"title": "Versions", "rows": versions})
    return groups
