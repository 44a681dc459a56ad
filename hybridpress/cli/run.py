"""`hybridpress run`: its options are RunConfig's knobs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from hybridpress.config import GROUPS, Knob, knobs, knobs_of
from hybridpress.errors import ScenarioError, UsageError

if TYPE_CHECKING:
    from hybridpress.press import Press


def as_option(knob: Knob) -> Callable[[Any], Any]:
    """A knob as an option. Values stay words: RunConfig reads them, and tells all mistakes at once."""
    text = knob.help + (f"  [default: {knob.default_text}]" if knob.default_text else "")
    if knob.is_flag:
        return click.option(knob.flag, knob.name, is_flag=True, default=None, help=text)
    if knob.bare:
        return click.option(
            knob.flag, knob.name, is_flag=False, flag_value=knob.bare, metavar=knob.metavar, default=None, help=text
        )
    kind = click.Path() if knob.metavar == "FILE" else None
    return click.option(
        knob.flag, knob.name, type=kind, metavar=knob.metavar, multiple=knob.is_repeated, default=None, help=text
    )


def with_knobs(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give *command* every knob of a run as an option."""
    for knob in reversed(knobs().values()):
        command = as_option(knob)(command)
    return command


class KnobCommand(click.Command):
    """A command with the knobs of a run: its help has its own options first, then the knobs by what they are about."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        titles = {knob.name: title for title, settings in GROUPS.items() for knob in knobs_of(settings).values()}
        sections: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            if (record := param.get_help_record(ctx)) is not None:
                sections.setdefault(titles.get(param.name or "", "Options"), []).append(record)
        for title in ("Options", *GROUPS):
            with formatter.section(title):
                formatter.write_dl(sections.get(title, []))


def given(flags: dict[str, Any]) -> dict[str, Any]:
    """Those flags that were given."""
    return {name: value for name, value in flags.items() if value is not None and value != ()}


def loaded(specs: Sequence[str]) -> Press:
    """The one scenario, or the mix, that "FILE[:Class][=WEIGHT]" name.

    Raises:
        ScenarioError: all that is wrong with them.
    """
    from hybridpress.mixed import MixedPress
    from hybridpress.scenario import load

    parts: list[tuple[Press, float | None]] = []
    mistakes: list[str] = []
    for spec in specs:
        file, weight = _weighed(spec)
        try:
            parts.append((load(file), weight))
        except UsageError as error:
            mistakes += error.mistakes
    if mistakes:
        raise ScenarioError(mistakes)
    if len(parts) == 1 and parts[0][1] is None:
        return parts[0][0]
    return MixedPress(dict(parts)) if any(weight is not None for _, weight in parts) else MixedPress([*dict(parts)])


def _weighed(spec: str) -> tuple[str, float | None]:
    """FILE[:Class] and the weight, of "FILE[:Class]=WEIGHT"; a file may have such a name itself."""
    from pathlib import Path

    file, equals, weight = spec.rpartition("=")
    if not equals or Path(spec).is_file():
        return spec, None
    try:
        number = float(weight)
    except ValueError:
        raise ScenarioError(f'the weight in "{spec}" must be a number above 0, got "{weight}"') from None
    return file, int(number) if number.is_integer() else number


@click.command(cls=KnobCommand)
@click.argument("scenarios", metavar="FILE[:Class][=WEIGHT]…", type=click.Path(), nargs=-1, required=True)
@click.option("--once", is_flag=True, help="Run one iteration in this process and print its requests and replies.")
@with_knobs
@click.pass_context
def run(ctx: click.Context, /, scenarios: tuple[str, ...], once: bool, **flags: Any) -> None:
    """Press a server with the scenario in FILE, or with several at once, mixed by weights or by their word tables.

    \b
    hybridpress run scenarios/http_get.py --host http://127.0.0.1:8080 --qps 500 --concurrent 20 --duration 10s
    hybridpress run scenarios/login_flow.py:LoginFlow --host http://127.0.0.1:8080 --once
    hybridpress run a.py:QueryVm=7 b.py:QueryEip=3 --qps 100

    Exit codes: 0 done, 1 the run broke, 2 bad usage or a bad scenario (nothing was sent), 3 the verdict on the
    generator is "invalid", 99 a threshold does not hold, 130 interrupted (results are still written). Ctrl-C once waits
    for what is in flight and reports; twice ends at once.
    """  # noqa: D301 (\b is click's mark for a paragraph that is not to be filled)
    from hybridpress.run import execute, execute_once

    press = loaded(scenarios)
    if once:
        ctx.exit(execute_once(press, given(flags)))
    finished = execute(press, given(flags))
    if finished.complaint is not None:
        click.echo(f"hybridpress: {finished.complaint}", err=True)
    ctx.exit(finished.exit_code)
