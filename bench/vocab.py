"""What large word tables cost: the time until they stand, the memory of all processes that share them, a draw.

    python bench/vocab.py [--rows 10M] [--words 1M] [--json FILE] [CASE…]

Each case has a process of its own, which builds the table and forks four workers, as a run's spawner does; each worker
draws words from all over the table, then the memory of all five is read from /proc/PID/smaps_rollup while they live.
PSS counts a page that n processes share as 1/n in each, so that the sum over all is what is used. Its parts are told
apart: "anonymous" is memory that they took, "file" are pages of libraries and other mapped files. "counted in each" is
the sum of what each process has by itself (RSS), where a page counts as often as it is shared.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from array import array
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hybridpress.units import format_bytes, format_count, parse_count
from hybridpress.vocab import csv, jsonl
from hybridpress.vocab.packed import pack
from hybridpress.vocab.table import Table

N_WORKERS = 4
N_TIMED_DRAWS = 100_000
_ROWS_AT_ONCE = 100_000
_PARTS = {"Pss": "all", "Pss_Anon": "anonymous", "Pss_File": "file", "Pss_Shmem": "shared", "Rss": "counted in each"}


@dataclass(frozen=True, slots=True)
class Figures:
    """What one table cost. Memory in bytes, over the builder and its workers."""

    case: str
    n_words: int
    build_s: float
    worker_start_s: float
    """From the fork of a worker to its first word; the slowest of the four."""
    draw_ns: float
    """One draw, of words all over the table, in CPU time."""
    own_bytes: int
    """What the table took in the process that built it: anonymous memory, over that of the empty process."""
    empty_bytes: dict[str, int]
    """The process before the table."""
    forked_bytes: dict[str, int]
    """All five, when every worker has drawn."""
    extra_bytes: int
    """What drawing added: anonymous memory of all five over that of the builder alone."""

    def __str__(self) -> str:
        parts = ", ".join(f"{name} {format_bytes(size)}" for name, size in self.forked_bytes.items())
        stands, starts = f"{self.build_s:.2f} s", f"{self.worker_start_s:.3f} s"
        extra, part = format_bytes(self.extra_bytes), f"{self.extra_bytes / self.own_bytes:.0%}"
        return "\n".join(
            [
                f"{self.case}: {format_count(self.n_words)} words",
                f"  stands after      {stands}; a worker has its first word {starts} later",
                f"  a draw            {self.draw_ns:,.0f} ns",
                f"  table itself      {format_bytes(self.own_bytes)}",
                f"  PSS of all        {parts}",
                f"  added by draws    {extra}, {part} of the table",
            ]
        )


def write_csv(path: Path, n_rows: int, *, quoted: bool) -> None:
    """Rows of 40 bytes, three columns; quoted: with a comma in a quoted value."""
    last = b',"user-00000000","tok, 00000000"\n' if quoted else b",user-00000000,token-0000000000\n"
    pattern = np.frombuffer(b"00000000" + last, np.uint8)
    with path.open("wb") as file:
        file.write(b"id,name,token\n")
        for begin in range(0, n_rows, _ROWS_AT_ONCE):
            numbers = np.arange(begin, min(begin + _ROWS_AT_ONCE, n_rows))
            rows = np.tile(pattern, (len(numbers), 1))
            _number(rows, 0, numbers)
            _number(rows, last.index(b"user-") + 13, numbers)
            file.write(rows.tobytes())


def _number(rows: npt.NDArray[np.uint8], column: int, numbers: npt.NDArray[Any]) -> None:
    """Write *numbers* in eight digits, from *column* on."""
    for place in range(8):
        rows[:, column + place] = ord("0") + numbers // 10 ** (7 - place) % 10


def write_jsonl(path: Path, n_rows: int) -> None:
    """The words of `dicts`, a line each."""
    with path.open("wb") as file:
        for word in dicts(n_rows):
            file.write(json.dumps(word, separators=(",", ":")).encode() + b"\n")


def dicts(n: int) -> Iterator[dict[str, Any]]:
    """Words as a vocab() yields them."""
    return ({"id": i, "name": f"user-{i:08d}", "token": f"token-{i:010d}"} for i in range(n))


def measure_table(case: str, build: Callable[[], Table]) -> Figures:
    """Build the table here, fork the workers, let them draw, and look at all."""
    empty = memory_of([os.getpid()])
    begun = time.perf_counter()
    table = build()
    build_s = time.perf_counter() - begun
    gc.collect()
    gc.freeze()
    alone = memory_of([os.getpid()])
    pids, start_s, draw_ns = [], [], []
    done_reading, done_writing = os.pipe()
    for worker in range(N_WORKERS):
        begun = time.perf_counter()
        readable, writable = os.pipe()
        if (pid := os.fork()) == 0:
            os.close(done_writing)
            be_worker(table, worker, writable, done_reading)
        os.close(writable)
        pids.append(pid)
        with os.fdopen(readable, "rb") as pipe:
            assert pipe.read(1) == b"1"
            start_s.append(time.perf_counter() - begun)
            draw_ns.append(float(pipe.readline()))
    forked = memory_of([os.getpid(), *pids])
    os.close(done_writing)
    for pid in pids:
        os.waitpid(pid, 0)
    own = alone["anonymous"] - empty["anonymous"]
    extra = forked["anonymous"] - alone["anonymous"]
    return Figures(case, len(table), build_s, max(start_s), min(draw_ns), own, empty, forked, extra)


def be_worker(table: Table, worker: int, told: int, done: int) -> None:
    """Draw one word, say so; draw words from all over the table, say how long it took; live on until the end."""
    assert table[0] is not None
    os.write(told, b"1")
    # Every word of a table in Python objects, as that is what breaks its pages up; of a file, enough for every page.
    step = 7 if len(table) > 2_000_000 else 1
    for index in range(0, len(table), step):
        table[index]
    rng = random.Random(worker)
    indexes = array("Q", (rng.randrange(len(table)) for _ in range(N_TIMED_DRAWS)))  # a list would weigh more
    begun_ns = time.process_time_ns()
    for index in indexes:
        table[index]
    spent_ns = time.process_time_ns() - begun_ns
    os.write(told, f"{spent_ns / len(indexes)}\n".encode())
    os.read(done, 1)
    os._exit(0)


def memory_of(pids: list[int]) -> dict[str, int]:
    """The proportional memory of these processes together, by what kind of page it is, in bytes."""
    found = dict.fromkeys(_PARTS.values(), 0)
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
            name, _, size = line.partition(":")
            if name in _PARTS:
                found[_PARTS[name]] += int(size.split()[0]) * 1024
    return found


def run_case(case: str, n_rows: int, n_words: int) -> Figures:
    """Measure one case in this process, which should have done nothing else."""
    with tempfile.TemporaryDirectory() as directory:
        base = Path(directory)
        if case in {"csv", "quoted csv"}:
            write_csv(base / "words.csv", n_rows, quoted=case == "quoted csv")
            return measure_table(case, lambda: csv("words.csv").build(base))
        if case == "jsonl":
            write_jsonl(base / "words.jsonl", n_words)
            return measure_table(case, lambda: jsonl("words.jsonl").build(base))
    if case == "dicts":
        figures = measure_table(case, lambda: pack(dicts(n_words)))
        assert n_words < 500_000 or figures.own_bytes < 200 * n_words, "they were not packed"
        return figures
    assert case == "dicts in a list"
    return measure_table(case, lambda: list(dicts(n_words)))


CASES = ["csv", "quoted csv", "jsonl", "dicts", "dicts in a list"]


def main() -> None:
    """Each case in a process of its own, one after another."""
    from harness import surroundings

    parser = argparse.ArgumentParser(description="Measures large word tables: time, memory, draws.")
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}; all of them")
    parser.add_argument("--rows", type=parse_count, default=10_000_000, help="rows of the CSV files (10M)")
    parser.add_argument("--words", type=parse_count, default=1_000_000, help="words of the other tables (1M)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results to this file")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.here:
        print(json.dumps(asdict(run_case(given.cases[0], given.rows, given.words))))
        return
    results = []
    for case in given.cases or CASES:
        figures = run_apart(case, given.rows, given.words)
        print(figures, flush=True)
        results.append(asdict(figures))
    if given.json is not None:
        given.json.write_text(json.dumps({**surroundings(), "results": results}, indent=2) + "\n")


def run_apart(case: str, n_rows: int, n_words: int) -> Figures:
    """Measure one case in a fresh process."""
    command = [sys.executable, __file__, case, "--rows", str(n_rows), "--words", str(n_words), "--here"]
    found = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return Figures(**json.loads(found.stdout))


if __name__ == "__main__":
    main()
