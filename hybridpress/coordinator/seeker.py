"""Drives the search for the highest rate (hybridpress/load/search.py) with the seconds of one run.

A step goes at one rate: some seconds to settle, then some that count. Objectives are judged by what those measured.
After a step that broke them the server gets a rest, at half the rate, until what waits in it is worked off: else a step
a little below the limit is judged by the queue that the one before it left.
A rate that was not delivered says nothing of the server, unless its own service times break the objectives.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from hybridpress.errors import UsageError
from hybridpress.load.search import Found, Outcome, Search
from hybridpress.metrics.interval import Interval
from hybridpress.metrics.result import SearchResult, SearchStepResult
from hybridpress.metrics.thresholds import Threshold, parse_threshold
from hybridpress.units import NS_PER_S, format_count, format_ms, parse_count, parse_duration_s, parse_rate_per_s

DELIVERED = 0.98
"""A step that started less than this part of what it was to start was not delivered…"""
LATE_MS = 10.0
"""…nor was one that started so late at p99."""
BUSY_CPU_PCT = 95.0
REST = 0.5
"""The part of the next step's rate at which the server rests…"""
MAX_REST_S = 5
"""…until a second keeps the objectives, but no longer than this."""


@dataclass(frozen=True, slots=True)
class Quest:
    """What is searched for, and how."""

    objectives: tuple[Threshold, ...]
    precision: float = 0.05
    max_rate: float | None = None
    settle_s: int = 2
    step_s: int = 5
    max_steps: int = 30

    @classmethod
    def build(
        cls,
        slo: Sequence[str],
        precision: str = "5%",
        max_qps: str | None = None,
        settle: str = "2s",
        step: str = "5s",
        max_steps: str = "30",
    ) -> Quest:
        """From the words of a command line.

        Raises:
            UsageError: all that is wrong with them.
        """
        mistakes: list[str] = []

        def read(flag: str, parse: Callable[[str], Any], text: str, otherwise: Any) -> Any:
            try:
                return parse(text)
            except UsageError as error:
                mistakes.extend(f"{flag} {mistake}" for mistake in error.mistakes)
                return otherwise

        if not slo:
            mistakes.append("--slo must be given, such as --slo 'p99<50ms'; what is the rate to be limited by?")
        objectives = [read("--slo", parse_threshold, text, None) for text in slo]
        quest = cls(
            tuple(objective for objective in objectives if objective is not None),
            read("--precision", _parse_part, precision, 0.05),
            None if max_qps is None else read("--max-qps", parse_rate_per_s, max_qps, 1.0),
            read("--settle", _parse_seconds, settle, 1),
            read("--step", _parse_seconds, step, 1),
            read("--max-steps", parse_count, max_steps, 1),
        )
        if mistakes:
            raise UsageError(mistakes)
        return quest

    @property
    def longest_s(self) -> float:
        """The longest that a search may take."""
        return self.max_steps * (self.settle_s + self.step_s + MAX_REST_S + 4) + 10.0


def _parse_part(text: str) -> float:
    """A part from "5%" or "0.05"."""
    try:
        part = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        part = math.nan
    if not 0.001 <= part <= 1:
        raise UsageError(f'must be from 0.1% to 100%, such as "5%", got "{text}"')
    return part


def _parse_seconds(text: str) -> int:
    seconds = parse_duration_s(text)
    if seconds < 1:
        raise UsageError(f'must be a duration of 1s or more, got "{text}"')
    return math.ceil(seconds)


class Seeker:
    """One search. Each complete second of the run is told by `second`."""

    def __init__(self, quest: Quest, start_rate: float) -> None:
        self.quest = quest
        self._search = Search(
            start_rate,
            precision=quest.precision,
            min_rate=min(start_rate, 1.0),
            max_rate=quest.max_rate,
            max_steps=quest.max_steps,
        )
        self._from_index = 0
        """The second in which the step began to settle."""
        self._window: Interval | None = None
        self._busiest_cpu_pct = 0.0
        self._rest_s = 0
        """So many seconds of rest there may still be."""

    @property
    def rate(self) -> float | None:
        """The rate that is wanted now; None: the search is over."""
        rate = self._search.rate
        return rate if rate is None or not self._rest_s else max(REST * rate, min(rate, 1.0))

    @property
    def found(self) -> Found | None:
        return self._search.found

    def begin_step(self, first_index: int) -> None:
        """The rate is in force from second *first_index* on."""
        self._from_index, self._window, self._busiest_cpu_pct = first_index, None, 0.0

    def second(self, interval: Interval, n_slots: int, busiest_cpu_pct: float) -> str | None:
        """A second is complete: `rate` may then be another one. When it was a step's last: what the step came to."""
        first = self._from_index + self.quest.settle_s
        if self._rest_s:
            self._rest(interval)
            return None
        rate = self._search.rate
        if interval.index < first or rate is None:
            return None
        if self._window is None:
            self._window = Interval(interval.index)
        self._window.extend(interval)
        self._busiest_cpu_pct = max(self._busiest_cpu_pct, busiest_cpu_pct)
        if interval.index < first + self.quest.step_s - 1:
            return None
        outcome = self._judged(rate, self._window, n_slots)
        self._search.tell(outcome)
        self._rest_s = 0 if outcome.counts_as_kept else MAX_REST_S
        verdict = "kept" if outcome.counts_as_kept else "not delivered" if outcome.generator_limited else "broken"
        return f"{_rate(outcome.rate)}/s: {verdict}" + (f", {outcome.why}" if outcome.why else "")

    def _rest(self, interval: Interval) -> None:
        if interval.index >= self._from_index:
            is_level = all(
                o.holds(o.value(interval, 1.0))
                for o in self.quest.objectives
                if o.figure.which not in ("qps", "dropped")
            )
            self._rest_s = 0 if is_level else self._rest_s - 1

    def result(self) -> SearchResult:
        """What was found, so far."""
        found = self.found
        steps = [
            SearchStepResult(step.rate, step.counts_as_kept, step.generator_limited, step.why, dict(step.measured))
            for step in self._search.steps
        ]
        expressions = [objective.expression for objective in self.quest.objectives]
        if found is None:
            floor = self._search.floor
            return SearchResult(floor, "interrupted", "the search was ended before it was done", expressions, steps)
        return SearchResult(found.rate, found.limit, found.reason, expressions, steps)

    def _judged(self, rate: float, window: Interval, n_slots: int) -> Outcome:
        length_s = float(self.quest.step_s)
        values = [(objective, objective.value(window, length_s)) for objective in self.quest.objectives]
        broken = [objective.told(value) for objective, value in values if not objective.holds(value)]
        measured = _measured(window, length_s, self._busiest_cpu_pct)
        why_not = self._why_not_delivered(rate, window, n_slots, length_s)
        if why_not is None:
            return Outcome(rate, not broken, why=", ".join(broken), measured=measured)
        # Without our own waiting in the times: does the server by itself break them?
        own = [
            objective.told(value)
            for objective in self.quest.objectives
            if objective.figure.which not in ("qps", "dropped")
            if not objective.holds(
                value := objective.value(window, length_s, "service" if objective.figure.times == "response" else None)
            )
        ]
        if own:
            return Outcome(rate, kept=False, why=", ".join(broken or own), measured=measured)
        return Outcome(rate, kept=not broken, generator_limited=True, why=why_not, measured=measured)

    def _why_not_delivered(self, rate: float, window: Interval, n_slots: int, length_s: float) -> str | None:
        """What kept the generator from the rate; None: it delivered."""
        found = window.lateness.percentiles_ns(99)
        late_ms = 0.0 if found is None else found[0] / 1e6
        if window.started >= DELIVERED * rate * length_s - 1 and late_ms < LATE_MS:
            return None
        if self._busiest_cpu_pct >= BUSY_CPU_PCT:
            return f"a worker is out of CPU ({self._busiest_cpu_pct:.0f} % of a core): see --processes"
        if window.in_flight >= n_slots:
            service_ns = window.service.mean_ns or 0.0
            n_needed = max(math.ceil(1.2 * rate * service_ns / NS_PER_S), n_slots + 1)
            return f"all {n_slots} slots are busy: this latency needs about --concurrent {n_needed}"
        achieved = format_count(round(window.started / length_s, 1))
        return f"iterations started late ({format_ms(late_ms)} at p99, {achieved}/s) though slots were free"


def _measured(window: Interval, length_s: float, cpu_pct: float) -> dict[str, float]:
    """The figures of a step, for the report."""
    n_ended = window.completed + window.failed
    found = window.response.percentiles_ns(50, 90, 99)
    times = {} if found is None else dict(zip(("p50_ms", "p90_ms", "p99_ms"), (ns / 1e6 for ns in found), strict=True))
    failed_pct = 100 * window.failed / n_ended if n_ended else 0.0
    return {"qps": window.started / length_s, **times, "failed_pct": failed_pct, "cpu_pct": round(cpu_pct, 1)}


def _rate(rate: float) -> str:
    return format_count(round(rate, 1))
