"""The CSV files, read back with the csv module."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from hybridpress.errors import HybridpressError
from hybridpress.metrics.interval import Interval
from hybridpress.report.csv import CsvFiles
from tests.report.made import hostile_result, result_of, second, steps


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file, strict=True))


@pytest.mark.parametrize("prefix", ["run", "run.csv"])
def test_every_second_and_every_step(prefix: str, tmp_path: Path) -> None:
    """A row each, with the numbers of the result; what was not measured is empty."""
    result = result_of([second(0, steps=steps(2)), second(1), Interval(2)])
    CsvFiles(str(tmp_path / prefix)).finished(result)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run_intervals.csv", "run_steps.csv"]
    seconds = read(tmp_path / "run_intervals.csv")
    assert [int(row["at_s"]) for row in seconds] == [0, 1, 2]
    assert sum(int(row["started"]) for row in seconds) == result.iterations.started == 10_000
    assert float(seconds[1]["p99_ms"]) == result.intervals[1].p99_ms
    assert seconds[2]["p99_ms"] == ""
    rows = {row["step"]: row for row in read(tmp_path / "run_steps.csv")}
    assert {name: int(row["count"]) for name, row in rows.items()} == {"step 0": 1_000, "step 1": 999}
    assert float(rows["step 1"]["p99.9_ms"]) == result.steps["step 1"].response_time_ms.p99_9


def test_hostile_names(tmp_path: Path) -> None:
    """Whatever a step is called, its name is read back; what no file can hold is a number."""
    result = hostile_result()
    names = ['a,"b"\nc', "é订单", "\udcff"]
    step = next(iter(result.steps.values()))
    result.steps.update(dict.fromkeys(names, step))
    CsvFiles(str(tmp_path / "run")).finished(result)
    found = [row["step"] for row in read(tmp_path / "run_steps.csv")]
    assert found == [*list(result.steps)[:-1], "\\udcff"]


def test_what_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(
        HybridpressError, match=r'cannot write the intervals to ".*/none/run_intervals\.csv": No such file'
    ):
        CsvFiles(str(tmp_path / "none" / "run")).finished(result_of())
