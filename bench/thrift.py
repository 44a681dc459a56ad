"""Thrift calls a second on one core: a press of ours, all accounting on, beside thriftpy2's own asyncio client.

Both make `add(1, 2)`, framed and binary, over 64 connections, against `hybridpress target --thrift-port` on the other
core. Each contender runs in a process of its own, in turns; told are medians with their spread, and the CPU of a call.

    PYTHONPATH=. .venv/bin/python bench/thrift.py [--rounds 5] [--seconds 3] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from harness import surroundings

from hybridpress.target import Target
from hybridpress.target.thrift import IDL

N_SLOTS = 64
OURS, THEIRS = "hybridpress, framed binary", "thriftpy2 asyncio, framed binary"
VARIANTS = {
    OURS: {},
    "hybridpress, buffered binary": {"transport": "buffered"},
    "hybridpress, framed compact": {"protocol": "compact"},
    "hybridpress, framed JSON": {"protocol": "json"},
}

PRESS = """
    from hybridpress import Press

    class Calls(Press):
        async def start(self):
            self.calc = self.thrift({idl!r}, "Calculator", port={port}, **{options!r})

        async def press(self):
            if await self.calc.add(1, 2) != 3:
                raise AssertionError
"""

PEER = """
    import asyncio, sys, time
    import thriftpy2, uvloop
    from thriftpy2.contrib.aio.protocol.binary import TAsyncBinaryProtocolFactory
    from thriftpy2.contrib.aio.rpc import make_client
    from thriftpy2.contrib.aio.transport.framed import TAsyncFramedTransportFactory

    async def slot(service, until):
        client = await make_client(service, "127.0.0.1", {port}, proto_factory=TAsyncBinaryProtocolFactory(),
                                   trans_factory=TAsyncFramedTransportFactory())
        n = 0
        while time.monotonic() < until:
            if await client.add(1, 2) != 3:
                raise AssertionError
            n += 1
        client.close()
        return n

    async def main():
        service = thriftpy2.load({idl!r}).Calculator
        until = time.monotonic() + {seconds}
        print(sum(await asyncio.gather(*(slot(service, until) for _ in range({n_slots})))))

    uvloop.run(main())
"""


@dataclass(frozen=True, slots=True)
class Pressed:
    """One contender: calls a second over its rounds, and µs of its CPU for a call."""

    name: str
    n_rounds: int
    calls_per_s: float
    lowest_per_s: float
    highest_per_s: float
    cpu_us: float

    def __str__(self) -> str:
        spread = f"{self.lowest_per_s:,.0f} to {self.highest_per_s:,.0f}"
        return f"{self.name:<34} {self.calls_per_s:>9,.0f} calls/s ({spread}), {self.cpu_us:5.1f} µs of CPU each"


def compare(rounds: int, seconds: float, names: Sequence[str]) -> list[Pressed]:
    """Press with each of *names* in turn, so many rounds."""
    rates: dict[str, list[float]] = {name: [] for name in names}
    costs: dict[str, list[float]] = {name: [] for name in names}
    ours, servers = _cores()
    with Target(sides=["thrift"]) as target, tempfile.TemporaryDirectory() as folder:
        for pid in target.pids:
            os.sched_setaffinity(pid, servers)
        for _ in range(rounds):
            for name in names:
                before = resource.getrusage(resource.RUSAGE_CHILDREN)
                n_calls = _one(name, target, Path(folder), seconds, ours)
                after = resource.getrusage(resource.RUSAGE_CHILDREN)
                cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
                rates[name].append(n_calls / seconds)
                costs[name].append(cpu_s / n_calls * 1e6)
    return [
        Pressed(name, rounds, statistics.median(found), min(found), max(found), statistics.median(costs[name]))
        for name, found in rates.items()
    ]


def _cores() -> tuple[set[int], set[int]]:
    cpus = sorted(os.sched_getaffinity(0))
    return {cpus[-1]}, {cpus[0]}


def _one(name: str, target: Target, folder: Path, seconds: float, cpus: set[int]) -> int:
    script, result = folder / "press.py", folder / "result.json"
    facts = {"idl": str(IDL), "port": target.ports["thrift"], "seconds": seconds, "n_slots": N_SLOTS}
    if name == THEIRS:
        script.write_text(textwrap.dedent(PEER).format(**facts))
        command = [sys.executable, str(script)]
    else:
        script.write_text(textwrap.dedent(PRESS).format(options=VARIANTS[name], **facts))
        command = [sys.executable, "-m", "hybridpress", "run", str(script), "--processes", "1", "--concurrent"]
        command += [str(N_SLOTS), "--duration", f"{int(seconds * 1000)}ms", "--quiet", "--json", str(result)]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=seconds + 60,
        check=False,
        preexec_fn=lambda: os.sched_setaffinity(0, cpus),
    )
    if name == THEIRS:
        assert done.returncode == 0, done.stderr
        return int(done.stdout)
    assert done.returncode in (0, 3), done.stderr
    iterations = json.loads(result.read_text())["iterations"]
    assert iterations["failed"] == 0, iterations
    return int(iterations["completed"])


def main() -> None:
    """Run it for real, and print; `--json` keeps it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each contender in each round")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results to this file")
    arguments = parser.parse_args()
    begun = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    found = compare(arguments.rounds, arguments.seconds, [*VARIANTS, THEIRS])
    for pressed in found:
        print(pressed, flush=True)
    by_name = {pressed.name: pressed for pressed in found}
    ratio = by_name[OURS].calls_per_s / by_name[THEIRS].calls_per_s
    saving = by_name[THEIRS].cpu_us / by_name[OURS].cpu_us
    print(f"ours by theirs: {ratio:.2f} times the calls, {saving:.2f} times for the same CPU")
    if arguments.json is not None:
        document = {**surroundings(), "begun_at": begun, "results": [asdict(pressed) for pressed in found]}
        arguments.json.write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main()
