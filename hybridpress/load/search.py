"""The search for the highest rate that keeps the objectives: which rate to try next, from what was seen so far.

It rises from the start rate by a factor until a step fails (or falls until one keeps the objectives), then halves what
lies between, in proportion, until both ends are near enough. What steps measure is noisy: a pause of the server fails
one far below its limit, luck keeps one above it. So both ends are tried once more before they are believed: first the
lowest rate that failed, which counts as kept when it keeps now, then the answer, which counts as failed when it fails.

Trying again only what failed narrowly would not do: the noise that does most harm is not narrow. With both ends tried
again, 97 of 100 searches named the limit of a noisy server within 5 % in 16 steps; with the answer alone, 63 in 11
(bench/test_search.py).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from hybridpress.errors import UsageError
from hybridpress.units import format_count

Limit = Literal["objective", "generator", "max_rate", "none kept", "max_steps"]
"""What a search ended at: an objective that broke, the generator, the highest rate allowed, no rate at all, or the
number of steps allowed."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one step at *rate* showed: whether the objectives were *kept*, and *why* not.

    When the step is *generator_limited*, the rate was not delivered, and it says nothing of the server, whatever *kept*
    says. *measured* is for the report: names and figures.
    """

    rate: float
    kept: bool
    generator_limited: bool = False
    why: str = ""
    measured: Mapping[str, float] = field(default_factory=dict)

    @property
    def counts_as_kept(self) -> bool:
        return self.kept and not self.generator_limited


@dataclass(frozen=True, slots=True)
class Found:
    """The highest rate that kept the objectives twice, or None; what limits it, in one word and in one sentence.

    With the limits "generator", "max_rate" and "max_steps" the server may well bear more than *rate*.
    """

    rate: float | None
    limit: Limit
    reason: str
    steps: tuple[Outcome, ...]


class Search:
    """A search, step by step: try `rate`, `tell` the outcome, until `found` is set and `rate` is None.

        search = Search(100, max_rate=20_000)
        while search.rate is not None:
            search.tell(outcome_of_a_step_at(search.rate))
        print(search.found)

    Without noise, the limit is from the answer to the answer · (1 + *precision*). The ends are brought as near as half
    of that, so that a step gone wrong close to the limit does not spoil the answer.

    Raises:
        UsageError: all arguments that are wrong.
    """

    def __init__(
        self,
        start_rate: float,
        *,
        precision: float = 0.05,
        min_rate: float = 1.0,
        max_rate: float | None = None,
        growth: float = 2.0,
        retry: bool = True,
        max_steps: int = 50,
    ) -> None:
        """*growth*: the factor of rising and falling. *retry*: try the lowest rate that failed once more."""
        self.max_rate = math.inf if max_rate is None else max_rate
        mistakes = []
        if not 0 < min_rate <= start_rate <= self.max_rate or math.isinf(start_rate):
            end = "up" if max_rate is None else f"to the highest, {max_rate:g}/s"
            mistakes.append(
                f"the start rate must be from the lowest rate, {min_rate:g}/s (above 0), {end}, got {start_rate:g}/s"
            )
        if not 0.001 <= precision <= 1:
            mistakes.append(f"the precision must be from 0.001 to 1, such as 0.05 for 5 %, got {precision:g}")
        if not 1.1 <= growth <= 100:
            mistakes.append(f"the growth must be a factor from 1.1 to 100, got {growth:g}")
        if max_steps < 1:
            mistakes.append(f"the steps must be 1 or more, got {max_steps}")
        if mistakes:
            raise UsageError(mistakes)
        self.min_rate = min_rate
        self.max_steps = max_steps
        self.steps: list[Outcome] = []
        self.found: Found | None = None
        self.rate: float | None = float(start_rate)
        """The rate to try next; None when the search is over."""
        self._near = 1 + precision / 2
        self._growth = growth
        # All that is in _kept is below all that is in _failed: only what is between, the ends included, is tried.
        self._kept: set[float] = set()
        self._failed: dict[float, Outcome] = {}
        self._believed: set[float] = set()
        self._retries = retry

    @property
    def floor(self) -> float | None:
        """The highest rate that counts as kept."""
        return max(self._kept, default=None)

    @property
    def ceiling(self) -> float | None:
        """The lowest rate that counts as failed, by the server or by the generator."""
        return min(self._failed, default=None)

    def tell(self, outcome: Outcome) -> None:
        """Take the outcome of a step at `rate`: then `rate` is the next one, or `found` is set.

        Raises:
            ValueError: it is the outcome of another rate, or the search is over.
        """
        if outcome.rate != self.rate:
            raise ValueError(f"the step to be told is one at {self.rate}/s, got one at {outcome.rate}/s")
        self.steps.append(outcome)
        is_confirmed = outcome.rate in self._kept and outcome.counts_as_kept
        self._count(outcome)
        if is_confirmed:
            self._end(self._limit())
        elif self.floor is None and outcome.rate <= self.min_rate and self._is_believed(outcome.rate):
            self._end("none kept" if self._limit() == "objective" else "generator")
        elif len(self.steps) >= self.max_steps:
            self._end("max_steps")
        else:
            self.rate = self._next()

    def _count(self, outcome: Outcome) -> None:
        """Put the rate on the side that its last outcome speaks for."""
        before = self._failed.pop(outcome.rate, None)
        if before is not None:
            self._believed.add(outcome.rate)
        self._kept.discard(outcome.rate)
        if outcome.counts_as_kept:
            self._kept.add(outcome.rate)
        elif before is not None and outcome.generator_limited:
            # One of two was delivered, and failed: that is the server's own.
            self._failed[outcome.rate] = before
        else:
            self._failed[outcome.rate] = outcome

    def _next(self) -> float:
        floor, ceiling = self.floor, self.ceiling
        if floor is None:
            assert ceiling is not None
            return max(ceiling / self._growth, self.min_rate)
        if ceiling is None:
            return min(floor * self._growth, self.max_rate)
        if ceiling / floor > self._near:
            return math.sqrt(floor * ceiling)
        return floor if self._is_believed(ceiling) else ceiling

    def _is_believed(self, rate: float) -> bool:
        """Whether a failure at *rate* needs no second one."""
        return not self._retries or rate in self._believed

    def _limit(self) -> Limit:
        """What is in the way of the floor."""
        if self.ceiling is None:
            return "max_rate"
        return "generator" if self._failed[self.ceiling].generator_limited else "objective"

    def _end(self, limit: Limit) -> None:
        self.found = Found(self.floor, limit, self._reason(limit), tuple(self.steps))
        self.rate = None

    def _reason(self, limit: Limit) -> str:
        rate = "no rate" if self.floor is None else f"{format_count(round(self.floor, 2))}/s"
        if self.ceiling is None:
            above = "nothing above it was tried"
        else:
            failed = self._failed[self.ceiling]
            verb = "the generator could not deliver" if failed.generator_limited else "the objectives broke at"
            above = f"{verb} {format_count(round(self.ceiling, 2))}/s" + (f" ({failed.why})" if failed.why else "")
        match limit:
            case "objective":
                return f"{rate}: {above}"
            case "generator" | "max_steps" if self.floor is None:
                return f"no rate was found: {above}"
            case "generator":
                return f"at least {rate}: {above}"
            case "max_rate":
                return f"at least {rate}, the highest rate that was to be tried"
            case "max_steps":
                return f"at least {rate}, and stopped after {len(self.steps)} steps: {above}"
            case "none kept":
                return f"no rate kept the objectives: {above}"
