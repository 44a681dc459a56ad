"""The result as two CSV files: PREFIX_intervals.csv with a row a second, PREFIX_steps.csv with a row a step.

The columns are those of the JSON file: times in ms, an empty field where nothing was measured.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hybridpress.metrics.frames import INTERVAL_COLUMNS, STEP_COLUMNS, interval_rows, step_rows
from hybridpress.metrics.result import Result
from hybridpress.report.files import write_whole
from hybridpress.report.output import Output
from hybridpress.report.safe import writable


class CsvFiles(Output):
    """Writes the files when the run is over. *prefix* may end in ".csv", which is then left out of it."""

    name = "--csv"

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix.removesuffix(".csv")

    def finished(self, result: Result) -> None:
        steps = [{"step": name, **row} for name, row in step_rows(result).items()]
        self._write("intervals", INTERVAL_COLUMNS, interval_rows(result))
        self._write("steps", ["step", *STEP_COLUMNS], steps)

    def _write(self, what: str, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
        text = io.StringIO()
        table = csv.DictWriter(text, columns, lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
        write_whole(writable(text.getvalue()).encode(), f"{self._prefix}_{what}.csv", f"the {what}")
