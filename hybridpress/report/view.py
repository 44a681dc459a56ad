"""What a terminal shows while a run goes on: keeps what was told of it, and lays it out for any size of screen.

Knows neither a clock nor a terminal. Figures are worked out once a second; what is drawn between the seconds is only
what moves (time, slots in flight).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator

from hybridpress.config import RunConfig
from hybridpress.metrics.histogram import Histogram
from hybridpress.metrics.news import Moment, Status
from hybridpress.metrics.result import EventResult, ThresholdResult
from hybridpress.metrics.thresholds import told_value
from hybridpress.report.draw import (
    BOLD,
    CYAN,
    DIM,
    GREEN,
    RED,
    YELLOW,
    Span,
    Spans,
    apart,
    bar,
    drawn,
    fitted,
    spark,
)
from hybridpress.report.progress import Now
from hybridpress.report.safe import visible
from hybridpress.report.tables import (
    StepRow,
    WorkerRow,
    error_table,
    event_table,
    part_table,
    step_rows,
    step_table,
    worker_table,
)
from hybridpress.units import format_count, format_duration, format_ms

LAST_S = 5
"""How many seconds "the last seconds" are."""
MAX_HISTORY_S = 600
ROOMY_ROWS = 34
"""So many rows have room for what a screen of 24 leaves out."""
MIN_STEPS = 10
"""So many rows the table of steps has at least, where there is room for that many."""
LABEL = 12
"""How wide the words before the figures are."""
PERCENTS = (50, 90, 99, 99.9)

_STYLE_OF = {"valid": GREEN, "degraded": YELLOW, "invalid": RED}
_PHASE_STYLE = {"pressing": GREEN, "paused": YELLOW, "draining": YELLOW}


class View:
    """The run as a person sees it, from what `second`, `tick` and `event` tell."""

    def __init__(self, config: RunConfig, *, has_keys: bool = False) -> None:
        self._config = config
        self._has_keys = has_keys
        self._is_draining = False
        self._status: Status | None = None
        self._moment: Moment | None = None
        self._now: Now | None = None
        self._qps: deque[float | None] = deque(maxlen=MAX_HISTORY_S)
        self._target: deque[float | None] = deque(maxlen=MAX_HISTORY_S)
        self._p99: deque[float | None] = deque(maxlen=MAX_HISTORY_S)
        self._recent: deque[Histogram] = deque(maxlen=LAST_S)
        self._times: list[list[float] | None] = [None, None]
        self._steps: list[StepRow] = []
        self._workers: list[WorkerRow] = []
        self._cpu_before: dict[int, tuple[int, int]] = {}
        self._errors: list[tuple[int, str]] = []
        self._events: deque[EventResult] = deque(maxlen=20)
        self._quiet: tuple[tuple[int, int], list[str]] | None = None
        """What does not move between two seconds, drawn for a size."""

    def second(self, moment: Moment) -> None:
        interval, total = moment.interval, moment.total
        self._moment = moment
        self._now = now = Now.of(self._config, moment, is_draining=self._is_draining)
        if now.qps is not None:
            self._qps.append(now.qps)
            self._target.append(now.target_qps)
            self._p99.append(now.p99_ms)
        self._recent.append(interval.response)
        recent = Histogram()
        for histogram in self._recent:
            recent.merge(histogram)
        self._times = [_times_of(recent), _times_of(total.response)]
        self._steps = step_rows(interval, total)
        self._workers = self._worker_rows(moment)
        errors = sorted(total.errors.items(), key=lambda item: -item[1].count)
        self._errors = [(error.count, f"{kind}: {message}") for (kind, message), error in errors[:20]]
        self._quiet = None

    def tick(self, status: Status) -> None:
        self._status = status

    def event(self, event: EventResult) -> None:
        self._events.append(event)
        self._quiet = None

    def draining(self) -> None:
        self._is_draining = True

    def _worker_rows(self, moment: Moment) -> list[WorkerRow]:
        rows = []
        for worker in moment.workers:
            health = worker.health
            cpu_ns, span_ns = self._cpu_before.get(worker.id, (0, 0))
            self._cpu_before[worker.id] = health.cpu_ns, health.span_ns
            span_ns = health.span_ns - span_ns
            share = 100 * (health.cpu_ns - cpu_ns) / span_ns if span_ns > 0 else 0.0
            lag = health.loop_lag.percentiles_ns(99)
            lag_ms = None if lag is None else lag[0] / 1e6
            rows.append(WorkerRow(worker.id, share, lag_ms, worker.started, worker.restarts))
        return rows

    # What is shown

    def lines(self, columns: int, rows: int) -> list[str]:
        """The run as it is now, in at most *rows* lines of at most *columns* cells, colours included."""
        foot = [drawn(self._foot(), columns)]
        head = [drawn(line, columns) for line in self._head(columns)]
        head += [drawn(line, columns) for line in self._in_flight(columns)]
        if self._quiet is None or self._quiet[0] != (columns, rows):
            room = max(rows - len(head) - len(foot), 0)
            self._quiet = (columns, rows), [drawn(line, columns) for line in self._body(columns, room)]
        lines = [*head, *self._quiet[1]]
        if len(lines) + len(foot) > rows:
            lines = lines[: max(rows - len(foot), 0)]
        return [*lines, *foot][:rows]

    def _head(self, columns: int) -> Iterator[Spans]:
        status = self._status
        phase = "draining" if self._is_draining else "starting" if status is None else status.phase
        host = f"  {self._config.shown_host}" if self._config.host else ""
        title: Spans = [(visible(self._config.scenario), BOLD), (visible(host), "")]
        yield apart(title, [(phase, _PHASE_STYLE.get(phase, ""))], columns)
        share, left_s = self._progress()
        elapsed_s = 0.0 if status is None else status.elapsed_s
        words = f"  {format_duration(round(elapsed_s))}"
        if left_s is not None and not self._is_draining:
            words += f", {format_duration(round(left_s))} left"
        if share is None:
            yield [(words.strip(), "")]
        else:
            yield [
                *bar(share, max(columns - len(words) - 7, 1)),
                (f"{math.floor(100 * share):>5} %", BOLD),
                (words, ""),
            ]

    def _progress(self) -> tuple[float | None, float | None]:
        """How much of the run is done, and how many seconds are left: by iterations where they end it, else by time."""
        config, status = self._config, self._status
        if status is None:
            return 0.0, None
        if config.iterations is not None:
            n_left = max(config.iterations - status.started, 0)
            rate = status.qps or (status.started / status.elapsed_s if status.elapsed_s else 0.0)
            return min(status.started / config.iterations, 1.0), n_left / rate if rate else None
        if config.duration_s is None:
            return None, None
        left_s = status.left_s
        done_s = status.elapsed_s if left_s is None else max(status.elapsed_s, 0.0)
        whole_s = config.duration_s if left_s is None else done_s + left_s
        return min(done_s / whole_s, 1.0) if whole_s else 1.0, left_s

    def _in_flight(self, columns: int) -> Iterator[Spans]:
        status = self._status
        if status is None:
            return
        n_waiting = status.backlog
        is_full = status.slots and status.in_flight >= status.slots
        yield [
            _label("slots"),
            (f"{format_count(status.in_flight)} of {format_count(status.slots)} in flight", YELLOW if is_full else ""),
            (f", {format_count(n_waiting)} due and waiting" if n_waiting else "", YELLOW),
        ]

    def _body(self, columns: int, room: int) -> list[Spans]:
        """What changes once a second; the most important first."""
        if self._moment is None:
            return []
        is_roomy = room > ROOMY_ROWS
        lines: list[Spans] = [
            *self._rates(columns),
            *self._counts(),
            *self._response(columns),
            *(self._p99_over_time(columns) if is_roomy else ()),
            *self._health(),
            *self._verdict(columns),
        ]
        if not is_roomy:
            lines += error_table(self._errors)[1 : 1 + min(2, max(room - len(lines), 0))]
        others: list[list[Spans]] = []
        if is_roomy:
            tables = (
                (part_table(self._moment.total.parts, columns), 8),
                (error_table(self._errors), 5),
                (worker_table(self._workers), 8),
            )
            others = [
                [[], *table[: n_rows + 1]] for table, n_rows in (*tables, (event_table(self._events), 5)) if table
            ]
        room -= len(lines)
        steps = step_table(self._steps, columns)
        n_steps = min(len(steps) - 1, max(room - sum(map(len, others)) - 2, min(MIN_STEPS, room - 2)))
        if n_steps > 0:
            others.insert(0, [[], *steps[: n_steps + 1]])
        for table in others:
            lines += table
        return lines

    def _rates(self, columns: int) -> Iterator[Spans]:
        now, config = self._now, self._config
        assert now is not None
        width = columns - LABEL - 16
        values, targets = list(self._qps), list(self._target)
        top = max([value for value in [*values[-width:], *targets[-width:]] if value is not None], default=1.0)
        actual = self._qps[-1] if self._qps else None
        style = ""
        if now.qps is not None and now.target_qps:
            style = GREEN if now.qps >= 0.98 * now.target_qps else YELLOW if now.qps >= 0.9 * now.target_qps else RED
        yield [_label("QPS"), (fitted(_rate(actual), 14), BOLD), ("  ", ""), (spark(values, width, top), style)]
        if config.is_paced:
            target = now.target_qps
            yield [_label("  target"), (fitted(_rate(target), 14), ""), ("  ", ""), (spark(targets, width, top), DIM)]

    def _counts(self) -> Iterator[Spans]:
        assert self._moment is not None
        total = self._moment.total
        n_ended = total.completed + total.failed
        share = f" ({100 * total.failed / n_ended:.2g} %)" if total.failed and n_ended else ""
        yield [
            _label("iterations"),
            (f"{format_count(total.started)} started, {format_count(total.completed)} completed, ", ""),
            (f"{format_count(total.failed)} failed{share}", RED if total.failed else ""),
            (f", {format_count(total.dropped)} dropped" if total.dropped else "", YELLOW),
        ]

    def _response(self, columns: int) -> Iterator[Spans]:
        names = ["p50", "p90", "p99", "p99.9", "max"]
        shown = names if columns >= LABEL + 2 + 9 * len(names) else ["p50", "p99", "max"]
        yield [(fitted("response", LABEL + 2), DIM), *((f"{name:>9}", DIM) for name in shown)]
        for label, times in zip((f"  last {LAST_S} s", "  in all"), self._times, strict=True):
            figures = dict(zip(names, times, strict=True)) if times else {}
            yield [(fitted(label, LABEL + 2), BOLD), *((f"{format_ms(figures.get(name)):>9}", "") for name in shown)]

    def _p99_over_time(self, columns: int) -> Iterator[Spans]:
        width = columns - LABEL - 16
        values = list(self._p99)
        top = max([value for value in values[-width:] if value is not None], default=0.0)
        yield [_label("  p99"), (fitted(f"≤ {format_ms(top)}", 14), ""), ("  ", ""), (spark(values, width, top), CYAN)]

    def _health(self) -> Iterator[Spans]:
        assert self._moment is not None
        shares = sorted((row.cpu_pct for row in self._workers), reverse=True)
        if len(shares) > 4:
            cpu = f"{shares[-1]:.0f} to {shares[0]:.0f} %, {sum(shares):.0f} % in all"
        else:
            cpu = ", ".join(f"{share:.0f} %" for share in shares)
        lag = self._moment.interval.health.loop_lag.percentiles_ns(99)
        late = self._moment.interval.lateness.percentiles_ns(99) if self._config.is_paced else None
        yield [
            _label("workers"),
            ("CPU ", DIM),
            (cpu or "–", YELLOW if shares and shares[0] >= 90 else ""),
            ("   loop lag p99 ", DIM),
            (format_ms(None if lag is None else lag[0] / 1e6), ""),
            *([("   lateness p99 ", DIM), (format_ms(late[0] / 1e6), "")] if late else []),
        ]

    def _verdict(self, columns: int) -> Iterator[Spans]:
        moment = self._moment
        assert moment is not None
        yield [_label("verdict"), (moment.verdict, _STYLE_OF.get(moment.verdict, "")), (" so far", DIM)]
        for reason in moment.reasons[:2]:
            yield [("  ", ""), (f"{reason.code}: {visible(reason.text)}", "")]
        if moment.thresholds:
            # Those that do not hold are seen first, whatever the width.
            found = sorted(moment.thresholds, key=lambda threshold: threshold.passed)
            yield [_label("thresholds"), *(_threshold(threshold) for threshold in found)]

    def _foot(self) -> Spans:
        if not self._has_keys:
            return [("Ctrl-C waits for what is in flight and reports", DIM)]
        what = "QPS" if self._config.is_paced else "slots"
        keys = (("+ -", "a tenth"), ("number Enter", what), ("p", "pause"), ("q", "stop"), ("Ctrl-C", "interrupt"))
        spans: list[Span] = []
        for key, does in keys:
            spans += [(key, BOLD), (f" {does}   ", DIM)]
        return spans


def _label(words: str) -> Span:
    return fitted(words, LABEL), BOLD


def _threshold(threshold: ThresholdResult) -> Span:
    mark, style = ("✓", GREEN) if threshold.passed else ("✗", RED)
    return f"{mark} {visible(threshold.expression)} ({told_value(threshold)})   ", style


def _rate(per_s: float | None) -> str:
    return "–" if per_s is None else f"{format_count(round(per_s, 1))}/s"


def _times_of(histogram: Histogram) -> list[float] | None:
    """p50, p90, p99, p99.9 and max in ms."""
    found = histogram.percentiles_ns(*PERCENTS)
    return None if found is None else [ns / 1e6 for ns in (*found, histogram.max_ns)]
