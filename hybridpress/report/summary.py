"""The summary of a finished run, as blocks that rich lays out: what is said, in which order, and what is left out.

All text of scenarios and servers goes through `visible` into `Text`, which reads no markup.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hybridpress.metrics.result import ErrorResult, Result, Times
from hybridpress.metrics.thresholds import told_value
from hybridpress.report.safe import cut, visible, visible_lines
from hybridpress.units import format_bytes, format_count, format_duration, format_ms

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text


@dataclass(frozen=True, slots=True)
class Size:
    """How much of each part is shown at most."""

    steps: int
    checks: int
    errors: int
    events: int
    example_lines: int
    is_airy: bool = True
    """Whether there are empty lines between the parts."""


SIZES = (
    Size(20, 20, 10, 5, 3),
    Size(12, 6, 5, 3, 3),
    Size(8, 4, 3, 3, 1),
    Size(5, 3, 3, 2, 0),
    Size(2, 1, 1, 1, 0, is_airy=False),
)
"""From the one that leaves out least to what a small screen holds."""
MAX_LINE_CHARACTERS = 200
"""How much of a message, or of a line of an example, is shown."""
MAX_NODES = 8
"""With more nodes than this, only those in trouble are told of, at most so many."""
MAX_WORKERS_EACH = 4
"""With more workers than this, their CPU is told as a range."""

_STYLE_OF = {"valid": "bold green", "degraded": "bold yellow", "invalid": "bold red"}
_MEANING_OF = {
    "valid": "the generator kept up: the times are the server's",
    "degraded": "read the times with care",
    "invalid": "do not quote these times",
}
_COLUMNS = ("p50", "p90", "p95", "p99", "p99_9", "max", "mean")


def blocks(result: Result, size: Size = SIZES[0]) -> list[RenderableType]:
    """The summary's parts from top to bottom; those with nothing to say are left out."""
    found: list[RenderableType] = [*_verdict(result), _counts(result), _times(result)]
    if result.search is not None:
        # The times of all steps together say nothing.
        found = []
    for part in (_search, _parts, _steps, _checks, _thresholds, _errors, _events):
        lines = list(part(result, size))
        if lines:
            found += [*([_text("")] if size.is_airy else []), *lines]
    return [*found, *([_text("")] if size.is_airy else []), *_nodes(result), *_workers(result), *_cpu_tier(result)]


def _text(words: str, style: str = "", *, indent: int = 0) -> RenderableType:
    """A paragraph; lines after the first hang below its beginning."""
    from rich.padding import Padding
    from rich.text import Text

    text = Text(words, style=style)
    return Padding(text, (0, 0, 0, indent)) if indent else text


def _verdict(result: Result) -> Iterator[RenderableType]:
    verdict = result.generator.verdict
    yield _text(f"{verdict}: {_MEANING_OF.get(verdict, '')}", _STYLE_OF.get(verdict, ""))
    for reason in result.generator.reasons:
        yield _text(f"{reason.code}: {visible(reason.text)}", indent=2)
    yield _text("")


def _counts(result: Result) -> Table:
    from rich.table import Table

    table = Table.grid("name", "value", padding=(0, 2, 0, 0))
    table.columns[0].width = 13
    table.columns[0].style = "bold"
    table.add_row("QPS", _qps(result))
    table.add_row("iterations", _iterations(result))
    return table


def _qps(result: Result) -> str:
    qps = result.qps
    seconds = f"in {format_duration(result.duration_s)}"
    if qps.target is None or qps.error_pct is None:
        return f"unpaced, achieved {format_count(qps.achieved)}/s {seconds}, peak {format_count(qps.peak)}/s"
    # "+ 0.0" makes the -0.0 of a rounded error a 0.
    error_pct = round(qps.error_pct, 2) + 0.0
    sign = "+" if error_pct > 0 else ""
    asked = f"{format_count(qps.target)}/s"
    if not result.config.get("qps") or result.config.get("stage"):
        # The shape of the load, and what it came to on average.
        asked = f"{visible(str(result.config.get('profile') or ''))}, on average {asked}"
    return (
        f"asked {asked}, achieved {format_count(qps.achieved)}/s ({sign}{error_pct:.2f} %) "
        f"{seconds}, peak {format_count(qps.peak)}/s"
    )


def _iterations(result: Result) -> Text:
    from rich.text import Text

    counts = result.iterations
    planned = [] if counts.planned is None else [(counts.planned, "planned", "")]
    ends = [(counts.dropped, "dropped", "yellow"), (counts.lost, "lost", "red")]
    ends.append((counts.in_flight_at_end, "in flight at the end", "yellow"))
    parts = [
        *planned,
        (counts.started, "started", ""),
        (counts.completed, "completed", ""),
        (counts.failed, "failed", "red"),
        *(ends if any(count for count, _, _ in ends) else []),
    ]
    words = (Text(f"{format_count(count)} {name}", style if count else "") for count, name, style in parts)
    return Text(", ").join(words)


def _times(result: Result) -> RenderableType:
    rows = [("response time", result.response_time_ms), ("service time", result.service_time_ms)]
    if result.qps.target is not None:
        rows.append(("lateness", result.lateness_ms))
    table = _table("", *(name.replace("_", ".") for name in _COLUMNS), first_width=13)
    for name, times in rows:
        table.add_row(_bold(name), *(format_ms(getattr(times, column)) for column in _COLUMNS))
    return table


def _bold(words: str) -> Text:
    from rich.text import Text

    return Text(words, "bold")


def _table(*headers: str, first_width: int | None = None) -> Table:
    """A table without lines: the first column holds names and gives way, the others are numbers."""
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    # Of all columns rich narrows first those that may wrap; the names themselves (`_name`) don't wrap but are cut.
    table.add_column(headers[0], width=first_width)
    for header in headers[1:]:
        table.add_column(header, justify="right", no_wrap=True)
    return table


def _name(words: str) -> Text:
    from rich.text import Text

    return Text(visible(words), no_wrap=True, overflow="ellipsis")


def _parts(result: Result, _: Size) -> Iterator[RenderableType]:
    from rich.text import Text

    if not result.parts:
        return
    table = _table("part", "started", "share", "failed", "dropped", "p50", "p99", "max")
    n_started = sum(part.started for part in result.parts.values())
    for name, part in result.parts.items():
        table.add_row(
            _name(name),
            format_count(part.started),
            f"{100 * part.started / n_started:.2f} %" if n_started else "–",
            Text(format_count(part.failed), "red" if part.failed else ""),
            Text(format_count(part.dropped), "yellow" if part.dropped else ""),
            format_ms(part.response_time_ms.p50),
            format_ms(part.response_time_ms.p99),
            format_ms(part.response_time_ms.max),
        )
    yield table


def _search(result: Result, _: Size) -> Iterator[RenderableType]:
    """The steps of a search, and what they came to."""
    from rich.text import Text

    if result.search is None:
        return
    table = _table("tried", "started", "p50", "p90", "p99", "failed", "verdict")
    for step in result.search.steps:
        verdict, style = ("kept", "green") if step.kept else ("broken", "red")
        if step.generator_limited:
            verdict, style = "not delivered", "yellow"
        measured = step.measured
        table.add_row(
            f"{format_count(round(step.qps, 1))}/s",
            f"{format_count(round(measured.get('qps', 0.0), 1))}/s",
            *(format_ms(measured.get(name)) for name in ("p50_ms", "p90_ms", "p99_ms")),
            f"{format_count(round(measured.get('failed_pct', 0.0), 2))} %",
            Text(verdict, style),
        )
    yield table
    yield _text("")
    qps = result.search.qps
    answer = "no rate" if qps is None else f"{format_count(round(qps, 1))}/s"
    yield _text(f"highest QPS that keeps {', '.join(result.search.objectives)}: {answer}", "bold")
    yield _text(f"{result.search.limit}: {visible(result.search.reason)}", indent=2)


def _steps(result: Result, size: Size) -> Iterator[RenderableType]:
    from rich.text import Text

    steps = sorted(result.steps.items(), key=lambda item: (-item[1].count, item[0]))
    if not steps:
        return
    table = _table("step", "count", "failed", "p50", "p99", "max", "received")
    for name, step in steps[: size.steps]:
        times: Times = step.response_time_ms
        per_s = step.bytes_in / result.duration_s if result.duration_s else 0.0
        table.add_row(
            _name(name),
            format_count(step.count),
            Text(format_count(step.failed), "red" if step.failed else ""),
            format_ms(times.p50),
            format_ms(times.p99),
            format_ms(times.max),
            f"{format_bytes(per_s)}/s",
        )
    yield table
    yield from _more(len(steps) - size.steps)


def _more(n_left_out: int) -> Iterator[RenderableType]:
    if n_left_out > 0:
        yield _text(f"and {format_count(n_left_out)} more (see --json)", "dim", indent=2)


def _checks(result: Result, size: Size) -> Iterator[RenderableType]:
    """Those that did not always hold come first."""
    from rich.table import Table
    from rich.text import Text

    checks = sorted(result.checks.items(), key=lambda item: (-item[1].failed, item[0]))
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(width=1, no_wrap=True)
    table.add_column()
    table.add_column(justify="right", no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    for name, check in checks[: size.checks]:
        n_all = check.passed + check.failed
        # Rounded down: 100 % is said only of a check that always held.
        share = math.floor(10_000 * check.passed / n_all) / 100 if n_all else 0.0
        mark = Text("✗", "red") if check.failed else Text("✓", "green")
        held = f"{format_count(check.passed)} of {format_count(n_all)}"
        table.add_row(mark, _name(name), held, f"{format_count(share)} %")
    if checks:
        yield table
    yield from _more(len(checks) - size.checks)


def _thresholds(result: Result, _: Size) -> Iterator[RenderableType]:
    for threshold in result.thresholds:
        mark, style = ("✓", "green") if threshold.passed else ("✗", "red")
        yield _text(f"{mark} {visible(threshold.expression)}  ({told_value(threshold)})", style)


def _errors(result: Result, size: Size) -> Iterator[RenderableType]:
    if result.errors:
        yield _text("errors", "dim")
    for error in result.errors[: size.errors]:
        yield _text(f"{format_count(error.count)} × {_named(error)}  (first at {error.first_at_s:.3f} s)", "red")
        for line in _example_lines(error, size.example_lines):
            yield _text(line, indent=4)
    yield from _more(len(result.errors) - size.errors)


def _named(error: ErrorResult) -> str:
    return cut(visible(f"{error.kind}: {error.message}" if error.message else error.kind), MAX_LINE_CHARACTERS)


def _example_lines(error: ErrorResult, n: int) -> list[str]:
    """The example's first lines; of a traceback the last, where the mistake is. None when it says nothing new."""
    example = error.example.strip()
    if not n or example in ("", error.message, f"{error.kind}: {error.message}"):
        return []
    lines = [cut(line, MAX_LINE_CHARACTERS) for line in visible_lines(example)]
    if lines[0].startswith("Traceback"):
        return lines[-n:]
    if len(lines) > n:
        return [*lines[:n], "…"]
    return lines


def _events(result: Result, size: Size) -> Iterator[RenderableType]:
    for event in result.events[: size.events]:
        yield _text(f"at {event.at_s:.1f} s  {cut(visible(event.text), MAX_LINE_CHARACTERS)}", "yellow")
    yield from _more(len(result.events) - size.events)


def _nodes(result: Result) -> Iterator[RenderableType]:
    nodes = result.nodes or []
    troubled = [node for node in nodes if node.state != "ok" or node.verdict not in (None, "valid")]
    for node in nodes if len(nodes) <= MAX_NODES else troubled[:MAX_NODES]:
        lost = f", {format_count(node.lost)} lost" if node.lost else ""
        yield _text(
            f"node {node.id} ({node.address}): {format_count(node.started)} started{lost}, CPU {node.cpu_pct:.0f} %, "
            f"clock ± {format_ms(node.clock_unsure_ms)}; {node.told}",
            "" if node in troubled else "dim",
        )
    if len(nodes) > MAX_NODES:
        yield _text(f"{len(nodes)} nodes, {len(nodes) - len(troubled)} of them without trouble", "dim")


def _workers(result: Result) -> Iterator[RenderableType]:
    n_workers = len(result.workers)
    if not n_workers:
        return
    shares = sorted((worker.cpu_pct for worker in result.workers), reverse=True)
    if n_workers <= MAX_WORKERS_EACH:
        cpu = ", ".join(f"{share:.0f} %" for share in shares)
    else:
        cpu = f"{shares[-1]:.0f} to {shares[0]:.0f} %, {result.generator.cpu_pct:.0f} % in all"
    restarts = sum(worker.restarts for worker in result.workers)
    restarted = f", {format_count(restarts)} restarted" if restarts else ""
    yield _text(
        f"{n_workers} worker{'s' if n_workers != 1 else ''}{restarted}: CPU {cpu}; "
        f"loop lag p99 {format_ms(result.generator.loop_lag_ms.p99)}",
        "dim",
    )


def _cpu_tier(result: Result) -> Iterator[RenderableType]:
    tier = result.cpu_tier
    if tier is None:
        return
    where = f"{tier.workers} CPU worker{'s' if tier.workers != 1 else ''}" if tier.workers else "CPU work in line"
    restarted = f", {format_count(tier.restarts)} restarted" if tier.restarts else ""
    parts = [f"{where}{restarted}: busy {tier.busy_pct:.0f} %"]
    for name, times, n_failed in (
        ("prepare()", tier.prepare_ms, tier.prepare_failed),
        ("verify()", tier.verify_ms, tier.verify_failed),
    ):
        if times.count:
            failed = f", {format_count(n_failed)} failed" if n_failed else ""
            parts.append(
                f"{name} {format_count(times.count)} times{failed}, "
                f"p50 {format_ms(times.p50)}, p99 {format_ms(times.p99)}"
            )
    if tier.unverified:
        parts.append(f"{format_count(tier.unverified)} replies not verified in time")
    if tier.workers:
        parts.append(f"{format_count(tier.waits)} iterations waited for them")
    yield _text("; ".join(parts), "dim")
