"""Figures for other programs: named once, and whole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridpress.metrics.histogram import Histogram
from hybridpress.metrics.interval import CheckCounts, ErrorCounts
from hybridpress.metrics.parts import PartCounts
from hybridpress.report.measures import BOUNDS_S, Buckets, measures_of
from tests.report.made import config_of, moment_of, second, steps


@given(st.lists(st.integers(0, 100_000_000_000), max_size=50))
def test_buckets(times_ns: list[int]) -> None:
    """Each time is in the bucket that it belongs to, to within the histogram's 0.1 %, and none is lost."""
    histogram = Histogram()
    histogram.add(np.array(times_ns, dtype=np.int64))
    buckets = Buckets.of(histogram)
    assert buckets.count == sum(buckets.each) == len(times_ns)
    assert min(buckets.each, default=0) >= 0
    assert buckets.sum_s == pytest.approx(sum(times_ns) / 1e9)
    for bound_s, n_up_to in zip(BOUNDS_S, buckets.up_to, strict=True):
        assert sum(ns <= bound_s * 0.999e9 - 1_000 for ns in times_ns) <= n_up_to
        assert n_up_to <= sum(ns <= bound_s * 1.001e9 + 1_000 for ns in times_ns)


def test_every_figure_has_a_name_of_its_own() -> None:
    errors = {("A", "x"): ErrorCounts(2, 0, ""), ("A", "y"): ErrorCounts(3, 0, ""), ("B", "x"): ErrorCounts(1, 0, "")}
    checks, parts = {"ok": CheckCounts(3, 1)}, {"QueryVm": PartCounts(3, 2, 1)}
    interval = second(0, steps=steps(2), checks=checks, parts=parts, errors=errors)
    measures = measures_of(moment_of(interval, interval, config_of()))
    names = [measure.name for measure in measures]
    assert len(set(names)) == len(names)
    of = {measure.name: dict(measure.points) for measure in measures}
    assert of["iterations_started"] == {"": 5_000}
    assert of["errors"] == {"A": 5, "B": 1}
    assert of["verdict"] == {"valid": 1, "degraded": 0, "invalid": 0}
    assert set(of["step_time"]) == {"step 0", "step 1"}
    assert of["part_iterations_failed"] == {"QueryVm": 1}


def test_unpaced() -> None:
    """What was not asked for is not told."""
    interval = second(0)
    names = {measure.name for measure in measures_of(moment_of(interval, interval, config_of(qps="")))}
    assert "target_qps" not in names
    assert "part_iterations_started" not in names
