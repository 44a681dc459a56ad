"""Word tables and the ways of drawing from them, in whole runs: what was pressed with is what the table holds."""

from __future__ import annotations

import csv
import json
import os
import signal
import sqlite3
import time
from collections import Counter
from pathlib import Path
from textwrap import dedent

import psutil
import pytest

from tests.support import command

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("no_stray_processes")]

NOTES_WORDS = """
    import os
    from hybridpress import Press, Vocab, access_log, csv, jsonl, lines, repeat, rows, sql

    class Notes(Press):
        {vocab}

        async def start(self):
            self.file = os.open(f"{directory}/{{os.getpid()}}", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

        async def press(self, word):
            os.write(self.file, f"{{self.worker}} {{self.slot}} {{word!r}}\\n".encode())
            {rest}
"""


def scenario(directory: Path, vocab: str, rest: str = "") -> Path:
    """A scenario that writes each word down before anything else: a line is there once its iteration has begun."""
    (directory / "seen").mkdir()
    path = directory / "notes.py"
    path.write_text(dedent(NOTES_WORDS).format(vocab=vocab, rest=rest, directory=directory / "seen"))
    return path


def seen(directory: Path) -> list[tuple[int, int, str]]:
    """Worker, slot and word of each iteration; those of a worker in their order."""
    lines = [line for file in (directory / "seen").iterdir() for line in file.read_text().splitlines()]
    return [(int(worker), int(slot), word) for worker, slot, word in (line.split(" ", 2) for line in lines)]


def words_seen(directory: Path) -> list[str]:
    return [word for _, _, word in seen(directory)]


def run(path: Path, *args: str) -> command.Ran:
    """A run of four processes, two slots each."""
    return command.run(path, "--processes", "4", "--concurrent", "8", *args, json_file=path.parent / "result.json")


@pytest.mark.parametrize("pace", [[], ["--qps", "4k"]], ids=["unpaced", "paced"])
def test_once(tmp_path: Path, pace: list[str]) -> None:
    """Each word is used once over all workers, and the run ends when all are."""
    path = scenario(tmp_path, 'vocab = rows(2_003); draw = "once"')
    ran = run(path, *pace)
    assert ran.exit_code in (0, 3), ran.err
    assert Counter(words_seen(tmp_path)) == {str(number): 1 for number in range(2_003)}
    counts = ran.found["iterations"]
    assert (counts["planned"], counts["started"], counts["dropped"]) == (2_003, 2_003, 0)
    assert [event["kind"] for event in ran.found["events"]] == ["words_used"]


def test_stopped_by_the_words(tmp_path: Path) -> None:
    """A plan that holds more iterations than there are words ends with the words, at once."""
    path = scenario(tmp_path, "vocab = rows(500)")
    ran = run(path, "--qps", "1000", "--duration", "50s", "--draw", "sequential", "--exhausted", "stop")
    assert ran.exit_code in (0, 3), ran.err
    assert sorted(map(int, words_seen(tmp_path))) == list(range(500))
    assert ran.found["iterations"]["dropped"] == 0
    assert 0.4 < ran.found["duration_s"] < 5


def test_words_that_should_have_lasted(tmp_path: Path) -> None:
    """With --exhausted fail, the end of the words breaks the run, which is still told."""
    path = scenario(tmp_path, 'vocab = rows(50); draw = "shuffle"; exhausted = "fail"')
    ran = run(path, "--duration", "50s")
    assert ran.exit_code == 1
    assert "hybridpress: all 50 words are used, each once, and the run was to go on" in ran.err
    assert ran.found["iterations"]["started"] == 50


def test_each_slot_its_own(tmp_path: Path) -> None:
    """Word i is slot i's, for good."""
    path = scenario(tmp_path, "vocab = rows(8)")
    ran = run(path, "--iterations", "400", "--draw", "per_slot")
    assert ran.exit_code in (0, 3), ran.err
    assert {(slot, word) for _, slot, word in seen(tmp_path)} == {(slot, str(slot)) for slot in range(8)}


def test_partitioned(tmp_path: Path) -> None:
    """A word belongs to one worker, which begins again after its last."""
    path = scenario(tmp_path, "vocab = rows(20)")
    ran = run(path, "--iterations", "400", "--draw", "partitioned")
    assert ran.exit_code in (0, 3), ran.err
    by_worker: dict[int, Counter[str]] = {}
    for worker, _, word in seen(tmp_path):
        by_worker.setdefault(worker, Counter())[word] += 1
    assert {frozenset(map(int, counts)) for counts in by_worker.values()} == {
        frozenset(range(begin, begin + 5)) for begin in range(0, 20, 5)
    }
    assert all(set(counts.values()) == {20} for counts in by_worker.values())


def test_the_seed_repeats_the_words(tmp_path: Path) -> None:
    """The same seed draws the same words in the same order in each worker, another seed others."""
    found = []
    for number, seed in enumerate(["5", "5", "6"]):
        directory = tmp_path / str(number)
        directory.mkdir()
        path = scenario(directory, "vocab = rows(1_000)")
        ran = run(path, "--iterations", "400", "--draw", "shuffle", "--seed", seed)
        assert ran.exit_code in (0, 3), ran.err
        words: dict[int, list[str]] = {}
        for worker, _, word in seen(directory):
            words.setdefault(worker, []).append(word)
        found.append(words)
    assert found[0] == found[1] != found[2]


def test_once_over_a_killed_worker(tmp_path: Path) -> None:
    """Of 100,000 words none is used twice, and each is used or told of by its number, when a worker is killed."""
    path = scenario(tmp_path, 'vocab = rows(100_000); draw = "once"', "await asyncio.sleep(0)")
    path.write_text("import asyncio\n" + path.read_text())
    process = command.start("run", path, "--processes", "4", "--concurrent", "8", "--json", tmp_path / "r.json")
    victim = _first_that_presses(tmp_path / "seen")
    os.kill(victim, signal.SIGKILL)
    ran = command.finish(process)
    result = json.loads((tmp_path / "r.json").read_text())
    assert any(f"(process {victim}) died" in event["text"] for event in result["events"]), ran.err
    used = [int(word) for word in words_seen(tmp_path)]
    assert len(used) == len(set(used))
    told = command.numbers_told(result)
    assert set(used) | told["words_lost"] | told["words_unused"] == set(range(100_000))
    assert not set(used) & told["words_unused"]
    assert len(told["words_lost"]) <= 2, "more than the slots of the worker had in flight"


def test_words_of_a_killed_worker_again(tmp_path: Path) -> None:
    """With --lost-words again, the process that takes the place of a killed worker draws what that had in flight, and
    all that it had not drawn: every word is used, and only those in flight may be used twice.
    """
    path = scenario(tmp_path, 'vocab = rows(100_000); draw = "once"', "await asyncio.sleep(0)")
    path.write_text("import asyncio\n" + path.read_text())
    options: list[str | Path] = ["--processes", "4", "--concurrent", "8", "--lost-words", "again", "--json"]
    process = command.start("run", path, *options, tmp_path / "r.json")
    os.kill(_first_that_presses(tmp_path / "seen"), signal.SIGKILL)
    ran = command.finish(process)
    result = json.loads((tmp_path / "r.json").read_text())
    used = Counter(int(word) for word in words_seen(tmp_path))
    told = command.numbers_told(result)
    assert told["words_lost"] == set(), ran.err
    assert set(used) | told["words_unused"] == set(range(100_000)), ran.err
    assert sum(n - 1 for n in used.values()) <= 2


def _first_that_presses(directory: Path) -> int:
    """The first worker's process that has written down some words, found while it has more to come."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        for file in directory.iterdir():
            if file.stat().st_size > 1_000 and psutil.pid_exists(int(file.name)):
                return int(file.name)
        time.sleep(0.001)
    raise AssertionError("nobody presses")


def test_a_file_that_is_cut_short_during_the_run(tmp_path: Path) -> None:
    """Words that are no more there fail their iterations, as an error of its own kind; no process ends of it."""
    (tmp_path / "words.txt").write_text("".join(f"word {i}\n" for i in range(20_000)))
    text = """
        import os
        from hybridpress import Press, lines

        class Cut(Press):
            vocab = lines("words.txt")
            draw = "sequential"

            async def press(self, word):
                if word == "word 99":
                    os.truncate("words.txt", 5_000)
    """
    (tmp_path / "cut.py").write_text(dedent(text))
    file = tmp_path / "r.json"
    ran = command.run("cut.py", "--iterations", "2000", "--processes", "2", json_file=file, cwd=tmp_path)
    assert ran.exit_code in (0, 3), ran.err
    (error,) = ran.found["errors"]
    assert (error["kind"], error["message"]) == ("TableChangedError", "words.txt was changed during the run")
    assert "cannot be read: the file is shorter than it was" in error["example"]
    assert error["count"] == ran.found["iterations"]["failed"] > 500
    assert ran.found["events"] == []


SOURCES = {
    "csv": ('csv("words.csv", types={"id": int})', [{"id": 1, "name": "a,b"}, {"id": 2, "name": "ü"}]),
    "jsonl": ('jsonl("words.jsonl")', [{"id": 1}, [2]]),
    "lines": ('lines("words.txt")', ["one", "two"]),
    "access_log": ('access_log("access.log")', ["/a", "/b?c=1"]),
    "sql": ('sql("sqlite:///shop.db", "select id, name from users order by id")', [{"id": 1, "name": "ann"}]),
    "rows": ("rows(3)", [0, 1, 2]),
    "repeat": ("repeat(['a', 'b'], 2)", ["a", "b", "a", "b"]),
}


@pytest.mark.parametrize("kind", SOURCES)
def test_sources(tmp_path: Path, kind: str) -> None:
    """Every kind of source gives its words, as files beside the scenario, wherever the command is run."""
    with (tmp_path / "words.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["id", "name"], [1, "a,b"], [2, "ü"]])
    (tmp_path / "words.jsonl").write_text('{"id": 1}\n[2]\n')
    (tmp_path / "words.txt").write_text("one\n\ntwo\n")
    head = "127.0.0.1 - - [10/Oct/2000:13:55:36 -0700]"
    (tmp_path / "access.log").write_text(f'{head} "GET /a HTTP/1.0" 200 1\n{head} "GET /b?c=1 HTTP/1.0" 404 2\n')
    database = sqlite3.connect(tmp_path / "shop.db")
    database.executescript("create table users(id, name); insert into users values (1, 'ann')")
    database.close()
    source, expected = SOURCES[kind]
    path = scenario(tmp_path, f'vocab = {source}; draw = "once"')
    ran = command.run(path, "--processes", "1", "--concurrent", "1", json_file=tmp_path / "r.json")
    assert ran.exit_code in (0, 3), ran.err
    found = [eval(word) for word in words_seen(tmp_path)]  # noqa: S307 (reprs of our own)
    assert [word["path"] for word in found] == expected if kind == "access_log" else found == expected


BAD = {
    "no such file": ('vocab = csv("gone.csv")', [], 'there is no file "gone.csv"'),
    "empty": ('vocab = csv("empty.csv")', [], "empty.csv is empty"),
    "too few columns": ('vocab = csv("bad.csv")', [], "bad.csv:3: has 1 column; it should have 2"),
    "not JSON": ('vocab = jsonl("bad.csv")', [], "bad.csv:1: is not JSON"),
    "not UTF-8": ('vocab = lines("latin.txt")', [], "latin.txt:2: is not UTF-8"),
    "no database": ('vocab = sql("sqlite:///gone.db", "select 1")', [], 'there is no file "gone.db"'),
    "too few for the slots": ("vocab = rows(3)", ["--draw", "per_slot"], "10 slots need a word each"),
    "no such way": ("vocab = rows(3)", ["--draw", "twice"], "--draw must be random or sequential or"),
    "no last word": ("vocab = rows(3)", ["--exhausted", "stop"], '--exhausted cannot be: words drawn "random"'),
    "once for ever": ("vocab = rows(3)", ["--draw", "once", "--exhausted", "recycle"], "cannot recycle"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_tables(tmp_path: Path, case: str) -> None:
    """What is wrong with a table or the way it is drawn is told with its place, and nothing runs."""
    (tmp_path / "empty.csv").touch()
    (tmp_path / "bad.csv").write_text("a,b\n1,2\n3\n")
    (tmp_path / "latin.txt").write_bytes(b"one\n\xfc\n")
    vocab, args, says = BAD[case]
    ran = command.run(scenario(tmp_path, vocab), *args)
    assert ran.exit_code == 2
    assert says in ran.err
    assert seen(tmp_path) == []


def test_nothing_to_draw(tmp_path: Path) -> None:
    """A way of drawing for a press() that takes no word is a mistake."""
    path = tmp_path / "bare.py"
    path.write_text("from hybridpress import Press\nclass Bare(Press):\n    async def press(self):\n        pass\n")
    ran = command.run(path, "--draw", "once")
    assert ran.exit_code == 2
    assert "Bare.press() takes no word, so that none can be drawn: leave out --draw once" in ran.err
