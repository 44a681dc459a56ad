"""hybridpress and its peers side by side: one nginx, one core each, in turn, several rounds; see `bench/README.md`.

python bench/peers.py                                      everything; about half an hour
python bench/peers.py --rounds 1 --seconds 2 --only wrk,hybridpress --case get-64
python bench/peers.py --markdown bench/results/peers-….json
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness import surroundings
from peerbench import measure, report
from peerbench.cases import CASES, Case, json_text
from peerbench.peer import Peer, Run, UnavailableError
from peerbench.plain import PLAIN
from peerbench.scripted import SCRIPTED

from tests.support import programs
from tests.support.nginx import Nginx

PEERS = [*PLAIN[:1], *SCRIPTED[:1], *PLAIN[1:], *SCRIPTED[1:]]
"""In the order in which they run: those whose ratio matters most, next to each other."""
RESULTS = Path(__file__).parent / "results"
OVERHEAD_S = 1.0
"""What a run takes besides its seconds: start, end, nginx settling. For the estimate only."""
SETTLE_S = 0.2


def main() -> int:
    """Measure as the command line says, or render a results file."""
    arguments = parse(sys.argv[1:])
    if arguments.markdown is not None:
        print(report.markdown(json.loads(arguments.markdown.read_text())), end="")
        return 0
    if programs.find("nginx") is None:
        sys.exit("nginx is not installed (Debian: apt-get install nginx-light)")
    if not hasattr(os, "pidfd_open"):
        sys.exit("this bench needs Linux")
    return run_all(arguments)


def parse(words: list[str]) -> argparse.Namespace:
    """The command line; peers and cases by their names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="runs of each peer in each case (5)")
    parser.add_argument("--seconds", type=int, default=4, metavar="S", help="length of a run (4)")
    parser.add_argument("--only", metavar="PEER,…", help="of: " + ", ".join(peer.name for peer in PEERS))
    parser.add_argument(
        "--case", nargs="+", choices=[case.name for case in CASES], metavar="CASE", help="of: %(choices)s"
    )
    parser.add_argument("--no-install", action="store_true", help="leave out peers from PyPI that are not there yet")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the results go (bench/results/peers-….json)")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="only print a results file's tables")
    arguments = parser.parse_args(words)
    arguments.cases = [case for case in CASES if not arguments.case or case.name in arguments.case]
    names = [name.strip() for name in arguments.only.split(",")] if arguments.only else [peer.name for peer in PEERS]
    for name in names:
        if name not in {peer.name for peer in PEERS}:
            parser.error(f'--only: there is no peer "{name}"; there are {", ".join(peer.name for peer in PEERS)}')
    arguments.peers = [peer for peer in PEERS if peer.name in names]
    if arguments.rounds < 1 or arguments.seconds < 1:
        parser.error("--rounds and --seconds must be 1 or more")
    return arguments


def run_all(arguments: argparse.Namespace) -> int:
    """Every round of every case; the results file is written anew after each case, and on Ctrl-C."""
    found, skipped = find(arguments.peers, install=not arguments.no_install)
    cores = measure.Cores.choose()
    document = begin_document(arguments, found, skipped, cores)
    file: Path = (
        arguments.json
        or RESULTS / f"peers-{datetime.now(UTC):%Y%m%d-%H%M%S}-{str(document['commit']).rstrip('+')}.json"
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    tell_plan(arguments, found, skipped, cores)
    measure.adopt_orphans()
    if cores is not None:
        cores.pin_server()
    interrupted = False
    with tempfile.TemporaryDirectory(prefix="hp-peers-") as folder, measure.nginx() as server:
        body_file = Path(folder) / "body.json"
        body_file.write_text(json_text())
        try:
            for case in arguments.cases:
                run_case(case, arguments, found, document["rows"], server, body_file, cores)
                write(document, file)
        except KeyboardInterrupt:
            interrupted = True
            print("interrupted; what was measured so far:", flush=True)
    write(document, file)
    print("\n" + report.markdown(document))
    print(f"written to {file}")
    return 130 if interrupted else 0


def run_case(
    case: Case,
    arguments: argparse.Namespace,
    found: dict[str, tuple[Peer, str]],
    rows: list[dict[str, Any]],
    server: Nginx,
    body_file: Path,
    cores: measure.Cores | None,
) -> None:
    """All rounds of *case*: in each, every peer once, one after the other."""
    print(f"\n{case.name}: {case.title}", flush=True)
    peers = [(peer, program) for peer, program in found.values() if peer.suits(case)]
    for number in range(1, arguments.rounds + 1):
        for peer, program in peers:
            time.sleep(SETTLE_S)
            with tempfile.TemporaryDirectory(dir=body_file.parent) as folder:
                seconds = max(arguments.seconds, peer.at_least_s)
                run = Run(case, seconds, server.url, body_file, Path(folder))
                row = measure.measure(peer, program, run, number, server, cores)
            rows.append(asdict(row))
            print(progress(row, arguments.rounds), flush=True)


def progress(row: measure.Row, n_rounds: int) -> str:
    """One run in one line."""
    head = f"  {row.round}/{n_rounds} {row.peer:<12}"
    if row.complaint:
        return f"{head} failed: {row.complaint}"
    times = " / ".join("–" if value is None else f"{value:.2f}" for value in (row.p50_ms, row.p99_ms))
    return (
        f"{head} {row.requests_per_s:>9,.0f}/s {row.cpu_us:>7.1f} µs CPU a request {row.peak_mib:>6.0f} MiB"
        f"   p50 / p99 {times} ms" + (f"   {row.errors:,} errors" if row.errors else "")
    )


def find(peers: list[Peer], *, install: bool) -> tuple[dict[str, tuple[Peer, str]], dict[str, str]]:
    """Which of *peers* can be run, with their programs, and why the others cannot."""
    found: dict[str, tuple[Peer, str]] = {}
    skipped: dict[str, str] = {}
    for peer in peers:
        try:
            found[peer.name] = (peer, peer.source.find(install=install))
        except UnavailableError as why:
            skipped[peer.name] = str(why)
    return found, skipped


def begin_document(
    arguments: argparse.Namespace,
    found: dict[str, tuple[Peer, str]],
    skipped: dict[str, str],
    cores: measure.Cores | None,
) -> dict[str, Any]:
    """A results file without results: what is measured, with what, on what."""
    return {
        "bench": "peers",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        **surroundings(),
        "rounds": arguments.rounds,
        "seconds": arguments.seconds,
        "pinned": None if cores is None else {"server": cores.server, "peers": cores.peers},
        "cases": [{**asdict(case), "title": case.title} for case in arguments.cases],
        "connections": {case.name: case.connections for case in arguments.cases},
        "peers": {
            peer.name: {
                "version": peer.source.version(found[peer.name][1]) if peer.name in found else None,
                "scripted_in": peer.scripted_in,
                "length_by": peer.length_by,
                "latency_from": peer.latency_from,
                "note": peer.note,
            }
            for peer in arguments.peers
        },
        "skipped": skipped,
        "medians": {},
        "rows": [],
    }


def tell_plan(
    arguments: argparse.Namespace,
    found: dict[str, tuple[Peer, str]],
    skipped: dict[str, str],
    cores: measure.Cores | None,
) -> None:
    """What will be done, how long it takes, and what is missing."""
    runs = [peer for case in arguments.cases for peer, _ in found.values() if peer.suits(case)] * arguments.rounds
    estimate_s = sum(max(arguments.seconds, peer.at_least_s) + OVERHEAD_S + SETTLE_S for peer in runs)
    for name, why in skipped.items():
        print(f"without {name}: {why}")
    if cores is None:
        print("there is only one core to run on: nginx and the peers share it, nothing is pinned")
    else:
        print(f"nginx on core {cores.server}, the peers on core {cores.peers}, one after the other")
    print(f"{len(runs)} runs, about {estimate_s / 60:.0f} min", flush=True)


def write(document: dict[str, Any], file: Path) -> None:
    """Put what there is into *file*."""
    document["medians"] = report.medians(document)
    file.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
