"""How fast the target answers, and at what cost: wrk on one core, the target on another.

`python bench/test_target.py [--seconds 5] [--rounds 5] [--json FILE]` measures for real; under pytest it only
runs, so that it cannot rot. CPU time is the serving process's own, from /proc/PID/schedstat, in ns.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

from hybridpress.target import Target

PATHS = ["/", "/json", "/echo?describe=1", "/bytes/65536", "/delay/1"]
CONNECTIONS = 64


@dataclass
class Round:
    """What one run of wrk made of the target."""

    requests_per_s: float
    cpu_us_per_request: float
    cpu_share: float


def measure(target: Target, path: str, seconds: int, core: int) -> Round:
    """One run of wrk against *path*; the requests are those that the target counted."""
    pid = target.pids[0]
    target.reset()
    before_ns = cpu_ns(pid)
    command = ["taskset", "-c", str(core), "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", target.url + path]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    spent_ns = cpu_ns(pid) - before_ns
    stats = target.stats()
    assert set(stats["statuses"]) == {"200"}, stats
    rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
    assert rate is not None, said
    return Round(float(rate[1]), spent_ns / stats["requests"] / 1e3, spent_ns / seconds / 1e9)


def cpu_ns(pid: int) -> int:
    """CPU time of a process of one thread."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])


def measure_all(paths: list[str], rounds: int, seconds: int) -> dict[str, Any]:
    """Medians and spread over *rounds* for each of *paths*, with what they were measured on."""
    cores = sorted(os.sched_getaffinity(0))
    results = {}
    for path in paths:
        with Target() as target:
            os.sched_setaffinity(target.pids[0], {cores[0]})
            taken = [measure(target, path, seconds, cores[-1]) for _ in range(rounds)]
        rates = [each.requests_per_s for each in taken]
        costs = [each.cpu_us_per_request for each in taken]
        results[path] = {
            "requests_per_s": {"median": statistics.median(rates), "min": min(rates), "max": max(rates)},
            "cpu_us_per_request": {"median": statistics.median(costs), "min": min(costs), "max": max(costs)},
            "rounds": [asdict(each) for each in taken],
        }
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    return {
        "bench": "target",
        "commit": commit,
        "machine": {"cpu": platform.processor() or platform.machine(), "cores": os.cpu_count()},
        "python": platform.python_version(),
        "uvloop": importlib.metadata.version("uvloop"),
        "connections": CONNECTIONS,
        "seconds": seconds,
        "paths": results,
    }


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.skipif(shutil.which("wrk") is None or sys.platform != "linux", reason="needs wrk and taskset")
def test_the_bench_runs() -> None:
    """The bench gives plausible numbers: it is not a judge of speed here."""
    result = measure_all(["/"], rounds=1, seconds=1)["paths"]["/"]["rounds"][0]
    assert result["requests_per_s"] > 1000
    assert 1 < result["cpu_us_per_request"] < 1000


def main() -> None:
    """Measure for real."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    results = measure_all(PATHS, arguments.rounds, arguments.seconds)
    for path, result in results["paths"].items():
        rate, cost = result["requests_per_s"], result["cpu_us_per_request"]
        print(
            f"{path:<18} {rate['median']:>9,.0f}/s ({rate['min']:,.0f} to {rate['max']:,.0f})"
            f"   {cost['median']:6.2f} µs CPU a request ({cost['min']:.2f} to {cost['max']:.2f})"
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
