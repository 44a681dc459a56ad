"""A long run, watched from outside: does memory grow, do descriptors, does lateness drift?

    python bench/soak.py [--duration 1h] [--qps 5000] [--json FILE]

5,000 requests a second by two workers against the target; of 100 one fails, one loses its connection, one is never
answered and one is slow. Every ten seconds the run is changed: its rate, its slots, a short pause. Memory is what is
resident of each process (RSS), read every five seconds: other than what it has for itself, that does not grow when a
page which it shares with the process that it was forked from is written to, and so copied. Its slope is Theil and
Sen's, the median of the slopes between pairs of readings (Sen 1968, J. Am. Stat. Assoc. 63:1379), of what was read
after the first fifth of the run.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

from hybridpress import control
from hybridpress.errors import HybridpressError
from hybridpress.target import Target
from hybridpress.units import format_bytes, format_duration, format_ms, parse_duration_s, parse_rate_per_s

SCENARIO = Path(__file__).parent / "scripts" / "soaked.py"
READ_EVERY_S = 5.0
CHANGE_EVERY_S = 10.0
WARM_SHARE = 0.2
N_WORKERS = 2
N_SLOTS = 100
N_MORE_SLOTS = 20
CHANGES = ("qps -20%", f"slots +{N_MORE_SLOTS}", "qps +25%", "pause", f"slots -{N_MORE_SLOTS}")


@dataclass(frozen=True, slots=True)
class Watched:
    """One process over the run: what was read of it, and when (s since the beginning)."""

    role: str
    pid: int
    at_s: list[float] = field(default_factory=list)
    rss_bytes: list[int] = field(default_factory=list)
    n_connections: list[int] = field(default_factory=list)
    n_other_files: list[int] = field(default_factory=list)

    def read(self, at_s: float) -> None:
        """Read it once more; nothing where it is gone."""
        try:
            process = psutil.Process(self.pid)
            rss = process.memory_info().rss
            n_connections, n_files = len(process.net_connections("inet")), process.num_fds()
        except psutil.Error:
            return
        self.at_s.append(at_s)
        self.rss_bytes.append(rss)
        self.n_connections.append(n_connections)
        self.n_other_files.append(n_files - n_connections)

    @property
    def slope_bytes_per_hour(self) -> float:
        """How fast its memory grew once it was warm."""
        begin = int(len(self.at_s) * WARM_SHARE)
        return 3_600 * slope(self.at_s[begin:], self.rss_bytes[begin:])


@dataclass(frozen=True, slots=True)
class Soak:
    """What a soak found."""

    duration_s: float
    qps: float
    exit_code: int
    result: dict[str, Any]
    processes: list[Watched]
    n_answered: int
    """Requests that the target counted."""
    n_changes: int

    def lateness_p99_ms(self, share_from: float, share_to: float) -> float:
        """The median over the seconds in this part of the run of their lateness p99."""
        seconds = self.result["intervals"]
        part = seconds[int(share_from * len(seconds)) : int(share_to * len(seconds))]
        found = [float(second["lateness_p99_ms"]) for second in part if second["lateness_p99_ms"] is not None]
        return statistics.median(found)


def slope(xs: Sequence[float], ys: Sequence[float]) -> float:
    """The median slope between all pairs of points; 0 where there are not two."""
    pairs = itertools.combinations(zip(xs, ys, strict=True), 2)
    return statistics.median([(b[1] - a[1]) / (b[0] - a[0]) for a, b in pairs if b[0] > a[0]] or [0.0])


def soak(duration_s: float, qps: float) -> Soak:
    """Run it."""
    with tempfile.TemporaryDirectory() as name, Target() as target:
        folder = Path(name)
        json_file, socket = folder / "result.json", folder / "control"
        args = ["--host", target.url, "--qps", f"{qps:g}", "--duration", f"{duration_s:g}s", "--timeout", "2s"]
        args += ["--concurrent", str(N_SLOTS), "--processes", str(N_WORKERS)]
        args += ["--json", str(json_file), "--control", str(socket), "--quiet"]
        process = subprocess.Popen([sys.executable, "-m", "hybridpress", "run", str(SCENARIO), *args])
        try:
            watched, n_changes = _watch(process, socket, duration_s)
            exit_code = process.wait(120)
        finally:
            process.kill()
            process.wait()
        n_answered = int(target.stats()["requests"])
        return Soak(duration_s, qps, exit_code, json.loads(json_file.read_text()), watched, n_answered, n_changes)


def _watch(process: subprocess.Popen[bytes], socket: Path, duration_s: float) -> tuple[list[Watched], int]:
    while not socket.is_socket() and process.poll() is None:
        time.sleep(0.05)
    time.sleep(1)
    coordinator = psutil.Process(process.pid)
    (spawner,) = coordinator.children()
    watched = [Watched("coordinator", process.pid), Watched("spawner", spawner.pid)]
    watched += [Watched(f"worker {k}", worker.pid) for k, worker in enumerate(spawner.children())]
    began = time.monotonic()
    next_change_s, n_changes, changes = CHANGE_EVERY_S, 0, itertools.cycle(CHANGES)
    while process.poll() is None:
        at_s = time.monotonic() - began
        for one in watched:
            one.read(at_s)
        # The last seconds are left alone: a run that is paused does not end.
        if next_change_s <= at_s < duration_s - 2 * CHANGE_EVERY_S:
            next_change_s += CHANGE_EVERY_S
            n_changes += _change(socket, next(changes))
        if sys.stderr.isatty():
            print(f"\r{format_duration(round(at_s))} of {format_duration(duration_s)} ", end="", file=sys.stderr)
        time.sleep(max(READ_EVERY_S - (time.monotonic() - began - at_s), 0.1))
    return watched, n_changes


def _change(socket: Path, words: str) -> int:
    """Change the run. How many changes were taken."""
    try:
        control.send(socket, words)
        if words != "pause":
            return 1
        time.sleep(0.5)
        control.send(socket, "resume")
    except HybridpressError:
        return 0
    return 2


def told(found: Soak) -> str:
    """The findings as lines of text."""
    n = found.result["iterations"]
    head = f"{found.duration_s:g} s at {found.qps:g}/s, {found.n_changes} changes"
    counts = ", ".join(f"{n[name]:,} {name}" for name in ("started", "failed", "dropped", "lost"))
    drift = [format_ms(found.lateness_p99_ms(*part)) for part in ((0, 0.25), (0.75, 1))]
    verdict = found.result["generator"]["verdict"]
    lines = [
        f"{head}: {counts}; the target answered {found.n_answered:,}",
        f"lateness p99: {drift[0]} in the first quarter, {drift[1]} in the last; {verdict}",
        f"{'process':<12} {'first':>10} {'last':>10} {'an hour':>10}   connections   other open files",
    ]
    for one in found.processes:
        first = one.rss_bytes[int(len(one.rss_bytes) * WARM_SHARE)]
        growth = one.slope_bytes_per_hour
        sign = "-" if growth < 0 else "+"
        lines.append(
            f"{one.role:<12} {format_bytes(first):>10} {format_bytes(one.rss_bytes[-1]):>10} "
            f"{sign + format_bytes(abs(growth)):>10}   {f'≤ {max(one.n_connections)}':<13} "
            f"{one.n_other_files[0]} to {one.n_other_files[-1]}, ≤ {max(one.n_other_files)}"
        )
    return "\n".join(lines)


def main() -> None:
    """Soak, and tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--duration", type=parse_duration_s, default=3_600.0)
    parser.add_argument("--qps", type=parse_rate_per_s, default=5_000.0)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    found = soak(given.duration, given.qps)
    print(told(found))
    if given.json is not None:
        figures = asdict(found)
        figures["result"] = {name: found.result[name] for name in ("iterations", "qps", "generator", "events")}
        given.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
