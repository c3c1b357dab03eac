"""Treadle's trainings as runs of tracking: each in the experiment of its model.

What only a training has (its leaderboard, blobs, snapshot, the types of its params) is a document in ``runs.body``;
what every run has (status, params, tags, metrics) is where it is for every run, so that all clients see it. A run that
another client made is read as one of the experiment's model, or of its name.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, select, true, update

from treadle.domain import codec
from treadle.domain.errors import Conflict, InvalidInput, NotFound
from treadle.domain.events import Event
from treadle.domain.runs import MetricPoint, Run, RunStatus
from treadle.domain.tracking import PARENT_TAG, RUN_NAME_TAG, LoggedMetric, Status, TrackedRun
from treadle.storage.sql.database import Database
from treadle.storage.sql.events import record_events
from treadle.storage.sql.tracking.curves import SqlMetricHistory
from treadle.storage.sql.tracking.experiments import created
from treadle.storage.sql.tracking.keys import ReadKeys
from treadle.storage.sql.tracking.run_columns import CODES
from treadle.storage.sql.tracking.run_reading import read_runs
from treadle.storage.sql.tracking.run_writing import NewRun, RunWriter
from treadle.storage.sql.tracking.tables import experiments, runs
from treadle.storage.sql.writer import WriteConnection, Writer

Value = float | int | str | bool
USER = "treadle"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_STATUSES = {
    RunStatus.RUNNING: Status.RUNNING,
    RunStatus.FINISHED: Status.FINISHED,
    RunStatus.FAILED: Status.FAILED,
    RunStatus.CANCELLED: Status.KILLED,
}
_TRAININGS = {**{tracked: status for status, tracked in _STATUSES.items()}, Status.SCHEDULED: RunStatus.RUNNING}
_FOUND = select(runs.c.number, runs.c.body, experiments.c.name, experiments.c.model).join_from(
    runs, experiments, experiments.c.number == runs.c.experiment
)


class SqlRuns:
    """``ports.Runs`` on SQL. A metric's last value is that of the greatest step, then time, then value."""

    def __init__(self, database: Database, writer: Writer, runs: RunWriter) -> None:
        self._database = database
        self._writer = writer
        self._runs = runs
        self._keys = ReadKeys()
        self._history = SqlMetricHistory(database, self._keys)

    def create(self, run: Run, *events: Event) -> None:
        """Store a new run; creating one that is there already is no change."""

        def work(connection: WriteConnection) -> None:
            if connection.core.execute(select(runs.c.number).where(runs.c.id == run.id)).first() is not None:
                return
            new = NewRun(
                run.id,
                _experiment(connection.core, run),
                name=run.id,
                user=USER,
                started=_milliseconds(run.started_at),
                status=_STATUSES[run.status],
                ended=None if run.ended_at is None else _milliseconds(run.ended_at),
                model=run.model,
                parent=run.parent,
                body=_body(run),
            )
            tags = {**run.tags, **({} if run.parent is None else {PARENT_TAG: run.parent})}
            number = self._runs.create(connection.cursor, new, tags)
            if number is None:
                return
            self._runs.set_params(connection.cursor, run.id, number, _texts(run.params))
            self._record_last(connection, number, run, known=())
            record_events(self._database, connection.core, events)

        self._writer.submit(work).result()

    def log(
        self,
        run_id: str,
        *,
        metrics: Sequence[MetricPoint] = (),
        params: Mapping[str, Value] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Add to a run, atomically. Identical points are one point. Raises Conflict for a changed param, NotFound."""
        rows = [LoggedMetric(point.key, point.value, _time_of(point), point.step) for point in metrics]

        def work(connection: WriteConnection) -> None:
            if params:
                stored = _stored(connection.core, self._keys, run_id)
                body = _body(dataclasses.replace(stored.run, params=merged_params(stored.run, params)))
                connection.core.execute(update(runs).where(runs.c.number == stored.number).values(body=body))
            number = self._runs.find(connection.cursor, run_id, active=False)
            self._runs.set_params(connection.cursor, run_id, number, _texts(params or {}))
            if rows:
                self._runs.record(connection.cursor, number, rows)
            self._runs.set_tags(connection.cursor, number, list((tags or {}).items()))

        self._writer.submit(work).result()

    def finish(self, run: Run, *events: Event) -> None:
        """Replace the run's record; params, tags and metrics that are there already stay. Raises NotFound."""

        def work(connection: WriteConnection) -> None:
            number = self._runs.find(connection.cursor, run.id, active=False)
            stored = _stored(connection.core, self._keys, run.id)
            before = stored.run
            new_params = {name: value for name, value in run.params.items() if name not in before.params}
            last = dataclasses.replace(run, params={**new_params, **before.params})
            values = {
                "status": CODES[_STATUSES[run.status]],
                "ended": None if run.ended_at is None else _milliseconds(run.ended_at),
                "body": _body(last),
            }
            connection.core.execute(update(runs).where(runs.c.number == number).values(**values))
            self._runs.set_params(connection.cursor, run.id, number, _texts(new_params))
            self._runs.set_tags(connection.cursor, number, list(run.tags.items()))
            self._record_last(connection, number, run, known=before.metrics)
            record_events(self._database, connection.core, events)

        self._writer.submit(work).result()

    def get(self, run_id: str) -> Run:
        """The run with its params and the last value of each metric. Raises NotFound."""
        with self._database.read() as connection:
            return _stored(connection, self._keys, run_id).run

    def list(self, *, model: str | None = None, parent: str | None = None, limit: int = 100) -> Sequence[Run]:
        """Runs, newest first. ``parent`` selects trials of one run."""
        statement = _FOUND.where(runs.c.active == true())
        if model is not None:
            statement = statement.where(
                runs.c.experiment.in_(select(experiments.c.number).where(experiments.c.model == model))
            )
        if parent is not None:
            statement = statement.where(runs.c.parent == parent if parent else runs.c.parent.is_(None))
        newest = statement.order_by(runs.c.started.desc(), runs.c.number.desc()).limit(limit)
        with self._database.read() as connection:
            rows = connection.execute(newest).all()
            tracked = read_runs(connection, self._keys, [row.number for row in rows])
            return [_training(row, one) for row, one in zip(rows, tracked, strict=True)]

    def points(self, run_id: str, key: str) -> Sequence[MetricPoint]:
        """One metric's points by step, then time."""
        curve = self._history.history(run_id, key)
        return [
            MetricPoint(key, value, step, _EPOCH + at * _MILLISECOND)
            for step, at, value in zip(curve.steps, curve.timestamps, curve.values, strict=True)
        ]

    def _record_last(self, connection: WriteConnection, number: int, run: Run, known: Any) -> None:
        """Values that a training gives at its end, as points, where no curve was logged."""
        at = _milliseconds(run.ended_at or run.started_at)
        new = [LoggedMetric(key, value, at) for key, value in run.metrics.items() if key not in known]
        if new:
            self._runs.record(connection.cursor, number, new)


@dataclasses.dataclass(frozen=True)
class _Stored:
    number: int
    run: Run


def merged_params(run: Run, new: Mapping[str, Value]) -> dict[str, Value]:
    """A run's params with new ones. Raises Conflict where one has another value already."""
    for name, value in new.items():
        if name in run.params and codec.dumps(run.params[name]) != codec.dumps(value):
            raise Conflict(
                f"param {name!r} of run {run.id} is {run.params[name]!r} and cannot become {value!r}",
                hint="params are set once; start another run, or log a tag",
            )
    return {**run.params, **new}


def _stored(connection: Connection, keys: ReadKeys, run_id: str) -> _Stored:
    row = connection.execute(_FOUND.where(runs.c.id == run_id)).first()
    if row is None:
        raise NotFound(f"there is no run {run_id!r}", hint="see: treadle runs")
    return _Stored(row.number, _training(row, read_runs(connection, keys, [row.number])[0]))


def _training(row: Any, tracked: TrackedRun) -> Run:
    metrics = {metric.key: metric.value for metric in tracked.metrics}
    tags = {key: value for key, value in tracked.tags.items() if key not in (RUN_NAME_TAG, PARENT_TAG)}
    if row.body is not None:
        run = codec.loads(Run, row.body)
        params = {**tracked.params, **run.params}
        return dataclasses.replace(run, params=params, metrics=metrics, tags=tags)
    info = tracked.info
    return Run(
        id=info.id,
        model=row.model or row.name,
        status=_TRAININGS[info.status],
        started_at=_EPOCH + info.started * _MILLISECOND,
        ended_at=None if info.ended is None else _EPOCH + info.ended * _MILLISECOND,
        parent=tracked.tags.get(PARENT_TAG),
        params=dict(tracked.params),
        metrics=metrics,
        tags={**tags, RUN_NAME_TAG: info.name} if info.name else tags,
    )


def _experiment(core: Connection, run: Run) -> int:
    """The number of the experiment of a run's model: its own, one of its name, or a new one."""
    e = experiments.c
    own = core.execute(select(e.number, e.active).where(e.model == run.model)).first()
    if own is not None and own.active:
        return int(own.number)
    if own is not None:
        core.execute(update(experiments).where(e.number == own.number).values(model=None))
    named = core.execute(select(e.number).where(e.name == run.model, e.active == true())).scalar_one_or_none()
    if named is None:
        return created(core, run.model, _milliseconds(run.started_at), model=run.model)
    core.execute(update(experiments).where(e.number == named).values(model=run.model))
    return int(named)


def _body(run: Run) -> str:
    """The document of a run, without what is kept beside it."""
    return codec.dumps(dataclasses.replace(run, metrics={}, tags={}))


def _texts(params: Mapping[str, Value]) -> list[tuple[str, str]]:
    return [(name, value if isinstance(value, str) else str(value)) for name, value in params.items()]


def _time_of(point: MetricPoint) -> int:
    if point.at.tzinfo is None:
        raise InvalidInput(f"the time of metric {point.key!r} has no zone", hint="give an aware datetime in UTC")
    return _milliseconds(point.at)


def _milliseconds(at: datetime) -> int:
    if at.tzinfo is None:
        raise InvalidInput(f"the time {at.isoformat()} has no zone", hint="give an aware datetime in UTC")
    return (at - _EPOCH) // _MILLISECOND
