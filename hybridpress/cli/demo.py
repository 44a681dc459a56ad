"""`hybridpress demo`: the target and a press on it, in one command."""

from __future__ import annotations

import os
from pathlib import Path

import click

from hybridpress.press import Press, check

REPORT = "hybridpress-demo.html"


class Demo(Press):
    """What `hybridpress demo` presses with: two kinds of word, a named step, checks."""

    qps = 500
    concurrent = 20
    duration = "5s"

    def vocab(self) -> list[str]:
        return ["/", "/", "/json", "/bytes/1000"]

    async def press(self, word: str) -> None:
        reply = await self.http.get(word)
        check(reply.status == 200, "status is 200")


@click.command()
@click.option("--qps", metavar="RATE", help="Iterations a second.  [default: 500]")
@click.option("--duration", metavar="TIME", help="How long.  [default: 5s]")
@click.option("--html", type=click.Path(), metavar="FILE", help=f"Where the report goes.  [default: {REPORT}]")
@click.pass_context
def demo(ctx: click.Context, qps: str | None, duration: str | None, html: str | None) -> None:
    """Start the built-in target on loopback, press it for some seconds, print the summary, and write the report."""
    from hybridpress.run import execute
    from hybridpress.target import Target

    report = html or _where()
    with Target() as target:
        flags = {"host": target.url, "qps": qps, "duration": duration, "html": report}
        finished = execute(Demo(), {name: value for name, value in flags.items() if value is not None})
        n_counted = target.stats()["requests"]
    click.echo(f"The target counted {n_counted:,} requests; hybridpress {finished.result.iterations.completed:,}.")
    if finished.complaint is not None:
        click.echo(f"hybridpress: {finished.complaint}", err=True)
    else:
        click.echo(f"The report, for a browser: {Path(report).absolute().as_uri()}")
    ctx.exit(finished.exit_code)


def _where() -> str:
    """The file for the report: here, or, where nothing may be written, in a folder of its own among temporary files."""
    if os.access(Path.cwd(), os.W_OK):
        return REPORT
    import tempfile

    return str(Path(tempfile.mkdtemp(prefix="hybridpress-")) / REPORT)
