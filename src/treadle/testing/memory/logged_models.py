"""Logged models in dictionaries."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import TypeVar

from treadle.domain.errors import Conflict
from treadle.domain.logged_models import LoggedModel, MeasuredOn, ModelMetric, ModelOrder, ModelStatus, newest
from treadle.domain.registered_errors import no_logged_model, no_logged_model_tag, param_changed
from treadle.domain.search import EVERYTHING, Column, Condition, Kind, Scalar, columns, holds, in_order
from treadle.domain.tracking import Found
from treadle.ports.tracking import MetricRow
from treadle.testing.memory.paging import paged
from treadle.testing.memory.registered import MemoryRegistered

T = TypeVar("T")


class MemoryLoggedModels:
    """``ports.LoggedModels``."""

    def __init__(self, registered: MemoryRegistered | None = None) -> None:
        self._registered = registered or MemoryRegistered()
        self._lock = threading.RLock()
        self._models: dict[str, LoggedModel] = {}
        self._metrics: dict[str, dict[ModelMetric, ModelMetric]] = {}

    def create_logged_model(self, model: LoggedModel) -> Future[LoggedModel]:
        """Store a new one; its metrics and registrations are left out. Raises Conflict for an id in use."""

        def work() -> LoggedModel:
            if model.id in self._models:
                raise Conflict(f"Logged model with ID '{model.id}' already exists.", hint="take another id")
            params, tags = dict(sorted(model.params.items())), dict(sorted(model.tags.items()))
            self._models[model.id] = replace(model, params=params, tags=tags, metrics=(), registrations=())
            return self._whole(model.id)

        return self._done(work)

    def get_logged_model(self, model_id: str, *, deleted: bool = False) -> LoggedModel:
        """Raises NotFound, also for a deleted one unless those are wanted."""
        with self._lock:
            found = self._whole(model_id)
        if not (found.active or deleted):
            raise no_logged_model(model_id)
        return found

    def finalize_logged_model(self, model_id: str, status: ModelStatus, *, at: int) -> Future[LoggedModel]:
        """Raises NotFound."""

        def work() -> LoggedModel:
            self._models[model_id] = replace(self._whole(model_id), status=status, updated=at)
            return self._whole(model_id)

        return self._done(work)

    def delete_logged_model(self, model_id: str, *, at: int) -> Future[None]:
        """Mark as deleted; it can still be asked for. Raises NotFound."""

        def work() -> None:
            self._models[model_id] = replace(self._whole(model_id), active=False, updated=at)

        return self._done(work)

    def deleted_logged_models(self, before: int) -> Sequence[LoggedModel]:
        """Those that were marked as deleted before a time."""
        with self._lock:
            gone = [key for key, model in self._models.items() if not model.active and model.updated < before]
            return [self._whole(key) for key in gone]

    def free_logged_models(self, model_ids: Sequence[str]) -> Future[None]:
        """Remove deleted ones for good; the others stay."""

        def work() -> None:
            for key in model_ids:
                if key in self._models and not self._models[key].active:
                    del self._models[key]
                    self._metrics.pop(key, None)

        return self._done(work)

    def set_logged_model_tags(self, model_id: str, tags: Mapping[str, str]) -> Future[None]:
        """Raises NotFound."""

        def work() -> None:
            model = self._whole(model_id)
            self._models[model_id] = replace(model, tags=dict(sorted({**model.tags, **tags}.items())))

        return self._done(work)

    def delete_logged_model_tag(self, model_id: str, key: str) -> Future[None]:
        """Raises NotFound for the model or the tag."""

        def work() -> None:
            model = self._whole(model_id)
            if key not in model.tags:
                raise no_logged_model_tag(model_id, key)
            self._models[model_id] = replace(model, tags={k: v for k, v in model.tags.items() if k != key})

        return self._done(work)

    def log_model_params(self, model_id: str, params: Mapping[str, str]) -> Future[None]:
        """Values are kept whole. Raises NotFound, InvalidInput for a param that has another value."""

        def work() -> None:
            model = self._whole(model_id)
            for key, value in params.items():
                if model.params.get(key, value) != value:
                    raise param_changed(model_id, key)
            self._models[model_id] = replace(model, params=dict(sorted({**model.params, **params}.items())))

        return self._done(work)

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
        """Models that are not deleted and fulfil a condition. Raises InvalidInput for a bad cursor."""
        needs_points = bool(datasets) and all(column.kind is not Kind.METRIC for column in columns(condition))

        def wanted(model: LoggedModel) -> bool:
            points = [p for p in model.metrics if not datasets or any(on.covers(p) for on in datasets)]
            if needs_points and not points:
                return False
            return holds(condition, lambda column: _values(model, column, points))

        with self._lock:
            every = [self._whole(model_id) for model_id in sorted(self._models)]
        found = [m for m in every if m.active and m.experiment in experiments and wanted(m)]
        found.sort(key=lambda model: -model.created)
        for one in reversed(order):
            found = in_order(found, [one.order], lambda m, on=one.on: lambda column: _newest(m, column, on))  # type: ignore[misc]
        return paged(found, limit, cursor)

    def record(self, run: str, metrics: Sequence[MetricRow]) -> None:
        """Points of a run that were measured of models."""
        with self._lock:
            for metric in metrics:
                if metric.model_id:
                    point = ModelMetric(
                        metric.key, metric.value, metric.timestamp, metric.step, run, metric.dataset_name,
                        metric.dataset_digest,
                    )  # fmt: skip
                    self._metrics.setdefault(metric.model_id, {}).setdefault(point._replace(value=0.0), point)

    def _whole(self, model_id: str) -> LoggedModel:
        if model_id not in self._models:
            raise no_logged_model(model_id)
        points = sorted(self._metrics.get(model_id, {}).values(), key=lambda p: (p.key, p.timestamp, p.step, p.run))
        made = self._registered.search_versions(limit=2**31).items
        registrations = sorted((v.name, v.number) for v in made if v.model_id == model_id)
        return replace(self._models[model_id], metrics=points, registrations=registrations)

    def _done(self, work: Callable[[], T]) -> Future[T]:
        future: Future[T] = Future()
        with self._lock:
            try:
                future.set_result(work())
            except Exception as error:  # noqa: BLE001  whoever waits is told
                future.set_exception(error)
        return future


def _newest(model: LoggedModel, column: Column, on: MeasuredOn) -> Sequence[Scalar]:
    if column.kind is not Kind.METRIC:
        return _values(model, column, ())
    points = [point for point in model.metrics if point.key == column.key and on.covers(point)]
    return (newest(points).value,) if points else ()


def _values(model: LoggedModel, column: Column, points: Sequence[ModelMetric]) -> Sequence[Scalar]:
    match column.kind:
        case Kind.METRIC:
            return [point.value for point in points if point.key == column.key]
        case Kind.PARAM:
            found: Scalar | None = model.params.get(column.key)
        case Kind.TAG:
            found = model.tags.get(column.key)
        case _:
            found = _attributes(model)[column.key]
    return () if found is None else (found,)


def _attributes(model: LoggedModel) -> dict[str, Scalar | None]:
    return {
        "name": model.name,
        "model_id": model.id,
        "model_type": model.model_type,
        "status": model.status.name,
        "source_run_id": model.source_run,
        "experiment_id": model.experiment,
        "artifact_location": model.artifact_location,
        "creation_timestamp": model.created,
        "last_updated_timestamp": model.updated,
    }
