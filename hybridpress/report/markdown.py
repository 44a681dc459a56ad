"""The result in Markdown, for a pull request or the summary of a job: short, and nothing in it can format itself.

What comes from scenarios and servers stands in code spans: no markup, no links and no mentions are read in those.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator

from hybridpress.config.outputs import GITHUB, GITHUB_SUMMARY
from hybridpress.metrics.result import Result, Times
from hybridpress.metrics.thresholds import told_value
from hybridpress.report.files import append, write_whole
from hybridpress.report.output import Output
from hybridpress.report.safe import cut, visible
from hybridpress.units import format_count, format_duration, format_ms

MAX_STEPS = 20
MAX_ERRORS = 10
MAX_CHARACTERS = 200

_MARK_OF = {"valid": "✅", "degraded": "⚠️", "invalid": "❌"}


class MarkdownFile(Output):
    """Writes the file when the run is over, or appends to the summary of the job."""

    name = "--markdown"

    def __init__(self, path: str) -> None:
        self._path = path

    def finished(self, result: Result) -> None:
        data = markdown_of(result).encode()
        if self._path == GITHUB:
            append(data + b"\n", os.environ.get(GITHUB_SUMMARY, ""), "the summary")
        else:
            write_whole(data, self._path, "the summary")


def markdown_of(result: Result) -> str:
    """The text of the file."""
    parts = (_title, _figures, _times, _search, _thresholds, _steps, _parts, _checks, _errors, _events)
    return "\n".join("\n".join([*lines, ""]) for part in parts if (lines := list(part(result))))


def code(text: str) -> str:
    """*text* as a code span that nothing in it can end."""
    shown = cut(visible(text), MAX_CHARACTERS).replace("|", "\\|")
    fence = "`" * (max(map(len, re.findall("`+", shown)), default=0) + 1)
    gap = " " if shown[:1] in ("`", " ", "") or shown[-1:] in ("`", " ") else ""
    return f"{fence}{gap}{shown}{gap}{fence}"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    """The first column is text, the others are figures."""
    head = list(head)
    yield f"| {' | '.join(head)} |"
    yield f"|{'|'.join(['---', *['--:'] * (len(head) - 1)])}|"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _title(result: Result) -> Iterator[str]:
    verdict = result.generator.verdict
    n_failed = sum(not threshold.passed for threshold in result.thresholds)
    mark = "❌" if n_failed else _MARK_OF.get(verdict, "")
    thresholds = f", {n_failed} of {len(result.thresholds)} thresholds failed" if n_failed else ""
    yield f"### {mark} {code(result.scenario)}: {verdict}{thresholds}"
    if result.generator.reasons:
        yield ""
    for reason in result.generator.reasons:
        yield f"- {code(f'{reason.code}: {reason.text}')}"


def _figures(result: Result) -> Iterator[str]:
    qps, n = result.qps, result.iterations
    asked = "unpaced" if qps.target is None else f"asked {format_count(qps.target)}/s"
    error = "" if qps.error_pct is None else f" ({round(qps.error_pct, 2) + 0.0:+.2f} %)"
    host = f" against {code(str(result.config['host']))}" if result.config.get("host") else ""
    yield (
        f"{asked}, achieved **{format_count(qps.achieved)}/s**{error} in {format_duration(result.duration_s)}{host}: "
        f"{format_count(n.started)} started, {format_count(n.completed)} completed, "
        f"**{format_count(n.failed)} failed**, {format_count(n.dropped)} dropped, {format_count(n.lost)} lost"
    )


def _ms(times: Times, *names: str) -> list[str]:
    return [format_ms(getattr(times, name)) for name in names]


def _times(result: Result) -> Iterator[str]:
    if result.search is not None:
        return
    names = ("p50", "p90", "p99", "p99_9", "max", "mean")
    rows = [("response time", result.response_time_ms), ("service time", result.service_time_ms)]
    if result.qps.target is not None:
        rows.append(("lateness", result.lateness_ms))
    head = ["time", *(name.replace("_", ".") for name in names)]
    yield from _table(head, ([name, *_ms(times, *names)] for name, times in rows))


def _search(result: Result) -> Iterator[str]:
    search = result.search
    if search is None:
        return
    answer = "no rate" if search.qps is None else f"{format_count(round(search.qps, 1))}/s"
    yield f"Highest QPS that keeps {code(', '.join(search.objectives))}: **{answer}** ({code(search.reason)})"
    yield ""
    rows = []
    for step in search.steps:
        times = [format_ms(step.measured.get(name)) for name in ("p50_ms", "p99_ms")]
        verdict = "not delivered" if step.generator_limited else "kept" if step.kept else "broken"
        rows.append([f"{format_count(round(step.qps, 1))}/s", *times, verdict])
    yield from _table(["tried", "p50", "p99", "verdict"], rows)


def _thresholds(result: Result) -> Iterator[str]:
    if result.thresholds:
        rows = (
            [
                f"{'✅' if threshold.passed else '❌'} {code(threshold.expression)}",
                told_value(threshold),
            ]
            for threshold in result.thresholds
        )
        yield from _table(["threshold", "found"], rows)


def _steps(result: Result) -> Iterator[str]:
    steps = sorted(result.steps.items(), key=lambda item: (-item[1].failed, -item[1].count, item[0]))
    if not steps or result.search is not None:
        return
    rows = (
        [
            code(name),
            format_count(step.count),
            format_count(step.failed),
            *_ms(step.response_time_ms, "p50", "p99", "max"),
        ]
        for name, step in steps[:MAX_STEPS]
    )
    yield from _table(["step", "count", "failed", "p50", "p99", "max"], rows)
    yield from _more(len(steps) - MAX_STEPS)


def _parts(result: Result) -> Iterator[str]:
    if result.parts:
        rows = (
            [
                code(name),
                format_count(part.started),
                format_count(part.failed),
                *_ms(part.response_time_ms, "p50", "p99"),
            ]
            for name, part in result.parts.items()
        )
        yield from _table(["part", "started", "failed", "p50", "p99"], rows)


def _checks(result: Result) -> Iterator[str]:
    """Those that always held are only counted."""
    failed = {name: check for name, check in result.checks.items() if check.failed}
    if failed:
        rows = (
            [f"❌ {code(name)}", f"{format_count(check.passed)} of {format_count(check.passed + check.failed)}"]
            for name, check in sorted(failed.items(), key=lambda item: -item[1].failed)[:MAX_STEPS]
        )
        yield from _table(["check", "held"], rows)
        yield from _more(len(failed) - MAX_STEPS)
    if n_held := len(result.checks) - len(failed):
        if failed:
            yield ""
        yield f"{format_count(n_held)} check{'s' if n_held != 1 else ''} always held."


def _errors(result: Result) -> Iterator[str]:
    if result.errors:
        rows = (
            [code(f"{error.kind}: {error.message}"), format_count(error.count), f"{error.first_at_s:.3f} s"]
            for error in result.errors[:MAX_ERRORS]
        )
        yield from _table(["error", "count", "first at"], rows)
        yield from _more(len(result.errors) - MAX_ERRORS)


def _events(result: Result) -> Iterator[str]:
    for event in result.events[:MAX_ERRORS]:
        yield f"- at {event.at_s:.1f} s: {code(event.text)}"
    yield from _more(len(result.events) - MAX_ERRORS)


def _more(n_left_out: int) -> Iterator[str]:
    if n_left_out > 0:
        yield ""
        yield f"and {format_count(n_left_out)} more"
