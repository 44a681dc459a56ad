"""The outputs that the settings of a run ask for. Each is imported only if it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hybridpress.config import RunConfig
from hybridpress.report.output import Output
from hybridpress.report.terminal import Terminal

FROM_A_RESULT = ("json", "html", "csv", "junit", "markdown")
"""Settings whose outputs need no more than the result: `hybridpress report` makes them from a file, too."""


def outputs_of(config: RunConfig) -> list[Output]:
    """All outputs that *config* asks for."""
    outputs = [output for name in FROM_A_RESULT for output in written_by(name, getattr(config, name))]
    outputs += _while_it_runs(config)
    # Last: where somebody has stopped the terminal, its summary may have to wait, and the files must not.
    return [*outputs, Terminal(config)]


def _while_it_runs(config: RunConfig) -> Iterator[Output]:
    if config.hlog is not None:
        from hybridpress.report.hlog import HdrLog

        yield HdrLog(config.hlog)
    if config.prometheus is not None:
        from hybridpress.report.prometheus import Prometheus

        yield Prometheus(config.prometheus)
    if config.otlp is not None:
        from hybridpress.report.otlp import Otlp

        yield Otlp(config.otlp, config.scenario)
    if config.influx is not None:
        from hybridpress.report.influx import Influx

        yield Influx(config.influx, config.scenario)
    if config.output:
        from hybridpress.report.installed import installed

        for name, argument in config.output:
            yield installed(name, argument, config)


def written_by(name: str, value: Any) -> Iterator[Output]:
    """What setting *name*, one of FROM_A_RESULT, asks for with *value*."""
    if value is None:
        return
    match name:
        case "json":
            from hybridpress.report.json import JsonFile

            yield JsonFile(value)
        case "html":
            from hybridpress.report.page import HtmlFile

            yield HtmlFile(value)
        case "csv":
            from hybridpress.report.csv import CsvFiles

            yield CsvFiles(value)
        case "junit":
            from hybridpress.report.junit import JunitFile

            yield JunitFile(value)
        case "markdown":
            from hybridpress.report.markdown import MarkdownFile

            yield from map(MarkdownFile, value)
