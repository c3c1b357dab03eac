"""Tracking: experiments, runs, metrics and what belongs to them.

Writes are handed to one writer, which commits what is waiting together: they return at once, and the future is done
when the change is committed (or raises, and then nothing of that change is stored). Reads answer at once and see every
change whose future is done. All methods may be called from any thread.

Columns that searches know (``domain/search.py``), by kind:

- runs: ``ATTRIBUTE`` ``run_id``, ``run_name``, ``user_id``, ``status``, ``artifact_uri``, ``experiment_id``,
  ``lifecycle_stage`` (texts), ``start_time``, ``end_time`` (numbers); ``METRIC``, ``MIN``, ``MAX``, ``PARAM``, ``TAG``
  by key; ``DATASET`` ``name``, ``digest``, ``context``. Ties go by start time, newest first, then by id.
- experiments: ``ATTRIBUTE`` ``experiment_id`` (a number), ``name``, ``creation_time``, ``last_update_time``,
  ``lifecycle_stage``; ``TAG`` by key. Ties go by id, newest first.

An unknown attribute raises InvalidInput.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Protocol

from treadle.domain.search import EVERYTHING, Condition, Order, View
from treadle.domain.tracking import (
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


class MetricRow(Protocol):
    """What a logged point is read from; ``LoggedMetric`` is one. ``timestamp`` is in milliseconds."""

    @property
    def key(self) -> str:
        """The name of the metric."""
        ...

    @property
    def value(self) -> float:
        """Any float, NaN and infinities too."""
        ...

    @property
    def timestamp(self) -> int:
        """Milliseconds since 1970."""
        ...

    @property
    def step(self) -> int:
        """Any whole number of 64 bits."""
        ...

    @property
    def model_id(self) -> str | None:
        """The logged model that was measured."""
        ...

    @property
    def dataset_name(self) -> str | None:
        """What it was measured on."""
        ...

    @property
    def dataset_digest(self) -> str | None:
        """What it was measured on."""
        ...


class Experiments(Protocol):
    """Named sets of runs. ``at`` is the time of the change in milliseconds."""

    def create_experiment(
        self, name: str, *, at: int, artifact_location: str | None = None, tags: Mapping[str, str] | None = None
    ) -> Future[Experiment]:
        """A new experiment; without a location, ``mlflow-artifacts:/<id>``. Raises Conflict for a name in use."""
        ...

    def get_experiment(self, experiment: str) -> Experiment:
        """By id, deleted or not. Raises NotFound."""
        ...

    def experiment_by_name(self, name: str) -> Experiment:
        """The active one of this name, otherwise the one deleted last. Raises NotFound."""
        ...

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
        ...

    def rename_experiment(self, experiment: str, name: str, *, at: int) -> Future[Experiment]:
        """Raises NotFound, Conflict for a name in use, NotActive for a deleted one."""
        ...

    def delete_experiment(self, experiment: str, *, at: int) -> Future[Experiment]:
        """Mark as deleted, its runs too; its name is free then. Raises NotFound where there is no active one."""
        ...

    def restore_experiment(self, experiment: str, *, at: int, name: str | None = None) -> Future[Experiment]:
        """Bring back with the runs that went with it.

        A name that was taken meanwhile becomes ``<name> (restored <id>)``, unless another is given. Raises NotFound
        where there is no deleted one, Conflict where ``name`` is in use.
        """
        ...

    def set_experiment_tag(self, experiment: str, key: str, value: str) -> Future[None]:
        """Raises NotFound, NotActive."""
        ...

    def delete_experiment_tag(self, experiment: str, key: str) -> Future[None]:
        """Raises NotFound for the experiment or the tag, NotActive."""
        ...


class RunStore(Protocol):
    """Runs and what is logged to them."""

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
        """A new run, with its name as tag ``mlflow.runName``.

        With a ``run_id`` that is there already, that run as it is. Raises NotFound for the experiment, NotActive.
        """
        ...

    def get_run(self, run: str) -> TrackedRun:
        """By id, deleted or not. Raises NotFound."""
        ...

    def run_info(self, run: str) -> RunInfo:
        """The run without what was logged to it. Raises NotFound."""
        ...

    def update_run(
        self, run: str, *, status: Status | None = None, ended: int | None = None, name: str | None = None
    ) -> Future[RunInfo]:
        """Change what is given. Raises NotFound, NotActive."""
        ...

    def delete_run(self, run: str, *, at: int) -> Future[None]:
        """Mark as deleted; deleting again is no change. Raises NotFound."""
        ...

    def restore_run(self, run: str) -> Future[None]:
        """Bring back; an active one stays as it is. Raises NotFound."""
        ...

    def move_run(self, run: str, experiment: str) -> Future[RunInfo]:
        """Put into another experiment. Artifacts stay where they are. Raises NotFound, NotActive."""
        ...

    def log_batch(
        self,
        run: str,
        *,
        metrics: Sequence[MetricRow] = (),
        params: Sequence[tuple[str, str]] = (),
        tags: Sequence[tuple[str, str]] = (),
    ) -> Future[None]:
        """Add to a run, all or nothing. Identical points are one point; a param may be logged again with its value.

        Values are kept whole, however long. Raises NotFound, NotActive, ParamChanged (which names what was to change).
        """
        ...

    def delete_tag(self, run: str, key: str) -> Future[None]:
        """Raises NotFound for the run or the tag, NotActive."""
        ...

    def log_inputs(
        self, run: str, *, datasets: Sequence[DatasetInput] = (), models: Sequence[str] = ()
    ) -> Future[None]:
        """What a run used; the same again is no change. Raises NotFound, NotActive."""
        ...

    def log_outputs(self, run: str, models: Sequence[ModelOutput]) -> Future[None]:
        """What a run made; the same again is no change. Raises NotFound, NotActive."""
        ...


class RunSearch(Protocol):
    """Finding runs."""

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
        """Runs of the experiments that fulfil a condition.

        ``text`` looks for each of its words, whatever the case, in names, params, tags (their names too; notes are
        a tag) and comments.
        Raises InvalidInput for a bad cursor.
        """
        ...

    def count_runs(
        self,
        experiments: Sequence[str],
        condition: Condition = EVERYTHING,
        *,
        text: str = "",
        view: View = View.ACTIVE,
    ) -> int:
        """How many a search finds."""
        ...

    def search_datasets(self, experiments: Sequence[str], *, limit: int = 1000) -> Sequence[DatasetSummary]:
        """The data sets that active runs of the experiments used, each context apart."""
        ...


class MetricHistory(Protocol):
    """Reading curves."""

    def history(self, run: str, key: str, *, limit: int | None = None, cursor: str | None = None) -> Curve:
        """Points of one metric; none where it was never logged. Raises NotFound for the run."""
        ...

    def histories(self, runs: Sequence[str], key: str, *, limit: int) -> Sequence[Curve]:
        """One metric of several runs in the order given, ``limit`` points in all. Runs that are not there have none."""
        ...

    def sampled(
        self,
        runs: Sequence[str],
        key: str,
        *,
        points: int,
        first: int | None = None,
        last: int | None = None,
    ) -> Sequence[Curve]:
        """One metric of several runs, at most ``points`` of each, between two steps (both included).

        All points where they are few enough. Otherwise the first, the last, and of each of equal parts of the curve
        the least and the greatest value, so that no peak is lost. Runs that are not there have none.
        """
        ...


class RunComments(Protocol):
    """What people write under runs."""

    def add_comment(self, run: str, *, author: str, text: str, at: int) -> Future[Comment]:
        """Raises NotFound."""
        ...

    def edit_comment(self, comment: str, *, text: str, at: int) -> Future[Comment]:
        """Raises NotFound."""
        ...

    def delete_comment(self, comment: str) -> Future[None]:
        """Raises NotFound."""
        ...

    def comments(self, run: str) -> Sequence[Comment]:
        """Oldest first. Raises NotFound for the run."""
        ...


class TrackingGarbage(Protocol):
    """Freeing what is deleted."""

    def collect(
        self, *, deleted_before: int, runs: Sequence[str] | None = None, experiments: Sequence[str] | None = None
    ) -> Future[Freed]:
        """Remove for good what was marked as deleted before a time; with ids, of these alone."""
        ...


class Tracking(Experiments, RunStore, RunSearch, MetricHistory, RunComments, TrackingGarbage, Protocol):
    """Everything of tracking in one store."""
