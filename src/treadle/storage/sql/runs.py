"""Runs on SQL: the record as a document, metric points as rows."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, select, update

from treadle.domain import codec
from treadle.domain.errors import Conflict, InvalidInput, NotFound
from treadle.domain.events import Event
from treadle.domain.runs import MetricPoint, Run
from treadle.storage.sql.database import Database, time_text
from treadle.storage.sql.events import record_events
from treadle.storage.sql.tables import metric_points, metrics, runs

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class SqlRuns:
    """``ports.Runs`` on SQL. A metric's last value is that of the greatest step, then time, then logged last."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, run: Run, *events: Event) -> None:
        """Store a new run; creating one that is there already is no change."""
        row = {
            "id": run.id,
            "model": run.model,
            "parent": run.parent,
            "started_at": time_text(run.started_at),
            "body": codec.dumps(run),
        }
        with self._database.write() as connection:
            if connection.execute(self._database.insert_new(runs, "id"), row).rowcount:
                record_events(self._database, connection, events)

    def log(
        self,
        run_id: str,
        *,
        metrics: Sequence[MetricPoint] = (),
        params: Mapping[str, float | int | str | bool] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Add to a run, atomically. Identical points are one point. Raises Conflict for a changed param, NotFound."""
        with self._database.write() as connection:
            number, run = _stored(connection, run_id, lock=True)
            if params or tags:
                added = dataclasses.replace(
                    run, params=merged_params(run, params or {}), tags={**run.tags, **(tags or {})}
                )
                connection.execute(update(runs).where(runs.c.number == number).values(body=codec.dumps(added)))
            if metrics:
                self._log_points(connection, number, metrics)

    def finish(self, run: Run, *events: Event) -> None:
        """Replace the run's record; params, tags and metrics that are there already stay. Raises NotFound."""
        with self._database.write() as connection:
            number, stored = _stored(connection, run.id, lock=True)
            last = dataclasses.replace(
                run,
                params={**run.params, **stored.params},
                metrics={**stored.metrics, **run.metrics},
                tags={**stored.tags, **run.tags},
            )
            connection.execute(update(runs).where(runs.c.number == number).values(body=codec.dumps(last)))
            record_events(self._database, connection, events)

    def get(self, run_id: str) -> Run:
        """The run with its params and the last value of each metric. Raises NotFound."""
        with self._database.read() as connection:
            number, run = _stored(connection, run_id)
            return _with_metrics(connection, {number: run})[0]

    def list(self, *, model: str | None = None, parent: str | None = None, limit: int = 100) -> Sequence[Run]:
        """Runs, newest first. ``parent`` selects trials of one run; an empty one selects runs that are no trial."""
        statement = select(runs.c.number, runs.c.body).order_by(runs.c.started_at.desc(), runs.c.number.desc())
        if model is not None:
            statement = statement.where(runs.c.model == model)
        if parent is not None:
            statement = statement.where(runs.c.parent == parent if parent else runs.c.parent.is_(None))
        with self._database.read() as connection:
            rows = connection.execute(statement.limit(limit)).all()
            return _with_metrics(connection, {row.number: codec.loads(Run, row.body) for row in rows})

    def points(self, run_id: str, key: str) -> Sequence[MetricPoint]:
        """One metric's points by step, then time."""
        with self._database.read() as connection:
            number, _ = _stored(connection, run_id)
            statement = (
                select(metric_points)
                .join(metrics, metrics.c.number == metric_points.c.metric)
                .where(metrics.c.run == number, metrics.c.key == key)
                .order_by(metric_points.c.step, metric_points.c.at)
            )
            return [
                MetricPoint(key, _value(row), row.step, _EPOCH + row.at * _MICROSECOND)
                for row in connection.execute(statement)
            ]

    def _log_points(self, connection: Connection, number: int, points: Sequence[MetricPoint]) -> None:
        by_key: dict[str, list[dict[str, Any]]] = {}
        for point in points:
            by_key.setdefault(point.key, []).append(_row(point))
        for key, rows in by_key.items():
            last = max(rows, key=lambda row: (row["step"], row["at"]))
            last = [row for row in rows if (row["step"], row["at"]) == (last["step"], last["at"])][-1]
            first_of_key = self._database.insert_new(metrics, "run", "key")
            connection.execute(first_of_key, {"run": number, "key": key, **last})
            known = connection.execute(select(metrics).where(metrics.c.run == number, metrics.c.key == key)).one()
            if (known.step, known.at) <= (last["step"], last["at"]):
                connection.execute(update(metrics).where(metrics.c.number == known.number).values(last))
            statement = self._database.insert_new(metric_points, *metric_points.primary_key.columns.keys())
            connection.execute(statement, [{"metric": known.number, **row} for row in rows])


def merged_params(run: Run, new: Mapping[str, float | int | str | bool]) -> dict[str, float | int | str | bool]:
    """A run's params with new ones. Raises Conflict where one has another value already."""
    for name, value in new.items():
        if name in run.params and codec.dumps(run.params[name]) != codec.dumps(value):
            raise Conflict(
                f"param {name!r} of run {run.id} is {run.params[name]!r} and cannot become {value!r}",
                hint="params are set once; start another run, or log a tag",
            )
    return {**run.params, **new}


def _stored(connection: Connection, run_id: str, *, lock: bool = False) -> tuple[int, Run]:
    statement = select(runs.c.number, runs.c.body).where(runs.c.id == run_id)
    row = connection.execute(statement.with_for_update() if lock else statement).first()
    if row is None:
        raise NotFound(f"there is no run {run_id!r}", hint="see: treadle runs")
    return row.number, codec.loads(Run, row.body)


def _with_metrics(connection: Connection, found: Mapping[int, Run]) -> list[Run]:
    logged: dict[int, dict[str, float]] = {}
    for row in connection.execute(select(metrics).where(metrics.c.run.in_(found))):
        logged.setdefault(row.run, {})[row.key] = _value(row)
    return [
        dataclasses.replace(run, metrics={**run.metrics, **logged[number]}) if number in logged else run
        for number, run in found.items()
    ]


def _row(point: MetricPoint) -> dict[str, Any]:
    """A point as a row. Not every database tells NaN from NULL, so it has a column of its own."""
    if point.at.tzinfo is None:
        raise InvalidInput(f"the time of metric {point.key!r} has no zone", hint="give an aware datetime in UTC")
    nan = math.isnan(point.value)
    return {
        "step": point.step,
        "at": (point.at - _EPOCH) // _MICROSECOND,
        "value": 0.0 if nan else float(point.value),
        "nan": nan,
    }


def _value(row: Row[Any]) -> float:
    return math.nan if row.nan else float(row.value)
