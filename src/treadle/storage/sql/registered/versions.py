"""Versions of registered models on SQL."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from treadle.domain.events import RegistryChanged, StageMoved
from treadle.domain.registered import Change, NewVersion, RegisteredVersion, Stage
from treadle.domain.registered_errors import owned_version
from treadle.domain.search import EVERYTHING, Condition, Order
from treadle.domain.tracking import Found
from treadle.storage.sql.database import Database
from treadle.storage.sql.registered import reading
from treadle.storage.sql.registered.columns import VersionColumns
from treadle.storage.sql.registered.models import tell
from treadle.storage.sql.registered.tables import (
    registered_aliases,
    registered_models,
    registered_version_tags,
    registered_versions,
)
from treadle.storage.sql.tracking import searching
from treadle.storage.sql.writer import WriteConnection, Writer

_V = registered_versions.c


class SqlRegisteredVersions:
    """``ports.RegisteredVersions`` on SQL."""

    def __init__(self, database: Database, writer: Writer) -> None:
        self._database = database
        self._writer = writer

    def create_version(self, name: str, new: NewVersion, change: Change) -> Future[RegisteredVersion]:
        """The next number. Raises NotFound for the model."""

        def work(connection: WriteConnection) -> RegisteredVersion:
            core = connection.core
            model = reading.model_row(core, name, lock=True)
            number = model.last_number + 1
            _touch(core, model.number, change, last_number=number)
            core.execute(insert(registered_versions).values(_row(model.number, number, new, change)))
            if new.tags:
                rows = [{"model": model.number, "version": number, "key": k, "value": v} for k, v in new.tags.items()]
                core.execute(insert(registered_version_tags), rows)
            payload = RegistryChanged("version_created", number, new.source, change.reason)
            tell(self._database, core, name, change, payload)
            return reading.one_version(core, name, number)

        return self._writer.submit(work)

    def get_version(self, name: str, number: int) -> RegisteredVersion:
        """Raises NotFound."""
        with self._database.read() as connection:
            return reading.one_version(connection, name, number)

    def latest_versions(self, name: str) -> Sequence[RegisteredVersion]:
        """The newest version of each stage, by number. Raises NotFound for the model."""
        with self._database.read() as connection:
            number = reading.model_row(connection, name).number
            return reading.latest(connection, [number]).get(number, ())

    def describe_version(
        self, name: str, number: int, description: str | None, change: Change
    ) -> Future[RegisteredVersion]:
        """Raises NotFound."""

        def work(connection: WriteConnection) -> RegisteredVersion:
            row = reading.version_row(connection.core, name, number)
            connection.core.execute(_changed(row).values(description=description, updated=change.millis))
            return reading.one_version(connection.core, name, number)

        return self._writer.submit(work)

    def delete_version(self, name: str, number: int, change: Change) -> Future[None]:
        """With its aliases; its number is not given again. Raises NotFound, InvalidInput for an owned one."""

        def work(connection: WriteConnection) -> None:
            core = connection.core
            row = reading.version_row(core, name, number)
            if row.owned:
                raise owned_version(name, number, "deleted")
            for table in (registered_aliases, registered_version_tags, registered_versions):
                core.execute(delete(table).where(table.c.model == row.model, table.c.version == number))
            _touch(core, row.model, change)
            payload = RegistryChanged("version_deleted", number, row.source, change.reason)
            tell(self._database, core, name, change, payload)

        return self._writer.submit(work)

    def set_version_tag(self, name: str, number: int, key: str, value: str) -> Future[None]:
        """Raises NotFound for the version."""

        def work(connection: WriteConnection) -> None:
            row = reading.version_row(connection.core, name, number)
            values = {"model": row.model, "version": number, "key": key, "value": value}
            columns = ("model", "version", "key")
            connection.core.execute(self._database.insert_or_set(registered_version_tags, *columns, values=values))

        return self._writer.submit(work)

    def delete_version_tag(self, name: str, number: int, key: str) -> Future[None]:
        """A tag that is not there is no error. Raises NotFound for the version."""

        def work(connection: WriteConnection) -> None:
            row, t = reading.version_row(connection.core, name, number), registered_version_tags.c
            connection.core.execute(
                delete(registered_version_tags).where(t.model == row.model, t.version == number, t.key == key)
            )

        return self._writer.submit(work)

    def move_stage(
        self, name: str, number: int, stage: Stage, change: Change, *, archive: bool = False
    ) -> Future[RegisteredVersion]:
        """With ``archive``, other versions of that stage become Archived. Raises NotFound, InvalidInput for owned ones,
        among them owned ones that would be archived."""

        def work(connection: WriteConnection) -> RegisteredVersion:
            core = connection.core
            row = reading.version_row(core, name, number)
            moving = [(row, stage)]
            if archive:
                others = reading.VERSIONS.where(_V.model == row.model, _V.version != number, _V.stage == stage.value)
                moving += [(other, Stage.ARCHIVED) for other in core.execute(others.order_by(_V.version))]
            for version, to in moving:
                if version.owned:
                    raise owned_version(name, version.version, "moved to another stage")
                core.execute(_changed(version).values(stage=to.value, updated=change.millis))
                payload = StageMoved(version.version, to.value, version.stage, change.reason)
                tell(self._database, core, name, change, payload)
            _touch(core, row.model, change)
            return reading.one_version(core, name, number)

        return self._writer.submit(work)

    def search_versions(
        self, condition: Condition = EVERYTHING, order: Sequence[Order] = (), *, limit: int, cursor: str | None = None
    ) -> Found[RegisteredVersion]:
        """Raises InvalidInput for a bad cursor or an unknown column."""
        with self._database.read() as connection:
            columns = VersionColumns(connection.dialect.name)
            statement = (
                select(_key())
                .join_from(registered_versions, registered_models, _V.model == registered_models.c.number)
                .where(searching.compiled(condition, columns.comparison))
            )
            terms = [
                *searching.terms(order, columns.sorted),
                searching.Term(registered_models.c.name),
                searching.Term(_V.version, ascending=False),
            ]
            page = searching.page(connection, statement, terms, limit, cursor)
            keys = [divmod(number, _SHIFT) for number in page.numbers]
            found = reading.keyed(connection, keys)
        return Found([found[key] for key in keys], page.cursor)


_SHIFT = 2**31


def _key() -> Any:
    """Model and version in one number."""
    return _V.model * _SHIFT + _V.version


def _row(model: int, number: int, new: NewVersion, change: Change) -> dict[str, Any]:
    return {
        "model": model,
        "version": number,
        "created": change.millis,
        "updated": change.millis,
        "source": new.source,
        "location": new.location,
        "stage": Stage.NONE.value,
        "run": new.run,
        "run_link": new.run_link,
        "description": new.description,
        "user_id": new.user,
        "model_id": new.model_id,
        "owned": False,
    }


def _changed(row: Row[Any]) -> Any:
    return update(registered_versions).where(_V.model == row.model, _V.version == row.version)


def _touch(core: Connection, model: int, change: Change, **values: int) -> None:
    number = registered_models.c.number
    core.execute(update(registered_models).where(number == model).values(updated=change.millis, **values))
