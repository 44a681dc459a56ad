"""`hybridpress report`: from a result file to any output that needs no more than the result."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from hybridpress.cli.run import as_option, given
from hybridpress.config import knobs_by_name
from hybridpress.errors import EXIT_BROKEN, HybridpressError, UsageError
from hybridpress.metrics.result import Result
from hybridpress.report.output import Output
from hybridpress.report.terminal import write_summary
from hybridpress.report.wanted import FROM_A_RESULT, written_by


@click.command()
@click.argument("file", type=click.Path())
@click.pass_context
def report(ctx: click.Context, /, file: str, **flags: Any) -> None:
    """Make outputs from FILE, a result that `--json` wrote; without any option, print the summary.

    \b
    hybridpress report result.json --junit tests.xml --markdown github
    """  # noqa: D301 (\b is click's mark for a paragraph that is not to be filled)
    outputs: list[Output] = []
    mistakes: list[str] = []
    for name, value in given(flags).items():
        knob = knobs_by_name()[name]
        try:
            outputs += written_by(name, knob.parse(value))
        except UsageError as error:
            mistakes += [f"{knob.flag} {mistake}" for mistake in error.mistakes]
    result = None
    try:
        result = Result.load(Path(file))
    except UsageError as error:
        mistakes += error.mistakes
    if mistakes or result is None:
        raise UsageError(mistakes)
    if not outputs:
        write_summary(result, sys.stdout)
    for output in outputs:
        try:
            output.finished(result)
        except HybridpressError as error:
            click.echo(f"hybridpress: {output.name}: {error}", err=True)
            ctx.exit(EXIT_BROKEN)


for _name in FROM_A_RESULT:
    report = as_option(knobs_by_name()[_name])(report)
