"""`hybridpress demo`: the target and a press on it, in one command."""

from __future__ import annotations

import click

from hybridpress.press import Press, check


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
@click.pass_context
def demo(ctx: click.Context, qps: str | None, duration: str | None) -> None:
    """Start the built-in target on loopback, press it for some seconds, and print the summary."""
    from hybridpress.run import execute
    from hybridpress.target import Target

    with Target() as target:
        flags = {"host": target.url, "qps": qps, "duration": duration}
        finished = execute(Demo(), {name: value for name, value in flags.items() if value is not None})
        n_counted = target.stats()["requests"]
    click.echo(f"The target counted {n_counted:,} requests; hybridpress {finished.result.iterations.completed:,}.")
    ctx.exit(finished.exit_code)
