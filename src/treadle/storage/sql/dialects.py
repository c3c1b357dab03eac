"""Everything that differs between database systems, in one place: engines, transactions, conflicts, durability.

The rest of the store is portable SQLAlchemy Core; so far there is SQLite.
"""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Insert, Table, create_engine, event, make_url
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import ArgumentError

from treadle.domain.errors import InvalidInput

WRITES = "treadle_writes"
"""The execution option of connections whose transactions write."""

BUSY_SECONDS = 30.0


def open_engine(url: str) -> Engine:
    """An engine for ``sqlite:///<path>``.

    SQLite runs in WAL mode with ``synchronous=NORMAL``: what is committed outlives a killed process, and after a loss
    of power the database is whole, though the last moments may be missing. Transactions that write begin IMMEDIATE,
    so that two of them queue up instead of failing half-way. Raises InvalidInput for a URL that cannot be used.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise InvalidInput(f"{url!r} is not a database URL", hint="write sqlite:///path/to/treadle.db") from error
    if parsed.drivername != "sqlite":
        raise InvalidInput(f"this release cannot use a {parsed.drivername} database", hint="use sqlite:///path/to/file")
    if not parsed.database or parsed.database == ":memory:":
        raise InvalidInput(
            "a SQLite database in memory cannot be shared by processes",
            hint="name a file, or use the doubles in treadle.testing.memory",
        )
    Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(parsed, connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def insert_new(table: Table, *columns: str) -> Insert:
    """An INSERT that leaves the row alone which already has the same values in ``columns``."""
    return sqlite.insert(table).on_conflict_do_nothing(index_elements=list(columns))


def insert_or_set(table: Table, *columns: str, values: dict[str, Any]) -> Insert:
    """An INSERT of ``values`` that updates the row which already has the same values in ``columns``."""
    rest = {name: value for name, value in values.items() if name not in columns}
    return sqlite.insert(table).values(**values).on_conflict_do_update(index_elements=list(columns), set_=rest)


def make_durable(connection: Connection) -> None:
    """Bring everything committed so far to the disk itself: a checkpoint begins with that."""
    connection.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)").all()


def _prepare_sqlite(connection: sqlite3.Connection, _: object) -> None:
    connection.isolation_level = None
    for pragma in ("foreign_keys=ON", "synchronous=NORMAL"):
        connection.execute(f"PRAGMA {pragma}")
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            # The switch to WAL does not honour the busy timeout while another process is switching too.
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
