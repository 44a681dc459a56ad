"""`hybridpress search`: finds the highest QPS that keeps the objectives."""

from __future__ import annotations

from typing import Any

import click

from hybridpress.cli.run import KnobCommand, given, with_knobs


@click.command(cls=KnobCommand)
@click.argument("scenario", metavar="FILE[:Class]", type=click.Path())
@click.option("--slo", multiple=True, metavar="OBJECTIVE", help="What must hold: 'p99<50ms', 'failed<0.1%'; repeat it.")
@click.option("--precision", default="5%", metavar="PART", help="How near the answer is to be.  [default: 5%]")
@click.option("--max-qps", metavar="RATE", help="Try nothing above this.")
@click.option("--settle", default="2s", metavar="TIME", help="At the beginning of a step, not judged.  [default: 2s]")
@click.option("--step", default="5s", metavar="TIME", help="How long a step is judged.  [default: 5s]")
@click.option("--max-steps", default="30", metavar="N", help="Stop after so many steps.  [default: 30]")
@with_knobs
@click.pass_context
def search(
    ctx: click.Context,
    /,
    scenario: str,
    slo: tuple[str, ...],
    precision: str,
    max_qps: str | None,
    settle: str,
    step: str,
    max_steps: str,
    **flags: Any,
) -> None:
    """Find the highest QPS at which the scenario in FILE keeps the objectives.

    \b
    hybridpress search scenarios/http_get.py --host http://127.0.0.1:8080 --slo 'p99<50ms' --slo 'failed<0.1%'

    One run with the same workers: the rate doubles from --qps on (default 100) until an objective breaks, then what
    lies between is halved until it is as near as --precision, and the answer is tried once more. Give it enough slots
    (--concurrent): a rate that could not be delivered is never taken for the server's limit, and is told.

    Exit codes: 0 a rate was found, 99 no rate kept the objectives, otherwise those of `hybridpress run`.
    """  # noqa: D301 (\b is click's mark for a paragraph that is not to be filled)
    from hybridpress.run import execute_search
    from hybridpress.scenario import load

    wanted = {"slo": slo, "precision": precision, "max_qps": max_qps, "settle": settle, "step": step}
    finished = execute_search(load(scenario), given(flags), wanted | {"max_steps": max_steps})
    if finished.complaint is not None:
        click.echo(f"hybridpress: {finished.complaint}", err=True)
    ctx.exit(finished.exit_code)
