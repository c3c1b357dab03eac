"""Deployments on SQL."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from treadle.domain import codec
from treadle.domain.deployments import Deployment
from treadle.domain.errors import Conflict
from treadle.domain.events import Event
from treadle.storage.sql.database import Database
from treadle.storage.sql.events import record_events
from treadle.storage.sql.tables import deployments


class SqlDeployments:
    """``ports.Deployments`` on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, model: str) -> Deployment | None:
        """The deployment, or None before the first rollout."""
        with self._database.read() as connection:
            body = connection.execute(select(deployments.c.body).where(deployments.c.model == model)).scalar()
        return None if body is None else codec.loads(Deployment, body)

    def put(self, deployment: Deployment, *events: Event) -> None:
        """Store it. Raises Conflict unless ``deployment.revision`` is one more than the stored one (from 1)."""
        values = {"model": deployment.model, "revision": deployment.revision, "body": codec.dumps(deployment)}
        present = select(deployments.c.revision).where(deployments.c.model == deployment.model).with_for_update()
        with self._database.write() as connection:
            revision = connection.execute(present).scalar() or 0
            if deployment.revision != revision + 1:
                raise Conflict(
                    f"revision {deployment.revision} of {deployment.model!r}'s deployment cannot follow {revision}",
                    hint="somebody changed it meanwhile; read it again and decide anew",
                )
            connection.execute(self._database.insert_or_set(deployments, "model", values=values))
            record_events(self._database, connection, events)

    def all(self) -> Sequence[Deployment]:
        """All deployments by model name."""
        with self._database.read() as connection:
            rows = connection.execute(select(deployments.c.body).order_by(deployments.c.model)).scalars()
            return [codec.loads(Deployment, body) for body in rows]
