"""Runs on SQL: every change is handed to the writer."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future

from sqlalchemy import Connection, select, update

from treadle.domain.tracking import (
    PARENT_TAG,
    RUN_NAME_TAG,
    DatasetInput,
    ModelOutput,
    RunInfo,
    Status,
    TrackedRun,
)
from treadle.domain.tracking_errors import no_run
from treadle.ports.tracking import MetricRow
from treadle.storage.sql.database import Database
from treadle.storage.sql.tracking.experiments import numbered
from treadle.storage.sql.tracking.keys import ReadKeys
from treadle.storage.sql.tracking.run_columns import CODES
from treadle.storage.sql.tracking.run_reading import INFO, artifact_uri, info, read_runs
from treadle.storage.sql.tracking.run_writing import NewRun, RunWriter, log_datasets, log_models, moved
from treadle.storage.sql.tracking.tables import runs
from treadle.storage.sql.writer import WriteConnection, Writer

SMALL = 1000
"""A batch of up to so many points may be written on the caller's thread."""

Measured = Callable[[Connection, str, Sequence[MetricRow]], None]
"""Keeps the points of a run that were measured of logged models."""


class SqlRunStore:
    """``ports.tracking.RunStore`` on SQL."""

    def __init__(self, database: Database, writer: Writer, runs: RunWriter, keys: ReadKeys, measured: Measured) -> None:
        self._database = database
        self._writer = writer
        self._keys = keys
        self._runs = runs
        self._measured = measured

    def create_run(
        self,
        experiment: str,
        *,
        name: str,
        user: str,
        started: int,
        tags: Mapping[str, str] | None = None,
        run_id: str | None = None,
    ) -> Future[TrackedRun]:
        """A new run, with its name as tag; or the one that has the id. Raises NotFound, NotActive."""

        def work(connection: WriteConnection) -> TrackedRun:
            parent = (tags or {}).get(PARENT_TAG)
            new = NewRun(run_id or uuid.uuid4().hex, numbered(experiment), name, user, started, parent=parent)
            if run_id is not None:
                known = connection.core.execute(select(runs.c.number).where(runs.c.id == run_id)).scalar_one_or_none()
                if known is not None:
                    return read_runs(connection.core, ReadKeys(), [known])[0]
            number = self._runs.create(connection.cursor, new, tags or {})
            if number is None:
                return read_runs(connection.core, ReadKeys(), [self._runs.find(connection.cursor, new.id)])[0]
            uri = artifact_uri(self._runs.location(connection.cursor, new.experiment), new.id)
            made = RunInfo(new.id, number, str(new.experiment), name, user, Status.RUNNING, started, None, uri)
            return TrackedRun(made, tags=dict(sorted({**(tags or {}), RUN_NAME_TAG: name}.items())))

        return self._writer.submit(work, small=True)

    def get_run(self, run: str) -> TrackedRun:
        """By id, deleted or not. Raises NotFound."""
        with self._database.read() as connection:
            number = connection.execute(select(runs.c.number).where(runs.c.id == run)).scalar_one_or_none()
            if number is None:
                raise no_run(run)
            return read_runs(connection, self._keys, [number])[0]

    def run_info(self, run: str) -> RunInfo:
        """The run without what was logged to it. Raises NotFound."""
        with self._database.read() as connection:
            return read_info(connection, run)

    def update_run(
        self, run: str, *, status: Status | None = None, ended: int | None = None, name: str | None = None
    ) -> Future[RunInfo]:
        """Change what is given. Raises NotFound, NotActive."""

        def work(connection: WriteConnection) -> RunInfo:
            number = self._runs.find(connection.cursor, run)
            changes: dict[str, int] = {}
            if status is not None:
                changes["status"] = CODES[status]
            if ended is not None:
                changes["ended"] = ended
            if changes:
                connection.core.execute(update(runs).where(runs.c.number == number).values(**changes))
            if name:
                self._runs.set_tags(connection.cursor, number, [(RUN_NAME_TAG, name)])
            return read_info(connection.core, run)

        return self._writer.submit(work, small=True)

    def delete_run(self, run: str, *, at: int) -> Future[None]:
        """Mark as deleted; deleting again is no change. Raises NotFound."""

        def work(connection: WriteConnection) -> None:
            number = self._runs.find(connection.cursor, run, active=False)
            change = update(runs).where(runs.c.number == number, runs.c.active)
            connection.core.execute(change.values(active=False, deleted=at, with_experiment=False))

        return self._writer.submit(work)

    def restore_run(self, run: str) -> Future[None]:
        """Bring back; an active one stays as it is. Raises NotFound."""

        def work(connection: WriteConnection) -> None:
            number = self._runs.find(connection.cursor, run, active=False)
            change = update(runs).where(runs.c.number == number)
            connection.core.execute(change.values(active=True, deleted=None, with_experiment=False))

        return self._writer.submit(work)

    def move_run(self, run: str, experiment: str) -> Future[RunInfo]:
        """Put into another experiment. Artifacts stay where they are. Raises NotFound, NotActive."""

        def work(connection: WriteConnection) -> RunInfo:
            number = self._runs.find(connection.cursor, run)
            moved(connection.core, number, experiment, read_info(connection.core, run).artifact_uri)
            return read_info(connection.core, run)

        return self._writer.submit(work)

    def log_batch(
        self,
        run: str,
        *,
        metrics: Sequence[MetricRow] = (),
        params: Sequence[tuple[str, str]] = (),
        tags: Sequence[tuple[str, str]] = (),
    ) -> Future[None]:
        """Add to a run, all or nothing. Raises NotFound, NotActive, ParamChanged."""

        def work(connection: WriteConnection) -> None:
            self._runs.log(connection.cursor, run, metrics, params, tags)
            of_models = [metric for metric in metrics if metric.model_id]
            if of_models:
                self._measured(connection.core, run, of_models)

        return self._writer.submit(work, small=len(metrics) <= SMALL)

    def delete_tag(self, run: str, key: str) -> Future[None]:
        """Raises NotFound for the run or the tag, NotActive."""
        return self._writer.submit(lambda connection: self._runs.drop_tag(connection.cursor, run, key))

    def log_inputs(
        self, run: str, *, datasets: Sequence[DatasetInput] = (), models: Sequence[str] = ()
    ) -> Future[None]:
        """What a run used; the same again is no change. Raises NotFound, NotActive."""

        def work(connection: WriteConnection) -> None:
            number = self._runs.find(connection.cursor, run)
            log_datasets(connection.core, number, datasets)
            log_models(connection.core, number, [ModelOutput(model) for model in models], output=False)

        return self._writer.submit(work)

    def log_outputs(self, run: str, models: Sequence[ModelOutput]) -> Future[None]:
        """What a run made; the same again is no change. Raises NotFound, NotActive."""

        def work(connection: WriteConnection) -> None:
            log_models(connection.core, self._runs.find(connection.cursor, run), models, output=True)

        return self._writer.submit(work)


def read_info(connection: Connection, run: str) -> RunInfo:
    """A run without what was logged to it. Raises NotFound."""
    row = connection.execute(INFO.where(runs.c.id == run)).first()
    if row is None:
        raise no_run(run)
    return info(row)
