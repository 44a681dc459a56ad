"""Two results side by side: what changed, by how much, and whether that is more than noise.

A change is called real when it is at least `LEAST_CHANGE`, and beyond what chance makes of any of the figures that are
compared once in twenty comparisons: with 16 figures each has to be beyond 99.7 % (Bonferroni), not beyond 95 %.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from hybridpress.metrics.histogram import Histogram
from hybridpress.metrics.result import IntervalResult, Result, Times
from hybridpress.metrics.seconds import longest_s, spans
from hybridpress.metrics.spread import (
    FEWEST_SECONDS,
    Error,
    Floats,
    Seconds,
    block_error,
    joint,
    knows,
    order_error_ms,
    share_error,
    weights,
    width,
)

CONFIDENCE = 0.95
LEAST_CHANGE = 0.01
"""Of times: what is below 1 % is shown, but not called a change."""
_LEAST = {"qps": 0.001, "failed": 0.0}
PERCENTS = {"p50": 50.0, "p90": 90.0, "p95": 95.0, "p99": 99.0, "p99.9": 99.9}
TOTAL = ""
"""The name of what is no step: all iterations."""


@dataclass(frozen=True, slots=True)
class Change:
    """One figure of both. Times in ms, failures in percent, QPS a second.

    `margin`: half the width of the 95 % interval around `difference`; None: not known. `is_rough`: it rests on the
    figures of the whole run, not on those of its seconds.
    """

    what: str
    before: float | None
    after: float | None
    margin: float | None = None
    is_rough: bool = False
    is_real: bool = False

    @property
    def difference(self) -> float | None:
        return None if self.before is None or self.after is None else self.after - self.before

    @property
    def part(self) -> float | None:
        """The difference as a part of what was before; None where that was nothing."""
        return self.difference / self.before if self.difference is not None and self.before else None


@dataclass(frozen=True, slots=True)
class Subject:
    """All iterations (`TOTAL`), or one step."""

    name: str
    changes: list[Change]

    def change(self, what: str) -> Change | None:
        return next((change for change in self.changes if change.what == what), None)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What `compare` found. Steps that only one of the two has are named, not compared."""

    before: Result
    after: Result
    subjects: list[Subject]
    only_before: list[str] = field(default_factory=list)
    only_after: list[str] = field(default_factory=list)

    def subject(self, name: str) -> Subject | None:
        return next((subject for subject in self.subjects if subject.name == name), None)

    @property
    def real(self) -> Iterator[tuple[Subject, Change]]:
        """The changes that are more than noise."""
        return ((subject, change) for subject in self.subjects for change in subject.changes if change.is_real)


def compare(before: Result, after: Result) -> Comparison:
    """What changed from *before* to *after*. Whether that says anything is another question: see `comparable`."""
    names = [name for name in before.steps if name in after.steps]
    one, other = _figures(before, names), _figures(after, names)
    n_figures = sum(len(figures) for figures in one.values())
    return Comparison(
        before,
        after,
        [Subject(name, list(_changes(one[name], other[name], n_figures))) for name in one],
        only_before=[name for name in before.steps if name not in after.steps],
        only_after=[name for name in after.steps if name not in before.steps],
    )


@dataclass(frozen=True, slots=True)
class _Figure:
    """A figure of one run, how far it may be off, and whether only the run's totals tell that."""

    value: float | None
    error: Error | None
    is_rough: bool = False


def _changes(before: dict[str, _Figure], after: dict[str, _Figure], n_figures: int) -> Iterator[Change]:
    for what, one in before.items():
        other = after[what]
        is_rough = one.is_rough or other.is_rough
        if one.value is None or other.value is None or one.error is None or other.error is None:
            yield Change(what, one.value, other.value, is_rough=is_rough)
            continue
        error = joint(one.error, other.error)
        difference = abs(other.value - one.value)
        is_beyond_chance = difference > width(error, 1 - (1 - CONFIDENCE) / n_figures)
        is_real = is_beyond_chance and difference >= _LEAST.get(what, LEAST_CHANGE) * abs(one.value)
        yield Change(what, one.value, other.value, width(error, CONFIDENCE), is_rough, is_real)


def _figures(result: Result, steps: Sequence[str]) -> dict[str, dict[str, _Figure]]:
    """The figures of all iterations, and of each of *steps*."""
    used = spans(
        [second for second in result.intervals if second.started or second.completed or second.failed],
        longest_s(result.intervals),
    )
    count = result.response_time_ms.count
    times = _seconds_of([[second.histogram for second in span] for span in used], count)
    texts = result.histograms
    whole = None if texts is None else Histogram.decode(texts.response)
    alone = share_error(result.iterations.failed, count)
    if times is None:
        found = {TOTAL: {**_qps(result, 0), "failed": _failed(result.iterations.failed, count, alone, is_rough=True)}}
        found[TOTAL] |= _times_of_totals(result.response_time_ms, whole, 1.0)
        inflation, failure_inflation = 1.0, 1.0
    else:
        draws = _Draws(len(used), times.block_length)
        failures = draws.error(draws.share([_sum(span, "failed") for span in used], [_ended(span) for span in used]))
        failures = Error(max(failures.size, alone.size), failures.n_pieces)
        found = {
            TOTAL: {**_qps(result, times.block_length), "failed": _failed(result.iterations.failed, count, failures)}
        }
        found[TOTAL] |= _times_of_seconds(result.response_time_ms, times, draws)
        inflation = _inflation(found[TOTAL]["p90"].error, None if whole is None else order_error_ms(whole, 90.0))
        failure_inflation = failures.size / alone.size
    for name in steps:
        step = result.steps[name]
        n = step.response_time_ms.count
        error = share_error(step.failed, n)
        error = Error(error.size * failure_inflation, error.n_pieces)
        found[name] = {"failed": _failed(step.failed, n, error, is_rough=True)}
        its = (
            None
            if times is None
            else _seconds_of([[second.step_histograms.get(name) for second in span] for span in used], n)
        )
        if its is not None:
            found[name] |= _times_of_seconds(step.response_time_ms, its, draws)
        else:
            text = None if texts is None else texts.steps.get(name)
            histogram = None if text is None else Histogram.decode(text)
            found[name] |= _times_of_totals(step.response_time_ms, histogram, inflation)
    return found


class _Draws:
    """A run's seconds, drawn anew many times; of a run whose past is kept coarser, spans as long as the coarsest, so
    that each is drawn as often and a block is as long, wherever it begins.
    """

    def __init__(self, n_seconds: int, block_length: int) -> None:
        self._n_seconds = n_seconds
        self._block_length = block_length
        self.weights = weights(n_seconds, block_length)

    def error(self, drawn: Floats) -> Error:
        """Of a figure that came out as *drawn*."""
        return block_error(drawn, self._n_seconds, self._block_length)

    def share(self, part: Sequence[int], of: Sequence[int]) -> Floats:
        """What part one count is of another, by their values in each second."""
        found: Floats = (self.weights @ np.array(part, dtype=np.float64)) / np.maximum(
            self.weights @ np.array(of, dtype=np.float64), 1.0
        )
        return found


def _sum(span: Sequence[IntervalResult], name: str) -> int:
    return sum(getattr(second, name) for second in span)


def _ended(span: Sequence[IntervalResult]) -> int:
    return _sum(span, "completed") + _sum(span, "failed")


def _seconds_of(texts_by_span: Sequence[Sequence[str | None]], count: int) -> Seconds | None:
    """None: they are too few, or not all that was counted."""
    if len(texts_by_span) < FEWEST_SECONDS or not count:
        return None
    seconds = Seconds.of(texts_by_span)
    return seconds if seconds.total == count else None


def _inflation(drawn: Error | None, alone: Error | None) -> float:
    """How much larger than that of independent times an error is."""
    return max(drawn.size / alone.size, 1.0) if drawn and alone and alone.size else 1.0


def _qps(result: Result, block_length: int) -> dict[str, _Figure]:
    whole = spans(
        [second for second in result.intervals if second.at_s + second.length_s <= result.duration_s],
        longest_s(result.intervals),
    )
    error = None
    if len(whole) >= FEWEST_SECONDS:
        draws = _Draws(len(whole), block_length or math.ceil(len(whole) ** (1 / 3)))
        error = draws.error(
            draws.share([_sum(span, "started") for span in whole], [_sum(span, "length_s") for span in whole])
        )
    return {"qps": _Figure(result.qps.achieved, error)}


def _failed(n_failed: int, count: int, error: Error, *, is_rough: bool = False) -> _Figure:
    if not count:
        return _Figure(None, None)
    return _Figure(100 * n_failed / count, Error(100 * error.size, error.n_pieces), is_rough)


def _values(times: Times) -> dict[str, float | None]:
    return {"mean": times.mean, **{name: getattr(times, name.replace(".", "_")) for name in PERCENTS}}


def _times_of_seconds(times: Times, seconds: Seconds, draws: _Draws) -> dict[str, _Figure]:
    drawn, means = seconds.figures(draws.weights, list(PERCENTS.values()))
    errors: dict[str, Error | None] = {"mean": draws.error(means)}
    for k, (name, percent) in enumerate(PERCENTS.items()):
        errors[name] = draws.error(drawn[:, k]) if knows(times.count, percent) else None
    return {name: _Figure(value, errors[name]) for name, value in _values(times).items()}


def _times_of_totals(times: Times, histogram: Histogram | None, inflation: float) -> dict[str, _Figure]:
    """As if all times were independent, and with the error as much larger as that of all iterations is."""
    errors: dict[str, Error | None] = {"mean": None}
    if times.stddev is not None:
        errors["mean"] = Error(times.stddev / math.sqrt(times.count), times.count)
    for name, percent in PERCENTS.items():
        errors[name] = None if histogram is None else order_error_ms(histogram, percent)
    return {
        name: _Figure(value, error and Error(error.size * inflation, error.n_pieces), is_rough=True)
        for name, value in _values(times).items()
        for error in (errors[name],)
    }
