"""Several results beside one another as a page: their curves over one another, and what differs in their settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hybridpress import __version__
from hybridpress.config.secrets import masked
from hybridpress.metrics.result import Result
from hybridpress.report.page.data import percent_of, response_curve, row_of, seconds_of, told_setting
from hybridpress.report.page.document import document


def comparison_page(results: Mapping[str, Result], findings: Sequence[str] = ()) -> bytes:
    """One HTML file with *results*, by what each is to be called, over one another. *findings*: sentences on top."""
    data = {
        "title": "Comparison of load tests",
        "version": __version__,
        "findings": list(findings),
        "runs": [_run(label, result) for label, result in results.items()],
        "steps": list(_steps(results)),
        "differing": list(_differing(results)),
    }
    return document("Comparison of load tests", __version__, data, ["compare.js"])


def _run(label: str, result: Result) -> dict[str, Any]:
    n_ended = result.iterations.completed + result.iterations.failed
    return {
        "label": label,
        "seconds": seconds_of(result),
        "points": response_curve(result),
        "row": {
            "label": label,
            "verdict": result.generator.verdict,
            "qps": result.qps.achieved,
            "target": result.qps.target,
            "completed": result.iterations.completed,
            "failed_pct": percent_of(result.iterations.failed, n_ended),
            "duration_s": round(result.duration_s, 1),
            "started_at": result.started_at,
            **row_of(result.response_time_ms),
        },
    }


def _steps(results: Mapping[str, Result]) -> Iterator[dict[str, Any]]:
    names = dict.fromkeys(name for result in results.values() for name in result.steps)
    for name in names:
        for label, result in results.items():
            if (step := result.steps.get(name)) is not None:
                yield {
                    "name": name,
                    "label": label,
                    "count": step.count,
                    "failed_pct": percent_of(step.failed, step.count),
                    **row_of(step.response_time_ms),
                }


def _differing(results: Mapping[str, Result]) -> Iterator[dict[str, Any]]:
    settings = [
        masked({"scenario": result.scenario, "version": result.version, **result.config}) for result in results.values()
    ]
    for name in dict.fromkeys(name for found in settings for name in found):
        values = [told_setting(name, found.get(name)) for found in settings]
        if len(set(values)) > 1:
            yield {"name": name, **{f"v{k}": value for k, value in enumerate(values)}}
