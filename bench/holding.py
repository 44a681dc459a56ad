"""How well load is held: whole runs of a press that does nothing, the coordinator's CPU, and searches of a known limit.

    PYTHONPATH=. python bench/holding.py [--searches 10] [--json FILE]

Two minutes without searches. It wants the machine for itself.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
from harness import surroundings

from hybridpress.load.words import parse_profile
from tests.support import places

NOTHING = "from hybridpress import Press\n\nclass Nothing(Press):\n    async def press(self):\n        pass\n"
SCENARIO = Path(__file__).parents[1] / "scenarios" / "http_get.py"
PROFILES = [
    *(f"constant({rate}, 5s)" for rate in (100, 1_000, 10_000, 50_000)),
    "ramp(0, 50000, 5s)",
    "sine(25000, 20000, 4s, 6s)",
    "steps(100, 20000, 5, 1s)",
    "spike(1000, 30000, 2s, 1s, 2s)",
]
PLACES, SERVICE_MS = 8, 23.0


def command(json_file: Path, *args: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "hybridpress", *args, "--quiet", "--json", str(json_file)])


def held(scenario: Path, json_file: Path, words: str) -> dict[str, Any]:
    """The error of a whole run, and of its worst whole second, in percent and in iterations."""
    command(json_file, "run", str(scenario), "--profile", words, "--concurrent", "64", "--processes", "2").wait()
    found = json.loads(json_file.read_text())
    profile = parse_profile(words)
    off = []
    for second in found["intervals"]:
        t_s = second["at_s"]
        if t_s + 1 <= profile.duration_s:
            expected = profile.arrivals(t_s + 1) - profile.arrivals(t_s)
            off.append((abs(second["started"] - expected), 100 * abs(second["started"] / expected - 1)))
    n = found["iterations"]
    worst = max(off, key=lambda pair: pair[1])
    return {
        "profile": words,
        "planned": n["planned"],
        "started": n["started"],
        "worst_second_iterations": round(worst[0], 1),
        "worst_second_pct": round(worst[1], 3),
        "lateness_p50_ms": found["lateness_ms"]["p50"],
        "lateness_p99_ms": found["lateness_ms"]["p99"],
    }


def coordinator_cpu_pct(scenario: Path, json_file: Path) -> float:
    """What the parent of 16 workers uses of a core, once they press."""
    args = ["run", str(scenario), "--qps", "1600", "--concurrent", "64", "--processes", "16", "--duration", "10s"]
    process = command(json_file, *args)
    watched = psutil.Process(process.pid)
    time.sleep(4)
    begun_s, before = time.monotonic(), watched.cpu_times()
    time.sleep(5)
    after, ended_s = watched.cpu_times(), time.monotonic()
    process.wait()
    return 100 * (after.user + after.system - before.user - before.system) / (ended_s - begun_s)


def searched(json_file: Path) -> float | None:
    """The limit that a search of a server of 8 places of 23 ms (347.8/s) names."""
    with places.server(PLACES, SERVICE_MS) as url:
        args = ["--slo", "p99<60ms", "--settle", "1s", "--step", "2s", "--concurrent", "100", "--processes", "1"]
        command(json_file, "search", str(SCENARIO), "--host", url, *args).wait()
    found: float | None = json.loads(json_file.read_text())["search"]["qps"]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures how well load is held.")
    parser.add_argument("--searches", type=int, default=0, help="searches of a known limit, a minute each (0)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results to this file")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scenario, json_file = Path(folder) / "nothing.py", Path(folder) / "result.json"
        scenario.write_text(NOTHING)
        runs = []
        for words in PROFILES:
            runs.append(held(scenario, json_file, words))
            print(runs[-1], flush=True)
        cpu_pct = coordinator_cpu_pct(scenario, json_file)
        print(f"coordinator of 16 workers: {cpu_pct:.1f} % of a core", flush=True)
        limits = []
        for _ in range(arguments.searches):
            limits.append(searched(json_file))
            print(f"search: {limits[-1]} of {PLACES / SERVICE_MS * 1e3:.1f}/s", flush=True)
    if arguments.json is not None:
        document = {**surroundings(), "held": runs, "coordinator_cpu_pct": cpu_pct, "searches": limits}
        arguments.json.write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main()
