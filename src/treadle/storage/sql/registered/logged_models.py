"""Logged models on SQL."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from sqlalchemy import Connection, Row, Table, delete, insert, select, update

from treadle.domain.errors import Conflict
from treadle.domain.logged_models import LoggedModel, MeasuredOn, ModelMetric, ModelOrder, ModelStatus
from treadle.domain.registered_errors import no_logged_model, no_logged_model_tag, param_changed
from treadle.domain.search import EVERYTHING, Condition
from treadle.domain.tracking import Found
from treadle.ports.tracking import MetricRow
from treadle.storage.sql.database import Database
from treadle.storage.sql.registered import logged_columns
from treadle.storage.sql.registered.tables import (
    logged_model_metrics,
    logged_model_params,
    logged_model_tags,
    logged_models,
    registered_models,
    registered_versions,
)
from treadle.storage.sql.tracking import searching
from treadle.storage.sql.tracking.keys import parts_of
from treadle.storage.sql.writer import WriteConnection, Writer

_L, _P = logged_models.c, logged_model_metrics.c


class SqlLoggedModels:
    """``ports.LoggedModels`` on SQL."""

    def __init__(self, database: Database, writer: Writer) -> None:
        self._database = database
        self._writer = writer

    def create_logged_model(self, model: LoggedModel) -> Future[LoggedModel]:
        """Store a new one; its metrics and registrations are left out. Raises Conflict for an id in use."""

        def work(connection: WriteConnection) -> LoggedModel:
            core = connection.core
            if core.execute(select(_L.number).where(_L.id == model.id)).first():
                raise Conflict(f"Logged model with ID '{model.id}' already exists.", hint="take another id")
            number = core.execute(insert(logged_models).values(_row(model)).returning(_L.number)).scalar_one()
            for table, pairs in ((logged_model_params, model.params), (logged_model_tags, model.tags)):
                if pairs:
                    core.execute(insert(table), [{"model": number, "key": k, "value": v} for k, v in pairs.items()])
            return _one(core, model.id)

        return self._writer.submit(work)

    def get_logged_model(self, model_id: str, *, deleted: bool = False) -> LoggedModel:
        """Raises NotFound, also for a deleted one unless those are wanted."""
        with self._database.read() as connection:
            found = _one(connection, model_id)
        if not (found.active or deleted):
            raise no_logged_model(model_id)
        return found

    def finalize_logged_model(self, model_id: str, status: ModelStatus, *, at: int) -> Future[LoggedModel]:
        """Raises NotFound."""
        return self._changed(model_id, status=int(status), updated=at)

    def delete_logged_model(self, model_id: str, *, at: int) -> Future[None]:
        """Mark as deleted; it can still be asked for. Raises NotFound."""

        def work(connection: WriteConnection) -> None:
            number = _find(connection.core, model_id).number
            change = update(logged_models).where(_L.number == number)
            connection.core.execute(change.values(active=False, updated=at))

        return self._writer.submit(work)

    def deleted_logged_models(self, before: int) -> Sequence[LoggedModel]:
        """Those that were marked as deleted before a time."""
        with self._database.read() as connection:
            gone = select(logged_models).where(_L.active.is_(False), _L.updated < before).order_by(_L.number)
            return _records(connection, connection.execute(gone).all())

    def free_logged_models(self, model_ids: Sequence[str]) -> Future[None]:
        """Remove deleted ones for good; the others stay."""

        def work(connection: WriteConnection) -> None:
            for model_id in model_ids:
                row = connection.core.execute(
                    select(logged_models).where(_L.id == model_id, _L.active.is_(False))
                ).first()
                if row is not None:
                    for table in (logged_model_params, logged_model_tags):
                        connection.core.execute(delete(table).where(table.c.model == row.number))
                    connection.core.execute(delete(logged_model_metrics).where(_P.model_id == model_id))
                    connection.core.execute(delete(logged_models).where(_L.number == row.number))

        return self._writer.submit(work)

    def set_logged_model_tags(self, model_id: str, tags: Mapping[str, str]) -> Future[None]:
        """Raises NotFound."""

        def work(connection: WriteConnection) -> None:
            number = _find(connection.core, model_id).number
            for key, value in tags.items():
                values = {"model": number, "key": key, "value": value}
                connection.core.execute(self._database.insert_or_set(logged_model_tags, "model", "key", values=values))

        return self._writer.submit(work)

    def delete_logged_model_tag(self, model_id: str, key: str) -> Future[None]:
        """Raises NotFound for the model or the tag."""

        def work(connection: WriteConnection) -> None:
            number, t = _find(connection.core, model_id).number, logged_model_tags.c
            gone = connection.core.execute(delete(logged_model_tags).where(t.model == number, t.key == key))
            if not gone.rowcount:
                raise no_logged_model_tag(model_id, key)

        return self._writer.submit(work)

    def log_model_params(self, model_id: str, params: Mapping[str, str]) -> Future[None]:
        """Values are kept whole. Raises NotFound, InvalidInput for a param that has another value."""

        def work(connection: WriteConnection) -> None:
            core, p = connection.core, logged_model_params.c
            number = _find(core, model_id).number
            for key, value in params.items():
                before = core.execute(select(p.value).where(p.model == number, p.key == key)).scalar()
                if before is None:
                    core.execute(insert(logged_model_params).values(model=number, key=key, value=value))
                elif before != value:
                    raise param_changed(model_id, key)

        return self._writer.submit(work)

    def search_logged_models(
        self,
        experiments: Sequence[str],
        condition: Condition = EVERYTHING,
        order: Sequence[ModelOrder] = (),
        *,
        datasets: Sequence[MeasuredOn] = (),
        limit: int = 50,
        cursor: str | None = None,
    ) -> Found[LoggedModel]:
        """Models that are not deleted and fulfil a condition. Raises InvalidInput for a bad cursor or column."""
        with self._database.read() as connection:
            columns = logged_columns.LoggedModelColumns(connection.dialect.name, datasets)
            statement = select(_L.number).where(
                _L.active, _L.experiment.in_(list(experiments)), searching.compiled(condition, columns.comparison)
            )
            if datasets and not logged_columns.measures(condition):
                statement = statement.where(columns.measured())
            terms = [
                *columns.terms(order),
                searching.Term(_L.created, ascending=False),
                searching.Term(_L.id),
            ]
            page = searching.page(connection, statement, terms, limit, cursor)
            rows = {}
            for part in parts_of(page.numbers):
                for row in connection.execute(select(logged_models).where(_L.number.in_(part))):
                    rows[row.number] = row
            return Found(_records(connection, [rows[number] for number in page.numbers]), page.cursor)

    def measured(self, core: Connection, run: str, metrics: Sequence[MetricRow]) -> None:
        """Keep points of a run that were measured of models, in the transaction that logs them.

        Identical points are one.
        """
        rows = [
            {
                "model_id": metric.model_id,
                "key": metric.key,
                "timestamp": metric.timestamp,
                "step": metric.step,
                "run": run,
                "dataset_name": metric.dataset_name or "",
                "dataset_digest": metric.dataset_digest or "",
                "value": 0.0 if math.isnan(metric.value) else metric.value,
                "nan": math.isnan(metric.value),
            }
            for metric in metrics
        ]
        names = ("model_id", "key", "timestamp", "step", "run", "dataset_name", "dataset_digest")
        core.execute(self._database.insert_new(logged_model_metrics, *names), rows)

    def _changed(self, model_id: str, **values: Any) -> Future[LoggedModel]:
        def work(connection: WriteConnection) -> LoggedModel:
            number = _find(connection.core, model_id).number
            connection.core.execute(update(logged_models).where(_L.number == number).values(**values))
            return _one(connection.core, model_id)

        return self._writer.submit(work)


def _row(model: LoggedModel) -> dict[str, Any]:
    return {
        "id": model.id,
        "experiment": model.experiment,
        "name": model.name,
        "artifact_location": model.artifact_location,
        "created": model.created,
        "updated": model.updated,
        "status": int(model.status),
        "status_message": model.status_message,
        "model_type": model.model_type,
        "source_run": model.source_run,
        "active": model.active,
    }


def _find(connection: Connection, model_id: str) -> Row[Any]:
    row = connection.execute(select(logged_models).where(_L.id == model_id)).first()
    if row is None:
        raise no_logged_model(model_id)
    return row


def _one(connection: Connection, model_id: str) -> LoggedModel:
    return _records(connection, [_find(connection, model_id)])[0]


def _records(connection: Connection, rows: Sequence[Row[Any]]) -> list[LoggedModel]:
    numbers = [row.number for row in rows]
    params = _pairs(connection, logged_model_params, numbers)
    tags = _pairs(connection, logged_model_tags, numbers)
    metrics: dict[str, list[ModelMetric]] = defaultdict(list)
    registrations: dict[str, list[tuple[str, int]]] = defaultdict(list)
    v = registered_versions.c
    for start in range(0, len(rows), 400):
        ids = [row.id for row in rows[start : start + 400]]
        points = select(logged_model_metrics).where(_P.model_id.in_(ids))
        for point in connection.execute(points.order_by(_P.key, _P.timestamp, _P.step, _P.run)):
            metrics[point.model_id].append(_point(point))
        made = (
            select(v.model_id, registered_models.c.name, v.version)
            .join_from(registered_versions, registered_models, v.model == registered_models.c.number)
            .where(v.model_id.in_(ids))
        )
        for model_id, name, version in connection.execute(made.order_by(registered_models.c.name, v.version)):
            registrations[model_id].append((name, version))
    return [
        LoggedModel(
            id=row.id,
            experiment=row.experiment,
            name=row.name,
            artifact_location=row.artifact_location,
            created=row.created,
            updated=row.updated,
            status=ModelStatus(row.status),
            status_message=row.status_message,
            model_type=row.model_type,
            source_run=row.source_run,
            params=params[row.number],
            tags=tags[row.number],
            metrics=metrics[row.id],
            registrations=registrations[row.id],
            active=row.active,
        )
        for row in rows
    ]


def _point(row: Row[Any]) -> ModelMetric:
    value = math.nan if row.nan else row.value
    name, digest = row.dataset_name or None, row.dataset_digest or None
    return ModelMetric(row.key, value, row.timestamp, row.step, row.run, name, digest)


def _pairs(connection: Connection, table: Table, numbers: Sequence[int]) -> dict[int, dict[str, str]]:
    found: dict[int, dict[str, str]] = defaultdict(dict)
    for part in parts_of(numbers):
        for row in connection.execute(select(table).where(table.c.model.in_(part)).order_by(table.c.key)):
            found[row.model][row.key] = row.value
    return found
