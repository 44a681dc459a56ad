"""Result.merge: the law is that merging results is the same as having measured all at once."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridpress import Result
from hybridpress.errors import UsageError
from hybridpress.metrics.histogram import Histogram
from hybridpress.metrics.interval import CheckCounts, ErrorCounts, Interval, StepCounts
from hybridpress.metrics.seconds import span_of
from tests.report.made import histogram_of, result_of, second

times_ms = st.lists(st.floats(0.001, 50_000), min_size=1, max_size=20)


def interval_of(index: int, times: list[float]) -> Interval:
    failed = len(times) // 3
    return Interval(
        index,
        started=len(times),
        completed=len(times) - failed,
        failed=failed,
        response=histogram_of(*times),
        service=histogram_of(*times),
        lateness=histogram_of(*times),
        steps={"GET /": StepCounts(len(times), failed, 10, 20, histogram_of(*times))},
        checks={"ok": CheckCounts(1, failed)},
        errors={("E", "m"): ErrorCounts(failed, index * 1_000_000_000, f"in {index}")} if failed else {},
    )


def result_from(seconds: list[list[float]]) -> Result:
    intervals = [interval_of(index, times) for index, times in enumerate(seconds)]
    return result_of(intervals, target_qps=100.0, n_planned=sum(map(len, seconds)))


runs = st.lists(st.lists(times_ms, min_size=2, max_size=2), min_size=2, max_size=3)


@pytest.mark.slow
@given(runs)
def test_as_if_measured_at_once(seconds_by_run: list[list[list[float]]]) -> None:
    """Counts, rates, distributions and errors of the sum are those of one run that measured it all."""
    found = Result.merge([result_from(seconds) for seconds in seconds_by_run])
    intervals = []
    for k in range(2):
        merged = interval_of(k, seconds_by_run[0][k])
        for seconds in seconds_by_run[1:]:
            merged.merge(interval_of(k, seconds[k]))
        intervals.append(merged)
    n_runs = len(seconds_by_run)
    expected = result_of(
        intervals, target_qps=100.0 * n_runs, n_planned=sum(interval.started for interval in intervals)
    )
    assert found.iterations == expected.iterations
    assert found.qps == expected.qps
    for name in ("response_time_ms", "service_time_ms", "lateness_ms"):
        ours, theirs = dataclasses.asdict(getattr(found, name)), dataclasses.asdict(getattr(expected, name))
        assert ours == pytest.approx(theirs)
    assert found.steps.keys() == expected.steps.keys()
    assert found.steps["GET /"].response_time_ms.p99 == expected.steps["GET /"].response_time_ms.p99
    assert found.checks == expected.checks
    assert found.errors == expected.errors
    for ours_s, theirs_s in zip(found.intervals, expected.intervals, strict=True):
        assert (ours_s.started, ours_s.failed, ours_s.max_ms) == (theirs_s.started, theirs_s.failed, theirs_s.max_ms)
        assert ours_s.p99_ms == pytest.approx(theirs_s.p99_ms, rel=0.04)


def test_associative() -> None:
    """It does not matter which are merged first."""
    a, b, c = (result_from([[1.0 * k, 5.0], [7.0, 9.0 * k]]) for k in (1, 2, 3))
    left, right = Result.merge([Result.merge([a, b]), c]), Result.merge([a, Result.merge([b, c])])
    assert left.to_dict() | {"histograms": 0} == right.to_dict() | {"histograms": 0}


def test_runs_of_unequal_length() -> None:
    """A second that only one run has stays as it was; the merged run is as long as the longest."""
    short, long = result_from([[1.0]]), result_from([[2.0], [3.0]])
    found = Result.merge([short, long])
    assert found.duration_s == 2.0
    assert [interval.started for interval in found.intervals] == [2, 1]
    assert found.intervals[1] == long.intervals[1]


def test_of_different_coarseness() -> None:
    """Where one run is kept by ten seconds the sum is as well: each span once, with what all runs had in it."""
    fine = result_from([[1.0] * (k % 3 + 1) for k in range(25)])
    own = fine.intervals
    coarse = dataclasses.replace(fine, intervals=[span_of(own[:10]), span_of(own[10:20]), *own[20:]])
    short = dataclasses.replace(fine, intervals=own[:14], duration_s=14.0)
    for results in ([fine, coarse, short], [short, coarse, fine]):
        found = Result.merge(results).intervals
        assert [(span.at_s, span.length_s) for span in found] == [(0, 10), (10, 10), *((k, 1) for k in range(20, 25))]
        assert [span.started for span in found[:2]] == [
            sum(second.started for second in own[:10]) * 3,
            sum(second.started for second in own[10:20]) * 2 + sum(second.started for second in own[10:14]),
        ]
        assert [span.target_qps for span in found[:3]] == [15_000.0, 12_000.0, 10_000.0]
    assert Result.merge([coarse, coarse]).qps.peak >= coarse.qps.peak == 3.0


def test_what_is_shared() -> None:
    """Settings that agree stay, numbers of slots and rates add up, workers are all there, the worst verdict counts."""
    a, b = result_of(), result_of(cpu_pct=[99.0, 99.0])
    b = dataclasses.replace(b, config={**b.config, "timeout": 3.0}, scenario="other.py:Other")
    b = dataclasses.replace(b, generator=dataclasses.replace(b.generator, verdict="degraded"))
    found = Result.merge([a, b])
    assert (found.config["qps"], found.config["concurrent"]) == (10_000, 128)
    assert "timeout" not in found.config
    assert found.scenario == "query.py:QueryVm + other.py:Other"
    assert [worker.id for worker in found.workers] == [0, 1, 2, 3]
    assert found.generator.verdict == "degraded"
    assert Result.merge([a]) == a


def test_the_generators_of_a_second() -> None:
    """Errors of a kind add up; of CPU, loop lag and lateness the worst is told."""
    a, b = result_from([[1.0, 2.0, 3.0]]), result_from([[4.0, 5.0, 6.0]])
    a = dataclasses.replace(a, intervals=[dataclasses.replace(a.intervals[0], cpu_pct=40.0)])
    b = dataclasses.replace(b, intervals=[dataclasses.replace(b.intervals[0], cpu_pct=60.0, loop_lag_p99_ms=7.0)])
    (found,) = Result.merge([a, b]).intervals
    assert found.errors == {"E": 2}
    assert (found.cpu_pct, found.loop_lag_p99_ms) == (60.0, 7.0)
    assert found.lateness_p99_ms == pytest.approx(6.0)


def test_what_cannot_be_merged() -> None:
    """Nothing, and a result without histograms."""
    with pytest.raises(UsageError, match="no results"):
        Result.merge([])
    old = dataclasses.replace(result_of([second(0)]), histograms=None)
    with pytest.raises(UsageError, match=r"query\.py:QueryVm of 2030-01-01T00:00:00Z has no histograms"):
        Result.merge([result_of(), old])


def test_histograms_of_the_sum() -> None:
    """The sum has histograms of its own, so that it may be merged again."""
    found = Result.merge([result_from([[1.0]]), result_from([[2.0]])])
    assert found.histograms is not None
    assert Histogram.decode(found.histograms.steps["GET /"]).count == 2
