"""Model versions and their aliases on SQL."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from sqlalchemy import Connection, delete, func, insert, select, update

from treadle.domain import codec
from treadle.domain.errors import Conflict, NotFound
from treadle.domain.events import Event
from treadle.domain.gates import GateReport
from treadle.domain.versions import ModelVersion
from treadle.storage.sql.database import Database, time_text
from treadle.storage.sql.events import record_events
from treadle.storage.sql.registered import owned
from treadle.storage.sql.tables import aliases, versions


class SqlVersions:
    """``ports.Versions`` on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def register(self, version: ModelVersion, *events: Event) -> None:
        """Store a version; the same again is no change.

        Raises Conflict where the number is taken by another attempt, or the attempt ended in another number.
        """
        row = {
            "model": version.model,
            "number": version.number,
            "attempt": version.attempt,
            "snapshot": version.recipe.snapshot_digest,
            "created_at": time_text(version.created_at),
            "body": codec.dumps(version),
        }
        same_model = versions.c.model == version.model
        taken = (versions.c.number == version.number) | (versions.c.attempt == version.attempt)
        with self._database.write() as connection:
            known = connection.execute(
                select(versions.c.number, versions.c.attempt).where(same_model, taken).order_by(versions.c.number)
            ).all()
            if any((k.number, k.attempt) == (version.number, version.attempt) for k in known):
                return
            for other in known:
                raise Conflict(
                    f"version {other.number} of {version.model!r} came of attempt {other.attempt!r}; "
                    f"attempt {version.attempt!r} cannot become version {version.number}",
                    hint="ask for the next number and register again",
                )
            connection.execute(insert(versions).values(row))
            owned.show(self._database, connection, version)
            record_events(self._database, connection, events)

    def next_number(self, model: str) -> int:
        """The number that the next version of this model gets, from 1."""
        with self._database.read() as connection:
            newest = connection.execute(select(func.max(versions.c.number)).where(versions.c.model == model)).scalar()
            registered = owned.last_number(connection, model)
        return max(newest or 0, registered) + 1

    def judge(self, model: str, number: int, report: GateReport, *events: Event) -> None:
        """Record what the gates found. Raises NotFound."""
        with self._database.write() as connection:
            judged = dataclasses.replace(_stored(connection, model, number), gates=report)
            same = (versions.c.model == model) & (versions.c.number == number)
            connection.execute(update(versions).where(same).values(body=codec.dumps(judged)))
            owned.show_verdict(self._database, connection, model, number, report)
            record_events(self._database, connection, events)

    def get(self, model: str, number: int) -> ModelVersion:
        """A version. Raises NotFound."""
        with self._database.read() as connection:
            return _stored(connection, model, number)

    def by_attempt(self, model: str, attempt: str) -> ModelVersion | None:
        """The version that an attempt ended in, if it did."""
        statement = select(versions.c.body).where(versions.c.model == model, versions.c.attempt == attempt)
        with self._database.read() as connection:
            body = connection.execute(statement).scalar()
        return None if body is None else codec.loads(ModelVersion, body)

    def list(self, model: str) -> Sequence[ModelVersion]:
        """All versions of a model, newest first."""
        statement = select(versions.c.body).where(versions.c.model == model).order_by(versions.c.number.desc())
        with self._database.read() as connection:
            return [codec.loads(ModelVersion, body) for body in connection.execute(statement).scalars()]

    def using_snapshot(self, snapshot: str) -> Sequence[ModelVersion]:
        """Versions of any model that were trained on a snapshot, newest first."""
        statement = (
            select(versions.c.body)
            .where(versions.c.snapshot == snapshot)
            .order_by(versions.c.created_at.desc(), versions.c.model, versions.c.number.desc())
        )
        with self._database.read() as connection:
            return [codec.loads(ModelVersion, body) for body in connection.execute(statement).scalars()]

    def set_alias(self, model: str, alias: str, number: int | None, *events: Event) -> None:
        """Point an alias at a version, or remove it. Raises NotFound for a version that is not there."""
        with self._database.write() as connection:
            if number is None:
                connection.execute(delete(aliases).where(aliases.c.model == model, aliases.c.alias == alias))
            else:
                _stored(connection, model, number)
                values = {"model": model, "alias": alias, "number": number}
                connection.execute(self._database.insert_or_set(aliases, "model", "alias", values=values))
            owned.show_alias(self._database, connection, model, alias, number)
            record_events(self._database, connection, events)

    def aliases(self, model: str) -> dict[str, int]:
        """The aliases of a model, for example ``{"champion": 3}``."""
        statement = select(aliases).where(aliases.c.model == model).order_by(aliases.c.alias)
        with self._database.read() as connection:
            return {row.alias: row.number for row in connection.execute(statement)}


def _stored(connection: Connection, model: str, number: int) -> ModelVersion:
    statement = select(versions.c.body).where(versions.c.model == model, versions.c.number == number)
    body = connection.execute(statement).scalar()
    if body is None:
        raise NotFound(f"there is no version {number} of model {model!r}", hint=f"see: treadle versions {model}")
    return codec.loads(ModelVersion, body)
