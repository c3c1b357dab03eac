"""Aliases of registered models on SQL."""

from __future__ import annotations

from concurrent.futures import Future

from sqlalchemy import delete, select

from treadle.domain.events import AliasMoved
from treadle.domain.registered import OWNED_ALIASES, Change, RegisteredVersion
from treadle.domain.registered_errors import no_alias, owned_alias
from treadle.storage.sql.database import Database
from treadle.storage.sql.registered import reading
from treadle.storage.sql.registered.models import tell
from treadle.storage.sql.registered.tables import registered_aliases
from treadle.storage.sql.writer import WriteConnection, Writer

_A = registered_aliases.c


class SqlRegisteredAliases:
    """``ports.RegisteredAliases`` on SQL."""

    def __init__(self, database: Database, writer: Writer) -> None:
        self._database = database
        self._writer = writer

    def point_alias(self, name: str, alias: str, number: int | None, change: Change) -> Future[None]:
        """Point an alias at a version; ``None`` removes it, and one that is not there is no error.

        Raises NotFound for the model or the version, InvalidInput for an alias of the loop's on an owned model.
        """

        def work(connection: WriteConnection) -> None:
            core = connection.core
            if number is not None:
                reading.version_row(core, name, number)
            row = reading.model_row(core, name, lock=True)
            if row.owned and alias in OWNED_ALIASES:
                raise owned_alias(name, alias)
            this = (_A.model == row.number) & (_A.alias == alias)
            before = core.execute(select(_A.version).where(this)).scalar()
            if before == number:
                return
            if number is None:
                core.execute(delete(registered_aliases).where(this))
            else:
                values = {"model": row.number, "alias": alias, "version": number}
                core.execute(self._database.insert_or_set(registered_aliases, "model", "alias", values=values))
            tell(self._database, core, name, change, AliasMoved(alias, number, before, change.reason))

        return self._writer.submit(work)

    def version_by_alias(self, name: str, alias: str) -> RegisteredVersion:
        """Raises NotFound for the model, InvalidInput for the alias."""
        with self._database.read() as connection:
            row = reading.model_row(connection, name)
            found = select(_A.version).where(_A.model == row.number, _A.alias == alias)
            number = connection.execute(found).scalar()
            if number is None:
                raise no_alias(alias)
            return reading.one_version(connection, name, number)
