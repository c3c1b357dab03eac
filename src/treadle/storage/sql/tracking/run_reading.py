"""Rows of runs as records."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Executable, select

from treadle.domain.tracking import Dataset, DatasetInput, MetricSummary, ModelOutput, RunInfo, TrackedRun
from treadle.storage.sql.tracking.keys import ReadKeys, parts_of
from treadle.storage.sql.tracking.run_columns import CODES
from treadle.storage.sql.tracking.tables import (
    datasets,
    experiments,
    run_datasets,
    run_metrics,
    run_models,
    run_params,
    run_tags,
    runs,
)

STATUSES = {code: status for status, code in CODES.items()}
INFO = select(
    runs.c.number,
    runs.c.id,
    runs.c.experiment,
    runs.c.name,
    runs.c.user_id,
    runs.c.status,
    runs.c.started,
    runs.c.ended,
    runs.c.active,
    runs.c.deleted,
    runs.c.artifact_uri,
    experiments.c.artifact_location,
).join_from(runs, experiments, experiments.c.number == runs.c.experiment)


def info(row: Any) -> RunInfo:
    """A row of :data:`INFO` as a record."""
    number, identity, experiment, name, user, status, started, ended, active, deleted, uri, location = row
    return RunInfo(
        id=identity,
        number=number,
        experiment=str(experiment),
        name=name,
        user=user,
        status=STATUSES[status],
        started=started,
        ended=ended,
        artifact_uri=uri if uri is not None else artifact_uri(location, identity),
        active=bool(active),
        deleted=deleted,
    )


def artifact_uri(location: str, run: str) -> str:
    """Where the artifacts of a run are, in an experiment that keeps them at a location."""
    return f"{location.rstrip('/')}/{run}/artifacts"


def read_runs(connection: Connection, keys: ReadKeys, numbers: Sequence[int]) -> list[TrackedRun]:
    """Runs with what was logged to them, in the order of their numbers. Numbers without a run are left out."""
    infos: dict[int, RunInfo] = {}
    logged = _Logged(connection, keys)
    for part in parts_of(numbers):
        for row in connection.execute(INFO.where(runs.c.number.in_(part))):
            infos[row[0]] = info(row)
        logged.read(part)
    return [logged.run(infos[number]) for number in numbers if number in infos]


class _Logged:
    """What was logged to some runs, by number."""

    def __init__(self, connection: Connection, keys: ReadKeys) -> None:
        self._connection = connection
        self._keys = keys
        self._metrics: dict[int, list[MetricSummary]] = defaultdict(list)
        self._params: dict[int, dict[str, str]] = defaultdict(dict)
        self._tags: dict[int, dict[str, str]] = defaultdict(dict)
        self._datasets: dict[int, list[DatasetInput]] = defaultdict(list)
        self._inputs: dict[int, list[str]] = defaultdict(list)
        self._outputs: dict[int, list[ModelOutput]] = defaultdict(list)

    def run(self, of: RunInfo) -> TrackedRun:
        """One run."""
        number = of.number
        return TrackedRun(
            info=of,
            metrics=tuple(sorted(self._metrics.get(number, ()))),
            params=dict(sorted(self._params.get(number, {}).items())),
            tags=dict(sorted(self._tags.get(number, {}).items())),
            datasets=tuple(self._datasets.get(number, ())),
            model_inputs=tuple(self._inputs.get(number, ())),
            model_outputs=tuple(self._outputs.get(number, ())),
        )

    def read(self, numbers: list[int]) -> None:
        """Read everything of some runs."""
        self._read_metrics(numbers)
        for table, into in ((run_params, self._params), (run_tags, self._tags)):
            t = table.c
            rows = _rows(self._connection, select(t.run, t.key, t.head, t.rest).where(t.run.in_(numbers)))
            texts = self._keys.texts(self._connection, {row[1] for row in rows})
            for run, key, head, rest in rows:
                into[run][texts[key]] = head if rest is None else head + rest
        self._read_links(numbers)

    def _read_metrics(self, numbers: list[int]) -> None:
        m = run_metrics.c
        columns = (m.run, m.key, m.value, m.nan, m.at, m.step, m.least, m.greatest)
        rows = _rows(self._connection, select(*columns).where(m.run.in_(numbers)))
        texts = self._keys.texts(self._connection, {row[1] for row in rows})
        nan = math.nan
        for run, key, value, is_nan, at, step, least, greatest in rows:
            self._metrics[run].append(
                MetricSummary(
                    texts[key],
                    nan if is_nan else value,
                    at,
                    step,
                    nan if least is None else least,
                    nan if greatest is None else greatest,
                )
            )

    def _read_links(self, numbers: list[int]) -> None:
        used = (
            select(run_datasets.c.run, run_datasets.c.tags, datasets)
            .join_from(run_datasets, datasets, datasets.c.number == run_datasets.c.dataset)
            .where(run_datasets.c.run.in_(numbers))
            .order_by(run_datasets.c.run, datasets.c.number)
        )
        for row in self._connection.execute(used):
            data = Dataset(row.name, row.digest, row.source_type, row.source, row.schema, row.profile)
            self._datasets[row.run].append(DatasetInput(data, json.loads(row.tags)))
        m = run_models.c
        models = select(m.run, m.output, m.model_id, m.step).where(m.run.in_(numbers)).order_by(m.run, m.model_id)
        for run, output, model, step in self._connection.execute(models):
            if output:
                self._outputs[run].append(ModelOutput(model, step))
            else:
                self._inputs[run].append(model)


def _rows(connection: Connection, statement: Executable) -> list[tuple[Any, ...]]:
    """Rows as the driver gives them: many, so that SQLAlchemy's own would cost as much as reading them."""
    result: Any = connection.execute(statement)
    rows: list[tuple[Any, ...]] = result.cursor.fetchall()
    result.close()
    return rows
