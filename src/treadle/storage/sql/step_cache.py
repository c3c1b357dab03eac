"""What steps made, by key, on SQL."""

from __future__ import annotations

from sqlalchemy import select

from treadle.domain import codec
from treadle.domain.steps import StepResult
from treadle.storage.sql.database import Database
from treadle.storage.sql.tables import steps


class SqlStepCache:
    """``ports.StepCache`` on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, key: str) -> StepResult | None:
        """What an equal step made, if one ran before."""
        with self._database.read() as connection:
            body = connection.execute(select(steps.c.body).where(steps.c.key == key)).scalar()
        return None if body is None else codec.loads(StepResult, body)

    def put(self, result: StepResult) -> None:
        """Keep a result; an equal key again is no change."""
        with self._database.write() as connection:
            statement = self._database.insert_new(steps, "key")
            connection.execute(statement, {"key": result.key, "body": codec.dumps(result)})
