"""The seconds of a run as its result keeps them: merged over several runs, and, the older they are, over time.

A second takes some 2 KB. So that a run of days needs no more memory than one of hours, what is older than `FINE_S` is
kept by ten seconds, and what is older than that and `TENS_S` by the minute. Counts stay exact; percentiles are taken
anew from the sum of the histograms.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby

from hybridpress.metrics.histogram import Histogram
from hybridpress.metrics.result import IntervalResult
from hybridpress.metrics.summary import MAX_STEPS_A_SECOND, STEPS_CHARS, with_times

FINE_S = 3_600
TENS_S = 36_000


class Seconds(list[IntervalResult]):
    """The seconds of one run, in order: first those by the minute, then those by ten seconds, then the others."""

    def __init__(self, fine_s: int = FINE_S, tens_s: int = TENS_S) -> None:
        super().__init__()
        self._fine_s = fine_s
        self._tens_s = tens_s
        self._n_minutes = 0
        self._n_tens = 0
        self.most_started = 0
        """The most that any second had of those that are merged with others now."""

    def add(self, second: IntervalResult) -> None:
        """One more second, the newest; what is old by now becomes coarser."""
        self.append(second)
        first_fine = self._n_minutes + self._n_tens
        if second.at_s - self[first_fine].at_s >= self._fine_s + 10:
            n = self._n_alike(first_fine, len(self) - 1, 10)
            self.most_started = max(self.most_started, *(found.started for found in self[first_fine : first_fine + n]))
            self._merge(first_fine, n)
            self._n_tens += 1
        first_tens = self._n_minutes
        if self._n_tens and second.at_s - self[first_tens].at_s >= self._fine_s + self._tens_s + 60:
            n = self._n_alike(first_tens, first_tens + self._n_tens, 60)
            self._merge(first_tens, n)
            self._n_tens -= n
            self._n_minutes += 1

    def _n_alike(self, first: int, end: int, span_s: int) -> int:
        """How many from the *first* on, and before *end*, lie in the same span of so many seconds."""
        number = self[first].at_s // span_s
        return next((k for k in range(1, end - first) if self[first + k].at_s // span_s != number), end - first)

    def _merge(self, first: int, n: int) -> None:
        self[first : first + n] = [span_of(self[first : first + n])]


def span_of(found: Sequence[IntervalResult], *, has_texts: bool = True) -> IntervalResult:
    """Seconds that follow one another as one interval, which lasts as long as they do together.

    Without *has_texts* its histograms are left out, for who needs the figures alone: their text takes longer than all
    else. One interval alone is returned as it is.
    """
    if len(found) == 1:
        return found[0]
    targets = [(second.target_qps, second.length_s) for second in found if second.target_qps is not None]
    watched_s = sum(length_s for _, length_s in targets)
    return replace(
        together(found, has_texts=has_texts),
        length_s=sum(second.length_s for second in found),
        target_qps=sum(rate * length_s for rate, length_s in targets) / watched_s if targets else None,
        in_flight=found[-1].in_flight,
    )


def spans(intervals: Sequence[IntervalResult], length_s: int) -> list[list[IntervalResult]]:
    """Those that begin in the same *length_s* of the run, in order."""
    return [list(group) for _, group in groupby(intervals, key=lambda found: found.at_s // length_s)]


def longest_s(intervals: Iterable[IntervalResult]) -> int:
    """How long the coarsest of *intervals* may be: 1 for a run that is kept second by second."""
    return max((found.length_s for found in intervals), default=1)


def together(found: Sequence[IntervalResult], *, has_texts: bool = True) -> IntervalResult:
    """The same span of several runs as one. Its percentiles are as exact as the coarsest of their histograms is."""
    if len(found) == 1:
        return found[0]
    times = Histogram()
    for second in found:
        if second.histogram is not None:
            times.merge(Histogram.decode(second.histogram))
    length_s = longest_s(found)
    targets = [second.target_qps * second.length_s / length_s for second in found if second.target_qps is not None]
    return with_times(
        replace(
            found[0],
            at_s=min(second.at_s for second in found),
            started=sum(second.started for second in found),
            completed=sum(second.completed for second in found),
            failed=sum(second.failed for second in found),
            dropped=sum(second.dropped for second in found),
            target_qps=sum(targets) if targets else None,
            in_flight=sum(second.in_flight for second in found),
            length_s=length_s,
            step_histograms=_steps([second.step_histograms for second in found]) if has_texts else {},
            errors=_errors_by_kind(found),
            cpu_pct=_worst(second.cpu_pct for second in found),
            loop_lag_p99_ms=_worst(second.loop_lag_p99_ms for second in found),
            lateness_p99_ms=_worst(second.lateness_p99_ms for second in found),
        ),
        times,
        has_texts=has_texts,
    )


def _steps(texts_by_name: Sequence[dict[str, str]]) -> dict[str, str]:
    totals: dict[str, Histogram] = {}
    for texts in texts_by_name:
        for name, text in texts.items():
            totals.setdefault(name, Histogram()).merge(Histogram.decode(text))
    most = sorted(totals.items(), key=lambda item: (-item[1].count, item[0]))[:MAX_STEPS_A_SECOND]
    return {name: times.encode(STEPS_CHARS // MAX_STEPS_A_SECOND) for name, times in most}


def _errors_by_kind(found: Sequence[IntervalResult]) -> dict[str, int]:
    kinds: dict[str, int] = {}
    for second in found:
        for kind, count in second.errors.items():
            kinds[kind] = kinds.get(kind, 0) + count
    return kinds


def _worst(values: Iterable[float | None]) -> float | None:
    """The highest of them: a percentile of the sum is not known, but no higher than this."""
    return max((value for value in values if value is not None), default=None)
