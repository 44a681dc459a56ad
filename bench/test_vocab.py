"""What a draw costs: the number of the next word, by policy, and the word itself, by table; and what was not chosen.

Large tables, their memory and the time until they stand are measured by `vocab.py`, next to this.
"""

from __future__ import annotations

import csv as python_csv
import functools
import marshal
import os
import pickle
import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
import vocab as large
from harness import ROUNDS_UNDER_PYTEST, Bench, Measured, main, measure

from hybridpress.vocab import Vocab, access_log, csv, jsonl, lines, packed
from hybridpress.vocab.delimited import CsvTable
from hybridpress.vocab.order import Order
from hybridpress.vocab.policy import Name, Policy
from hybridpress.vocab.table import Source, Table

N_WORDS = 100_000
N_DRAWS = 10_000
WORD = {"id": 123_456, "name": "user-00123456", "token": "token-0000123456"}
LOG_LINE = (
    '10.0.0.1 - - [10/Oct/2000:13:55:36 -0700] "GET /items/{} HTTP/1.1" 200 2326 "http://shop.example.com/start" '
    '"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36"\n'
)


def draw(name: Name) -> Bench:
    """The number of the next word, and that its slot is done with it where that is noted."""

    def bench(n_rounds: int) -> Measured:
        order = Order(Policy(name), N_WORDS, [64, 64], 1)

        def run(draw: Any) -> None:
            next_index = draw.next
            for _ in range(N_DRAWS):
                next_index(3)

        def run_noted(draw: Any) -> None:
            next_index, done = draw.next, draw.done
            for _ in range(N_DRAWS):
                next_index(3)
                done(3)

        return measure(f"next, {name}", n_rounds, N_DRAWS, run_noted if name == "once" else run, lambda: order.draw(0))

    return bench


def drawn_as_before(n_rounds: int) -> Measured:
    """For comparison: a random number inline, as where there is no policy."""

    def run(draw: Callable[[], float]) -> None:
        for _ in range(N_DRAWS):
            int(draw() * N_WORDS)

    return measure("next, inline", n_rounds, N_DRAWS, run, lambda: random.Random(1).random)


@functools.cache
def built(kind: str) -> Table:
    """A table of each kind with the same words, as far as it can have them."""
    if kind == "list":
        return list(large.dicts(N_WORDS))
    if kind.startswith("packed"):
        packer = packed._Packer()
        given = list(large.dicts(N_WORDS))
        packer._encode(given if kind == "packed" else [Vocab(word) for word in given])
        return packer.finish()
    with tempfile.TemporaryDirectory() as directory:
        base = Path(directory)
        large.write_csv(base / "words.csv", N_WORDS, quoted=False)
        large.write_csv(base / "quoted.csv", N_WORDS, quoted=True)
        large.write_jsonl(base / "words.jsonl", N_WORDS)
        (base / "access.log").write_text("".join(LOG_LINE.format(i) for i in range(N_WORDS)))
        sources: dict[str, Source] = {
            "csv": csv("words.csv"),
            "csv with an int": csv("words.csv", types={"id": int}),
            "quoted csv": csv("quoted.csv"),
            "jsonl": jsonl("words.jsonl"),
            "lines": lines("words.csv"),
            "access log": access_log("access.log"),
        }
        return sources[kind].build(base)


def teardown_module() -> None:
    """Let go of the tables, and of the files that they read."""
    built.cache_clear()


def word_of(kind: str) -> Bench:
    """A word from anywhere in the table."""

    def bench(n_rounds: int) -> Measured:
        table = built(kind)
        rng = random.Random(1)

        def run(indexes: list[int]) -> None:
            for index in indexes:
                table[index]

        return measure(
            f"word, {kind}", n_rounds, N_DRAWS, run, lambda: [rng.randrange(len(table)) for _ in range(N_DRAWS)]
        )

    return bench


def sparse_index(n_rounds: int) -> Measured:
    """For comparison: a CSV word where the index has an entry for every 16th line, and the rest is searched."""
    table = built("csv")
    assert isinstance(table, CsvTable)
    fd, starts = table._fd, table._starts[::16].tolist()
    rng = random.Random(1)

    def run(indexes: list[int]) -> None:
        for index in indexes:
            start = starts[index >> 4]
            raw = os.pread(fd, 1_000, start).split(b"\n", (index & 15) + 1)[index & 15]
            table._decode(raw)

    return measure(
        "word, csv, sparse index", n_rounds, N_DRAWS, run, lambda: [rng.randrange(N_WORDS - 20) for _ in range(N_DRAWS)]
    )


def decode(name: str, encoded: bytes, decoded: Callable[[bytes], Any]) -> Bench:
    """For comparison: the encodings that packed words could have had."""

    def bench(n_rounds: int) -> Measured:
        assert decoded(encoded) == WORD

        def run(nothing: None) -> None:
            for _ in range(N_DRAWS):
                decoded(encoded)

        return measure(f"decode a dict, {name} ({len(encoded)} bytes)", n_rounds, N_DRAWS, run)

    return bench


def build(kind: str) -> Bench:
    """What a row costs until the table stands."""

    def bench(n_rounds: int) -> Measured:
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory, "words.csv")
            large.write_csv(path, N_WORDS, quoted=kind == "quoted csv")
            source = csv(path, types={"id": int} if kind == "csv with an int" else None)
            return measure(f"build, {kind}", n_rounds, N_WORDS, lambda _: source.build(path.parent))

    return bench


def read_by_csv_module(n_rounds: int) -> Measured:
    """For comparison: reading every row with Python's csv module, and keeping none."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "words.csv")
        large.write_csv(path, N_WORDS, quoted=False)

        def run(nothing: None) -> None:
            with path.open(newline="") as file:
                for _ in python_csv.reader(file):
                    pass

        return measure("read by the csv module", n_rounds, N_WORDS, run)


NAMES: list[Name] = ["random", "sequential", "shuffle", "partitioned", "per_slot", "once"]
KINDS = ["list", "packed", "packed Vocab", "csv", "csv with an int", "quoted csv", "jsonl", "lines", "access log"]
BENCHES: dict[str, Bench] = {
    "inline": drawn_as_before,
    **{f"next {name}": draw(name) for name in NAMES},
    **{f"word {kind}": word_of(kind) for kind in KINDS},
    "sparse index": sparse_index,
    "orjson": decode("orjson", orjson.dumps(WORD), orjson.loads),
    "marshal": decode("marshal", marshal.dumps(WORD), marshal.loads),
    "pickle": decode("pickle", pickle.dumps(WORD, pickle.HIGHEST_PROTOCOL), pickle.loads),
    **{f"build {kind}": build(kind) for kind in ("csv", "csv with an int", "quoted csv")},
    "csv module": read_by_csv_module,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", BENCHES)
def test_vocab(name: str) -> None:
    """The bench runs and counts right."""
    assert BENCHES[name](ROUNDS_UNDER_PYTEST).median_ns > 0


@pytest.mark.slow
@pytest.mark.parametrize("case", large.CASES)
def test_large_tables(case: str) -> None:
    """The cases of `vocab.py` run, and find what they are to measure."""
    figures = large.run_apart(case, n_rows=2_000, n_words=2_000)
    assert figures.n_words == 2_000
    assert figures.forked_bytes["anonymous"] > figures.empty_bytes["anonymous"] > 0
    assert figures.draw_ns > 0
    assert str(figures).startswith(f"{case}: 2,000 words")


if __name__ == "__main__":
    main(list(BENCHES.values()))
