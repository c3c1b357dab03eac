"""Names of metrics, params and tags as numbers."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from sqlalchemy import Connection, Engine, bindparam, select

from treadle.storage.sql import dialects
from treadle.storage.sql.prepared import Cursor, Prepared
from treadle.storage.sql.tracking.tables import keys

AT_ONCE = 500
"""Values in one IN; databases limit them."""


class WrittenKeys:
    """Numbers for writing; new names get one. For one thread.

    Whoever rolls back what was written must call :meth:`forget`.
    """

    def __init__(self, engine: Engine) -> None:
        self._known: dict[str, int] = {}
        self._select = Prepared(engine, select(keys.c.number).where(keys.c.text == bindparam("text")))
        self._insert = Prepared(
            engine, dialects.insert_new(engine.dialect.name, keys, "text").values(text=bindparam("text"))
        )

    def number(self, cursor: Cursor, text: str) -> int:
        """The number of a name."""
        known = self._known.get(text)
        if known is not None:
            return known
        row = cursor.run(self._select, text=text).fetchone()
        if row is None:
            cursor.run(self._insert, text=text)
            row = cursor.run(self._select, text=text).fetchone()
        self._known[text] = row[0]
        return int(row[0])

    def forget(self) -> None:
        """Ask the database again from here on."""
        self._known.clear()


class ReadKeys:
    """Numbers and names for reading. What is committed stays, so it is kept; threads may share it."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._texts: dict[int, str] = {}

    def number(self, connection: Connection, text: str) -> int:
        """The number of a name; -1, which no name has, where it was never logged."""
        if text not in self._numbers:
            found = connection.execute(select(keys.c.number).where(keys.c.text == text)).scalar_one_or_none()
            if found is None:
                return -1
            self._keep(found, text)
        return self._numbers[text]

    def texts(self, connection: Connection, numbers: Collection[int]) -> Mapping[int, str]:
        """At least the names of these numbers."""
        for part in parts_of([number for number in set(numbers) if number not in self._texts]):
            for row in connection.execute(select(keys.c.number, keys.c.text).where(keys.c.number.in_(part))):
                self._keep(row.number, row.text)
        return self._texts

    def _keep(self, number: int, text: str) -> None:
        self._texts[number] = text
        self._numbers[text] = number


def parts_of(values: Collection[int]) -> Iterable[list[int]]:
    """Values in lots that fit into one statement."""
    found = list(values)
    return (found[start : start + AT_ONCE] for start in range(0, len(found), AT_ONCE))
