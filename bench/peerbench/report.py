"""How many runs are told: medians and spreads, ratios pair by pair, the tables. Knows rows only, not how they came."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from typing import Any

Rows = Sequence[dict[str, Any]]
"""Rows of `measure.Row` as dicts, as a results file holds them."""

VALUES = ["requests_per_s", "cpu_us", "user_us", "system_us", "peak_mib", "p50_ms", "p99_ms"]
REFERENCE = "wrk"
OURS = "hybridpress"


def spread(rows: Rows, value: str) -> dict[str, float] | None:
    """Median, lowest and highest of *value*; None when no row has it."""
    found = [row[value] for row in rows if row[value] is not None]
    if not found:
        return None
    return {"median": statistics.median(found), "min": min(found), "max": max(found)}


def ratio(rows: Rows, case: str, peer: str, over: str, value: str) -> float | None:
    """*value* of *peer* through that of *over*, round by round: the median of those ratios. None without a pair."""
    by_round = {who: {row["round"]: row[value] for row in good(rows, case, who) if row[value]} for who in {peer, over}}
    pairs = [number / by_round[over][n] for n, number in by_round[peer].items() if n in by_round[over]]
    return statistics.median(pairs) if pairs else None


def good(rows: Rows, case: str, peer: str) -> Rows:
    """The rows of *peer* in *case* that are runs."""
    return [row for row in rows if row["case"] == case and row["peer"] == peer and not row["complaint"]]


def medians(document: dict[str, Any]) -> dict[str, Any]:
    """For each case and peer: every value's median and spread, and the ratios to wrk."""
    rows: Rows = document["rows"]
    found: dict[str, Any] = {}
    for case in document["cases"]:
        name = case["name"]
        found[name] = {}
        for peer in _peers_in(rows, name):
            mine = good(rows, name, peer)
            values: dict[str, Any] = {value: spread(mine, value) for value in VALUES}
            values["errors"] = sum(row["errors"] for row in mine)
            values["rounds"] = len(mine)
            for value in ("requests_per_s", "cpu_us"):
                values[f"{value}_to_{REFERENCE}"] = ratio(rows, name, peer, REFERENCE, value)
            found[name][peer] = values
    return found


def markdown(document: dict[str, Any]) -> str:
    """The whole of a results file as Markdown, to read or to paste."""
    parts = [_surroundings(document)]
    parts += [_table(document, case) for case in document["cases"]]
    parts += [_left_out(document), _notes(document)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _surroundings(document: dict[str, Any]) -> str:
    machine, pinned = document["machine"], document["pinned"]
    where = (
        f"nginx on core {pinned['server']}, the peer on core {pinned['peers']}"
        if pinned
        else "nothing pinned, for want of a second core"
    )
    return (
        f"{document['date']}, commit {document['commit']}: {document['rounds']} rounds of {document['seconds']} s; "
        f"{machine['cpu']}, {machine['cpus']} cores, {machine['system']}, Python {document['python']}, "
        f"uvloop {document['uvloop']}; {where}. Median (lowest–highest)."
    )


def _table(document: dict[str, Any], case: dict[str, Any]) -> str:
    """The table of *case*: the fastest first, or, where all go at one rate, the cheapest."""
    told = [_line(document, case, peer) for peer in _peers_in(document["rows"], case["name"])]
    lines = sorted((line for line in told if line), key=lambda line: line[0])
    if not lines:
        return ""
    table = [list(lines[0][1]), *(list(cells.values()) for _, cells in lines)]
    return f"### {case['name']}: {case['title']}\n\n{_aligned(table)}"


def _line(document: dict[str, Any], case: dict[str, Any], peer: str) -> tuple[float, dict[str, str]] | None:
    """One peer in one case: where its line stands, and its cells by their heads. None without a run."""
    rows, name, asked = document["rows"], case["name"], case["rate_per_s"]
    mine = good(rows, name, peer)
    if not mine:
        return None
    middle = {value: statistics.median(row[value] for row in mine) for value in VALUES[:4]}
    cells = {"peer": peer, "scripted in": document["peers"][peer]["scripted_in"] or "–"}
    cells["requests/s"] = _told(spread(mine, "requests_per_s"), 0)
    if asked:
        cells["off the rate"] = f"{round(100 * (middle['requests_per_s'] / asked - 1), 2) + 0.0:+.2f} %"
    else:
        cells[f"rate to {REFERENCE}'s"] = _times(ratio(rows, name, peer, REFERENCE, "requests_per_s"))
    cells["CPU µs/request"] = _told(spread(mine, "cpu_us"), 1)
    cells["user + system"] = f"{middle['user_us']:.1f} + {middle['system_us']:.1f}"
    if not asked:
        cells[f"CPU to {REFERENCE}'s"] = _times(ratio(rows, name, peer, REFERENCE, "cpu_us"))
    cells["peak MiB"] = _told(spread(mine, "peak_mib"), 0)
    cells["p50 ms"], cells["p99 ms"] = _told(spread(mine, "p50_ms"), 2), _told(spread(mine, "p99_ms"), 2)
    cells["errors"] = f"{sum(row['errors'] for row in mine):,}"
    if not asked:
        cells[f"{OURS}' rate to it"] = _times(ratio(rows, name, OURS, peer, "requests_per_s"))
    return (middle["cpu_us"] if asked else -middle["requests_per_s"]), cells


def _left_out(document: dict[str, Any]) -> str:
    """Peers that are missing, runs that failed, and counts that do not agree."""
    told = [f"- {peer} was not run: {why}" for peer, why in document["skipped"].items()]
    for row in document["rows"]:
        where = f"{row['peer']}, {row['case']}, round {row['round']}"
        if row["complaint"]:
            told.append(f"- {where}: failed: {row['complaint']}")
            continue
        if row["exit_code"]:
            told.append(f"- {where}: exit code {row['exit_code']}")
        allowed = document["connections"][row["case"]] + 1
        if row["requests_said"] is not None and abs(row["requests"] - row["requests_said"]) > allowed:
            told.append(f"- {where}: says {row['requests_said']:,} requests, nginx counted {row['requests']:,}")
    return "\n".join(["Left out, or odd:", "", *told]) if told else ""


def _notes(document: dict[str, Any]) -> str:
    lines = []
    for peer, told in document["peers"].items():
        if peer in document["skipped"]:
            continue
        facts = [told["version"], f"length of a run by {told['length_by']}", f"latency from the {told['latency_from']}"]
        lines.append(f"- {peer}: {', '.join(facts)}{'; ' * bool(told['note'])}{told['note']}")
    return "\n".join(["The peers:", "", *lines])


def _peers_in(rows: Rows, case: str) -> list[str]:
    return list(dict.fromkeys(row["peer"] for row in rows if row["case"] == case))


def _told(values: dict[str, float] | None, digits: int) -> str:
    if values is None:
        return "–"
    lowest, highest = f"{values['min']:,.{digits}f}", f"{values['max']:,.{digits}f}"
    median = f"{values['median']:,.{digits}f}"
    return median if lowest == highest else f"{median} ({lowest}–{highest})"


def _times(number: float | None) -> str:
    return "–" if number is None else f"{number:.2f} ×"


def _aligned(table: Iterable[list[str]]) -> str:
    """A Markdown table whose columns line up in a terminal too. The first two columns are words, the others numbers."""
    rows = list(table)
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]

    def line(cells: list[str]) -> str:
        padded = [
            cell.ljust(width) if n < 2 else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return f"| {' | '.join(padded)} |"

    rule = ["-" * width if n < 2 else "-" * (width - 1) + ":" for n, width in enumerate(widths)]
    return "\n".join([line(rows[0]), line(rule), *map(line, rows[1:])])
