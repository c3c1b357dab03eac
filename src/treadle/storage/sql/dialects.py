"""Everything that differs between database systems, in one place: engines, locks, conflict clauses, durability."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Dialect, Engine, Insert, Table, create_engine, event, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError

from treadle.domain.errors import InvalidInput

WRITES = "treadle_writes"
"""The execution option of connections whose transactions write."""

BUSY_SECONDS = 30.0
_MIGRATION_LOCK = 0x74726561646C65


def open_engine(url: str) -> Engine:
    """An engine for ``sqlite:///<path>`` or a Postgres URL.

    SQLite runs in WAL mode with ``synchronous=NORMAL``: what is committed outlives a killed process, and after a loss
    of power the database is whole, though the last moments may be missing. Transactions that write begin IMMEDIATE,
    so that two of them queue up instead of failing half-way. Raises InvalidInput for a URL that cannot be used.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise InvalidInput(f"{url!r} is not a database URL", hint="write sqlite:///path/to/treadle.db") from error
    backend = parsed.get_backend_name()
    if backend == "postgresql":
        return create_engine(parsed.set(drivername="postgresql+psycopg"))
    if backend != "sqlite":
        raise InvalidInput(f"a {backend} database cannot be used", hint="use sqlite:///path or postgresql://...")
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


def insert_new(dialect: Dialect, table: Table, *columns: str) -> Insert:
    """An INSERT that leaves the row alone which already has the same values in ``columns``."""
    make: Any = postgresql.insert if dialect.name == "postgresql" else sqlite.insert
    statement: Insert = make(table).on_conflict_do_nothing(index_elements=list(columns))
    return statement


def insert_or_set(dialect: Dialect, table: Table, *columns: str, values: dict[str, Any]) -> Insert:
    """An INSERT of ``values`` that updates the row which already has the same values in ``columns``."""
    make: Any = postgresql.insert if dialect.name == "postgresql" else sqlite.insert
    rest = {name: value for name, value in values.items() if name not in columns}
    statement: Insert = make(table).values(**values).on_conflict_do_update(index_elements=list(columns), set_=rest)
    return statement


def lock_for_migration(connection: Connection) -> None:
    """Keep other processes from migrating until the transaction ends; on SQLite a writing transaction does already."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")


def make_durable(connection: Connection) -> None:
    """Bring everything committed so far to the disk itself. Postgres has done so at each commit."""
    if connection.dialect.name == "sqlite":
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
