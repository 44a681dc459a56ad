"""What stands on a scenario's class is a description; built, it is the table."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hybridpress.errors import UsageError
from hybridpress.vocab import access_log, csv, jsonl, lines, repeat, rows, sql
from hybridpress.vocab.table import Source


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A directory with a file of each kind."""
    (tmp_path / "users.csv").write_text("id;name\n1;ann\n")
    (tmp_path / "users.jsonl").write_text('{"id": 1}\n')
    (tmp_path / "urls.txt").write_text("/a\n/b\n")
    (tmp_path / "access.log").write_text('::1 - - [10/Oct/2000:13:55:36 -0700] "GET /a HTTP/1.1" 200 0\n')
    return tmp_path


def test_each_source(base: Path) -> None:
    """A source is built in the scenario's directory, with its options."""
    assert list(csv("users.csv", delimiter=";", types={"id": int}).build(base)) == [{"id": 1, "name": "ann"}]
    assert csv(Path("users.csv"), fields=["row"]).build(base)[0] == {"row": "id;name"}
    assert list(jsonl("users.jsonl").build(base)) == [{"id": 1}]
    assert list(lines("urls.txt").build(base)) == ["/a", "/b"]
    assert access_log("access.log").build(base)[0]["path"] == "/a"
    assert sql("sqlite://", "select :n as n", {"n": 3}).build(base)[0] == {"n": 3}
    assert list(rows(3).build(base)) == [0, 1, 2]
    assert len(rows("10M").build(base)) == 10_000_000


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("/home", ["/home"]),
        ({"id": 1}, [{"id": 1}]),
        (None, [None]),
        ([1, 2], [1, 2]),
        ((1, 2), [1, 2]),
        (range(2), [0, 1]),
        (lines("urls.txt"), ["/a", "/b"]),
        (repeat("x", 2), ["x", "x"]),
    ],
    ids=str,
)
def test_repeat(base: Path, words: Any, wanted: list[Any]) -> None:
    """A source, a list, a tuple or a range is many words; anything else is one."""
    assert list(repeat(words, 3).build(base)) == wanted * 3


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (rows(0), "rows(): the count must be a whole number of 1 or more, got "),
        (repeat("x", "many"), "repeat(): the count must be a whole number of 1 or more, got "),
        (csv("users.csv", fields="id,name"), "users.csv: fields must be a list of names, got 'id,name'"),
        (csv("no.csv"), 'there is no file "no.csv" in '),
    ],
)
def test_what_is_wrong_is_told_when_it_is_built(base: Path, source: Source, sentence: str) -> None:
    """The description itself never fails, so that all of a scenario's mistakes are told together."""
    with pytest.raises(UsageError) as caught:
        source.build(base)
    assert str(caught.value).startswith(sentence)


def test_a_description_shows_no_password() -> None:
    """repr() is for messages."""
    assert "secret" not in repr(sql("postgresql://ann:secret@db/shop", "select 1"))
    assert "users.csv" in repr(csv("users.csv"))


def test_descriptions_are_light() -> None:
    """A scenario that only describes its table brings neither numpy nor a database with it."""
    code = "import sys; from hybridpress.vocab import Policy, Vocab, csv; Policy('once'), csv('a'); print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"numpy", "sqlalchemy", "sqlite3"} & set(found)
