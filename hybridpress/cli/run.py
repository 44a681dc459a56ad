"""`hybridpress run`: its options are RunConfig's knobs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from hybridpress.config import Knob, knobs


def _option(knob: Knob) -> Callable[[Any], Any]:
    """A knob as an option. Values stay words: RunConfig reads them, and tells all mistakes at once."""
    text = knob.help + (f"  [default: {knob.default_text}]" if knob.default_text else "")
    if knob.is_flag:
        return click.option(knob.flag, knob.name, is_flag=True, default=None, help=text)
    kind = click.Path() if knob.metavar == "FILE" else None
    return click.option(
        knob.flag, knob.name, type=kind, metavar=knob.metavar, multiple=knob.is_repeated, default=None, help=text
    )


def with_knobs(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give *command* every knob of a run as an option."""
    for knob in reversed(knobs().values()):
        command = _option(knob)(command)
    return command


def given(flags: dict[str, Any]) -> dict[str, Any]:
    """Those flags that were given."""
    return {name: value for name, value in flags.items() if value is not None and value != ()}


@click.command()
@click.argument("scenario", metavar="FILE[:Class]", type=click.Path())
@click.option("--once", is_flag=True, help="Run one iteration in this process and print its requests and replies.")
@with_knobs
@click.pass_context
def run(ctx: click.Context, /, scenario: str, once: bool, **flags: Any) -> None:
    """Press a server with the scenario in FILE.

    \b
    hybridpress run scenarios/http_get.py --host http://127.0.0.1:8080 --qps 500 --concurrent 20 --duration 10s
    hybridpress run scenarios/login_flow.py:LoginFlow --host http://127.0.0.1:8080 --once

    Exit codes: 0 done, 1 the run broke, 2 bad usage or a bad scenario (nothing was sent), 3 the verdict on the
    generator is "invalid", 130 interrupted (results are still written). Ctrl-C once waits for what is in flight and
    reports; twice ends at once.
    """  # noqa: D301 (\b is click's mark for a paragraph that is not to be filled)
    from hybridpress.run import execute, execute_once
    from hybridpress.scenario import load

    press = load(scenario)
    if once:
        ctx.exit(execute_once(press, given(flags)))
    finished = execute(press, given(flags))
    if finished.complaint is not None:
        click.echo(f"hybridpress: {finished.complaint}", err=True)
    ctx.exit(finished.exit_code)
