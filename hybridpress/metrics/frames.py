"""A result as tables: plain rows, or those of pandas, which is imported when it is asked for."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, NamedTuple

from hybridpress.errors import UsageError
from hybridpress.metrics.result import IntervalResult, Result, Times, key_of

if TYPE_CHECKING:
    from pandas import DataFrame

_TEXTS = ("histogram", "step_histograms")
_COUNTS = ("count", "failed", "bytes_in", "bytes_out")
INTERVAL_COLUMNS = [field.name for field in fields(IntervalResult) if field.name not in _TEXTS]


class Frames(NamedTuple):
    """`intervals`: a row a second, by `at_s`. `steps`: a row a step, by name, its times as columns such as "p99_ms"."""

    intervals: DataFrame
    steps: DataFrame


def frames_of(result: Result) -> Frames:
    """The tables of *result*. Columns are there even where there are no rows.

    Raises:
        UsageError: pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise UsageError("Result.to_pandas() needs pandas: pip install 'hybridpress[pandas]'") from error
    steps = step_rows(result)
    return Frames(
        pd.DataFrame(interval_rows(result), columns=INTERVAL_COLUMNS).set_index("at_s"),
        pd.DataFrame(list(steps.values()), index=pd.Index(list(steps), name="step"), columns=STEP_COLUMNS),
    )


def interval_rows(result: Result) -> list[dict[str, Any]]:
    """A row a second, by INTERVAL_COLUMNS."""
    return [{name: getattr(second, name) for name in INTERVAL_COLUMNS} for second in result.intervals]


def step_rows(result: Result) -> dict[str, dict[str, Any]]:
    """A row a step, by its name and STEP_COLUMNS."""
    return {
        name: {**{count: getattr(step, count) for count in _COUNTS}, **_times_columns(step.response_time_ms)}
        for name, step in result.steps.items()
    }


def _times_columns(times: Times) -> dict[str, Any]:
    return {
        f"{key_of(times, field.name)}_ms": getattr(times, field.name)
        for field in fields(times)
        if field.name not in {"count", "over_range"}
    }


STEP_COLUMNS = [*_COUNTS, *_times_columns(Times())]
