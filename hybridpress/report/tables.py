"""The tables of the live terminal, as lines of spans: a heading, then the rows, the ones to look at first on top."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from hybridpress.metrics.interval import Interval, StepCounts
from hybridpress.metrics.parts import PartCounts
from hybridpress.metrics.result import EventResult
from hybridpress.report.draw import DIM, RED, YELLOW, Spans, fitted
from hybridpress.report.safe import visible
from hybridpress.units import format_bytes, format_count, format_ms

MAX_STEPS_LOOKED_AT = 200
"""Of more steps than this, only the ones with the most failures and the longest mean times are looked at."""
WIDE_COLUMNS = 110


@dataclass(frozen=True, slots=True)
class StepRow:
    """What is shown of one step: over the run so far, and its rate in the last second."""

    name: str
    per_s: int
    count: int
    failed: int
    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float
    bytes_in: int


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """What is shown of one worker: its CPU in the last second, the rest over the run."""

    id: int
    cpu_pct: float
    lag_p99_ms: float | None
    started: int
    restarts: int


def step_rows(interval: Interval, total: Interval) -> list[StepRow]:
    """What hurts most comes first: the most failures, then the longest times."""
    steps: Sequence[tuple[str, StepCounts]] = [*total.steps.items()]
    if len(steps) > MAX_STEPS_LOOKED_AT:
        steps = sorted(steps, key=lambda item: (-item[1].failed, -(item[1].times.mean_ns or 0.0)))
    rows = []
    for name, step in steps[:MAX_STEPS_LOOKED_AT]:
        found = step.times.percentiles_ns(50, 90, 99)
        if found is None:
            continue
        now = interval.steps.get(name)
        p50_ms, p90_ms, p99_ms = (ns / 1e6 for ns in found)
        per_s = 0 if now is None else now.count
        rows.append(
            StepRow(
                name, per_s, step.count, step.failed, p50_ms, p90_ms, p99_ms, step.times.max_ns / 1e6, step.bytes_in
            )
        )
    return sorted(rows, key=lambda row: (-row.failed, -row.p99_ms))


def step_table(rows: Sequence[StepRow], columns: int) -> list[Spans]:
    """The steps, with more columns where there is room for them."""
    if not rows:
        return []
    names = ["count", "failed", "p50", "p99", "max"]
    if columns >= WIDE_COLUMNS:
        names = ["/s", "count", "failed", "p50", "p90", "p99", "max", "received"]
    width = columns - 11 * len(names)
    table: list[Spans] = [[(fitted("step", width), DIM), *((f"{name:>11}", DIM) for name in names)]]
    for row in rows:
        figures = {
            "/s": format_count(row.per_s),
            "count": format_count(row.count),
            "failed": format_count(row.failed),
            "p50": format_ms(row.p50_ms),
            "p90": format_ms(row.p90_ms),
            "p99": format_ms(row.p99_ms),
            "max": format_ms(row.max_ms),
            "received": format_bytes(row.bytes_in),
        }
        table.append(
            [
                (fitted(visible(row.name), width), ""),
                *((f"{figures[name]:>11}", RED if name == "failed" and row.failed else "") for name in names),
            ]
        )
    return table


def part_table(parts: Mapping[str, PartCounts], columns: int) -> list[Spans]:
    """The parts of a mix."""
    if not parts:
        return []
    width = columns - 44
    table: list[Spans] = [
        [(fitted("part", width), DIM), *((f"{name:>11}", DIM) for name in ("started", "failed", "p50", "p99"))]
    ]
    for name, part in parts.items():
        found = part.response.percentiles_ns(50, 99) or (None, None)
        times = [format_ms(None if ns is None else ns / 1e6) for ns in found]
        table.append(
            [
                (fitted(visible(name), width), ""),
                (f"{format_count(part.started):>11}", ""),
                (f"{format_count(part.failed):>11}", RED if part.failed else ""),
                *((f"{time:>11}", "") for time in times),
            ]
        )
    return table


def error_table(errors: Sequence[tuple[int, str]]) -> list[Spans]:
    """Errors alike, with their number."""
    rows: list[Spans] = [[(f"{format_count(count):>11} × {visible(text)}", RED)] for count, text in errors]
    return [[("errors", DIM)], *rows] if rows else []


def worker_table(rows: Sequence[WorkerRow]) -> list[Spans]:
    """Each worker."""
    if not rows:
        return []
    names = ("CPU", "loop lag p99", "started", "restarts")
    table: list[Spans] = [[(fitted("worker", 8), DIM), *((f"{name:>14}", DIM) for name in names)]]
    for row in rows:
        cpu = f"{row.cpu_pct:.0f} %"
        table.append(
            [
                (fitted(str(row.id), 8), ""),
                (f"{cpu:>14}", YELLOW if row.cpu_pct >= 90 else ""),
                (
                    f"{format_ms(row.lag_p99_ms):>14}{format_count(row.started):>14}{format_count(row.restarts):>14}",
                    "",
                ),
            ]
        )
    return table


def event_table(events: Iterable[EventResult]) -> list[Spans]:
    """What happened, the last thing on top."""
    rows: list[Spans] = [[(f"{event.at_s:>9.1f} s  {visible(event.text)}", YELLOW)] for event in events]
    return [[("events", DIM)], *rows[::-1]] if rows else []
