"""What CPU work costs a run, inline and in CPU workers; what a hand-over costs; how blocking presses hold their pace.

    python bench/cpu_tier.py [--seconds 4] [--json FILE] [CASE…]

Cases are `paced` (prepare() of 0.1, 1 and 5 ms at 60 % of what one CPU worker can do, against the target in a process
of its own: without prepare(), inline, with 1 and with 2 CPU workers), `throughput` (a press() that only records,
unpaced), `item` (CPU time of all processes an item, with an empty prepare() or verify() over a run without), `blocking`
(200 threads).
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness import surroundings

from hybridpress.target import Target
from hybridpress.units import format_count, format_ms

SCENARIO = Path(__file__).parent / "scripts" / "cpu_presses.py"
PREPARES_MS = (0.1, 1.0, 5.0)
PACE_SHARE = 0.6
ITEM_PACE = 20_000


@dataclass(frozen=True, slots=True)
class Row:
    """One run. Times in ms; `cpu_us` is CPU time of all its processes an iteration."""

    case: str
    qps: float
    asked: float | None
    lateness_p99: float | None
    loop_lag_p99: float | None
    service_p99: float | None
    waits: int | None
    cpu_us: float
    reasons: list[str]

    def __str__(self) -> str:
        asked = "unpaced" if self.asked is None else f"of {format_count(self.asked)}"
        times = (
            f"lateness {format_ms(self.lateness_p99)}, lag {format_ms(self.loop_lag_p99)}, "
            f"service {format_ms(self.service_p99)}"
        )
        waits = "" if self.waits is None else f", {format_count(self.waits)} waits"
        reasons = f"  [{', '.join(dict.fromkeys(self.reasons))}]" if self.reasons else ""
        rate = f"{self.qps:>9,.0f}/s {asked:<10}"
        return f"{self.case:<36} {rate} p99: {times}{waits}; {self.cpu_us:.1f} µs CPU{reasons}"


def press(case: str, name: str, *args: str) -> Row:
    """Run the press *name* with *args* as a command of its own."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "result.json"
        command = [sys.executable, "-m", "hybridpress", "run", f"{SCENARIO}:{name}", *args, "--quiet", "--json"]
        before_s = _children_s()
        done = subprocess.run([*command, str(file)], capture_output=True, text=True, check=False)
        cpu_s = _children_s() - before_s
        if not file.exists():
            raise RuntimeError(done.stderr)
        found: dict[str, Any] = json.loads(file.read_text())
    tier = found["cpu_tier"]
    return Row(
        case=case,
        qps=found["qps"]["achieved"],
        asked=found["qps"]["target"],
        lateness_p99=found["lateness_ms"]["p99"],
        loop_lag_p99=found["generator"]["loop_lag_ms"]["p99"],
        service_p99=found["service_time_ms"]["p99"],
        waits=None if tier is None else tier["waits"],
        cpu_us=cpu_s * 1e6 / max(found["iterations"]["started"], 1),
        reasons=[reason["code"] for reason in found["generator"]["reasons"]],
    )


def _children_s() -> float:
    """CPU time of all processes that have ended below this one."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def paced(seconds: float) -> Iterator[Row]:
    """Loop lag and service time beside CPU work."""
    with Target() as target:
        for ms in PREPARES_MS:
            rate = PACE_SHARE * 1_000 / ms
            args = ["--host", target.url, "--qps", f"{rate:g}", "--duration", f"{seconds}s", "--concurrent", "20"]
            args += ["--processes", "1", "--param", f"ms={ms}"]
            yield press(f"{ms} ms: without prepare()", "Bare", *args)
            for n_cpu_workers in (0, 1, 2):
                where = f"{n_cpu_workers} CPU workers" if n_cpu_workers else "inline"
                yield press(f"{ms} ms: {where}", "Works", *args, "--cpu-workers", str(n_cpu_workers))


def throughput(seconds: float) -> Iterator[Row]:
    """CPU workers when nothing else needs the cores, in turn."""
    args = ["--duration", f"{seconds}s", "--processes", "1", "--param", "ms=1"]
    for round_number in (1, 2, 3):
        for n_cpu_workers in (1, 2):
            case = f"records, 1 ms: {n_cpu_workers} CPU workers, round {round_number}"
            yield press(case, "Records", *args, "--cpu-workers", str(n_cpu_workers))


def item(seconds: float) -> Iterator[Row]:
    """What an item costs beyond its work, in all processes together."""
    args = ["--qps", str(ITEM_PACE), "--duration", f"{seconds}s", "--processes", "1", "--concurrent", "20"]
    for round_number in (1, 2, 3):
        bare = press(f"no CPU work, round {round_number}", "Plain", *args)
        yield bare
        for name in ("Empty", "Verifies"):
            row = press(f"{name.lower()}, round {round_number}", name, *args, "--cpu-workers", "1")
            yield row
            print(f"    an item of {name}: {row.cpu_us - bare.cpu_us:.2f} µs of CPU over all processes")


def blocking(seconds: float) -> Iterator[Row]:
    """Threads that sleep 50 ms."""
    yield press("200 threads, 50 ms", "Blocks", "--qps", "3000", "--concurrent", "200", "--duration", f"{seconds}s")


CASES: dict[str, Callable[[float], Iterator[Row]]] = {
    case.__name__: case for case in (paced, throughput, item, blocking)
}


def main() -> None:
    """Run the cases asked for, and print each row as it comes."""
    parser = argparse.ArgumentParser(description="What CPU work costs a run, inline and in CPU workers.")
    parser.add_argument("cases", nargs="*", metavar="CASE", choices=[[], *CASES], help=", ".join(CASES))
    parser.add_argument("--seconds", type=float, default=4.0, help="of each run (4)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows to this file")
    arguments = parser.parse_args()
    rows = []
    for name in arguments.cases or CASES:
        for row in CASES[name](arguments.seconds):
            print(row, flush=True)
            rows.append(row)
    if arguments.json is not None:
        document = {**surroundings(), "results": [asdict(row) for row in rows]}
        arguments.json.write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main()
