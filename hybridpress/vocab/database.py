"""The rows that a database query gives, as a table, by way of SQLAlchemy."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hybridpress.errors import UsageError
from hybridpress.vocab.packed import pack
from hybridpress.vocab.table import Table
from hybridpress.vocab.textfile import find_file

if TYPE_CHECKING:
    import sqlalchemy

CONNECT_S = 10.0
"""So long a database may take to answer at first; a query may take as long as it does."""
_ROWS_AT_ONCE = 10_000


def build_sql(url: str, query: str, params: Mapping[str, Any], base: Path) -> Table:
    """Each row a dict by column. Nothing is committed, and the connection is closed for good on return: a fork would
    share it.

    Raises:
        UsageError: SQLAlchemy or the database's driver is not installed, the database cannot be reached, or the query
            fails, gives no rows, or two columns of one name.
    """
    try:
        import sqlalchemy
    except ModuleNotFoundError:
        raise UsageError('sql() needs SQLAlchemy; install it with: pip install "hybridpress[sql]"') from None
    where = ""
    try:
        address = sqlalchemy.make_url(url)
        where = f" from {address.render_as_string(hide_password=True)}"
        engine = sqlalchemy.create_engine(_found(address, base), poolclass=sqlalchemy.NullPool)
        try:
            words = pack(_rows(engine, query, params))
        finally:
            engine.dispose()
    except ModuleNotFoundError as error:
        raise UsageError(f"sql(){where} needs a driver that is not installed: {error.name}") from None
    except TimeoutError:
        raise UsageError(f"sql(){where}: the database does not answer within {CONNECT_S:g} s") from None
    except sqlalchemy.exc.NoSuchModuleError:
        raise UsageError(f"sql(){where}: SQLAlchemy knows no such kind of database") from None
    except sqlalchemy.exc.ArgumentError as error:
        raise UsageError(f'sql() needs a URL such as "sqlite:///shop.db": {_told(error)}') from None
    except sqlalchemy.exc.SQLAlchemyError as error:
        raise UsageError(f"sql(){where}: {_told(error)}") from None
    if not len(words):
        raise UsageError(f"sql(){where}: the query gives no rows")
    return words


def _found(address: sqlalchemy.URL, base: Path) -> sqlalchemy.URL:
    """The address of an SQLite file with its whole path; SQLite would make one that is not there."""
    file = address.database
    if address.get_backend_name() != "sqlite" or not file or file == ":memory:" or file.startswith("file:"):
        return address
    return address.set(database=str(find_file(file, base).absolute()))


def _rows(engine: sqlalchemy.Engine, query: str, params: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    import sqlalchemy

    with _connected(engine) as connection:
        # Streamed where the driver can: a result of millions is then never in memory twice.
        streamed = connection.execution_options(stream_results=True, max_row_buffer=_ROWS_AT_ONCE)
        # Closed before the connection is: SQLite keeps its file open for a cursor that was not.
        with streamed.execute(sqlalchemy.text(query), dict(params)) as result:
            if not result.returns_rows:
                raise UsageError("sql() needs a query that gives rows, such as a select")
            names = list(result.keys())
            if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
                raise UsageError(f'sql(): two columns are named "{twice[0]}"; give one another name with "as"')
            for row in result:
                yield dict(zip(names, row, strict=True))


def _connected(engine: sqlalchemy.Engine) -> sqlalchemy.Connection:
    """A connection to the database.

    Raises:
        TimeoutError: it did not answer in time.
    """
    if engine.dialect.name == "sqlite":
        return engine.connect()  # a file, and of the thread that opens it
    # Every driver has a time limit of its own, under a name of its own, and most have none as they come.
    found: list[sqlalchemy.Connection | BaseException] = []

    def connect() -> None:
        try:
            found.append(engine.connect())
        except BaseException as error:  # noqa: BLE001 (raised below)
            found.append(error)

    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(CONNECT_S)
    if not found:
        raise TimeoutError
    if isinstance(found[0], BaseException):
        raise found[0]
    return found[0]


def _told(error: Exception) -> str:
    """What the driver says, without SQLAlchemy's copy of the query and its link to the documentation."""
    original = getattr(error, "orig", None)
    return str(original or error).strip().partition("\n")[0].partition(" (Background on this error at")[0]
