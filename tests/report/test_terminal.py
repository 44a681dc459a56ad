"""The terminal read as text: what is said while the run goes, and the summary."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pyte
import pytest

from hybridpress.config import RunConfig
from hybridpress.metrics.cpu import CpuCounts
from hybridpress.metrics.interval import CheckCounts, ErrorCounts, Interval, StepCounts
from hybridpress.metrics.news import Status
from hybridpress.metrics.result import EventResult, Result, ThresholdResult
from hybridpress.metrics.verdict import CpuTier
from hybridpress.report.terminal import Terminal
from tests.report.made import (
    FINE,
    HOSTILE,
    config_of,
    histogram_of,
    hostile_result,
    moment_of,
    result_of,
    second,
    steps,
)


@pytest.fixture(autouse=True)
def _plain_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal of fixed size and kind."""
    for name in ("NO_COLOR", "FORCE_COLOR", "COLORTERM", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "24")


class Watched:
    """A Terminal, and what it wrote."""

    def __init__(self, *, terminal: bool | None = None, **settings: Any) -> None:
        self.stream, self.out = io.StringIO(), io.StringIO()
        self.config = config_of(**settings)
        self.terminal = Terminal(self.config, stream=self.stream, out=self.out, force_terminal=terminal)
        self._total = Interval(0)

    def second(self, interval: Interval) -> None:
        self._total.extend(interval)
        self.terminal.second(moment_of(interval, self._total, self.config))

    @property
    def progress(self) -> list[str]:
        return self.stream.getvalue().splitlines()


def summary(result: Result, *, terminal: bool = False) -> str:
    watched = Watched(terminal=terminal)
    watched.terminal.finished(result)
    watched.terminal.close()
    assert watched.stream.getvalue() == ""
    return watched.out.getvalue()


# Before and during the load, not on a terminal


def test_plain_progress() -> None:
    """Without a terminal each thing that happens is a line, and each second is one."""
    watched = Watched(host="http://127.0.0.1:8080")
    watched.terminal.starting("loading the word table")
    watched.terminal.started()
    watched.second(second(0, in_flight=3, response=histogram_of(0.412, 1.31)))
    watched.terminal.event(EventResult(1.2, "x", "worker 1 died"))
    watched.second(second(1, started=4_321, failed=5, dropped=7, in_flight=64, response=histogram_of()))
    watched.terminal.draining(64)
    watched.terminal.close()
    assert watched.progress == [
        "loading the word table …",
        "query.py:QueryVm against http://127.0.0.1:8080: 5,000/s over 64 slots in 2 processes for 3s",
        "    1s  5,000/s of 5,000/s  in flight 3/64  p50 413 µs  p99 1.31 ms  failed 10",
        "    1s  worker 1 died",
        "    2s  4,321/s of 5,000/s  in flight 64/64  p50 –  p99 –  failed 15  dropped 7",
        "draining: waiting for 64 iterations in flight",
    ]
    assert watched.out.getvalue() == ""


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "5,000/s over 64 slots in 2 processes for 3s"),
        ({"qps": ""}, "unpaced over 64 slots in 2 processes for 3s"),
        ({"qps": 0.5, "concurrent": 1, "processes": 1}, "0.5/s over 1 slot in 1 process for 3s"),
        ({"duration": "", "iterations": "10k"}, "5,000/s over 64 slots in 2 processes for 10,000 iterations"),
        ({"duration": "", "iterations": 1, "qps": ""}, "unpaced over 64 slots in 2 processes for 1 iteration"),
    ],
)
def test_what_runs(settings: dict[str, Any], words: str) -> None:
    """One line says what load begins; without a host there is none to name."""
    watched = Watched(**settings)
    watched.terminal.started()
    assert watched.progress == [f"query.py:QueryVm: {words}"]


def test_an_unpaced_second() -> None:
    """Without a target only what was achieved is shown."""
    watched = Watched(qps="")
    watched.second(second(0, started=12_345))
    assert watched.progress[0].startswith("    1s  12,345/s  in flight 0/64")


def test_a_second_that_is_cut_short() -> None:
    """The last second of 1.5 s counts with its half; what comes after the load is draining."""
    watched = Watched(duration="1.5s")
    watched.second(second(1, started=2_500))
    watched.second(second(2, started=0, in_flight=2))
    assert watched.progress[0].startswith("    2s  5,000/s of 5,000/s  in flight 0/64")
    assert watched.progress[1].startswith("    3s  draining  in flight 2/64")


def test_a_second_after_an_interrupt() -> None:
    """After an interrupt nothing is started, and that is not a rate of 0."""
    watched = Watched(duration="1h")
    watched.terminal.draining(0)
    watched.second(second(4, started=0, in_flight=2))
    assert len(watched.progress) == 1
    assert watched.progress[0].startswith("    5s  draining  in flight 2/64")


# On a terminal


class Emulated:
    """What a person sees of a run on a terminal of this size."""

    def __init__(self, columns: int = 80, rows: int = 24, **settings: Any) -> None:
        self.columns, self.rows = columns, rows
        self.emulator = pyte.Screen(columns, rows)
        self._emulated = pyte.Stream(self.emulator)
        self._fed = 0
        self.watched = Watched(terminal=True, **settings)
        self.terminal = self.watched.terminal
        self.terminal._size = lambda: (self.columns, self.rows)  # type: ignore[method-assign]
        self.terminal.started()

    def resize(self, columns: int, rows: int) -> None:
        self.columns, self.rows = columns, rows
        self.emulator.resize(rows, columns)

    def second(self, interval: Interval) -> None:
        self.watched.second(interval)
        self.tick(interval.index + 1.0, in_flight=interval.in_flight)

    def tick(self, elapsed_s: float, **changes: Any) -> None:
        self.terminal.tick(status_of(self.watched.config, elapsed_s, **changes))

    @property
    def screen(self) -> list[str]:
        text = self.watched.stream.getvalue()
        self._emulated.feed(text[self._fed :].replace("\r\n", "\n").replace("\n", "\r\n"))
        self._fed = len(text)
        lines = [line.rstrip() for line in self.emulator.display]
        return lines[: max((n for n, line in enumerate(lines, 1) if line), default=0)]


def status_of(config: RunConfig, elapsed_s: float, **changes: Any) -> Status:
    values: dict[str, Any] = {
        "scenario": config.scenario, "phase": "pressing", "elapsed_s": elapsed_s, "qps": config.qps,
        "slots": config.concurrent, "workers": config.processes, "started": round(5_000 * elapsed_s), "failed": 0,
        "dropped": 0, "in_flight": 3, "backlog": 0,
        "left_s": None if config.duration_s is None else max(config.duration_s - elapsed_s, 0.0),
    }  # fmt: skip
    return Status(**(values | changes))


def test_live_progress() -> None:
    """Time, rate and target, slots, times of the last seconds and in all, failures, workers, verdict, and keys."""
    seen = Emulated(host="http://127.0.0.1:8080")
    seen.second(second(0, steps=steps(2), response=histogram_of(*[1.5] * 99, 40)))
    seen.second(second(1, started=4_000, steps=steps(2), in_flight=64, response=histogram_of(*[3] * 100)))
    seen.tick(2.3, in_flight=64, backlog=7)
    assert seen.screen == [
        "query.py:QueryVm against http://127.0.0.1:8080: 5,000/s over 64 slots in 2 proce",
        "sses for 3s",
        "query.py:QueryVm  http://127.0.0.1:8080                                pressing",
        "━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━   76 %  2s, 1s left",
        "slots       64 of 64 in flight, 7 due and waiting",
        "QPS         4,000/s         █▇",
        "  target    5,000/s         ██",
        "iterations  9,000 started, 9,980 completed, 20 failed (0.2 %)",
        "response            p50      p90      p99    p99.9      max",
        "  last 5 s      3.00 ms  3.00 ms  3.00 ms  40.0 ms  40.0 ms",
        "  in all        3.00 ms  3.00 ms  3.00 ms  40.0 ms  40.0 ms",
        "workers     CPU –   loop lag p99 210 µs   lateness p99 20.0 µs",
        "verdict     valid so far",
        "",
        "step                          count     failed        p50        p99        max",
        "step 1                        1,998          2    1.50 ms    2.50 ms    2.50 ms",
        "step 0                        2,000          0    1.50 ms    2.50 ms    2.50 ms",
        "Ctrl-C waits for what is in flight and reports",
    ]
    seen.terminal.close()
    assert len(seen.screen) == 2


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (200, 50), (40, 12), (20, 5), (3, 2), (300, 100)])
def test_any_size(columns: int, rows: int) -> None:
    """Whatever there is to show, the frame is no longer and no wider than the screen, and a large screen is used."""
    seen = Emulated(columns, rows, host="http://[::1]:8080")
    errors = {("Error", HOSTILE * 20 + str(i)): ErrorCounts(1 + i, 0, "") for i in range(20)}
    for index in range(3):
        seen.second(second(index, steps=steps(50, name=HOSTILE + "订单" * 30), errors=errors))
    shown = seen.screen
    assert sum(line.startswith("query.py:QueryVm  ") for line in shown) == (rows > 2 and columns > 20)
    if columns >= 40:
        assert shown[-1].startswith("Ctrl-C")
    if rows >= 24:
        assert len(shown) >= min(rows - 1, 45)
        assert any(line.startswith("[red]x[/red]\\x1b[2J") for line in shown)
        assert max(map(len, shown)) >= columns - 2 - columns // 3
    assert "\x1b[2J[/red]" not in seen.watched.stream.getvalue()


def test_what_hurts_comes_first() -> None:
    """The step with the most failures is on top, then those with the longest times."""
    seen = Emulated()
    found = {
        name: StepCounts(10, failed, times=histogram_of(*times))
        for name, failed, times in [("fast", 0, [1]), ("slow", 0, [900]), ("fails", 3, [2]), ("fails less", 1, [999])]
    }
    seen.second(second(0, steps=found))
    heading = next(n for n, line in enumerate(seen.screen) if line.startswith("step "))
    assert [re.split(r"  +", line)[0] for line in seen.screen[heading + 1 : heading + 5]] == [
        "fails", "fails less", "slow", "fast",
    ]  # fmt: skip


def test_lines_that_stay() -> None:
    """What happens is said above the frame, which goes on below it."""
    seen = Emulated()
    seen.second(second(0))
    seen.terminal.event(EventResult(0.5, "x", f"worker 1 died {HOSTILE}"))
    seen.tick(1.25)
    assert seen.screen[1] == "    0s  worker 1 died [red]x[/red]\\x1b[2J"
    assert seen.screen[2].startswith("query.py:QueryVm  ")
    seen.terminal.draining(64)
    seen.tick(3.0)
    assert seen.screen[2] == "draining: waiting for 64 iterations in flight"
    assert seen.screen[3].endswith("draining")


def test_a_resize() -> None:
    """After the terminal changed its size the frame stands once on the screen, and fits it."""
    seen = Emulated(120, 40)
    for index, size in enumerate([(120, 40), (60, 20), (150, 45), (80, 24)]):
        seen.resize(*size)
        seen.second(second(index, steps=steps(30)))
        assert sum("verdict " in line for line in seen.screen) == 1
        assert any(line.startswith("query.py:QueryVm  ") for line in seen.screen)
    seen.terminal.close()


@pytest.mark.parametrize(
    ("settings", "started", "shows"),
    [
        ({"duration": "", "iterations": 20_000}, 5_000, "   25 %  1s, 3s left"),
        ({"duration": "", "iterations": 20_000, "qps": ""}, 10_000, "   50 %  1s, 1s left"),
        ({"duration": "", "iterations": 20_000, "qps": ""}, 0, "    0 %  1s"),
        ({"duration": "1h"}, 5_000, "    0 %  1s, 59m59s left"),
        ({"duration": "", "qps": "", "draw": "once"}, 5_000, "1s"),
    ],
)
def test_time_left(settings: dict[str, Any], started: int, shows: str) -> None:
    """By iterations the time left is at the rate asked for or reached; when nothing tells, it is not shown."""
    seen = Emulated(**settings)
    seen.tick(1.0, started=started)
    bar = next(n for n, line in enumerate(seen.screen) if line.startswith("query.py:QueryVm  ")) + 1
    assert seen.screen[bar].lstrip("━╸").removeprefix(" ").endswith(shows.strip())


def test_nothing_is_drawn_before_the_load() -> None:
    """While workers start there are lines only."""
    watched = Watched(terminal=True)
    watched.terminal.starting("loading")
    watched.terminal.tick(status_of(watched.config, 0.0, phase="starting"))
    assert watched.stream.getvalue() == "loading …\n"


@pytest.mark.parametrize("ending", ["finished", "close"])
def test_the_terminal_is_left_sane(ending: str) -> None:
    """However the run ends, the frame is gone, and nothing of the terminal was changed that had to be set back."""
    seen = Emulated()
    seen.second(second(0))
    if ending == "finished":
        seen.terminal.finished(result_of())
    seen.terminal.close()
    seen.terminal.close()
    assert len(seen.screen) == 1
    changes = set(re.findall(r"\x1b\[[?>=][0-9]*[a-z]", seen.watched.stream.getvalue()))
    assert changes == {"\x1b[?2026h", "\x1b[?2026l"}


@pytest.mark.parametrize("how", ["NO_COLOR", "--no-color"])
def test_no_color(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without colours a terminal gets a plain line a second, and a plain summary."""
    if how == "NO_COLOR":
        monkeypatch.setenv("NO_COLOR", "1")
    watched = Watched(terminal=True, no_color=how == "--no-color")
    watched.second(second(0))
    watched.terminal.tick(status_of(watched.config, 1.0))
    watched.terminal.finished(result_of())
    assert watched.progress == ["    1s  5,000/s of 5,000/s  in flight 0/64  p50 50.0 ms  p99 99.0 ms  failed 10"]
    assert "\x1b" not in watched.stream.getvalue() + watched.out.getvalue()


class _Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_dumb_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal that cannot move its cursor gets plain lines."""
    monkeypatch.setenv("TERM", "dumb")
    stream, out = _Screen(), _Screen()
    terminal = Terminal(config_of(), stream=stream, out=out)
    terminal.second(moment_of(second(0), second(0), config_of()))
    terminal.tick(status_of(config_of(), 1.0))
    terminal.finished(result_of())
    assert stream.getvalue().startswith("    1s  5,000/s")
    assert "\x1b" not in stream.getvalue() + out.getvalue()


@pytest.mark.parametrize("terminal", [True, False])
def test_quiet(terminal: bool) -> None:
    """Quiet says nothing of all this."""
    watched = Watched(terminal=terminal, quiet=True)
    watched.terminal.starting("loading")
    watched.terminal.started()
    watched.second(second(0))
    watched.terminal.tick(status_of(watched.config, 1.0))
    watched.terminal.event(EventResult(1.0, "x", "worker 1 died"))
    watched.terminal.draining(3)
    watched.terminal.finished(result_of())
    watched.terminal.close()
    assert watched.stream.getvalue() + watched.out.getvalue() == ""


# The summary


def test_a_whole_summary() -> None:
    """A run without trouble in full: the verdict first, then load, times, steps, checks and workers."""
    interval = second(
        0, failed=0, completed=5_000, steps=steps(1), checks={"status is 200": CheckCounts(5_000, 0)}, errors={}
    )
    assert summary(result_of([interval], n_planned=5_000)).split("\n") == [
        "",
        "valid: the generator kept up: the times are the server's",
        "",
        "QPS            asked 5,000/s, achieved 5,000/s (0.00 %) in 1s, peak 5,000/s",
        "iterations     5,000 planned, 5,000 started, 5,000 completed, 0 failed",
        "                   p50      p90      p95      p99    p99.9      max     mean",
        "response time  50.0 ms  90.0 ms  95.0 ms  99.0 ms   100 ms   100 ms  50.5 ms",
        "service time    500 µs   500 µs   500 µs   500 µs   500 µs   500 µs   500 µs",
        "lateness       20.0 µs  20.0 µs  20.0 µs  20.0 µs  20.0 µs  20.0 µs  20.0 µs",
        "",
        "step    count  failed      p50      p99      max    received",
        "step 0  1,000       0  1.50 ms  2.50 ms  2.50 ms  3.00 MiB/s",
        "",
        "✓  status is 200  5,000 of 5,000  100 %",
        "",
        "2 workers: CPU 40 %, 38 %; loop lag p99 210 µs",
        "",
    ]


@pytest.mark.parametrize(
    ("started", "target", "says"),
    [
        (5_000, 5_000.0, "asked 5,000/s, achieved 5,000/s (0.00 %) in 1s, peak 5,000/s"),
        (4_900, 5_000.0, "asked 5,000/s, achieved 4,900/s (-2.00 %) in 1s, peak 4,900/s"),
        (5_100, 5_000.0, "asked 5,000/s, achieved 5,100/s (+2.00 %) in 1s, peak 5,100/s"),
        (50_000, 49_999.9, "asked 49,999.9/s, achieved 50,000/s (0.00 %) in 1s, peak 50,000/s"),
        (49_999, 50_000.0, "asked 50,000/s, achieved 49,999/s (0.00 %) in 1s, peak 49,999/s"),
        (5_000, None, "unpaced, achieved 5,000/s in 1s, peak 5,000/s"),
    ],
)
def test_qps(started: int, target: float | None, says: str) -> None:
    """What was asked for, what was achieved and by how much that is off; an error that rounds to 0 has no sign."""
    text = summary(result_of([second(0, started=started)], target_qps=target))
    assert f"QPS            {says}\n" in text
    assert ("\nlateness " in text) == (target is not None)


@pytest.mark.parametrize(
    ("changes", "facts", "says"),
    [
        ({}, {}, "15,000 planned, 5,000 started, 4,990 completed, 10 failed\n"),
        ({}, {"n_planned": None}, " 5,000 started, 4,990 completed, 10 failed\n"),
        (
            {"completed": 4_000, "dropped": 5},
            {"n_lost": 90},
            "15,000 planned, 5,000 started, 4,000 completed, 10 failed, 5 dropped, 90 lost, 900 in flight at the end",
        ),
        (
            {"completed": 4_989},
            {},
            "15,000 planned, 5,000 started, 4,989 completed, 10 failed, 0 dropped, 0 lost, 1 in flight at the end",
        ),
    ],
)
def test_iterations(changes: dict[str, Any], facts: dict[str, Any], says: str) -> None:
    """Failed iterations are always told; dropped, lost and in flight when there is any of them."""
    text = summary(result_of([second(0, **changes)], **facts))
    assert " ".join(says.split()) in " ".join(text.split())


def test_reasons() -> None:
    """A verdict other than valid comes with the text of each of its reasons."""
    conditions = replace(FINE, n_workers_lost=2, suspended_s=3.0, slots_were_exhausted=True)
    result = result_of(conditions=conditions)
    text = " ".join(summary(result).split())
    assert text.startswith("invalid: do not quote these times")
    assert [reason.code for reason in result.generator.reasons] == ["worker_lost", "clock_jump", "slots_exhausted"]
    for reason in result.generator.reasons:
        assert f"{reason.code}: {reason.text}" in text
    degraded = summary(result_of(conditions=replace(FINE, n_workers_lost=2)))
    assert degraded.startswith("\ndegraded: read the times with care\n  worker_lost: 2 worker")


def test_steps() -> None:
    """Steps come by their count; beyond 20 only their number is told; a long name is cut, and no number is."""
    many = steps(23)
    long_name = "GET /" + "very/" * 30
    many[long_name] = many.pop("step 0")
    many[long_name].count = 1_234_567
    lines = summary(result_of([second(0, steps=many)])).split("\n")
    begin = next(i for i, line in enumerate(lines) if line.startswith("step "))
    assert re.fullmatch(
        r"GET /(very/)+\w*…  +1,234,567  +0  1\.50 ms  2\.50 ms  2\.50 ms  3\.00 MiB/s", lines[begin + 1]
    )
    assert re.fullmatch(r"step 1  +999  +1  1\.50 ms  2\.50 ms  2\.50 ms  3\.00 MiB/s", lines[begin + 2])
    assert lines[begin + 20].startswith("step 19 ")
    assert lines[begin + 21 : begin + 23] == ["  and 3 more (see --json)", ""]


def test_checks() -> None:
    """Checks that failed come first; 100 % is said only of a check that always held."""
    checks = {"a": CheckCounts(10, 0), "b": CheckCounts(999_999, 1), "c": CheckCounts(0, 3), "d": CheckCounts(2, 1)}
    text = summary(result_of([second(0, checks=checks)]))
    assert [" ".join(line.split()) for line in re.findall(r"[✓✗].*", text)] == [
        "✗ c 0 of 3 0 %",
        "✗ b 999,999 of 1,000,000 99.99 %",
        "✗ d 2 of 3 66.66 %",
        "✓ a 10 of 10 100 %",
    ]
    many = {f"check {i:02}": CheckCounts(1, 0) for i in range(25)}
    text = summary(result_of([second(0, checks=many)]))
    assert text.count("✓") == 20
    assert "  and 5 more (see --json)\n" in text


def test_errors() -> None:
    """Errors by their number, with the first's time and an example of three lines; of a traceback the last three."""
    errors = {
        ("ConnectError", "refused"): ErrorCounts(1_200, 1_500_000_000, "refused: 127.0.0.1:80\nb\nc\nd"),
        ("KeyError", "'vm'"): ErrorCounts(
            7, 0, "Traceback (most recent call last):\n  a\n  line 3\n    code\nKeyError"
        ),
        ("AssertionError", "same"): ErrorCounts(3, 0, "same"),
        ("AssertionError", ""): ErrorCounts(2, 0, ""),
    }
    text = summary(result_of([second(0, errors=errors)]))
    assert text[text.index("errors\n") : text.index("\n\n2 workers")].split("\n") == [
        "errors",
        "1,200 × ConnectError: refused  (first at 1.500 s)",
        "    refused: 127.0.0.1:80",
        "    b",
        "    c",
        "    …",
        "7 × KeyError: 'vm'  (first at 0.000 s)",
        "      line 3",
        "        code",
        "    KeyError",
        "3 × AssertionError: same  (first at 0.000 s)",
        "2 × AssertionError  (first at 0.000 s)",
    ]
    many = {("Error", str(i)): ErrorCounts(1, 0, "") for i in range(13)}
    text = summary(result_of([second(0, errors=many)]))
    assert text.count("1 × Error") == 10
    assert "  and 3 more (see --json)\n" in text


def test_events_and_thresholds() -> None:
    """What happened during the run, and which thresholds held."""
    thresholds = [ThresholdResult("p99 < 200ms", 99.07, True), ThresholdResult("failed < 1%", None, False)]
    text = summary(replace(result_of(events=[EventResult(1.24, "lost", "worker 1 died")]), thresholds=thresholds))
    assert "at 1.2 s  worker 1 died\n" in text
    assert "✓ p99 < 200ms  (99.1 ms)\n✗ failed < 1%  (never happened)\n" in text


@pytest.mark.parametrize(
    ("cpu_pct", "says"),
    [
        ([41], "1 worker: CPU 41 %; loop lag p99 210 µs"),
        ([10, 90, 20, 30], "4 workers: CPU 90 %, 30 %, 20 %, 10 %; loop lag"),
        ([10, 90, 20, 30, 40], "5 workers: CPU 10 to 90 %, 190 % in all; loop lag"),
    ],
)
def test_workers(cpu_pct: list[int], says: str) -> None:
    """A few workers are told one by one, many as a range."""
    assert f"\n{says}" in summary(result_of(cpu_pct=cpu_pct))


@pytest.mark.parametrize(
    ("n_workers", "says"),
    [
        (0, "CPU work in line: busy 6 %; prepare() 2 times, 1 failed, p50 1.00 ms, p99 2.00"),
        (1, "1 CPU worker, 3 restarted: busy 12 %; prepare() 2 times, 1 failed, p50 1.00 ms"),
    ],
)
def test_cpu_work(n_workers: int, says: str) -> None:
    """Told are where it was done, how busy that was, what it took, what failed and what waited."""
    cpu = CpuCounts(histogram_of(1, 2), histogram_of(360), waits=7, prepare_failed=1, unverified=4)
    tier = CpuTier(n_workers, n_loops=2, lasted_s=3.0, n_cpus=4, target_qps=None)
    conditions = replace(FINE, cpu_tier=tier)
    n_lost = 3 * n_workers
    shown = summary(result_of([second(0, cpu=cpu)] * 1, conditions=conditions, n_cpu_workers_lost=n_lost))
    assert says in " ".join(shown.split())
    assert "4 replies not verified in time" in " ".join(shown.split())
    assert ("7 iterations waited for them" in " ".join(shown.split())) == (n_workers > 0)


@pytest.mark.parametrize("terminal", [True, False])
def test_hostile_text(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names and messages are shown as they are: no markup is read, no escape sequence is passed on."""
    monkeypatch.setenv("LINES", "200")
    text = summary(hostile_result(), terminal=terminal)
    assert "\x1b[2J" not in text
    assert text.count("[red]x[/red]\\x1b[2J") == 7
    if not terminal:
        assert "\x1b" not in text


@pytest.mark.parametrize("make", [result_of, hostile_result, lambda: result_of([second(0, steps=steps(40))])])
def test_it_fits(make: Callable[[], Result], monkeypatch: pytest.MonkeyPatch) -> None:
    """No line is wider than 80 columns, and on a terminal the same words are said."""
    plain = summary(make())
    assert max(len(line) for line in plain.split("\n")) <= 80
    monkeypatch.setenv("LINES", "200")
    on_terminal = re.sub(r"\x1b\[[0-9;]*m", "", summary(make(), terminal=True))
    assert "\x1b" not in on_terminal
    assert on_terminal.split() == plain.split()


@pytest.mark.parametrize("rows", [24, 30, 50])
def test_it_fits_a_screen(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal the summary leaves out so much that its beginning can still be seen, and says how much that is."""
    monkeypatch.setenv("LINES", str(rows))
    interval = second(
        0,
        steps=steps(40),
        checks={f"check {i:02}": CheckCounts(1, 0) for i in range(25)},
        errors={("Error", str(i)): ErrorCounts(1, 0, f"a\nb\nc{i}") for i in range(30)},
    )
    events = [EventResult(float(i), "x", f"event {i}") for i in range(9)]
    text = summary(result_of([interval], events=events), terminal=True)
    assert text.count("\n") < rows
    assert text.count("more (see --json)") == 4


def test_nothing_was_measured() -> None:
    """The summary of a run that ended at once has dashes and zeros."""
    text = summary(result_of([Interval(0)], load_s=0.0, cpu_pct=[]))
    assert "achieved 0/s (-100.00 %) in 0ms, peak 0/s" in text
    assert re.search(r"\nresponse time( +–){7}\n", text)
    assert "steps" not in text


def test_rich_is_not_imported_early() -> None:
    """Before the first second of a run nothing waits for the import of rich."""
    code = (
        "import sys; from hybridpress.config import RunConfig; from hybridpress.report.terminal import Terminal\n"
        "import hybridpress.report.once, hybridpress.report.json, hybridpress.report.summary\n"
        "terminal = Terminal(RunConfig.build('x', []), force_terminal=True)\n"
        "terminal.starting('a'); terminal.started(); terminal.draining(1); terminal.close()\n"
        "sys.exit('rich' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[0] == "a …"
