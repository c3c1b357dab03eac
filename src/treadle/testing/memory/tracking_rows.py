"""How tracking in memory reads its rows: values for searches, words for full text, points for curves."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from treadle.domain.search import Column, Kind, Scalar, View
from treadle.domain.tracking import CONTEXT_TAG, Curve, DatasetInput, Experiment, MetricSummary, ModelOutput, RunInfo


@dataclass(frozen=True, order=True)
class Point:
    """A logged point, ordered as curves are; NaN is a flag beside 0, so that equal points are one."""

    step: int
    timestamp: int
    nan: bool
    number: float

    @staticmethod
    def of(value: float, timestamp: int, step: int) -> Point:
        """A point from what was logged."""
        return Point(step, timestamp, math.isnan(value), 0.0 if math.isnan(value) else value)

    @property
    def value(self) -> float:
        """What was logged."""
        return math.nan if self.nan else self.number


@dataclass
class RunRow:
    """A run as it is kept."""

    info: RunInfo
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    points: dict[str, set[Point]] = field(default_factory=dict)
    datasets: dict[tuple[str, str], DatasetInput] = field(default_factory=dict)
    models: list[str] = field(default_factory=list)
    outputs: list[ModelOutput] = field(default_factory=list)
    went_with_experiment: bool = False

    def summaries(self) -> list[MetricSummary]:
        """Each metric's last point, least and greatest value."""
        return [_summary(key, points) for key, points in sorted(self.points.items())]


def _summary(key: str, points: Iterable[Point]) -> MetricSummary:
    last = max(points)
    numbers = [point.number for point in points if not point.nan] or [math.nan]
    return MetricSummary(key, last.value, last.timestamp, last.step, min(numbers), max(numbers))


def experiment_values(experiment: Experiment, column: Column) -> Sequence[Scalar]:
    """What a search of experiments compares."""
    if column.kind is Kind.TAG:
        return _given(experiment.tags.get(column.key))
    found: dict[str, Scalar] = {
        "experiment_id": int(experiment.id),
        "name": experiment.name,
        "creation_time": experiment.created,
        "last_update_time": experiment.updated,
        "lifecycle_stage": "active" if experiment.active else "deleted",
    }
    return _given(found.get(column.key))


def run_values(row: RunRow, column: Column) -> Sequence[Scalar]:
    """What a search of runs compares."""
    match column.kind:
        case Kind.PARAM:
            return _given(row.params.get(column.key))
        case Kind.TAG:
            return _given(row.tags.get(column.key))
        case Kind.DATASET:
            return [value for used in row.datasets.values() for value in _dataset_value(used, column.key)]
        case Kind.ATTRIBUTE:
            return _attribute(row.info, column.key)
    points = row.points.get(column.key)
    if not points:
        return ()
    summary = _summary(column.key, points)
    return ({Kind.METRIC: summary.value, Kind.MIN: summary.least, Kind.MAX: summary.greatest}[column.kind],)


def _dataset_value(used: DatasetInput, key: str) -> Sequence[str]:
    if key == "context":
        context = used.tags.get(CONTEXT_TAG)
        return () if context is None else (context,)
    return (used.dataset.name if key == "name" else used.dataset.digest,)


def _attribute(info: RunInfo, key: str) -> Sequence[Scalar]:
    found: dict[str, Scalar | None] = {
        "run_id": info.id,
        "run_name": info.name,
        "user_id": info.user,
        "status": info.status.value,
        "artifact_uri": info.artifact_uri,
        "experiment_id": info.experiment,
        "lifecycle_stage": "active" if info.active else "deleted",
        "start_time": info.started,
        "end_time": info.ended,
    }
    return _given(found.get(key))


def _given(value: Scalar | None) -> Sequence[Scalar]:
    return () if value is None else (value,)


def is_shown(active: bool, view: View) -> bool:
    """Whether a record is part of a view."""
    return view is View.ALL or active is (view is View.ACTIVE)


def has_words(row: RunRow, comments: Iterable[str], text: str) -> bool:
    """Whether each word of a text is somewhere in a run."""
    texts = [row.info.name, *row.params, *row.params.values(), *row.tags, *row.tags.values(), *comments]
    whole = "\n".join(texts).lower()
    return all(word in whole for word in text.lower().split())


def curve(run: str, key: str, points: Sequence[Point], cursor: str | None = None) -> Curve:
    """Points as a curve."""
    return Curve(run, key, [p.step for p in points], [p.timestamp for p in points], [p.value for p in points], cursor)


def sampled(points: Sequence[Point], most: int) -> Sequence[Point]:
    """The first, the last, and the least and greatest of equal parts between them, at most ``most`` in all."""
    if len(points) <= most:
        return points
    if most == 1:
        return points[-1:]
    inner, parts = points[1:-1], (most - 2) // 2
    kept = {0, len(points) - 1}
    for part in range(parts):
        begin, end = 1 + part * len(inner) // parts, 1 + (part + 1) * len(inner) // parts
        numbered = [index for index in range(begin, end) if not points[index].nan] or list(range(begin, end))
        kept |= {min(numbered, key=lambda at: points[at].number), max(numbered, key=lambda at: points[at].number)}
    return [points[index] for index in sorted(kept)]
