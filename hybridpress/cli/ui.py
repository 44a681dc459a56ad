"""`hybridpress ui`: a page that starts runs of a scenario."""

from __future__ import annotations

from typing import Any

import click

from hybridpress.cli.run import KnobCommand, given, loaded, with_knobs


@click.command(cls=KnobCommand)
@click.argument("scenarios", metavar="FILE[:Class][=WEIGHT]…", type=click.Path(), nargs=-1, required=True)
@with_knobs
def ui(scenarios: tuple[str, ...], **flags: Any) -> None:
    """Open a page on which runs of the scenario in FILE are started, followed, changed and stopped, one after another.

    \b
    hybridpress ui scenarios/http_get.py --host http://127.0.0.1:8080 --qps 500

    Nothing is sent before Start is pressed. Settings that are given here stand in the page's form to begin with. A run
    is a process of its own and reads FILE anew: a scenario that was edited meanwhile is simply started again.

    The page is at --ui, by default 127.0.0.1:8089. At an address that others can reach it asks for a token, which is
    printed with the address. Ctrl-C ends the run that is under way, then the page.
    """  # noqa: D301 (\b is click's mark for a paragraph that is not to be filled)
    from hybridpress.run.page import serve_page

    serve_page(loaded(scenarios), scenarios, given(flags), click.echo)
