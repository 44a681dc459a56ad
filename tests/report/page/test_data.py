"""What a page is given: numbers that agree with the result, in a form that no browser runs."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridpress.errors import HybridpressError
from hybridpress.metrics.histogram import Histogram, highest_us
from hybridpress.metrics.result import Result
from hybridpress.metrics.seconds import span_of
from hybridpress.report.page import HtmlFile, comparison_page, data, report_page, write_page
from hybridpress.report.page.data import (
    curve_of,
    curve_of_times,
    heat_bins,
    heat_of,
    percent_of,
    seconds_of,
    told_setting,
)
from hybridpress.report.page.document import CHART_STYLES, CHARTS, asset, clean, embedded
from tests.report.made import histogram_of, result_of, second
from tests.report.page.runs import SCRIPTS, hostile_result, hour_result, lively_result

times_ms = st.lists(st.floats(0, 4_000_000), min_size=1, max_size=50)


def test_seconds() -> None:
    """Each field of the intervals is a list; what no second has is left out."""
    result = result_of([second(0), second(1)])
    found = seconds_of(result)
    assert found["at_s"] == [0, 1]
    assert found["started"] == [5_000, 5_000]
    assert found["target_qps"] == [5_000.0, 5_000.0]
    assert found["p99_ms"] == [pytest.approx(99.0, rel=0.001)] * 2
    assert found["cpu_pct"] == [40.0, 40.0]
    assert "errors" not in found
    bare = dataclasses.replace(result.intervals[0], cpu_pct=None)
    assert "cpu_pct" not in seconds_of(dataclasses.replace(result, intervals=[bare]))


def test_after_the_load() -> None:
    """When the load has ended nothing is planned or started; of a part of a second the rate is told, if it is large."""
    result = dataclasses.replace(result_of([second(0), second(1), second(2, started=0)]), duration_s=1.8)
    assert seconds_of(result)["started"] == [5_000, 6_250.0, None]
    assert seconds_of(result)["target_qps"] == [5_000.0, 5_000.0, None]
    assert seconds_of(result)["completed"] == [4_990, pytest.approx(6_237, 0.001), None]
    assert seconds_of(result)["failed"][2] == 10
    assert seconds_of(dataclasses.replace(result, duration_s=1.2))["started"] == [5_000, None, None]
    assert seconds_of(dataclasses.replace(result, duration_s=0.5))["started"][0] == 10_000


def test_a_long_run_is_made_shorter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of it is lost: rates are means, percentiles those of the merged histograms, the longest time stays."""
    monkeypatch.setattr(data, "MOST_SECONDS", 100)
    short = lively_result(4, each=50)
    k, (a, b) = 4, short.intervals[:2]
    n_seconds = 200
    intervals = [dataclasses.replace((a, b)[i % 2], at_s=i) for i in range(n_seconds)]
    found = seconds_of(dataclasses.replace(short, intervals=intervals, duration_s=float(n_seconds)))
    assert len(found["at_s"]) == 100
    assert found["at_s"][:3] == [0, 2, 4]
    assert sum(found["completed"]) * 2 == pytest.approx(sum(second.completed for second in intervals), rel=0.001)
    both = Histogram()
    for one in (a, b):
        assert one.histogram is not None
        both.merge(Histogram.decode(one.histogram))
    expected = both.percentiles_ns(99)
    assert expected is not None
    assert found["p99_ms"][k] == pytest.approx(expected[0] / 1e6, rel=0.001)
    assert found["max_ms"][k] == pytest.approx(max(a.max_ms or 0, b.max_ms or 0), rel=0.001)


def test_intervals_of_several_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rates are by their length, also where points are of several lengths and where the load ends within one; no column
    of the heat map has more of them than another.
    """
    monkeypatch.setattr(data, "MOST_SECONDS", 20)
    monkeypatch.setattr(data, "MOST_COLUMNS", 4)
    own = [second(k) for k in range(41)]
    fine = result_of(own)
    kept = fine.intervals
    coarse = [span_of(kept[:10]), span_of(kept[10:20]), *kept[20:]]
    result = dataclasses.replace(fine, intervals=coarse, duration_s=40.6)
    found = seconds_of(result)
    assert found["at_s"][:4] == [0, 10, 20, 21]
    assert set(found["started"][:-1]) == {5_000.0}
    assert found["target_qps"] == [5_000.0] * len(found["at_s"])
    heat = heat_of(coarse)
    assert heat is not None
    assert (heat["x"], heat["span_s"]) == ([0, 20, 40], 20)


@given(times_ms)
def test_no_time_is_missing_in_the_heat_map(times: list[float]) -> None:
    """Counts add up, and each time lies in its row, as the script reads it."""
    histogram = histogram_of(*times)
    flat = heat_bins(histogram)
    bins, counts = flat[::2], flat[1::2]
    assert sum(counts) == len(times)
    assert bins == sorted(set(bins))
    for ms in times:
        us = min(int(ms * 1e6) // 1_000, 3_600_000_000)
        assert any(_edge_us(b) <= us < _edge_us(b + 1) for b in bins)
    assert all(_edge_us(b + 1) - 1 == highest_us(b, 3) for b in bins)


def _edge_us(row: int) -> int:
    """As in shapes.js."""
    shift = max((row >> 2) - 1, 0)
    return (row - 4 * shift) << shift


@pytest.mark.slow
def test_the_heat_map_of_an_hour() -> None:
    """It has no more columns than can be told apart, and all iterations are in it."""
    result = hour_result()
    heat = heat_of(result.intervals)
    assert heat is not None
    assert len(heat["x"]) == len(heat["bins"]) == 300
    assert heat["span_s"] == 12
    n = sum(sum(column[1::2]) for column in heat["bins"])
    assert n == sum(second.completed + second.failed for second in result.intervals)
    assert heat_of([]) is None


@given(times_ms)
def test_the_curve(times: list[float]) -> None:
    """It begins at the shortest time, ends at the longest, and never falls; no point says more than was counted."""
    histogram = histogram_of(*times)
    points = curve_of(histogram)
    percents, ms = [point[0] for point in points], [point[1] for point in points]
    assert percents == sorted(percents)
    assert (ms[0], ms[-1]) == (float(f"{histogram.min_ns / 1e6:.4g}"), float(f"{histogram.max_ns / 1e6:.4g}")) or len(
        points
    ) == 1
    assert ms == sorted(ms)
    assert percents[-1] <= 100 * (1 - 1 / len(times)) + 1e-6


def test_the_curve_of_an_older_result() -> None:
    """Without histograms it has the few percentiles that are known, up to what the count can tell."""
    points = curve_of_times(result_of([second(0)]).response_time_ms)
    assert [percent for percent, _ in points] == [0.0, 50.0, 75.0, 90.0, 95.0, 99.0]
    assert curve_of(Histogram()) == []


def test_shares() -> None:
    assert percent_of(1, 3) == 33.3333
    assert percent_of(0, 0) is None


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("duration", 90.0, "1 min 30 s"),
        ("qps", 2_500.0, "2,500/s"),
        ("max_body", 64 * 2**20, "64.0 MiB"),
        ("seed", 12345, "12345"),
        ("cookies", False, "no"),
        ("host", None, "–"),
        ("host", "http://me:secret@h", "http://me:***@h"),
        ("stage", ["10s:500", "1m:2k"], "10s:500\n1m:2k"),
        ("param", {"size": 5}, "size=5"),
        ("unheard_of", 1.5, "1.5"),
    ],
)
def test_settings_have_their_units(name: str, value: object, told: str) -> None:
    assert told_setting(name, value) == told


@given(st.text() | st.sampled_from(SCRIPTS))
def test_data_cannot_end_its_element(text: str) -> None:
    """Whatever is in it, nothing of it is markup, and it comes back as text that can be shown."""
    found = embedded({text: [text, 2**70, float("nan"), None, True]})
    assert not {b"<", b">", b"&"} & {found[k : k + 1] for k in range(len(found))}
    assert "\u2028" not in found.decode()
    assert json.loads(found) == {clean(text): [clean(text), str(2**70), None, None, True]}


def test_what_cannot_be_seen() -> None:
    """Marks of direction, control characters and lone surrogates are told by number; lines stay lines."""
    assert clean("a\u202eb\x1b[2J\ud800\nc") == "a\\u202eb\\x1b[2J\\ud800\nc"


def test_secrets_are_not_in_the_page() -> None:
    """Neither those under a secret's name, nor a password in an address, nor in an error that names it."""
    result = lively_result(3)
    config = {**result.config, "param": {"token": "s3cr3t", "size": 5}, "host": "http://me:s3cr3t@h:80"}
    errors = [dataclasses.replace(error, message="http://me:s3cr3t@h refused") for error in result.errors]
    secretive = dataclasses.replace(result, config=config, errors=errors)
    for page in (report_page(secretive), comparison_page({"a": secretive, "b": result})):
        assert b"s3cr3t" not in page
        assert b"size" in page


def test_scripts_and_styles_cannot_end_their_elements() -> None:
    """They stand in the document as they are: "</" would end them."""
    for name in (*CHARTS, "parts.js", "report.js", "compare.js", *CHART_STYLES, "page.css"):
        text = asset(name)
        assert "</" not in text, name
        assert "innerHTML" not in text, name
        assert text.count("\n") <= 500, name


@pytest.mark.slow
def test_the_size_of_an_hour() -> None:
    """A page is small, also with 3,600 seconds in it."""
    assert len(report_page(hour_result())) < 1_500_000


def test_the_file(tmp_path: Path) -> None:
    """Written as any file of ours: whole, and to where it was asked for."""
    result = result_of()
    path = tmp_path / "report.html"
    HtmlFile(str(path)).finished(result)
    assert path.read_bytes() == report_page(result)
    with pytest.raises(HybridpressError, match=r'cannot write the report to ".*nowhere'):
        write_page(result, str(tmp_path / "nowhere" / "report.html"))


def test_any_result_makes_a_page() -> None:
    """Also one whose texts are hostile, one that is empty, and one with a seed that no script could read."""
    results: list[Result] = [hostile_result(), lively_result(2), result_of()]
    results.append(dataclasses.replace(results[1], intervals=[], workers=[], config={"seed": 2**80, "x": np.nan}))
    for result in results:
        assert report_page(result).startswith(b"<!DOCTYPE html>")
