"""The report as a file, when the run is over."""

from __future__ import annotations

from hybridpress.metrics.result import Result
from hybridpress.report.files import write_whole
from hybridpress.report.output import Output
from hybridpress.report.page.report import report_page


class HtmlFile(Output):
    """Writes the report to a file when the run is over."""

    name = "--html"

    def __init__(self, path: str) -> None:
        self._path = path

    def finished(self, result: Result) -> None:
        write_page(result, self._path)


def write_page(result: Result, path: str) -> None:
    """Write the report on *result* to *path*, whole or not at all.

    Raises:
        HybridpressError: it cannot be written; the message names *path* and says why.
    """
    write_whole(report_page(result), path, "the report")
