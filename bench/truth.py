"""Truths against measurements: servers whose times follow from arithmetic, by hybridpress and by its peers.

PYTHONPATH=. python bench/truth.py                       all: two minutes and a half
PYTHONPATH=. python bench/truth.py --only hybridpress,k6

Prints the table, and writes bench/results/truth.json.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from harness import surroundings
from peerbench.cases import Case
from peerbench.peer import Peer, Run, UnavailableError
from peerbench.plain import PLAIN
from peerbench.scripted import SCRIPTED

from tests.support.truthful import TruthfulServer
from tests.truth import laws
from tests.truth.runs import precedence, press
from tests.truth.test_queues import QUEUES

RESULTS = Path(__file__).parent / "results" / "truth.json"
PEERS = [peer for peer in (*PLAIN, *SCRIPTED) if peer.can_pace and peer.name in {"wrk2", "vegeta", "k6", "hey"}]
PERCENTS = (50, 90, 99)


@dataclass(frozen=True)
class Server:
    """A server, the load on it, and the truth about the response time, in ms by percent."""

    title: str
    model: str
    arguments: dict[str, Any]
    rate_per_s: int
    connections: int
    seconds: int
    truth_ms: Callable[[], dict[int, float]]


def _of(times_ms: Sequence[float] | laws.Floats) -> dict[int, float]:
    return {percent: laws.percentile(times_ms, percent) for percent in PERCENTS}


def _frozen(rate_per_s: int, connections: int) -> Callable[[], dict[int, float]]:
    due_s = np.arange(10 * rate_per_s) / rate_per_s
    return lambda: _of(1e3 * laws.frozen(due_s, 0.04, connections, 4.0, 6.0)[0])


SERVERS = [
    Server("always 30 ms", "fixed", {"ms": 30}, 100, 40, 5, lambda: _of([30.0])),
    Server(
        "30 ms, 12 % take 120 ms",
        "two_points",
        {"fast_ms": 30, "slow_ms": 120, "n_slow": 3, "of": 25},
        100,
        60,
        5,
        lambda: _of([30.0] * 22 + [120.0] * 3),
    ),
    Server(
        "40 ms, frozen from 4 to 6 of 10 s, 200 slots",
        "frozen",
        {"ms": 40, "after_s": 4.0, "for_s": 2.0},
        50,
        200,
        10,
        _frozen(50, 200),
    ),
    Server(
        "40 ms, frozen from 4 to 6 of 10 s, 4 slots",
        "frozen",
        {"ms": 40, "after_s": 4.0, "for_s": 2.0},
        50,
        4,
        10,
        _frozen(50, 4),
    ),
]


@dataclass(frozen=True)
class Row:
    """What one tool measured of one server, beside the truth; None where it does not tell."""

    server: str
    tool: str
    p50_ms: float | None
    p90_ms: float | None
    p99_ms: float | None


def rows_of(server: Server, tools: Sequence[str], folder: Path) -> Iterator[Row]:
    """The truth, then each tool in turn."""
    truth = server.truth_ms()
    yield Row(server.title, "truth", truth[50], truth[90], truth[99])
    if "hybridpress" in tools:
        words = ["--qps", str(server.rate_per_s), "--concurrent", str(server.connections)]
        found = press(folder, server.model, server.arguments, *words, "--duration", f"{server.seconds}s").result
        for name, times in (("response", found.response_time_ms), ("service", found.service_time_ms)):
            yield Row(server.title, f"hybridpress, {name} time", times.p50, times.p90, times.p99)
    for peer in PEERS:
        if peer.name not in tools:
            continue
        try:
            yield _of_peer(peer, server, folder)
        except UnavailableError as error:
            print(f"{peer.name}: {error}")


def _of_peer(peer: Peer, server: Server, folder: Path) -> Row:
    program = peer.source.find(install=True)
    case = Case("truth", "get", server.connections, server.rate_per_s)
    body_file = folder / "body"
    body_file.write_text("{}")
    with precedence(), TruthfulServer(folder, server.model, **server.arguments) as target:
        run = Run(case, max(server.seconds, peer.at_least_s), target.url, body_file, folder)
        done = subprocess.run(
            peer.command(program, run),
            env={"PATH": "/usr/bin:/bin", **run.environment()},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    said = peer.parse(done.stdout, run)
    return Row(server.title, peer.name, said.p50_ms, None, said.p99_ms)


def rows_of_queues(folder: Path) -> Iterator[Row]:
    """Each queue: its closed form, the truth of this very run, and what was measured."""
    for name, queue in QUEUES.items():
        closed = [queue.closed_ms(percent) for percent in PERCENTS]
        yield Row(name, "closed form, without end", *closed)
        exact = _of(queue.exact_ms())
        yield Row(name, "truth of these arrivals", exact[50], exact[90], exact[99])
        times = queue.make(folder).result.response_time_ms
        yield Row(name, "hybridpress, response time", times.p50, times.p90, times.p99)


def markdown(rows: Sequence[Row]) -> Iterator[str]:
    yield "| server | by | p50 | p90 | p99 |"
    yield "|---|---|---|---|---|"
    for row in rows:
        numbers = ("–" if ms is None else f"{ms:,.1f}" for ms in (row.p50_ms, row.p90_ms, row.p99_ms))
        yield f"| {row.server} | {row.tool} | {' | '.join(numbers)} |"


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(["hybridpress", *(peer.name for peer in PEERS)]), metavar="TOOL,…")
    tools = parser.parse_args().only.split(",")
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for server in SERVERS:
            rows += rows_of(server, tools, folder)
        if "hybridpress" in tools:
            rows += rows_of_queues(folder)
    print("\n".join(markdown(rows)))
    found = {"surroundings": surroundings(), "rows": [asdict(row) for row in rows]}
    RESULTS.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
