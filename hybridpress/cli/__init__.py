"""The command line: from words to settings. One module a command, imported when it is asked for."""

from __future__ import annotations

import gc
import importlib
import sys
from typing import Any

import click

from hybridpress import __version__
from hybridpress.errors import EXIT_INTERRUPTED, EXIT_USAGE, HybridpressError, UsageError

COMMANDS = {
    "run": "Press a server with a scenario.",
    "search": "Find the highest QPS that keeps the objectives.",
    "compare": "Tell what changed from one result to another, and what is noise.",
    "ui": "Open a page on which runs are started, followed and changed.",
    "ctl": "Change a run while it runs, or ask where it is.",
    "report": "Make outputs from a result file.",
    "target": "Serve known answers over HTTP, to shoot at.",
    "demo": "Start the target, press it for some seconds, print the summary, write the report.",
    "init": "Write a scenario to start from.",
}
"""Each command, its module's name in this package, and what it is for."""
_GC_THRESHOLDS = (50_000, 20, 100)


class _Commands(click.Group):
    """Imports a command's module when the command is asked for, so that the others cost nothing."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"hybridpress.cli.{cmd_name}")
        command: click.Command = getattr(module, cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _tell_version(ctx: click.Context, _: click.Parameter, is_asked: bool) -> None:
    if not is_asked or ctx.resilient_parsing:
        return
    import platform

    from hybridpress.hot import IS_COMPILED

    hot = "hot path compiled" if IS_COMPILED else "hot path in Python: slower, see README"
    click.echo(f"hybridpress {__version__} ({hot}; {platform.python_implementation()} {platform.python_version()})")
    ctx.exit()


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_tell_version, help="Tell the version."
)
def cli() -> None:
    """A stress tester for servers: scenarios in async Python, the QPS held over many processes, honest numbers."""


def main(args: list[str] | None = None) -> Any:
    """Run the command line and exit with its code."""
    # Nothing that a command imports is garbage: looking through it again and again takes 7 ms, and a last time, when
    # the interpreter ends, 25 ms.
    gc.set_threshold(*_GC_THRESHOLDS)
    try:
        sys.exit(cli.main(args, prog_name="hybridpress", standalone_mode=False) or 0)
    except UsageError as error:
        for mistake in error.mistakes:
            click.echo(f"hybridpress: {mistake}", err=True)
        sys.exit(error.exit_code)
    except HybridpressError as error:
        click.echo(f"hybridpress: {error}", err=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(EXIT_USAGE)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(EXIT_INTERRUPTED)
    except BrokenPipeError:
        # Whoever read our output is gone; there is nobody to complain to.
        sys.stderr.close()
        sys.exit(1)
    finally:
        gc.freeze()
