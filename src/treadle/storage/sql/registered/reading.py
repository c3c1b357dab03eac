"""Rows of the registry as records."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, func, select, tuple_

from treadle.domain.registered import RegisteredModel, RegisteredVersion, Stage
from treadle.domain.registered_errors import no_model, no_version
from treadle.storage.sql.registered.tables import (
    registered_aliases,
    registered_model_tags,
    registered_models,
    registered_version_tags,
    registered_versions,
)
from treadle.storage.sql.tracking.keys import parts_of

Key = tuple[int, int]
"""A version: the number of its model, and its own."""

VERSIONS = select(registered_versions, registered_models.c.name).join_from(
    registered_versions, registered_models, registered_versions.c.model == registered_models.c.number
)


def model_row(connection: Connection, name: str, *, lock: bool = False) -> Row[Any]:
    """A model's row. Raises NotFound."""
    statement = select(registered_models).where(registered_models.c.name == name)
    row = connection.execute(statement.with_for_update() if lock else statement).first()
    if row is None:
        raise no_model(name)
    return row


def version_row(connection: Connection, name: str, number: int) -> Row[Any]:
    """A version's row, with its model's name. Raises NotFound for the version, also where the model is missing."""
    v = registered_versions.c
    row = connection.execute(VERSIONS.where(registered_models.c.name == name, v.version == number)).first()
    if row is None:
        raise no_version(name, number)
    return row


def one_model(connection: Connection, name: str) -> RegisteredModel:
    """Raises NotFound."""
    return models(connection, [model_row(connection, name)])[0]


def one_version(connection: Connection, name: str, number: int) -> RegisteredVersion:
    """Raises NotFound."""
    return versions(connection, [version_row(connection, name, number)])[0]


def models(connection: Connection, rows: Sequence[Row[Any]]) -> list[RegisteredModel]:
    """Models with tags, aliases and latest versions."""
    numbers = [row.number for row in rows]
    tags: dict[int, dict[str, str]] = defaultdict(dict)
    aliases: dict[int, dict[str, int]] = defaultdict(dict)
    for part in parts_of(numbers):
        t, a = registered_model_tags.c, registered_aliases.c
        for tag in connection.execute(select(registered_model_tags).where(t.model.in_(part)).order_by(t.key)):
            tags[tag.model][tag.key] = tag.value
        for alias in connection.execute(select(registered_aliases).where(a.model.in_(part)).order_by(a.alias)):
            aliases[alias.model][alias.alias] = alias.version
    newest = latest(connection, numbers)
    return [
        RegisteredModel(
            row.name,
            row.created,
            row.updated,
            row.description,
            tags[row.number],
            aliases[row.number],
            newest.get(row.number, ()),
            row.owned,
        )
        for row in rows
    ]


def latest(connection: Connection, numbers: Sequence[int]) -> Mapping[int, Sequence[RegisteredVersion]]:
    """The newest version of each stage of these models, by number."""
    found: dict[int, list[RegisteredVersion]] = defaultdict(list)
    v = registered_versions.c
    for part in parts_of(numbers):
        newest = select(v.model, func.max(v.version)).where(v.model.in_(part)).group_by(v.model, v.stage)
        keys = [(int(row[0]), int(row[1])) for row in connection.execute(newest)]
        for (model, _), version in sorted(keyed(connection, keys).items()):
            found[model].append(version)
    return found


def keyed(connection: Connection, keys: Sequence[Key]) -> dict[Key, RegisteredVersion]:
    """Versions by their keys."""
    v = registered_versions.c
    rows: list[Row[Any]] = []
    for lot in _lots(keys):
        rows += connection.execute(VERSIONS.where(tuple_(v.model, v.version).in_(lot))).all()
    return dict(zip([(row.model, row.version) for row in rows], versions(connection, rows), strict=True))


def versions(connection: Connection, rows: Sequence[Row[Any]]) -> list[RegisteredVersion]:
    """Versions with tags and aliases."""
    keys = [(row.model, row.version) for row in rows]
    tags: dict[Key, dict[str, str]] = defaultdict(dict)
    aliases: dict[Key, list[str]] = defaultdict(list)
    for lot in _lots(keys):
        t, a = registered_version_tags.c, registered_aliases.c
        tagged = select(registered_version_tags).where(tuple_(t.model, t.version).in_(lot)).order_by(t.key)
        for tag in connection.execute(tagged):
            tags[tag.model, tag.version][tag.key] = tag.value
        pointing = select(registered_aliases).where(tuple_(a.model, a.version).in_(lot)).order_by(a.alias)
        for alias in connection.execute(pointing):
            aliases[alias.model, alias.version].append(alias.alias)
    return [_version(row, tags[key], aliases[key]) for row, key in zip(rows, keys, strict=True)]


def _version(row: Row[Any], tags: Mapping[str, str], aliases: Iterable[str]) -> RegisteredVersion:
    return RegisteredVersion(
        name=row.name,
        number=row.version,
        created=row.created,
        updated=row.updated,
        source=row.source,
        location=row.location,
        stage=Stage(row.stage),
        run=row.run,
        run_link=row.run_link,
        description=row.description,
        user=row.user_id,
        model_id=row.model_id,
        tags=tags,
        aliases=tuple(aliases),
        owned=row.owned,
    )


def _lots(keys: Sequence[Key]) -> Iterable[Sequence[Key]]:
    """Keys in lots that fit into one statement."""
    return (keys[start : start + 400] for start in range(0, len(keys), 400))
