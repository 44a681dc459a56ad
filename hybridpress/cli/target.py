"""`hybridpress target`: the server to shoot at, in the foreground."""

from __future__ import annotations

import sys
from typing import Any

import click

from hybridpress.errors import HybridpressError


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="Port; 0 takes a free one."
)
@click.option(
    "--processes",
    type=click.IntRange(1, 256),
    default=1,
    show_default=True,
    help="Serving processes, which share the port.",
)
@click.option("--thrift-port", type=click.IntRange(0, 65535), help="Speak Thrift too, on this port.")
@click.option("--tcp-port", type=click.IntRange(0, 65535), help="Echo what comes over TCP to this port.")
@click.option("--udp-port", type=click.IntRange(0, 65535), help="Echo datagrams that come to this port.")
@click.option("--websocket-port", type=click.IntRange(0, 65535), help="Echo WebSocket messages on this port.")
@click.option("--grpc-port", type=click.IntRange(0, 65535), help="Speak gRPC too, on this port.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def target(host: str, port: int, processes: int, *, quiet: bool, **side_ports: int | None) -> None:
    """Serve HTTP, and other protocols if asked to, with known answers, to try a scenario on."""
    from hybridpress.target.server import Listening, serve

    def tell(listening: Listening) -> None:
        if not quiet:
            noun = "process" if processes == 1 else "processes"
            others = "".join(f", {side} on port {port}" for side, port in listening.ports.items())
            click.echo(f"listening on {listening.url}{others} ({processes} {noun}); Ctrl-C ends it")

    try:
        sides = {name.removesuffix("_port"): port for name, port in side_ports.items() if port is not None}
        stats = serve(host, port, processes, tell, sides=sides)
    except HybridpressError as error:
        click.echo(str(error), err=True)
        sys.exit(error.exit_code)
    if not quiet:
        click.echo(f"\n{summary(stats)}")


def summary(stats: dict[str, Any]) -> str:
    """What the target counted, in one line."""
    by_status = ", ".join(
        f"{'reset' if status == '0' else status}: {count:,}" for status, count in stats["statuses"].items()
    )
    line = f"answered {stats['requests']:,} requests over {stats['connections']['accepted']:,} connections"
    return f"{line} ({by_status})" if by_status else line
