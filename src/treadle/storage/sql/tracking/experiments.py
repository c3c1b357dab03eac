"""Experiments on SQL."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from treadle.domain.errors import NotActive
from treadle.domain.search import EVERYTHING, Condition, Order, View
from treadle.domain.tracking import Experiment, Found
from treadle.domain.tracking_errors import experiment_exists, no_experiment, no_experiment_named, no_experiment_tag
from treadle.storage.sql.database import Database
from treadle.storage.sql.tracking import searching
from treadle.storage.sql.tracking.experiment_columns import ExperimentColumns
from treadle.storage.sql.tracking.keys import parts_of
from treadle.storage.sql.tracking.tables import experiment_tags, experiments, runs
from treadle.storage.sql.writer import WriteConnection, Writer


class SqlExperiments:
    """``ports.tracking.Experiments`` on SQL."""

    def __init__(self, database: Database, writer: Writer) -> None:
        self._database = database
        self._writer = writer

    def create_experiment(
        self, name: str, *, at: int, artifact_location: str | None = None, tags: Mapping[str, str] | None = None
    ) -> Future[Experiment]:
        """A new experiment; without a location, ``mlflow-artifacts:/<id>``. Raises Conflict for a name in use."""

        def work(connection: WriteConnection) -> Experiment:
            number = created(connection.core, name, at, artifact_location)
            if tags:
                rows = [{"experiment": number, "key": key, "value": value} for key, value in tags.items()]
                connection.core.execute(insert(experiment_tags), rows)
            return stored(connection.core, number)

        return self._writer.submit(work)

    def get_experiment(self, experiment: str) -> Experiment:
        """By id, deleted or not. Raises NotFound."""
        with self._database.read() as connection:
            return stored(connection, numbered(experiment))

    def experiment_by_name(self, name: str) -> Experiment:
        """The active one of this name, otherwise the one deleted last. Raises NotFound."""
        e = experiments.c
        statement = select(experiments).where(e.name == name).order_by(e.active.desc(), e.deleted.desc()).limit(1)
        with self._database.read() as connection:
            row = connection.execute(statement).first()
            if row is None:
                raise no_experiment_named(name)
            return with_tags(connection, [row])[0]

    def search_experiments(
        self,
        condition: Condition = EVERYTHING,
        order: Sequence[Order] = (),
        *,
        view: View = View.ACTIVE,
        limit: int = 1000,
        cursor: str | None = None,
    ) -> Found[Experiment]:
        """Experiments that fulfil a condition; without an order, newest first. Raises InvalidInput for a bad cursor."""
        with self._database.read() as connection:
            columns = ExperimentColumns(connection.dialect.name)
            statement = select(experiments.c.number).where(
                searching.in_view(experiments.c.active, view), searching.compiled(condition, columns.comparison)
            )
            terms = [*searching.terms(order, columns.sorted), searching.Term(experiments.c.number, ascending=False)]
            page = searching.page(connection, statement, terms, limit, cursor)
            found = {}
            for part in parts_of(page.numbers):
                rows = connection.execute(select(experiments).where(experiments.c.number.in_(part))).all()
                found.update({int(one.id): one for one in with_tags(connection, rows)})
        return Found([found[number] for number in page.numbers], page.cursor)

    def rename_experiment(self, experiment: str, name: str, *, at: int) -> Future[Experiment]:
        """Raises NotFound, Conflict for a name in use, NotActive for a deleted one."""

        def work(connection: WriteConnection) -> Experiment:
            number = active(connection.core, experiment)
            _change(connection.core, number, name, {"updated": at})
            return stored(connection.core, number)

        return self._writer.submit(work)

    def delete_experiment(self, experiment: str, *, at: int) -> Future[Experiment]:
        """Mark as deleted, its runs too; its name is free then. Raises NotFound where there is no active one."""

        def work(connection: WriteConnection) -> Experiment:
            core = connection.core
            before = stored(core, numbered(experiment), lock=True)
            if not before.active:
                raise no_experiment(experiment)
            number = int(before.id)
            core.execute(
                update(experiments).where(experiments.c.number == number).values(active=False, deleted=at, updated=at)
            )
            with_it = update(runs).where(runs.c.experiment == number, runs.c.active)
            core.execute(with_it.values(active=False, deleted=at, with_experiment=True))
            return stored(core, number)

        return self._writer.submit(work)

    def restore_experiment(self, experiment: str, *, at: int, name: str | None = None) -> Future[Experiment]:
        """Bring back with the runs that went with it; a name that was taken meanwhile is changed.

        Raises NotFound where there is no deleted one, Conflict where ``name`` is in use.
        """

        def work(connection: WriteConnection) -> Experiment:
            core = connection.core
            before = stored(core, numbered(experiment), lock=True)
            if before.active:
                raise no_experiment(experiment)
            number = int(before.id)
            wanted = name or before.name
            taken = select(experiments.c.number).where(experiments.c.name == wanted, experiments.c.active)
            if name is None and core.execute(taken).first() is not None:
                wanted = f"{before.name} (restored {number})"
            _change(core, number, wanted, {"active": True, "deleted": None, "updated": at})
            with_it = update(runs).where(runs.c.experiment == number, runs.c.with_experiment)
            core.execute(with_it.values(active=True, deleted=None, with_experiment=False))
            return stored(core, number)

        return self._writer.submit(work)

    def set_experiment_tag(self, experiment: str, key: str, value: str) -> Future[None]:
        """Raises NotFound, NotActive."""

        def work(connection: WriteConnection) -> None:
            values = {"experiment": active(connection.core, experiment), "key": key, "value": value}
            connection.core.execute(self._database.insert_or_set(experiment_tags, "experiment", "key", values=values))

        return self._writer.submit(work)

    def delete_experiment_tag(self, experiment: str, key: str) -> Future[None]:
        """Raises NotFound for the experiment or the tag, NotActive."""

        def work(connection: WriteConnection) -> None:
            number = active(connection.core, experiment)
            t = experiment_tags.c
            gone = connection.core.execute(delete(experiment_tags).where(t.experiment == number, t.key == key))
            if not gone.rowcount:
                raise no_experiment_tag(experiment, key)

        return self._writer.submit(work)


def numbered(experiment: str) -> int:
    """The number of an id. Raises NotFound for what cannot be one."""
    if not (experiment.isascii() and experiment.isdigit() and len(experiment) < 19):
        raise no_experiment(experiment)
    return int(experiment)


def created(core: Connection, name: str, at: int, location: str | None = None, model: str | None = None) -> int:
    """The number of a new experiment. Raises Conflict for a name in use."""
    values = {"name": name, "created": at, "updated": at, "active": True, "model": model}
    try:
        with core.begin_nested():
            made = core.execute(insert(experiments).values(artifact_location=location or "", **values))
    except IntegrityError as error:
        raise experiment_exists(name) from error
    number = int((made.inserted_primary_key or (0,))[0])
    if not location:
        place = f"mlflow-artifacts:/{number}"
        core.execute(update(experiments).where(experiments.c.number == number).values(artifact_location=place))
    return number


def stored(connection: Connection, number: int, *, lock: bool = False) -> Experiment:
    """One experiment. Raises NotFound."""
    statement = select(experiments).where(experiments.c.number == number)
    row = connection.execute(statement.with_for_update() if lock else statement).first()
    if row is None:
        raise no_experiment(str(number))
    return with_tags(connection, [row])[0]


def active(connection: Connection, experiment: str) -> int:
    """The number of an experiment that is not deleted. Raises NotFound, NotActive."""
    statement = select(experiments.c.number, experiments.c.active).where(experiments.c.number == numbered(experiment))
    row = connection.execute(statement).first()
    if row is None:
        raise no_experiment(experiment)
    if not row.active:
        raise NotActive("experiment", experiment)
    return int(row.number)


def with_tags(connection: Connection, rows: Iterable[Row[Any]]) -> list[Experiment]:
    """Rows as experiments."""
    found = list(rows)
    tags: dict[int, dict[str, str]] = {}
    for part in parts_of([row.number for row in found]):
        t = experiment_tags.c
        for row in connection.execute(select(experiment_tags).where(t.experiment.in_(part)).order_by(t.key)):
            tags.setdefault(row.experiment, {})[row.key] = row.value
    return [
        Experiment(
            id=str(row.number),
            name=row.name,
            artifact_location=row.artifact_location,
            created=row.created,
            updated=row.updated,
            active=bool(row.active),
            tags=tags.get(row.number, {}),
            model=row.model,
        )
        for row in found
    ]


def _change(core: Connection, number: int, name: str, values: Mapping[str, Any]) -> None:
    try:
        with core.begin_nested():
            core.execute(update(experiments).where(experiments.c.number == number).values(name=name, **values))
    except IntegrityError as error:
        raise experiment_exists(name) from error
