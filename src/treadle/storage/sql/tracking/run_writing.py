"""Making and changing runs, and logging to them, within a transaction: for the writer, and for Treadle's trainings."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Engine, Table, bindparam, delete, select, update
from sqlalchemy.sql import ClauseElement

from treadle.domain.errors import NotActive, ParamChanged
from treadle.domain.tracking import CONTEXT_TAG, RUN_NAME_TAG, DatasetInput, ModelOutput, Status
from treadle.domain.tracking_errors import no_experiment, no_run, no_run_tag
from treadle.ports.tracking import MetricRow
from treadle.storage.sql import dialects
from treadle.storage.sql.prepared import Cursor, Prepared
from treadle.storage.sql.tracking.experiments import numbered
from treadle.storage.sql.tracking.keys import WrittenKeys
from treadle.storage.sql.tracking.points import PointWriter
from treadle.storage.sql.tracking.run_columns import CODES, halves
from treadle.storage.sql.tracking.tables import (
    datasets,
    experiments,
    run_datasets,
    run_models,
    run_params,
    run_tags,
    runs,
)


class NewRun(NamedTuple):
    """A run before it is there; its experiment is the number of one."""

    id: str
    experiment: int
    name: str
    user: str
    started: int
    status: Status = Status.RUNNING
    ended: int | None = None
    model: str | None = None
    parent: str | None = None
    body: str | None = None


class RunWriter:
    """Statements that write runs, compiled once. For one thread at a time."""

    def __init__(self, engine: Engine) -> None:
        self._dialect = engine.dialect.name
        self.keys = WrittenKeys(engine)
        self._points = PointWriter(engine, self.keys)
        self._engine = engine
        by_id = select(runs.c.number, runs.c.active).where(runs.c.id == bindparam("id"))
        self._find = self._prepare(by_id.with_for_update())
        e = experiments.c
        self._experiment = self._prepare(select(e.active, e.artifact_location).where(e.number == bindparam("number")))
        names = [column.name for column in runs.c if column.name not in ("number", "deleted", "artifact_uri")]
        self._insert = self._prepare(
            dialects.insert_new(self._dialect, runs, "id")
            .values({name: bindparam(name) for name in names})
            .returning(runs.c.number)
        )
        self._rename = self._prepare(
            update(runs).where(runs.c.number == bindparam("of")).values(name=bindparam("name"))
        )
        p = run_params.c
        self._param = self._prepare(select(p.head, p.rest).where(p.run == bindparam("run"), p.key == bindparam("key")))
        self._params = self._prepare(self._insert_value(run_params).on_conflict_do_nothing())
        tags = self._insert_value(run_tags)
        replaced = {"head": tags.excluded["head"], "rest": tags.excluded["rest"]}
        self._tags = self._prepare(tags.on_conflict_do_update(index_elements=["run", "key"], set_=replaced))
        t = run_tags.c
        self._drop_tag = self._prepare(delete(run_tags).where(t.run == bindparam("run"), t.key == bindparam("key")))

    def create(self, cursor: Cursor, run: NewRun, tags: Mapping[str, str]) -> int | None:
        """The number of a new run; ``None`` where there is one with its id. Raises NotFound, NotActive."""
        row = cursor.run(self._experiment, number=run.experiment).fetchone()
        if row is None:
            raise no_experiment(str(run.experiment))
        if not row[0]:
            raise NotActive("experiment", str(run.experiment))
        made = cursor.run(
            self._insert,
            id=run.id,
            experiment=run.experiment,
            name=run.name,
            user_id=run.user,
            status=CODES[run.status],
            started=run.started,
            ended=run.ended,
            active=True,
            with_experiment=False,
            model=run.model,
            parent=run.parent,
            body=run.body,
        ).fetchone()
        if made is None:
            return None
        self.set_tags(cursor, made[0], [*tags.items(), (RUN_NAME_TAG, run.name)], renames=False)
        return int(made[0])

    def location(self, cursor: Cursor, experiment: int) -> str:
        """Where an experiment that is there keeps artifacts."""
        return str(cursor.run(self._experiment, number=experiment).fetchone()[1])

    def find(self, cursor: Cursor, run: str, *, active: bool = True) -> int:
        """The number of a run, locked for this transaction. Raises NotFound, NotActive."""
        row = cursor.run(self._find, id=run).fetchone()
        if row is None:
            raise no_run(run)
        if active and not row[1]:
            raise NotActive("run", run)
        return int(row[0])

    def log(
        self,
        cursor: Cursor,
        run: str,
        metrics: Sequence[MetricRow],
        params: Iterable[tuple[str, str]],
        tags: Sequence[tuple[str, str]],
    ) -> int:
        """Add to a run and give its number. Raises NotFound, NotActive, ParamChanged."""
        number = self.find(cursor, run)
        if params:
            self.set_params(cursor, run, number, params)
        if metrics:
            self._points.record(cursor, number, metrics)
        if tags:
            self.set_tags(cursor, number, tags)
        return number

    def record(self, cursor: Cursor, number: int, metrics: Sequence[MetricRow]) -> None:
        """Add points to a run."""
        self._points.record(cursor, number, metrics)

    def set_params(self, cursor: Cursor, run: str, number: int, params: Iterable[tuple[str, str]]) -> None:
        """Set what is not set yet. Raises ParamChanged for another value than the one that is set."""
        given: dict[str, str] = {}
        changes = []
        for key, value in params:
            if given.setdefault(key, value) != value:
                changes.append((key, given[key], value))
        rows = [(number, self.keys.number(cursor, key), *halves(value)) for key, value in given.items()]
        if cursor.run_rows(self._params, rows) != len(rows):
            for key, row in zip(given, rows, strict=True):
                old = cursor.run(self._param, run=number, key=row[1]).fetchone()
                stored = old[0] + (old[1] or "")
                if stored != given[key]:
                    changes.append((key, stored, given[key]))
        if changes:
            raise ParamChanged(run, tuple(changes))

    def set_tags(self, cursor: Cursor, number: int, tags: Iterable[tuple[str, str]], *, renames: bool = True) -> None:
        """Set tags; the one that holds the name renames the run."""
        given = dict(tags)
        rows = [(number, self.keys.number(cursor, key), *halves(value)) for key, value in given.items()]
        cursor.run_rows(self._tags, rows)
        if renames and RUN_NAME_TAG in given:
            cursor.run(self._rename, of=number, name=given[RUN_NAME_TAG])

    def drop_tag(self, cursor: Cursor, run: str, key: str) -> None:
        """Remove a tag. Raises NotFound, NotActive."""
        number = self.find(cursor, run)
        if not cursor.run(self._drop_tag, run=number, key=self.keys.number(cursor, key)).rowcount:
            raise no_run_tag(run, key)

    def _insert_value(self, table: Table) -> dialects.Insert:
        names = ("run", "key", "head", "rest")
        return dialects.insert(self._dialect, table).values({name: bindparam(name) for name in names})

    def _prepare(self, statement: ClauseElement) -> Prepared:
        return Prepared(self._engine, statement)


def log_datasets(core: Any, number: int, inputs: Sequence[DatasetInput]) -> None:
    """What a run used. A data set of this name and digest that its experiment has already stays as it is."""
    experiment = core.execute(select(runs.c.experiment).where(runs.c.number == number)).scalar_one()
    seen: set[tuple[str, str]] = set()
    for one in inputs:
        data = one.dataset
        if (data.name, data.digest) in seen:
            continue
        seen.add((data.name, data.digest))
        d = datasets.c
        known = select(d.number).where(d.experiment == experiment, d.name == data.name, d.digest == data.digest)
        which = core.execute(known).scalar_one_or_none()
        if which is None:
            values = {
                "experiment": experiment,
                "name": data.name,
                "digest": data.digest,
                "source_type": data.source_type,
                "source": data.source,
                "schema": data.schema,
                "profile": data.profile,
            }
            core.execute(
                dialects.insert_new(core.dialect.name, datasets, "experiment", "name", "digest").values(**values)
            )
            which = core.execute(known).scalar_one()
        used = dialects.insert_new(core.dialect.name, run_datasets, "run", "dataset")
        core.execute(
            used.values(run=number, dataset=which, context=one.tags.get(CONTEXT_TAG), tags=json.dumps(dict(one.tags)))
        )


def log_models(core: Any, number: int, models: Sequence[ModelOutput], *, output: bool) -> None:
    """Logged models that a run used or made."""
    statement = dialects.insert_new(core.dialect.name, run_models, "run", "output", "model_id", "step")
    for model in models:
        core.execute(statement.values(run=number, output=output, model_id=model.model_id, step=model.step))


def moved(core: Any, number: int, experiment: str, uri: str) -> None:
    """Put a run into another experiment. Raises NotFound, NotActive."""
    e = experiments.c
    active = core.execute(select(e.active).where(e.number == numbered(experiment))).scalar_one_or_none()
    if active is None:
        raise no_experiment(experiment)
    if not active:
        raise NotActive("experiment", experiment)
    core.execute(update(runs).where(runs.c.number == number).values(experiment=numbered(experiment), artifact_uri=uri))
