"""The target as a program for programs: says where it listens in one line of JSON, ends when its stdin does."""

from __future__ import annotations

import argparse
import json
import sys

from hybridpress.errors import HybridpressError
from hybridpress.target.server import Listening, serve
from hybridpress.target.sides import SIDES


def main() -> int:
    """Serve; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m hybridpress.target", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0, the default, takes a free one")
    parser.add_argument("--processes", type=int, default=1)
    for side in SIDES:
        parser.add_argument(f"--{side}-port", type=int, help="0 takes a free one; left out, it is not spoken")
    arguments = parser.parse_args()
    asked = {side: getattr(arguments, f"{side}_port") for side in SIDES}
    sides = {side: port for side, port in asked.items() if port is not None}
    try:
        serve(arguments.host, arguments.port, arguments.processes, _announce, life_line=sys.stdin.fileno(), sides=sides)
    except HybridpressError as error:
        _say({"error": str(error)})
        return error.exit_code
    return 0


def _announce(listening: Listening) -> None:
    _say(
        {
            "url": listening.url,
            "host": listening.host,
            "port": listening.port,
            "pids": listening.pids,
            "ports": listening.ports,
        }
    )


def _say(message: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
