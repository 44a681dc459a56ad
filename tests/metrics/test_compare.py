"""Comparing two results: what is noise is called noise, what changed is found, nothing is said of what is not known."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from hybridpress import Result
from hybridpress.metrics.compare import PERCENTS, TOTAL, Change, Comparison, compare
from hybridpress.metrics.histogram import Histogram
from hybridpress.metrics.interval import Interval, StepCounts
from hybridpress.metrics.seconds import Seconds
from hybridpress.metrics.spread import Floats
from tests.report.made import config_of, result_of

N_PAIRS = 100
N_SECONDS = 60
RATE = 1_000

Draw = Callable[[np.random.Generator], Floats]


def result_from(
    times_ms: Floats, *, failed: Sequence[int] | None = None, steps: Sequence[str] = (), started: int | None = None
) -> Result:
    """A run with these response times, a row a second; its steps, if any, have the same ones."""
    intervals = []
    for k, row in enumerate(times_ms):
        histogram = Histogram()
        histogram.add((row * 1e6).astype(np.int64))
        n_failed = failed[k] if failed is not None else 0
        interval = Interval(k, started=started or len(row), completed=len(row) - n_failed, failed=n_failed)
        interval.response.merge(histogram)
        for name in steps:
            interval.steps[name] = StepCounts(len(row), n_failed)
            interval.steps[name].times.merge(histogram)
        intervals.append(interval)
    config = config_of(qps=RATE, seed=1).as_settings()
    return result_of(intervals, target_qps=float(RATE), config=config)


def of_servers(rng: np.random.Generator, shape: str, n_seconds: int = N_SECONDS) -> Floats:
    """Response times of ms: memoryless; around 20 ms; the same with seconds that take after the one before."""
    if shape == "exponential":
        return rng.exponential(20.0, (n_seconds, RATE))
    if shape == "lognormal":
        return rng.lognormal(np.log(20.0), 0.4, (n_seconds, RATE))
    times_ms = rng.lognormal(np.log(20.0), 0.4, (n_seconds, RATE // 4))
    level, levels = 0.0, []
    for noise in rng.normal(0.0, 0.02, n_seconds):
        level = 0.5 * level + noise
        levels.append(level)
    return times_ms * np.exp(levels)[:, None]


def changed(comparison: Comparison) -> list[str]:
    return [change.what for _, change in comparison.real]


def change_of(comparison: Comparison, what: str, name: str = TOTAL) -> Change:
    subject = comparison.subject(name)
    assert subject is not None
    change = subject.change(what)
    assert change is not None
    return change


@pytest.mark.slow
@pytest.mark.parametrize("shape", ["exponential", "in a row"])
def test_alike_is_called_alike(shape: str) -> None:
    """Two runs of the same server differ by chance alone: in 95 of 100 pairs, or more, no figure is called changed;
    and the interval of p99 holds the truth, no change, about as often as it says.
    """
    rng = np.random.default_rng(11)
    n_alike, n_inside = 0, 0
    for _ in range(N_PAIRS):
        found = compare(result_from(of_servers(rng, shape)), result_from(of_servers(rng, shape)))
        n_alike += changed(found) == []
        p99 = change_of(found, "p99")
        assert p99.margin is not None
        assert p99.difference is not None
        n_inside += abs(p99.difference) <= p99.margin
    assert n_alike >= 95
    assert n_inside >= 88, "of 95 expected: less would be seen once in 1,000"


@pytest.mark.slow
def test_a_tenth_more_is_found() -> None:
    """A p99 that is a tenth higher, and nothing else that changed below p90, is found in 90 of 100 pairs or more, and
    the interval holds it about as often as it says.
    """
    rng = np.random.default_rng(12)
    p99_ms, p90_ms = (20.0 * np.exp(0.4 * z) for z in (2.3263, 1.2816))
    n_found, n_inside, n_wrong = 0, 0, 0
    for _ in range(N_PAIRS):
        before, after = of_servers(rng, "lognormal"), of_servers(rng, "lognormal")
        # What lies above p90 is stretched, so that p99 comes out a tenth higher, and p90 stays.
        stretch = (1.1 * p99_ms - p90_ms) / (p99_ms - p90_ms)
        after = np.where(after > p90_ms, p90_ms + (after - p90_ms) * stretch, after)
        found = compare(result_from(before), result_from(after))
        p99 = change_of(found, "p99")
        assert p99.margin is not None
        assert p99.difference is not None
        n_found += p99.is_real and p99.difference > 0
        n_inside += abs(p99.difference - 0.1 * p99_ms) <= p99.margin
        n_wrong += change_of(found, "p50").is_real
    assert n_found >= 90
    assert n_wrong <= 5
    assert n_inside >= 88


def test_the_figures() -> None:
    """Figures are those of the results; a change has its difference and its part."""
    rng = np.random.default_rng(1)
    times_ms = of_servers(rng, "lognormal", 20)
    before, after = result_from(times_ms), result_from(times_ms * 1.5)
    found = compare(before, after)
    p99 = change_of(found, "p99")
    assert (p99.before, p99.after) == (before.response_time_ms.p99, after.response_time_ms.p99)
    assert p99.part == pytest.approx(0.5, rel=0.01)
    assert p99.is_real
    assert set(changed(found)) == {"mean", "p50", "p90", "p95", "p99", "p99.9"}
    qps = change_of(found, "qps")
    assert (qps.before, qps.after, qps.difference, qps.margin, qps.is_real) == (RATE, RATE, 0, 0, False)


def test_a_run_with_itself() -> None:
    """Nothing changed, to the last digit."""
    result = result_from(of_servers(np.random.default_rng(1), "lognormal", 20), steps=["GET /"])
    found = compare(result, result)
    assert changed(found) == []
    assert all(change.difference == 0 for subject in found.subjects for change in subject.changes)


def test_runs_of_unequal_length() -> None:
    """A run of 20 s is compared with one of 60 s: the shorter makes the interval."""
    rng = np.random.default_rng(2)
    short, long = (result_from(of_servers(rng, "lognormal", n)) for n in (20, 60))
    margins = [change_of(compare(*pair), "p90").margin for pair in ((long, long), (short, long), (short, short))]
    assert None not in margins
    assert margins == sorted(margins, key=lambda margin: margin or 0.0)


def test_failures() -> None:
    """One percent that fails is found; three in all may be chance."""
    rng = np.random.default_rng(3)
    times_ms = of_servers(rng, "lognormal", 30)
    without = result_from(times_ms)
    many = result_from(times_ms, failed=rng.binomial(RATE, 0.01, 30).tolist())
    few = result_from(times_ms, failed=[1, 0, 2, *[0] * 27])
    assert changed(compare(without, many)) == ["failed"]
    assert changed(compare(without, few)) == []
    assert change_of(compare(without, many), "failed").difference == pytest.approx(1.0, rel=0.2)


def test_throughput() -> None:
    """Unpaced runs differ in what they start each second."""
    rng = np.random.default_rng(4)
    slow, fast = of_servers(rng, "lognormal", 30)[:, :900], of_servers(rng, "lognormal", 30)
    assert "qps" in changed(compare(result_from(slow), result_from(fast)))


def test_a_step_of_which_each_second_is_known() -> None:
    """A step among the most frequent is judged by its seconds, like the whole."""
    rng = np.random.default_rng(5)
    runs = [result_from(of_servers(rng, "lognormal", 30) * factor, steps=["GET /"]) for factor in (1.0, 1.2)]
    change = change_of(compare(*runs), "p90", "GET /")
    assert (change.is_real, change.is_rough) == (True, False)


def test_a_step_of_which_only_the_total_is_known() -> None:
    """Of further steps the interval rests on the whole run, and says so; it is not narrower than the whole's."""
    rng = np.random.default_rng(6)
    names = ["GET /a", "GET /b", "GET /c"]
    runs = [result_from(of_servers(rng, "in a row", 30) * factor, steps=names) for factor in (1.0, 1.2)]
    found = compare(*runs)
    rough, whole = change_of(found, "p90", "GET /c"), change_of(found, "p90")
    assert (rough.is_real, rough.is_rough, whole.is_rough) == (True, True, False)
    assert rough.margin == pytest.approx(whole.margin, rel=0.5)


def test_too_short_for_seconds() -> None:
    """A run of a few seconds has intervals from its totals."""
    rng = np.random.default_rng(7)
    change = change_of(compare(*(result_from(of_servers(rng, "lognormal", 3)) for _ in range(2))), "p50")
    assert change.is_rough
    assert change.margin is not None


def test_too_few_times() -> None:
    """Beyond which there are fewer than ten times, that percentile has no interval and is never called changed."""
    times_ms = of_servers(np.random.default_rng(8), "lognormal", 20)[:, :40]
    found = compare(result_from(times_ms), result_from(times_ms * 3))
    p999 = change_of(found, "p99.9")
    assert (p999.margin, p999.is_real) == (None, False)
    assert change_of(found, "p90").is_real


def test_a_file_from_before_there_were_histograms() -> None:
    """Its figures are compared; how far they may be off is not known, and nothing is called changed."""
    times_ms = of_servers(np.random.default_rng(9), "lognormal", 20)
    runs = []
    for factor in (1, 3):
        result = result_from(times_ms * factor)
        intervals = [dataclasses.replace(second, histogram=None) for second in result.intervals]
        runs.append(dataclasses.replace(result, histograms=None, intervals=intervals))
    found = compare(*runs)
    for name in PERCENTS:
        change = change_of(found, name)
        assert change.difference is not None
        assert (change.margin, change.is_real) == (None, False)


def test_steps_of_one_only() -> None:
    """Steps that only one has are named."""
    times_ms = of_servers(np.random.default_rng(10), "lognormal", 12)
    found = compare(result_from(times_ms, steps=["a", "b"]), result_from(times_ms, steps=["b", "c"]))
    assert (found.only_before, found.only_after) == (["a"], ["c"])
    assert [subject.name for subject in found.subjects] == [TOTAL, "b"]


def test_nothing_measured() -> None:
    """Of nothing there is no figure, and no change."""
    empty = result_of([Interval(0)], target_qps=None)
    change = change_of(compare(empty, empty), "p99")
    assert (change.before, change.difference, change.part, change.margin) == (None, None, None, None)


def coarser(result: Result) -> Result:
    """*result* as it would be after a run of its length: what is long past by ten seconds."""
    kept = Seconds()
    for second in result.intervals:
        kept.add(second)
    return dataclasses.replace(result, intervals=list(kept))


@pytest.mark.slow
def test_a_run_of_hours_whose_past_is_coarser() -> None:
    """Of an hour and a half, half an hour is kept by ten seconds. All figures are those of the run kept second by
    second, and so are, about, the intervals around them; what differs is that a block is of whole spans.
    """
    rng = np.random.default_rng(5)
    fine = [
        result_from(
            of_servers(rng, "in a row", 5_400)[:, :50] * slower,
            failed=rng.poisson(1, 5_400).tolist(),
            steps=["a"],
            started=50,
        )
        for slower in (1.0, 1.1)
    ]
    coarse = [coarser(result) for result in fine]
    assert {second.length_s for second in coarse[0].intervals} == {1, 10}
    one, other = compare(*fine), compare(*coarse)
    mixed = compare(fine[0], coarse[1])
    for name in (TOTAL, "a"):
        subject = one.subject(name)
        assert subject is not None
        for change in subject.changes:
            for found in (change_of(other, change.what, name), change_of(mixed, change.what, name)):
                assert (found.before, found.after) == (change.before, change.after)
                assert (found.is_rough, found.is_real) == (change.is_rough, change.is_real), change.what
                assert found.margin == pytest.approx(change.margin, rel=0.3), (name, change.what)
    assert change_of(other, "qps").margin == pytest.approx(0, abs=1e-9), "no second differed from another"
    assert change_of(other, "p99").is_real
