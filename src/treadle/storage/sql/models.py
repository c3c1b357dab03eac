"""Applied models on SQL."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, insert, select

from treadle.domain import codec
from treadle.domain.errors import Conflict, NotFound
from treadle.domain.events import Event
from treadle.domain.models import AppliedModel
from treadle.storage.sql.database import Database
from treadle.storage.sql.events import record_events
from treadle.storage.sql.tables import models


class SqlModels:
    """``ports.Models`` on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def apply(self, model: AppliedModel, *events: Event) -> None:
        """Store the next revision. Raises Conflict unless ``model.revision`` is one more than the stored one."""
        with self._database.write() as connection:
            newest = connection.execute(select(func.max(models.c.revision)).where(models.c.name == model.name)).scalar()
            if model.revision != (newest or 0) + 1:
                raise Conflict(
                    f"revision {model.revision} of model {model.name!r} cannot follow revision {newest or 0}",
                    hint="somebody applied it meanwhile; plan and apply again",
                )
            row = {"name": model.name, "revision": model.revision, "body": codec.dumps(model)}
            connection.execute(insert(models).values(row))
            record_events(self._database, connection, events)

    def get(self, name: str, revision: int | None = None) -> AppliedModel:
        """A revision, or the newest. Raises NotFound."""
        statement = select(models.c.body).where(models.c.name == name).order_by(models.c.revision.desc()).limit(1)
        if revision is not None:
            statement = statement.where(models.c.revision == revision)
        with self._database.read() as connection:
            body = connection.execute(statement).scalar()
        if body is None:
            wanted = f"model {name!r}" if revision is None else f"revision {revision} of model {name!r}"
            raise NotFound(f"there is no {wanted}", hint="apply it with: treadle apply <file>")
        return codec.loads(AppliedModel, body)

    def all(self) -> Sequence[AppliedModel]:
        """The newest revision of every model, by name."""
        newest = select(models.c.name, func.max(models.c.revision).label("revision")).group_by(models.c.name).subquery()
        same = (models.c.name == newest.c.name) & (models.c.revision == newest.c.revision)
        with self._database.read() as connection:
            rows = connection.execute(select(models.c.body).join(newest, same).order_by(models.c.name)).scalars()
            return [codec.loads(AppliedModel, body) for body in rows]
