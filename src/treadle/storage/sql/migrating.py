"""Brings a database to this release's schema, or says why it cannot."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, select, text

from treadle.domain.errors import TreadleError
from treadle.storage.sql import tables
from treadle.storage.sql.database import Database

HEAD = "0005"
"""The newest migration of this release; revisions are numbers of four digits."""

FOLDER = Path(__file__).parent / "migrations"


def migrate(database: Database) -> None:
    """Run the migrations that are missing, all of them in one transaction.

    Safe where several processes start at once: one holds the writers' lock and migrates, the others wait and see.

    A database of a newer release is used as it is where that release says that this one can. Raises TreadleError
    otherwise.
    """
    with database.read() as connection:
        if _usable(database.engine, connection):
            return
    with database.write() as connection:
        if not _usable(database.engine, connection):
            _upgrade(connection)


def _usable(engine: Engine, connection: Connection) -> bool:
    revision = _revision(connection)
    if revision is None or revision < HEAD:
        return False
    if revision > HEAD:
        oldest = connection.execute(select(tables.schema_state.c.oldest_release)).scalar_one()
        if oldest > HEAD:
            raise TreadleError(
                f"the database {engine.url.render_as_string()} was migrated to {revision} by a newer Treadle; "
                f"this one knows {HEAD}, and at least {oldest} is needed",
                hint="upgrade this Treadle",
            )
    return True


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    return None if found is None else str(found)


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
