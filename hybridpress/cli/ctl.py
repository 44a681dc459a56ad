"""`hybridpress ctl`: changes a run that is under way."""

from __future__ import annotations

from pathlib import Path

import click

from hybridpress import control
from hybridpress.errors import UsageError
from hybridpress.units import format_count

_COMMANDS = {"qps": "RATE", "slots": "N", "pause": "", "resume": "", "stop": "", "status": ""}


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("command", metavar="COMMAND")
@click.argument("value", required=False)
@click.option("--pid", type=int, metavar="PID", help="Which run, by its process; needed where several are under way.")
@click.option("--control", "socket", type=click.Path(), metavar="FILE", help="Which run, by its --control FILE.")
def ctl(command: str, value: str | None, pid: int | None, socket: str | None) -> None:
    """Change a run while it runs, or ask where it is.

    \b
    hybridpress ctl qps 3000      so many iterations a second from now on; "+10%" and "-500" change what is
    hybridpress ctl slots 200     so many slots
    hybridpress ctl pause         start nothing, until
    hybridpress ctl resume
    hybridpress ctl stop          end it, and report
    hybridpress ctl status

    Every change is an event in the result. The same is done by keys on the terminal of the run: + and - change the QPS
    (or, unpaced, the slots) by a tenth, a number and Enter sets it, p pauses and goes on, q stops.
    """  # noqa: D301 (\b is click's mark for a paragraph that is not to be filled)
    _check(command, value)
    if pid is not None and socket is not None:
        raise UsageError("--pid and --control exclude each other; give one")
    path = Path(socket) if socket is not None else control.only() if pid is None else control.path_of(pid)
    reply = control.send(path, command if value is None else f"{command} {value}")
    if not reply["ok"]:
        raise UsageError(reply["text"])
    if reply["text"]:
        click.echo(reply["text"])
    else:
        for name, figure in reply["status"].items():
            shown = (
                format_count(figure)
                if isinstance(figure, int | float)
                else _UNKNOWN[name]
                if figure is None
                else figure
            )
            click.echo(f"{name:<10} {shown}")


_UNKNOWN = {"qps": "unpaced", "left_s": "unknown"}


def _check(command: str, value: str | None) -> None:
    if command not in _COMMANDS:
        raise UsageError(f'"{command}" is not a command; there are {", ".join(_COMMANDS)}')
    metavar = _COMMANDS[command]
    if metavar and value is None:
        raise UsageError(f"ctl {command} needs a {metavar}, such as: hybridpress ctl {command} 200")
    if not metavar and value is not None:
        raise UsageError(f'ctl {command} takes nothing after it, got "{value}"')
