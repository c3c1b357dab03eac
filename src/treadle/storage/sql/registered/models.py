"""Registered models on SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future

from sqlalchemy import Connection, delete, insert, select, update

from treadle.domain.events import Event, Payload, RegistryChanged
from treadle.domain.registered import Change, RegisteredModel
from treadle.domain.registered_errors import model_exists, owned_model
from treadle.domain.search import EVERYTHING, Condition, Order
from treadle.domain.tracking import Found
from treadle.storage.sql.database import Database
from treadle.storage.sql.events import record_events
from treadle.storage.sql.registered import reading
from treadle.storage.sql.registered.columns import ModelColumns
from treadle.storage.sql.registered.tables import (
    registered_aliases,
    registered_model_tags,
    registered_models,
    registered_version_tags,
    registered_versions,
)
from treadle.storage.sql.tracking import searching
from treadle.storage.sql.tracking.keys import parts_of
from treadle.storage.sql.writer import WriteConnection, Writer


class SqlRegisteredModels:
    """``ports.RegisteredModels`` on SQL."""

    def __init__(self, database: Database, writer: Writer) -> None:
        self._database = database
        self._writer = writer

    def create_model(
        self, name: str, change: Change, *, description: str | None = None, tags: Mapping[str, str] | None = None
    ) -> Future[RegisteredModel]:
        """Raises Conflict for a name in use."""

        def work(connection: WriteConnection) -> RegisteredModel:
            core = connection.core
            if _known(core, name):
                raise model_exists(name)
            values = {"name": name, "created": change.millis, "updated": change.millis, "description": description}
            made = insert(registered_models).values(**values, owned=False, last_number=0)
            number = core.execute(made.returning(registered_models.c.number)).scalar_one()
            if tags:
                rows = [{"model": number, "key": key, "value": value} for key, value in tags.items()]
                core.execute(insert(registered_model_tags), rows)
            tell(self._database, core, name, change, RegistryChanged("created", reason=change.reason))
            return reading.one_model(core, name)

        return self._writer.submit(work)

    def get_model(self, name: str) -> RegisteredModel:
        """Raises NotFound."""
        with self._database.read() as connection:
            return reading.one_model(connection, name)

    def rename_model(self, name: str, new_name: str, change: Change) -> Future[RegisteredModel]:
        """Raises NotFound, Conflict for a name in use, InvalidInput for an owned one."""

        def work(connection: WriteConnection) -> RegisteredModel:
            core = connection.core
            row = reading.model_row(core, name, lock=True)
            if row.owned:
                raise owned_model(name, "renamed")
            if _known(core, new_name):
                raise model_exists(new_name)
            core.execute(
                update(registered_models)
                .where(registered_models.c.number == row.number)
                .values(name=new_name, updated=change.millis)
            )
            v = registered_versions
            core.execute(update(v).where(v.c.model == row.number).values(updated=change.millis))
            tell(self._database, core, name, change, RegistryChanged("renamed", None, new_name, change.reason))
            tell(self._database, core, new_name, change, RegistryChanged("renamed_from", None, name, change.reason))
            return reading.one_model(core, new_name)

        return self._writer.submit(work)

    def describe_model(self, name: str, description: str | None, change: Change) -> Future[RegisteredModel]:
        """Raises NotFound."""

        def work(connection: WriteConnection) -> RegisteredModel:
            core = connection.core
            number = reading.model_row(core, name).number
            changed = update(registered_models).where(registered_models.c.number == number)
            core.execute(changed.values(description=description, updated=change.millis))
            return reading.one_model(core, name)

        return self._writer.submit(work)

    def delete_model(self, name: str, change: Change) -> Future[None]:
        """With its versions. Raises NotFound, InvalidInput for an owned one."""

        def work(connection: WriteConnection) -> None:
            core = connection.core
            row = reading.model_row(core, name, lock=True)
            if row.owned:
                raise owned_model(name, "deleted")
            for table in (registered_aliases, registered_version_tags, registered_versions, registered_model_tags):
                core.execute(delete(table).where(table.c.model == row.number))
            core.execute(delete(registered_models).where(registered_models.c.number == row.number))
            tell(self._database, core, name, change, RegistryChanged("deleted", reason=change.reason))

        return self._writer.submit(work)

    def set_model_tag(self, name: str, key: str, value: str) -> Future[None]:
        """Raises NotFound for the model."""

        def work(connection: WriteConnection) -> None:
            core = connection.core
            values = {"model": reading.model_row(core, name).number, "key": key, "value": value}
            core.execute(self._database.insert_or_set(registered_model_tags, "model", "key", values=values))

        return self._writer.submit(work)

    def delete_model_tag(self, name: str, key: str) -> Future[None]:
        """A tag that is not there is no error. Raises NotFound for the model."""

        def work(connection: WriteConnection) -> None:
            core = connection.core
            number, t = reading.model_row(core, name).number, registered_model_tags.c
            core.execute(delete(registered_model_tags).where(t.model == number, t.key == key))

        return self._writer.submit(work)

    def search_models(
        self, condition: Condition = EVERYTHING, order: Sequence[Order] = (), *, limit: int, cursor: str | None = None
    ) -> Found[RegisteredModel]:
        """Without an order, by name. Raises InvalidInput for a bad cursor or an unknown column."""
        with self._database.read() as connection:
            columns = ModelColumns(connection.dialect.name)
            wanted = searching.compiled(condition, columns.comparison)
            m = registered_models.c
            terms = [*searching.terms(order, columns.sorted), searching.Term(m.name)]
            page = searching.page(connection, select(m.number).where(wanted), terms, limit, cursor)
            rows = {}
            for part in parts_of(page.numbers):
                for row in connection.execute(select(registered_models).where(m.number.in_(part))):
                    rows[row.number] = row
            found = reading.models(connection, [rows[number] for number in page.numbers])
        return Found(found, page.cursor)


def tell(database: Database, core: Connection, model: str, change: Change, payload: Payload) -> None:
    """Record what was done, in the transaction that does it."""
    record_events(database, core, [Event(model, change.at, payload, actor=change.actor)])


def _known(core: Connection, name: str) -> bool:
    return core.execute(select(registered_models.c.number).where(registered_models.c.name == name)).first() is not None
