"""--hlog: what HdrHistogram's own reader finds in the log."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader
from hypothesis import given
from hypothesis import strategies as st

from hybridpress.errors import HybridpressError
from hybridpress.metrics.histogram import HIGHEST_NS, Histogram
from hybridpress.metrics.interval import Interval, StepCounts
from hybridpress.report.hlog import HdrLog, compressed, head_of, lines_of
from tests.report.made import config_of, histogram_of, moment_of, result_of, second


def read(path: Path) -> list[HdrHistogram]:
    reader = HistogramLogReader(str(path), HdrHistogram(1, HIGHEST_NS // 1_000, 3))
    found = []
    while (histogram := reader.get_next_interval_histogram()) is not None:
        found.append(histogram)
    reader.close()
    return found


@pytest.mark.slow
@given(st.lists(st.one_of(st.integers(0, 5_000_000), st.integers(0, 2 * HIGHEST_NS)), max_size=50))
def test_the_same_counts(times_ns: list[int]) -> None:
    """Every place has its count, at the number that HdrHistogram gives it."""
    histogram = Histogram()
    histogram.add(np.array(times_ns, dtype=np.int64))
    found = HdrHistogram.decode(compressed(histogram).encode())
    assert found.get_total_count() == histogram.count
    places, counts = histogram.places()
    assert {index: count for index in range(found.counts_len) if (count := found.get_count_at_index(index))} == (
        dict(zip(places.tolist(), counts.tolist(), strict=True))
    )


@pytest.mark.slow
def test_the_same_percentiles(tmp_path: Path) -> None:
    """Its reader finds the same percentiles in every second, and in the sum of all."""
    rng = np.random.default_rng(1)
    seconds = [Interval(k, response=histogram_of(*rng.lognormal(k, 1.0, 10_000))) for k in range(3)]
    path = tmp_path / "run.hlog"
    path.write_text(head_of(1e9) + "\n".join(line for interval in seconds for line in lines_of(interval)))
    total, read_total = Histogram(), HdrHistogram(1, HIGHEST_NS // 1_000, 3)
    percents = (1, 50, 90, 99, 99.9, 99.99)
    for interval, found in zip(seconds, read(path), strict=True):
        total.merge(interval.response)
        read_total.add(found)
        assert found.get_start_time_stamp() == 1e12 + 1e3 * interval.index
        ours = interval.response.percentiles_ns(*percents)
        assert ours == [found.get_value_at_percentile(percent) * 1_000 + 999 for percent in percents]
    ours = total.percentiles_ns(*percents)
    assert ours == [read_total.get_value_at_percentile(percent) * 1_000 + 999 for percent in percents]


def test_the_output(tmp_path: Path) -> None:
    """A run's log: response times without a tag, the others and the steps with theirs; a tag has no comma or blank."""
    path = tmp_path / "run.hlog"
    path.write_text("old\n")
    log = HdrLog(str(path))
    log.started()
    total = Interval(0)
    intervals = [second(0, steps={"GET /a, b": StepCounts(2, times=histogram_of(1.5, 2.5))}), Interval(1)]
    for interval in intervals:
        log.second(moment_of(interval, total, config_of()))
    log.finished(result_of())
    log.close()
    lines = path.read_text().splitlines()
    assert lines[0] == "#[Histogram log format version 1.3]"
    assert re.fullmatch(r"#\[StartTime: \d+\.\d{3} \(seconds since epoch\), .* UTC \d{4}\]", lines[2])
    starts = [
        "0.000,1.000,100.000",
        "Tag=service,0.000",
        "Tag=lateness,0.000",
        "Tag=step:GET%20/a%2C%20b,0.000",
        "1.000",
    ]
    for line, start in zip(lines[5:], starts, strict=True):
        assert line.startswith(start + ",")
    found = read(path)
    assert [histogram.get_tag() for histogram in found] == [None, "service", "lateness", "step:GET%20/a%2C%20b", None]
    assert [histogram.get_total_count() for histogram in found] == [100, 100, 100, 2, 0]


@pytest.mark.parametrize("name", ["missing/run.hlog", "."])
def test_what_cannot_be_written(name: str, tmp_path: Path) -> None:
    """A log that cannot be written says so, with its path, and once."""
    log = HdrLog(str(tmp_path / name))
    log.started()
    with pytest.raises(HybridpressError, match="cannot write the log of histograms to"):
        log.finished(result_of())
    log.close()
