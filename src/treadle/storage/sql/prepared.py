"""Statements compiled once, and run on the driver's own cursors: for the paths where every microsecond counts."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.sql import ClauseElement

from treadle.storage.sql import dialects


class Prepared:
    """The text of a statement in its database's dialect, and the order of its values.

    Values pass the driver as they are: no type of SQLAlchemy converts them.
    """

    def __init__(self, engine: Engine, statement: ClauseElement) -> None:
        compiled: Any = statement.compile(
            dialect=dialects.positional(engine), compile_kwargs={"render_postcompile": True}
        )
        self.sql = str(compiled)
        names: list[str] = list(compiled.positiontup or ())
        self._constants = {name: value for name, value in compiled.params.items() if value is not None}
        self.values: Callable[[Mapping[str, Any]], tuple[Any, ...]] = _getter(names)

    def row(self, values: Mapping[str, Any]) -> tuple[Any, ...]:
        """The values in the statement's order."""
        return self.values({**self._constants, **values} if self._constants else values)


class Cursor:
    """A driver's cursor inside the transaction of a connection."""

    def __init__(self, connection: Connection) -> None:
        raw: Any = connection.connection.dbapi_connection
        self._cursor = raw.cursor()

    def run(self, statement: Prepared, **values: Any) -> Any:
        """Execute; what comes back has ``fetchone``, ``fetchall`` and ``rowcount``."""
        self._cursor.execute(statement.sql, statement.row(values))
        return self._cursor

    def run_many(self, statement: Prepared, rows: Iterable[Mapping[str, Any]]) -> None:
        """Execute once for each row."""
        self._cursor.executemany(statement.sql, [statement.row(row) for row in rows])

    def run_rows(self, statement: Prepared, rows: list[tuple[Any, ...]]) -> int:
        """Execute once for each row, whose values are in the statement's order already; how many rows were changed."""
        self._cursor.executemany(statement.sql, rows)
        return int(self._cursor.rowcount)

    def command(self, sql: str) -> None:
        """Execute a statement without values."""
        self._cursor.execute(sql)

    def close(self) -> None:
        """Let go of it."""
        self._cursor.close()


def _getter(names: list[str]) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
    if not names:
        return lambda _: ()
    if len(names) == 1:
        only = names[0]
        return lambda values: (values[only],)
    return operator.itemgetter(*names)
