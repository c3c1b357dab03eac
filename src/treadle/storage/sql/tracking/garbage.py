"""Freeing for good what is marked as deleted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import Future

from sqlalchemy import ColumnElement, Connection, delete, false, select

from treadle.domain.tracking import DEFAULT_EXPERIMENT, Freed
from treadle.storage.sql.tracking.keys import parts_of
from treadle.storage.sql.tracking.run_reading import INFO, info
from treadle.storage.sql.tracking.tables import (
    datasets,
    experiment_tags,
    experiments,
    metric_chunks,
    metric_tail,
    run_comments,
    run_datasets,
    run_metrics,
    run_models,
    run_params,
    run_tags,
    runs,
)
from treadle.storage.sql.writer import WriteConnection, Writer

LOGGED = (run_params, run_tags, run_metrics, metric_tail, metric_chunks, run_datasets, run_models, run_comments)
"""Tables with rows of runs."""


class SqlTrackingGarbage:
    """``ports.tracking.TrackingGarbage`` on SQL."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def collect(
        self, *, deleted_before: int, runs: Sequence[str] | None = None, experiments: Sequence[str] | None = None
    ) -> Future[Freed]:
        """Remove for good what was marked as deleted before a time; with ids, of these alone."""

        def work(connection: WriteConnection) -> Freed:
            return _collect(connection.core, deleted_before, runs, experiments)

        return self._writer.submit(work)


def _collect(
    core: Connection, before: int, wanted_runs: Sequence[str] | None, wanted_experiments: Sequence[str] | None
) -> Freed:
    gone = _experiments(core, before, wanted_runs, wanted_experiments)
    found = {info(row).number: info(row) for row in _of_experiments(core, gone)}
    old = INFO.where(runs.c.active == false(), runs.c.deleted < before)
    if wanted_runs is not None:
        for part in _parts(wanted_runs):
            found.update({row[0]: info(row) for row in core.execute(old.where(runs.c.id.in_(part)))})
    elif wanted_experiments is None:
        found.update({row[0]: info(row) for row in core.execute(old)})
    for lot in parts_of(found):
        for table in LOGGED:
            core.execute(delete(table).where(table.c.run.in_(lot)))
        core.execute(delete(runs).where(runs.c.number.in_(lot)))
    for lot in parts_of(gone):
        unused: ColumnElement[bool] = datasets.c.number.not_in(select(run_datasets.c.dataset))
        core.execute(delete(datasets).where(datasets.c.experiment.in_(lot), unused))
        core.execute(delete(experiment_tags).where(experiment_tags.c.experiment.in_(lot)))
        core.execute(delete(experiments).where(experiments.c.number.in_(lot)))
    freed = [found[number] for number in sorted(found)]
    return Freed([str(one) for one in gone], [run.id for run in freed], [run.artifact_uri for run in freed])


def _experiments(
    core: Connection, before: int, wanted_runs: Sequence[str] | None, wanted: Sequence[str] | None
) -> list[int]:
    if wanted_runs is not None and wanted is None:
        return []
    e = experiments.c
    statement = select(e.number).where(e.active == false(), e.deleted < before, e.number != int(DEFAULT_EXPERIMENT))
    numbers = [int(number) for number in core.execute(statement.order_by(e.number)).scalars()]
    return [number for number in numbers if wanted is None or str(number) in wanted]


def _of_experiments(core: Connection, gone: Sequence[int]) -> Iterable[Sequence[object]]:
    for lot in parts_of(gone):
        yield from core.execute(INFO.where(runs.c.experiment.in_(lot))).all()


def _parts(texts: Sequence[str]) -> Iterable[Sequence[str]]:
    return (texts[start : start + 500] for start in range(0, len(texts), 500))
