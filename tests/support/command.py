"""The command as its users run it: a process of its own, its output, its exit code, its result file."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hybridpress.metrics.histogram import Histogram
from hybridpress.metrics.result import Times

SCENARIOS = Path(__file__).parents[2] / "scenarios"
_PATIENCE_S = 60.0


@dataclass(frozen=True)
class Ran:
    """A command that ended."""

    exit_code: int
    out: str
    err: str
    result: dict[str, Any] | None

    @property
    def found(self) -> dict[str, Any]:
        """The result it wrote."""
        assert self.result is not None, f"no result was written; exit code {self.exit_code}:\n{self.err}"
        return self.result


def start(*args: str | Path, cwd: Path | None = None) -> subprocess.Popen[str]:
    """`hybridpress ARGS`, running; its end is the caller's to see to."""
    return subprocess.Popen(
        [sys.executable, "-m", "hybridpress", *map(str, args)],
        cwd=cwd,
        env={**os.environ, "NO_COLOR": "1", "PYTHONWARNINGS": "error"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def started(*args: str | Path) -> subprocess.Popen[str]:
    """`hybridpress run ARGS`, whose first second is over."""
    process = start("run", *args)
    assert process.stderr is not None
    while line := process.stderr.readline():
        if re.match(r" +1s ", line):
            return process
    raise AssertionError("the run ended before its first second was over")


def finish(process: subprocess.Popen[str], json_file: Path | None = None, patience_s: float = _PATIENCE_S) -> Ran:
    """Wait for *process*, and read what it wrote. One that hangs is killed, and fails the test."""
    try:
        out, err = process.communicate(timeout=patience_s)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"it did not end within {patience_s} s:\n{out}\n{err}") from None
    result = None
    if json_file is not None and json_file.exists():
        result = json.loads(json_file.read_text())
        assert_lawful(result)
    return Ran(process.returncode, out, err, result)


def run(*args: str | Path, cwd: Path | None = None, json_file: Path | None = None) -> Ran:
    """`hybridpress run ARGS` to its end; with *json_file*, its result too, the laws of its counts checked."""
    if json_file is not None:
        args = (*args, "--json", json_file)
    return finish(start("run", *args, cwd=cwd), json_file)


def assert_lawful(result: dict[str, Any], n_seen: int | None = None) -> None:
    """The laws that the counts of every result obey. *n_seen*: how many requests the server counted, where each
    iteration makes one and all came to their end.
    """
    n = result["iterations"]
    assert n["started"] == n["completed"] + n["failed"] + n["lost"] + n["in_flight_at_end"], n
    if n["planned"] is not None:
        assert n["planned"] >= n["started"] + n["dropped"], n
    for kind in ("started", "completed", "failed", "dropped"):
        assert sum(second[kind] for second in result["intervals"]) == n[kind], kind
    assert [second["at_s"] for second in result["intervals"]] == sorted({s["at_s"] for s in result["intervals"]})
    assert sum(worker["started"] for worker in result["workers"]) == n["started"]
    n_ended = n["completed"] + n["failed"]
    for times in ("response_time_ms", "service_time_ms", "lateness_ms"):
        # Of a worker that was lost the last counts are known, their times are not.
        assert result[times]["count"] == n_ended or (n["lost"] or result["events"]), times
        assert result[times]["count"] <= n_ended
    for step in result["steps"].values():
        assert step["failed"] <= step["count"] == step["response_time_ms"]["count"]
    for check in result["checks"].values():
        assert check["passed"] + check["failed"] > 0
    running = 0
    for second in result["intervals"]:
        running += second["started"] - second["completed"] - second["failed"]
        assert running == second["in_flight"] or n["lost"], second
    if n_seen is not None:
        assert n_seen == n["started"] == n_ended, n
    _assert_histograms_lawful(result)


def _assert_histograms_lawful(result: dict[str, Any]) -> None:
    """The seconds' histograms add up to the run's, and that is what the percentiles were taken from."""
    texts = result["histograms"]
    total = Histogram.decode(texts["response"])
    pairs = [(texts["response"], result["response_time_ms"]), (texts["service"], result["service_time_ms"])]
    pairs += [(texts["steps"][name], step["response_time_ms"]) for name, step in result["steps"].items()]
    for text, times in pairs:
        found = Times.of(Histogram.decode(text))
        assert (found.count, found.p50, found.p99, found.max) == (
            *(times[key] for key in ("count", "p50", "p99", "max")),
        )
    seconds = Histogram()
    for second in result["intervals"]:
        if second["histogram"] is not None:
            seconds.merge(Histogram.decode(second["histogram"]))
    assert (seconds.count, seconds.max_ns, seconds.min_ns) == (total.count, total.max_ns, total.min_ns)
    assert seconds.sum_ns == total.sum_ns


def numbers_told(result: dict[str, Any]) -> dict[str, set[int]]:
    """The numbers of words in the events of each kind."""
    found: dict[str, set[int]] = {"words_lost": set(), "words_unused": set()}
    for event in result["events"]:
        if event["kind"] in found:
            for run_of_words in event["text"].partition(": numbers ")[2].split(", "):
                first, _, last = run_of_words.partition("-")
                found[event["kind"]] |= set(range(int(first), int(last or first) + 1))
    return found
