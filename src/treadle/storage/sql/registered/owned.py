"""Versions that the loop trained, shown in the registry: written in the transactions that write them.

Migrations fill in what was there before, with the same values.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, delete, insert, select, update

from treadle.domain.errors import Conflict
from treadle.domain.gates import GateReport
from treadle.domain.registered import CHALLENGER, CHAMPION, Stage, owned_source, owned_stage, owned_tags, verdict_tag
from treadle.domain.versions import ModelVersion
from treadle.storage.sql.database import Database
from treadle.storage.sql.registered.tables import (
    registered_aliases,
    registered_models,
    registered_version_tags,
    registered_versions,
)

_M, _V = registered_models.c, registered_versions.c


def last_number(connection: Connection, model: str) -> int:
    """The greatest number that a version of this name was given; 0 where there was none."""
    return connection.execute(select(_M.last_number).where(_M.name == model)).scalar() or 0


def show(database: Database, connection: Connection, version: ModelVersion) -> None:
    """Add a version. Raises Conflict where its number was given to one that somebody registered."""
    at = round(version.created_at.timestamp() * 1000)
    values = {"created": at, "updated": at, "owned": True, "last_number": 0}
    connection.execute(database.insert_new(registered_models, "name").values(name=version.model, **values))
    row = connection.execute(select(registered_models).where(_M.name == version.model).with_for_update()).one()
    connection.execute(
        update(registered_models)
        .where(_M.number == row.number)
        .values(owned=True, updated=at, last_number=max(row.last_number, version.number))
    )
    key = {"model": row.number, "version": version.number}
    if connection.execute(select(_V.version).where(_V.model == row.number, _V.version == version.number)).first():
        raise Conflict(
            f"version {version.number} of {version.model!r} was registered by a client",
            hint="ask for the next number and register again",
        )
    connection.execute(
        insert(registered_versions).values(
            **key,
            created=at,
            updated=at,
            source=owned_source(version),
            location="",
            stage=Stage.NONE.value,
            run=version.run,
            owned=True,
        )
    )
    tags = [{**key, "key": name, "value": value} for name, value in owned_tags(version).items()]
    connection.execute(insert(registered_version_tags), tags)


def show_verdict(database: Database, connection: Connection, model: str, number: int, report: GateReport) -> None:
    """What the gates found, as a tag."""
    which = connection.execute(select(_M.number).where(_M.name == model)).scalar_one()
    key, value = verdict_tag(report)
    values = {"model": which, "version": number, "key": key, "value": value}
    connection.execute(database.insert_or_set(registered_version_tags, "model", "version", "key", values=values))


def show_alias(database: Database, connection: Connection, model: str, alias: str, number: int | None) -> None:
    """Move an alias of the loop's, and the stages that go with it."""
    which = connection.execute(select(_M.number).where(_M.name == model)).scalar()
    if which is None:
        return
    a = registered_aliases.c
    if number is None:
        connection.execute(delete(registered_aliases).where(a.model == which, a.alias == alias))
    else:
        values = {"model": which, "alias": alias, "version": number}
        connection.execute(database.insert_or_set(registered_aliases, "model", "alias", values=values))
    if alias in (CHAMPION, CHALLENGER):
        _stages(connection, which)


def _stages(connection: Connection, model: int) -> None:
    """The champion is in Production, a challenger beside it in Staging; who was champion before is Archived."""
    a = registered_aliases.c
    mine = select(a.alias, a.version).where(a.model == model, a.alias.in_((CHAMPION, CHALLENGER)))
    pointing = {row.alias: row.version for row in connection.execute(mine)}
    champion, challenger = pointing.get(CHAMPION), pointing.get(CHALLENGER)
    versions = select(_V.version, _V.stage).where(_V.model == model, _V.owned, _in_question(champion, challenger))
    for version, stage in connection.execute(versions).all():
        now = owned_stage(version, Stage(stage), champion, challenger)
        if now.value != stage:
            this = update(registered_versions).where(_V.model == model, _V.version == version)
            connection.execute(this.values(stage=now.value))


def _in_question(*numbers: int | None) -> ColumnElement[bool]:
    moved = _V.stage.in_((Stage.PRODUCTION.value, Stage.STAGING.value))
    return moved | _V.version.in_([number for number in numbers if number is not None])
