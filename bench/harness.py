"""How a bench of one hot module runs: alone with many rounds, under pytest with few so that it cannot rot.

A round is many operations timed together; told are the median over the rounds and their spread, in ns per operation.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

ROUNDS = 30
ROUNDS_UNDER_PYTEST = 2


@dataclass(frozen=True, slots=True)
class Measured:
    """One operation: the median, the lowest and the highest of its rounds, in ns."""

    name: str
    n_rounds: int
    operations_a_round: int
    median_ns: float
    lowest_ns: float
    highest_ns: float

    def __str__(self) -> str:
        spread = f"{self.lowest_ns:.1f} to {self.highest_ns:.1f}"
        return f"{self.name:<40} {self.median_ns:>10.1f} ns  ({spread}, {self.n_rounds} rounds)"


Bench = Callable[[int], Measured]
"""Measures one operation in so many rounds, and asserts that it counted right."""


def measure(
    name: str,
    n_rounds: int,
    operations: int,
    run: Callable[[Any], object],
    set_up: Callable[[], Any] = lambda: None,
    check: Callable[[Any], None] = lambda state: None,
) -> Measured:
    """Time *run* in each round on a fresh state of *set_up*; *check* it afterwards. Only *run* is timed.

    The first round warms up and is not counted.
    """
    found = []
    for _ in range(n_rounds + 1):
        state = set_up()
        begun_ns = time.perf_counter_ns()
        run(state)
        found.append((time.perf_counter_ns() - begun_ns) / operations)
        check(state)
    found = found[1:]
    return Measured(name, n_rounds, operations, statistics.median(found), min(found), max(found))


def main(
    benches: Sequence[Callable[[int], Any]],
    description: str = "Measures ns per operation: median and spread over rounds.",
    rounds: int = ROUNDS,
) -> None:
    """Run *benches* as a script, each in so many rounds: print its result, a dataclass; all go to `--json FILE`."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--rounds", type=int, default=rounds, help=f"rounds of each operation ({rounds})")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results to this file")
    arguments = parser.parse_args()
    found = []
    for bench in benches:
        measured = bench(arguments.rounds)
        print(measured, flush=True)
        found.append(measured)
    if arguments.json is not None:
        document = {**surroundings(), "results": [asdict(measured) for measured in found]}
        arguments.json.write_text(json.dumps(document, indent=2) + "\n")


def surroundings() -> dict[str, Any]:
    """What a number depends on besides the code: the commit, Python, the packages and the machine."""
    return {
        "commit": _commit(),
        "python": platform.python_version(),
        "implementation": sys.implementation.name,
        "uvloop": metadata.version("uvloop"),
        "numpy": metadata.version("numpy"),
        "machine": {
            "system": f"{platform.system()} {platform.release()}",
            "architecture": platform.machine(),
            "cpu": _cpu(),
            "cpus": os.cpu_count(),
        },
    }


def _commit() -> str | None:
    """The commit that was measured; "+" when files differ from it. None outside a repository."""

    def git(*words: str) -> str:
        where = Path(__file__).parent
        return subprocess.run(["git", *words], cwd=where, capture_output=True, text=True, check=True).stdout.strip()

    try:
        return git("rev-parse", "--short=12", "HEAD") + ("+" if git("status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
