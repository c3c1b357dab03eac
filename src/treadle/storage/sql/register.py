"""Named values on SQL."""

from __future__ import annotations

from sqlalchemy import select, update

from treadle.storage.sql.database import Database
from treadle.storage.sql.tables import register


class SqlRegister:
    """``ports.Register`` on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, name: str) -> str | None:
        """The value, or None where none was put."""
        with self._database.read() as connection:
            return connection.execute(select(register.c.value).where(register.c.name == name)).scalar()

    def put(self, name: str, value: str) -> None:
        """Set the value, whatever it was."""
        statement = self._database.insert_or_set(register, "name", values={"name": name, "value": value})
        with self._database.write() as connection:
            connection.execute(statement)

    def replace(self, name: str, expected: str | None, value: str) -> bool:
        """Set the value if it is ``expected`` now (None: not there yet); whether it was set. Atomic."""
        with self._database.write() as connection:
            if expected is None:
                statement = self._database.insert_new(register, "name")
                return connection.execute(statement, {"name": name, "value": value}).rowcount == 1
            same = (register.c.name == name) & (register.c.value == expected)
            return connection.execute(update(register).where(same).values(value=value)).rowcount == 1
