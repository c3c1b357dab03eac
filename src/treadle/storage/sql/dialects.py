"""Everything that differs between database systems, in one place: engines, transactions, conflicts, durability.

The rest of the store is portable SQLAlchemy Core. There are SQLite and Postgres (with psycopg 3).
"""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Dialect, Engine, Table, create_engine, event, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DBAPIError

from treadle.domain.errors import InvalidInput
from treadle.domain.search import like

WRITES = "treadle_writes"
"""The execution option of connections whose transactions write."""

BUSY_SECONDS = 30.0

MAPPED_BYTES = 1 << 30
"""Bytes of a SQLite file that are read through the system's page cache, without a copy."""

WRITING = 0x74726561
"""The key of the lock that the transaction which writes to a Postgres database holds."""

CHECKPOINT_AT = 8192
"""Pages of SQLite's log before they go to the database itself: pages that change often then go there once."""

WRITER_CACHE = 32 * 1024
"""KiB of pages that the one connection which writes all the time keeps."""

Insert = sqlite.Insert | postgresql.Insert


def open_engine(url: str) -> Engine:
    """An engine for ``sqlite:///<path>`` or ``postgresql://<user>@<host>/<database>``.

    SQLite runs in WAL mode with ``synchronous=NORMAL``: what is committed outlives a killed process, and after a loss
    of power the database is whole, though the last moments may be missing. Transactions that write begin IMMEDIATE,
    so that two of them queue up instead of failing half-way; on Postgres a lock does the same, so that what is true of
    one database is true of the other. Raises InvalidInput for a URL that cannot be used.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise InvalidInput(f"{url!r} is not a database URL", hint="write sqlite:///path/to/treadle.db") from error
    if parsed.drivername in ("postgresql", "postgres", "postgresql+psycopg"):
        return _open_postgres(parsed)
    if parsed.drivername != "sqlite":
        raise InvalidInput(
            f"this release cannot use a {parsed.drivername} database",
            hint="use sqlite:///path/to/file or postgresql://user@host/database",
        )
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


def _open_postgres(url: URL) -> Engine:
    try:
        engine = create_engine(url.set(drivername="postgresql+psycopg"), pool_pre_ping=True)
    except ImportError as error:
        raise InvalidInput(
            "a Postgres database needs the package psycopg", hint="pip install 'treadle[postgres]'"
        ) from error
    event.listen(engine, "begin", _begin_postgres)
    return engine


def insert(dialect: str, table: Table) -> Insert:
    """An INSERT that may say what is to be done about rows that are there already."""
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)


def insert_new(dialect: str, table: Table, *columns: str) -> Insert:
    """An INSERT that leaves the row alone which already has the same values in ``columns``."""
    # The count of rows says whether it was new; SQLAlchemy keeps it where it is told to, and does not ask for keys.
    statement = insert(dialect, table).inline().on_conflict_do_nothing(index_elements=list(columns))
    return statement.execution_options(preserve_rowcount=True)


def insert_or_set(dialect: str, table: Table, *columns: str, values: dict[str, Any]) -> Insert:
    """An INSERT of ``values`` that updates the row which already has the same values in ``columns``."""
    rest = {name: value for name, value in values.items() if name not in columns}
    return insert(dialect, table).values(**values).on_conflict_do_update(index_elements=list(columns), set_=rest)


def make_durable(connection: Connection) -> None:
    """Bring everything committed so far to the disk itself: a checkpoint begins with that. Postgres commits so."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)").all()


def keep_pages(connection: Connection) -> None:
    """Let a connection that is kept for writing keep the pages that it changes again and again."""
    if connection.dialect.name == "sqlite":
        raw: Any = connection.connection.dbapi_connection
        raw.execute(f"PRAGMA cache_size=-{WRITER_CACHE}")


def writes_at_once(connection: Connection) -> bool:
    """Make a connection one that never waits: where another writes, its transactions fail to begin (:func:`is_busy`).

    Nor does it bring the log to the database itself: other connections must. It does not go back to its pool. False
    where a transaction costs more than a few microseconds of waiting anyhow.
    """
    if connection.dialect.name != "sqlite":
        return False
    connection.detach()
    raw: Any = connection.connection.dbapi_connection
    raw.execute("PRAGMA busy_timeout=0")
    raw.execute("PRAGMA wal_autocheckpoint=0")
    return True


def is_busy(error: BaseException) -> bool:
    """Whether a SQLite database could not be written to because another transaction writes."""
    origin = error.orig if isinstance(error, DBAPIError) else error
    return isinstance(origin, sqlite3.OperationalError) and origin.sqlite_errorname.startswith("SQLITE_BUSY")


def positional(engine: Engine) -> Dialect:
    """The engine's dialect, compiling statements whose values are given by position."""
    if engine.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import psycopg

        by_position: Any = psycopg.dialect
        dialect: Dialect = by_position(paramstyle="format")
        return dialect
    return engine.dialect


def is_deadlock(error: BaseException) -> bool:
    """Whether the database ended the transaction because it and another waited for, or overtook, each other."""
    origin = error.orig if isinstance(error, DBAPIError) else error
    return getattr(origin, "sqlstate", None) in ("40P01", "40001")


def _prepare_sqlite(connection: sqlite3.Connection, _: object) -> None:
    connection.isolation_level = None
    connection.create_function("treadle_like", 3, _like, deterministic=True)
    for pragma in (
        "foreign_keys=ON",
        "synchronous=NORMAL",
        f"mmap_size={MAPPED_BYTES}",
        f"wal_autocheckpoint={CHECKPOINT_AT}",
    ):
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
    # Straight to the driver: SQLAlchemy's own way to run a statement costs more than small transactions do.
    raw: Any = connection.connection.dbapi_connection
    raw.execute("BEGIN IMMEDIATE" if writes else "BEGIN")


def _begin_postgres(connection: Connection) -> None:
    raw: Any = connection.connection.dbapi_connection
    if connection.get_execution_options().get(WRITES, False):
        raw.execute(f"SELECT pg_advisory_xact_lock({WRITING})")
    else:
        raw.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")


def _like(text: str, pattern: str, ignore_case: int) -> bool:
    return like(pattern, ignore_case=bool(ignore_case)).fullmatch(text) is not None
