"""What word tables and mixes come to in whole runs, as the command makes them: memory, shares, words over a kill.

    python bench/vocab_runs.py [--json FILE] [CASE…]

    csv    10 million rows, 4 workers: when the load begins, and the memory of all processes of the run while it presses
    dicts  a generator of a million dicts, 4 workers: built once, when the load begins, memory
    mix    7:2:1 with latencies of 5, 50 and 500 ms at 1,000/s for 20 s: what started
    once   100,000 words, each once, 4 workers, one killed with SIGKILL: which words were used, and which are told of

Memory is PSS, as bench/vocab.py tells it. Nothing is sent anywhere: each press() only waits.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
from harness import surroundings
from vocab import memory_of, write_csv

from hybridpress.units import format_bytes, format_count

N_WORKERS = 4

TABLE = """
import asyncio, os, time
from pathlib import Path
from hybridpress import Press, csv

def dicts():
    Path("built").open("a").write(f"{{os.getpid()}}\\n")
    for i in range({n}):
        yield {{"id": i, "name": f"user-{{i:08d}}", "token": f"token-{{i:010d}}"}}
    Path("stands").write_text(str(time.monotonic()))

class Table(Press):
    vocab = {vocab}

    async def press(self, word):
        await asyncio.sleep(0.001)
"""

MIX = """
import asyncio
from hybridpress import MixedPress, Press

class QueryVm(Press):
    latency_s = 0.005

    async def press(self):
        await asyncio.sleep(self.latency_s)

class QueryEip(QueryVm):
    latency_s = 0.05

class QueryImage(QueryVm):
    latency_s = 0.5

class Cloud(MixedPress):
    parts = {QueryVm: 7, QueryEip: 2, QueryImage: 1}
"""

ONCE = """
import asyncio, os
from hybridpress import Press, rows

class Once(Press):
    vocab = rows(100_000)
    draw = "once"

    async def start(self):
        self.file = os.open(f"seen-{os.getpid()}", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    async def press(self, word):
        os.write(self.file, f"{word}\\n".encode())
        await asyncio.sleep(0)
"""


def start(directory: Path, scenario: str, *args: str) -> subprocess.Popen[str]:
    """`hybridpress run` of *scenario* in *directory*."""
    (directory / "my.py").write_text(scenario)
    command = [sys.executable, "-m", "hybridpress", "run", "my.py", "--processes", str(N_WORKERS), "--json", "r.json"]
    return subprocess.Popen([*command, *args], cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(directory: Path, process: subprocess.Popen[str]) -> dict[str, Any]:
    """Its result."""
    _, err = process.communicate(timeout=120)
    assert process.returncode in (0, 3), err
    found: dict[str, Any] = json.loads((directory / "r.json").read_text())
    return found


def pressing(process: subprocess.Popen[str]) -> float:
    """Wait until the load begins, as the command tells on stderr; when that was."""
    assert process.stderr is not None
    for line in process.stderr:
        if re.search(r" slots in \d+ processes for ", line):
            return time.monotonic()
    raise RuntimeError("it never began")


def table(directory: Path, vocab: str, n_words: int) -> dict[str, Any]:
    """A run over a table; memory is taken when every worker has pressed for some seconds."""
    begun = time.monotonic()
    args = ["--concurrent", "40", "--duration", "6s", "--qps", "20k"]
    process = start(directory, TABLE.format(vocab=vocab, n=n_words), *args)
    began = pressing(process)
    time.sleep(5)
    pids = [process.pid, *(child.pid for child in psutil.Process(process.pid).children(recursive=True))]
    memory = memory_of(pids)
    result = finish(directory, process)
    found = {"n_words": n_words, "load_begins_after_s": round(began - begun, 2), "processes": len(pids)}
    found |= {f"{name}_bytes": size for name, size in memory.items()}
    found["draws"] = result["iterations"]["started"]
    if (directory / "stands").exists():
        found["built_in_processes"] = len((directory / "built").read_text().splitlines())
        found["load_begins_after_table_s"] = round(began - float((directory / "stands").read_text()), 3)
    told = ", ".join(f"{name} {format_bytes(size)}" for name, size in memory.items())
    print(f"  load begins after {found['load_begins_after_s']} s; PSS of {len(pids)} processes: {told}")
    return found


def csv_run(directory: Path) -> dict[str, Any]:
    write_csv(directory / "words.csv", 10_000_000, quoted=False)
    return table(directory, 'csv("words.csv")', 10_000_000)


def dicts_run(directory: Path) -> dict[str, Any]:
    found = table(directory, "staticmethod(dicts)", 1_000_000)
    print(f"  built in {found['built_in_processes']} process, then {found['load_begins_after_table_s']} s to the load")
    return found


def mix_run(directory: Path) -> dict[str, Any]:
    result = finish(directory, start(directory, MIX, "--qps", "1000", "--duration", "20s", "--concurrent", "200"))
    parts = {name: part["started"] for name, part in result["parts"].items()}
    print(f"  started {parts} of 14,000, 4,000 and 2,000; lateness p99 {result['lateness_ms']['p99']:.3f} ms")
    return {"started": parts, "lateness_p99_ms": result["lateness_ms"]["p99"], "qps": result["qps"]}


def once_run(directory: Path) -> dict[str, Any]:
    process = start(directory, ONCE, "--concurrent", "40")
    victim = None
    while victim is None:
        for file in directory.glob("seen-*"):
            if file.stat().st_size > 20_000:
                victim = int(file.name.removeprefix("seen-"))
    os.kill(victim, signal.SIGKILL)
    result = finish(directory, process)
    used = Counter(int(word) for file in directory.glob("seen-*") for word in file.read_text().split())
    told: dict[str, set[int]] = {"words_lost": set(), "words_unused": set()}
    for event in result["events"]:
        if event["kind"] in told:
            for part in event["text"].partition(": numbers ")[2].split(", "):
                first, _, last = part.partition("-")
                told[event["kind"]] |= set(range(int(first), int(last or first) + 1))
    found = {
        "used": len(used),
        "used_twice": sum(n > 1 for n in used.values()),
        "told_in_flight": len(told["words_lost"]),
        "told_unused": len(told["words_unused"]),
        "neither_used_nor_told": len(set(range(100_000)) - set(used) - told["words_lost"] - told["words_unused"]),
        "told_unused_and_used": len(set(used) & told["words_unused"]),
    }
    print("  " + ", ".join(f"{name.replace('_', ' ')} {format_count(n)}" for name, n in found.items()))
    return found


CASES: dict[str, Callable[[Path], dict[str, Any]]] = {
    "csv": csv_run,
    "dicts": dicts_run,
    "mix": mix_run,
    "once": once_run,
}


def main() -> None:
    """Each case, one after another."""
    parser = argparse.ArgumentParser(description="Measures word tables and mixes in whole runs.")
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}; all of them")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results to this file")
    given = parser.parse_args()
    results = {}
    for case in given.cases or CASES:
        print(f"{case}:", flush=True)
        with tempfile.TemporaryDirectory() as directory:
            results[case] = CASES[case](Path(directory))
    if given.json is not None:
        given.json.write_text(json.dumps({**surroundings(), "results": results}, indent=2) + "\n")


if __name__ == "__main__":
    main()
