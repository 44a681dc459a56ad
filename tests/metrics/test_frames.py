"""Result.to_pandas: rows by second and by step, with the numbers of the result."""

from __future__ import annotations

import sys

import pytest

from hybridpress.errors import UsageError
from tests.report.made import result_of, second, steps

pytestmark = pytest.mark.slow


def test_tables() -> None:
    """A row a second and a row a step, by the names of the file."""
    result = result_of([second(0, steps=steps(2)), second(1)])
    intervals, by_step = result.to_pandas()
    assert intervals.index.tolist() == [0, 1]
    assert intervals["started"].sum() == result.iterations.started
    assert intervals["p99_ms"].tolist() == [interval.p99_ms for interval in result.intervals]
    assert by_step.loc["step 1", "count"] == 999
    assert by_step.loc["step 1", "p99.9_ms"] == result.steps["step 1"].response_time_ms.p99_9
    assert "histogram" not in intervals.columns


def test_empty_tables() -> None:
    """Of a run without steps the table has no rows, and its columns all the same."""
    steps_of_none = result_of([second(0)]).to_pandas().steps
    assert len(steps_of_none) == 0
    assert "p50_ms" in steps_of_none.columns


def test_without_pandas(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has no pandas is told what to install."""
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UsageError, match=r"pip install 'hybridpress\[pandas\]'"):
        result_of().to_pandas()
