"""Transactions on one database, whichever system it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.exc import DatabaseError
from sqlalchemy.exc import TimeoutError as NoConnection

from treadle.domain import codec
from treadle.domain.errors import CorruptData, TreadleError
from treadle.storage.sql import dialects


class Database:
    """Opens transactions. May be shared by threads; every process opens its own."""

    def __init__(self, url: str) -> None:
        self.engine = dialects.open_engine(url)
        self._driver: Any = self.engine.dialect.loaded_dbapi
        self._writers = self.engine.execution_options(**{dialects.WRITES: True})

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads, and sees one state of the database."""
        with self.explained(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that is committed at the end of the block, or rolled back where the block raises."""
        with self.explained(), self._writers.begin() as connection:
            yield connection

    def writing_connection(self) -> Connection:
        """A connection to keep, whose transactions write. Whoever asks for it closes it."""
        with self.explained():
            connection = self._writers.connect()
            dialects.keep_pages(connection)
            return connection

    def insert_new(self, table: Table, *columns: str) -> dialects.Insert:
        """An INSERT that leaves the row alone which already has the same values in ``columns``."""
        return dialects.insert_new(self.engine.dialect.name, table, *columns)

    def insert_or_set(self, table: Table, *columns: str, values: dict[str, Any]) -> dialects.Insert:
        """An INSERT of ``values`` that updates the row which already has the same values in ``columns``."""
        return dialects.insert_or_set(self.engine.dialect.name, table, *columns, values=values)

    def make_durable(self) -> None:
        """Bring everything committed so far to the disk itself."""
        with self.explained(), self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            dialects.make_durable(connection)

    def close(self) -> None:
        """Let go of all connections."""
        self.engine.dispose()

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Raises TreadleError, or CorruptData, for what the database or its driver raises where it cannot be used."""
        try:
            yield
        except NoConnection as error:
            raise self._unusable(error) from error
        except (DatabaseError, self._driver.DatabaseError) as error:
            origin: Any = error.orig if isinstance(error, DatabaseError) else error
            if isinstance(origin, self._driver.OperationalError) and not dialects.is_deadlock(error):
                raise self._unusable(origin) from error
            if type(origin) is not self._driver.DatabaseError:
                raise
            where = self.engine.url.render_as_string(hide_password=True)
            raise CorruptData(f"the database {where} is damaged: {origin}", hint="restore it from a backup") from error

    def _unusable(self, error: BaseException) -> TreadleError:
        where = self.engine.url.render_as_string(hide_password=True)
        return TreadleError(
            f"the database {where} cannot be used: {error}",
            hint="see that its disk has room, that it may be written to and that no other program holds it locked",
        )


def time_text(at: datetime) -> str:
    """A time as it is kept in columns: ISO 8601 in UTC with microseconds, so that text sorts as time does.

    Raises InvalidInput for a time without a zone.
    """
    text: str = codec.to_plain(at)
    return text


def text_time(text: str) -> datetime:
    """The inverse of :func:`time_text`."""
    return datetime.fromisoformat(text)
