"""Tracking in memory: experiments, runs and what is logged to them."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import TypeVar

from treadle.domain.errors import NotActive, NotFound, ParamChanged
from treadle.domain.search import EVERYTHING, Column, Condition, Kind, Order, View, holds, in_order
from treadle.domain.tracking import (
    CONTEXT_TAG,
    DEFAULT_EXPERIMENT,
    RUN_NAME_TAG,
    Comment,
    Curve,
    DatasetInput,
    DatasetSummary,
    Experiment,
    Found,
    Freed,
    ModelOutput,
    RunInfo,
    Status,
    TrackedRun,
)
from treadle.domain.tracking_errors import (
    bad_cursor,
    experiment_exists,
    no_experiment,
    no_experiment_named,
    no_experiment_tag,
    no_run,
    no_run_tag,
)
from treadle.ports.tracking import MetricRow
from treadle.testing.memory.logged_models import MemoryLoggedModels
from treadle.testing.memory.tracking_rows import (
    Point,
    RunRow,
    curve,
    experiment_values,
    has_words,
    is_shown,
    run_values,
    sampled,
)

T = TypeVar("T")
_BY_ID = Order(Column(Kind.ATTRIBUTE, "experiment_id"), ascending=False)
_BY_START = Order(Column(Kind.ATTRIBUTE, "start_time"), ascending=False)
_BY_RUN = Order(Column(Kind.ATTRIBUTE, "run_id"))


class _Base:
    """The state and how it is changed: under one lock, each change whole or not at all."""

    def __init__(self, root: str = "mlflow-artifacts:", models: MemoryLoggedModels | None = None) -> None:
        self._models = models or MemoryLoggedModels()
        self._lock = threading.RLock()
        self._root = root
        self._experiments: dict[str, Experiment] = {
            DEFAULT_EXPERIMENT: Experiment(DEFAULT_EXPERIMENT, "Default", f"{root}/{DEFAULT_EXPERIMENT}", 0, 0)
        }
        self._runs: dict[str, RunRow] = {}
        self._comments: dict[str, Comment] = {}
        self._numbers = 0

    def _done(self, work: Callable[[], T]) -> Future[T]:
        future: Future[T] = Future()
        try:
            with self._lock:
                future.set_result(work())
        except Exception as error:  # noqa: BLE001  it belongs to who asks for the result
            future.set_exception(error)
        return future

    def _experiment(self, experiment: str, *, active: bool = False) -> Experiment:
        found = self._experiments.get(experiment)
        if found is None:
            raise no_experiment(experiment)
        if active and not found.active:
            raise NotActive("experiment", experiment)
        return found

    def _run(self, run: str, *, active: bool = False) -> RunRow:
        row = self._runs.get(run)
        if row is None:
            raise no_run(run)
        if active and not row.info.active:
            raise NotActive("run", run)
        return row

    def _free(self, name: str) -> None:
        if any(known.active and known.name == name for known in self._experiments.values()):
            raise experiment_exists(name)


class _Experiments(_Base):
    def create_experiment(
        self, name: str, *, at: int, artifact_location: str | None = None, tags: Mapping[str, str] | None = None
    ) -> Future[Experiment]:
        def work() -> Experiment:
            self._free(name)
            number = str(max(map(int, self._experiments)) + 1)
            location = artifact_location or f"{self._root}/{number}"
            self._experiments[number] = Experiment(number, name, location, at, at, tags=dict(tags or {}))
            return self._experiments[number]

        return self._done(work)

    def get_experiment(self, experiment: str) -> Experiment:
        return self._experiment(experiment)

    def experiment_by_name(self, name: str) -> Experiment:
        found = [known for known in self._experiments.values() if known.name == name]
        if not found:
            raise no_experiment_named(name)
        return max(found, key=lambda known: (known.active, known.updated))

    def search_experiments(
        self,
        condition: Condition = EVERYTHING,
        order: Sequence[Order] = (),
        *,
        view: View = View.ACTIVE,
        limit: int = 1000,
        cursor: str | None = None,
    ) -> Found[Experiment]:
        def read(experiment: Experiment) -> Callable[[Column], Sequence[str | int | float]]:
            return lambda column: experiment_values(experiment, column)

        shown = [found for found in self._experiments.values() if is_shown(found.active, view)]
        fitting = [found for found in shown if holds(condition, read(found))]
        return _page(in_order(fitting, [*order, _BY_ID], read), limit, cursor)

    def rename_experiment(self, experiment: str, name: str, *, at: int) -> Future[Experiment]:
        def work() -> Experiment:
            found = self._experiment(experiment, active=True)
            if found.name != name:
                self._free(name)
            return self._put(replace(found, name=name, updated=at))

        return self._done(work)

    def delete_experiment(self, experiment: str, *, at: int) -> Future[Experiment]:
        def work() -> Experiment:
            found = self._experiments.get(experiment)
            if found is None or not found.active:
                raise no_experiment(experiment)
            for row in self._runs.values():
                if row.info.experiment == experiment and row.info.active:
                    row.info = replace(row.info, active=False, deleted=at)
                    row.went_with_experiment = True
            return self._put(replace(found, active=False, updated=at))

        return self._done(work)

    def restore_experiment(self, experiment: str, *, at: int, name: str | None = None) -> Future[Experiment]:
        def work() -> Experiment:
            found = self._experiments.get(experiment)
            if found is None or found.active:
                raise no_experiment(experiment)
            chosen = name or found.name
            if name is None and any(known.active and known.name == chosen for known in self._experiments.values()):
                chosen = f"{found.name} (restored {found.id})"
            self._free(chosen)
            for row in self._runs.values():
                if row.info.experiment == experiment and row.went_with_experiment:
                    row.info = replace(row.info, active=True, deleted=None)
                    row.went_with_experiment = False
            return self._put(replace(found, active=True, updated=at, name=chosen))

        return self._done(work)

    def set_experiment_tag(self, experiment: str, key: str, value: str) -> Future[None]:
        def work() -> None:
            found = self._experiment(experiment, active=True)
            self._put(replace(found, tags={**found.tags, key: value}))

        return self._done(work)

    def delete_experiment_tag(self, experiment: str, key: str) -> Future[None]:
        def work() -> None:
            found = self._experiment(experiment, active=True)
            if key not in found.tags:
                raise no_experiment_tag(experiment, key)
            self._put(replace(found, tags={name: value for name, value in found.tags.items() if name != key}))

        return self._done(work)

    def _put(self, experiment: Experiment) -> Experiment:
        self._experiments[experiment.id] = experiment
        return experiment


class _Runs(_Base):
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
        def work() -> TrackedRun:
            if run_id is not None and run_id in self._runs:
                return _tracked(self._runs[run_id])
            found = self._experiment(experiment, active=True)
            identity = run_id or uuid.uuid4().hex
            self._numbers += 1
            uri = f"{found.artifact_location}/{identity}/artifacts"
            info = RunInfo(identity, self._numbers, experiment, name, user, Status.RUNNING, started, None, uri)
            self._runs[identity] = RunRow(info, tags={**(tags or {}), RUN_NAME_TAG: name})
            return _tracked(self._runs[identity])

        return self._done(work)

    def get_run(self, run: str) -> TrackedRun:
        with self._lock:
            return _tracked(self._run(run))

    def run_info(self, run: str) -> RunInfo:
        return self._run(run).info

    def update_run(
        self, run: str, *, status: Status | None = None, ended: int | None = None, name: str | None = None
    ) -> Future[RunInfo]:
        def work() -> RunInfo:
            row = self._run(run, active=True)
            if status is not None:
                row.info = replace(row.info, status=status)
            if ended is not None:
                row.info = replace(row.info, ended=ended)
            if name:
                row.info = replace(row.info, name=name)
                row.tags[RUN_NAME_TAG] = name
            return row.info

        return self._done(work)

    def delete_run(self, run: str, *, at: int) -> Future[None]:
        def work() -> None:
            row = self._run(run)
            if row.info.active:
                row.info = replace(row.info, active=False, deleted=at)
                row.went_with_experiment = False

        return self._done(work)

    def restore_run(self, run: str) -> Future[None]:
        def work() -> None:
            row = self._run(run)
            row.info = replace(row.info, active=True, deleted=None)

        return self._done(work)

    def move_run(self, run: str, experiment: str) -> Future[RunInfo]:
        def work() -> RunInfo:
            row = self._run(run, active=True)
            self._experiment(experiment, active=True)
            row.info = replace(row.info, experiment=experiment)
            return row.info

        return self._done(work)

    def log_batch(
        self,
        run: str,
        *,
        metrics: Sequence[MetricRow] = (),
        params: Sequence[tuple[str, str]] = (),
        tags: Sequence[tuple[str, str]] = (),
    ) -> Future[None]:
        def work() -> None:
            row = self._run(run, active=True)
            given = dict(row.params)
            changes = [(key, given[key], value) for key, value in params if given.setdefault(key, value) != value]
            if changes:
                raise ParamChanged(run, tuple(changes))
            row.params = given
            for point in metrics:
                row.points.setdefault(point.key, set()).add(Point.of(point.value, point.timestamp, point.step))
            self._models.record(run, metrics)
            for key, value in tags:
                row.tags[key] = value
                if key == RUN_NAME_TAG:
                    row.info = replace(row.info, name=value)

        return self._done(work)

    def delete_tag(self, run: str, key: str) -> Future[None]:
        def work() -> None:
            row = self._run(run, active=True)
            if row.tags.pop(key, None) is None:
                raise no_run_tag(run, key)

        return self._done(work)

    def log_inputs(
        self, run: str, *, datasets: Sequence[DatasetInput] = (), models: Sequence[str] = ()
    ) -> Future[None]:
        def work() -> None:
            row = self._run(run, active=True)
            for used in datasets:
                row.datasets.setdefault((used.dataset.name, used.dataset.digest), used)
            row.models += [model for model in dict.fromkeys(models) if model not in row.models]

        return self._done(work)

    def log_outputs(self, run: str, models: Sequence[ModelOutput]) -> Future[None]:
        def work() -> None:
            row = self._run(run, active=True)
            row.outputs += [output for output in dict.fromkeys(models) if output not in row.outputs]

        return self._done(work)


class _Reads(_Base):
    def search_runs(
        self,
        experiments: Sequence[str],
        condition: Condition = EVERYTHING,
        order: Sequence[Order] = (),
        *,
        text: str = "",
        view: View = View.ACTIVE,
        limit: int = 1000,
        cursor: str | None = None,
    ) -> Found[TrackedRun]:
        def read(row: RunRow) -> Callable[[Column], Sequence[str | int | float]]:
            return lambda column: run_values(row, column)

        with self._lock:
            fitting = [
                row
                for row in self._runs.values()
                if row.info.experiment in experiments
                and is_shown(row.info.active, view)
                and holds(condition, read(row))
                and has_words(row, self._texts(row.info.id), text)
            ]
            page = _page(in_order(fitting, [*order, _BY_START, _BY_RUN], read), limit, cursor)
            return Found([_tracked(row) for row in page.items], page.cursor)

    def count_runs(
        self,
        experiments: Sequence[str],
        condition: Condition = EVERYTHING,
        *,
        text: str = "",
        view: View = View.ACTIVE,
    ) -> int:
        return len(self.search_runs(experiments, condition, text=text, view=view, limit=1 << 40).items)

    def search_datasets(self, experiments: Sequence[str], *, limit: int = 1000) -> Sequence[DatasetSummary]:
        found = {
            DatasetSummary(row.info.experiment, used.dataset.name, used.dataset.digest, used.tags.get(CONTEXT_TAG))
            for row in self._runs.values()
            if row.info.experiment in experiments and row.info.active
            for used in row.datasets.values()
        }
        return sorted(found, key=lambda one: (one.experiment, one.name, one.digest, one.context or ""))[:limit]

    def history(self, run: str, key: str, *, limit: int | None = None, cursor: str | None = None) -> Curve:
        with self._lock:
            points = sorted(self._run(run).points.get(key, ()))
        page = _page(points, len(points) if limit is None else limit, cursor)
        return curve(run, key, page.items, page.cursor)

    def histories(self, runs: Sequence[str], key: str, *, limit: int) -> Sequence[Curve]:
        curves = []
        for run in runs:
            points = self._points(run, key)[:limit]
            limit -= len(points)
            curves.append(curve(run, key, points))
        return curves

    def sampled(
        self,
        runs: Sequence[str],
        key: str,
        *,
        points: int,
        first: int | None = None,
        last: int | None = None,
    ) -> Sequence[Curve]:
        curves = []
        for run in runs:
            inside = [
                point
                for point in self._points(run, key)
                if (first is None or point.step >= first) and (last is None or point.step <= last)
            ]
            curves.append(curve(run, key, sampled(inside, points)))
        return curves

    def _points(self, run: str, key: str) -> list[Point]:
        with self._lock:
            row = self._runs.get(run)
            return [] if row is None else sorted(row.points.get(key, ()))

    def _texts(self, run: str) -> list[str]:
        return [comment.text for comment in self._comments.values() if comment.run == run]


class _Rest(_Base):
    def add_comment(self, run: str, *, author: str, text: str, at: int) -> Future[Comment]:
        def work() -> Comment:
            self._run(run)
            comment = Comment(uuid.uuid4().hex, run, author, text, at)
            self._comments[comment.id] = comment
            return comment

        return self._done(work)

    def edit_comment(self, comment: str, *, text: str, at: int) -> Future[Comment]:
        def work() -> Comment:
            self._comments[comment] = replace(self._comment(comment), text=text, edited=at)
            return self._comments[comment]

        return self._done(work)

    def delete_comment(self, comment: str) -> Future[None]:
        def work() -> None:
            del self._comments[self._comment(comment).id]

        return self._done(work)

    def comments(self, run: str) -> Sequence[Comment]:
        self._run(run)
        return [comment for comment in self._comments.values() if comment.run == run]

    def collect(
        self, *, deleted_before: int, runs: Sequence[str] | None = None, experiments: Sequence[str] | None = None
    ) -> Future[Freed]:
        def work() -> Freed:
            old = [found for found in self._experiments.values() if not found.active and found.updated < deleted_before]
            gone = [] if runs is not None and experiments is None else [found.id for found in old]
            gone = [found for found in gone if experiments is None or found in experiments]
            freed = [
                row.info
                for row in self._runs.values()
                if row.info.experiment in gone
                or (
                    row.info.deleted is not None
                    and row.info.deleted < deleted_before
                    and _asked(row, runs, experiments)
                )
            ]
            for info in freed:
                del self._runs[info.id]
            for experiment in gone:
                del self._experiments[experiment]
            return Freed(gone, [info.id for info in freed], [info.artifact_uri for info in freed])

        return self._done(work)

    def _comment(self, comment: str) -> Comment:
        if comment not in self._comments:
            raise NotFound(f"there is no comment {comment}", hint="list the comments of the run")
        return self._comments[comment]


class MemoryTracking(_Experiments, _Runs, _Reads, _Rest):
    """The port of tracking in memory."""


def _asked(row: RunRow, runs: Sequence[str] | None, experiments: Sequence[str] | None) -> bool:
    return row.info.id in runs if runs is not None else experiments is None


def _tracked(row: RunRow) -> TrackedRun:
    return TrackedRun(
        row.info,
        row.summaries(),
        dict(row.params),
        dict(row.tags),
        tuple(row.datasets.values()),
        tuple(row.models),
        tuple(row.outputs),
    )


def _page(items: Sequence[T], limit: int, cursor: str | None) -> Found[T]:
    if cursor is not None and not cursor.isdecimal():
        raise bad_cursor(cursor)
    begin = int(cursor or 0)
    end = begin + limit
    return Found(items[begin:end], str(end) if end < len(items) else None)
