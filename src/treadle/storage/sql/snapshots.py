"""Records of snapshots on SQL."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from treadle.domain import codec
from treadle.domain.data import Snapshot
from treadle.domain.errors import NotFound
from treadle.storage.sql.database import Database, time_text
from treadle.storage.sql.tables import snapshots


class SqlSnapshots:
    """``ports.Snapshots`` on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, snapshot: Snapshot) -> None:
        """Store a snapshot's record; the same digest and as_of again is no change."""
        row = {
            "digest": snapshot.digest,
            "model": snapshot.model,
            "as_of": time_text(snapshot.as_of),
            "body": codec.dumps(snapshot),
        }
        with self._database.write() as connection:
            connection.execute(self._database.insert_new(snapshots, "digest", "model", "as_of"), row)

    def get(self, digest: str) -> Snapshot:
        """The record (of the earliest as_of, where two have the same rows). Raises NotFound."""
        statement = select(snapshots.c.body).where(snapshots.c.digest == digest).order_by(snapshots.c.as_of).limit(1)
        with self._database.read() as connection:
            body = connection.execute(statement).scalar()
        if body is None:
            raise NotFound(f"there is no snapshot {digest}", hint="it was never taken here; run the training again")
        return codec.loads(Snapshot, body)

    def list(self, model: str) -> Sequence[Snapshot]:
        """Snapshots of a model, newest first."""
        statement = (
            select(snapshots.c.body)
            .where(snapshots.c.model == model)
            .order_by(snapshots.c.as_of.desc(), snapshots.c.digest)
        )
        with self._database.read() as connection:
            return [codec.loads(Snapshot, body) for body in connection.execute(statement).scalars()]
