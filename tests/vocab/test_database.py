"""The rows of a query are the words; what keeps them from coming is told, and no password with it."""

from __future__ import annotations

import contextlib
import gc
import sqlite3
import sys
import threading
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hybridpress.errors import UsageError
from hybridpress.vocab import database, packed
from hybridpress.vocab.database import build_sql
from hybridpress.vocab.table import Table


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A directory with a small shop in it."""
    with closing(sqlite3.connect(tmp_path / "shop.db")) as shop, shop:
        shop.execute("create table users (id integer, name text, age integer)")
        shop.executemany("insert into users values (?, ?, ?)", [(1, "ann", 30), (2, "bob", None), (3, "é", 50)])
    return tmp_path


def built(base: Path, query: str, params: Mapping[str, Any] | None = None, url: str = "sqlite:///shop.db") -> Table:
    return build_sql(url, query, params or {}, base)


def told(base: Path, query: str, url: str = "sqlite:///shop.db") -> str:
    with pytest.raises(UsageError) as caught:
        built(base, query, url=url)
    return str(caught.value)


def test_rows_are_dicts(base: Path) -> None:
    """Each row by the names of its columns, with the values that the database has."""
    assert built(base, "select id, name, age from users order by id") == [
        {"id": 1, "name": "ann", "age": 30},
        {"id": 2, "name": "bob", "age": None},
        {"id": 3, "name": "é", "age": 50},
    ]


def test_values_are_bound(base: Path) -> None:
    """What the query is given is a value, whatever is written in it."""
    assert built(base, "select id from users where name = :name", {"name": "ann"}) == [{"id": 1}]
    with pytest.raises(UsageError, match="gives no rows"):
        built(base, "select id from users where name = :name", {"name": "ann' or '1' = '1"})


def test_an_absolute_path(base: Path) -> None:
    """A file may stand anywhere."""
    assert len(build_sql(f"sqlite:///{base / 'shop.db'}", "select * from users", {}, Path("/"))) == 3


def test_no_file(base: Path) -> None:
    """SQLite would make the file that is missing; it is told instead."""
    assert 'there is no file "shp.db" in ' in told(base, "select 1", "sqlite:///shp.db")
    assert not (base / "shp.db").exists()


def test_in_memory() -> None:
    """A query can do without a file, too."""
    assert built(Path(), "select 7 as id", url="sqlite://") == [{"id": 7}]


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("select * from orders", "sql() from sqlite:///shop.db: no such table: orders"),
        ("select", "sql() from sqlite:///shop.db: incomplete input"),
        ("select * from users where id > 9", "sql() from sqlite:///shop.db: the query gives no rows"),
        ("delete from users", "sql() needs a query that gives rows, such as a select"),
        ("select id, id from users", 'sql(): two columns are named "id"; give one another name with "as"'),
        ("select :name", "sql() from sqlite:///shop.db: A value is required for bind parameter 'name'"),
    ],
)
def test_a_query_that_fails(base: Path, query: str, sentence: str) -> None:
    """What the database says of it, in one line."""
    assert told(base, query) == sentence


def test_nothing_is_changed(base: Path) -> None:
    """A query that changes the database has changed nothing after."""
    told(base, "delete from users")
    assert len(built(base, "select * from users")) == 3


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("shop.db", 'sql() needs a URL such as "sqlite:///shop.db": '),
        ("klingon://ann:secret@db/shop", "sql() from klingon://ann:***@db/shop: SQLAlchemy knows no such kind"),
        (
            "postgresql+pg8000://ann:secret@db/shop",
            "sql() from postgresql+pg8000://ann:***@db/shop needs a driver that",
        ),
    ],
)
def test_a_database_that_cannot_be_had(base: Path, url: str, sentence: str) -> None:
    """It is said why, without the password."""
    assert told(base, "select 1", url).startswith(sentence)


def test_sqlalchemy_is_missing(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has not installed the extra is told its name."""
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    assert told(base, "select 1") == 'sql() needs SQLAlchemy; install it with: pip install "hybridpress[sql]"'


@pytest.mark.parametrize(
    "query", ["select * from users", "select id, id from users", "select * from users where id > 9"]
)
def test_no_connection_is_left(base: Path, query: str) -> None:
    """Nothing of the database is open when the table stands, or could not be built: a fork would share it."""
    gc.disable()  # what is left to it is left open
    try:
        with contextlib.suppress(UsageError):
            built(base, query)
        open_files = {path.resolve() for path in Path("/proc/self/fd").iterdir() if path.exists()}
    finally:
        gc.enable()
    assert base / "shop.db" not in open_files


def test_many_rows_are_packed(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large result is packed while it comes."""
    monkeypatch.setattr(packed, "PACK_FROM_BYTES", 1 << 20)
    table = built(
        base, "with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000) select i from n"
    )
    assert isinstance(table, packed.Packed)
    assert (len(table), table[19_999]) == (20_000, {"i": 20_000})


def test_a_database_that_does_not_answer(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is waited for so long, and said, whatever its driver's own limit is."""
    import sqlalchemy

    may_end = threading.Event()

    class Silent:
        class dialect:  # noqa: N801 (as SQLAlchemy has it)
            name = "postgresql"

        def connect(self) -> None:
            may_end.wait()

        def dispose(self) -> None: ...

    monkeypatch.setattr(sqlalchemy, "create_engine", lambda *_, **__: Silent())
    monkeypatch.setattr(database, "CONNECT_S", 0.05)
    try:
        text = told(base, "select 1", "postgresql://u:secret@db.example/shop")
    finally:
        may_end.set()
    assert text == "sql() from postgresql://u:***@db.example/shop: the database does not answer within 0.05 s"


def test_an_error_while_connecting(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the database's own, as if nobody had waited in another thread."""
    import sqlalchemy

    class Refusing:
        class dialect:  # noqa: N801 (as SQLAlchemy has it)
            name = "postgresql"

        def connect(self) -> None:
            raise sqlalchemy.exc.OperationalError("", {}, ConnectionError("refused"))

        def dispose(self) -> None: ...

    monkeypatch.setattr(sqlalchemy, "create_engine", lambda *_, **__: Refusing())
    assert told(base, "select 1", "postgresql://u@db.example/shop").endswith("db.example/shop: refused")
