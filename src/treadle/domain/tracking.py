"""Tracking: experiments, runs, and what is logged to them. Times are milliseconds since 1970 in UTC."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")

DEFAULT_EXPERIMENT = "0"
"""The id of the experiment that is always there; its name is ``Default``."""

RUN_NAME_TAG = "mlflow.runName"
"""The tag that follows a run's name, and that the name follows."""

PARENT_TAG = "mlflow.parentRunId"
"""The tag that holds the id of the run that a run is a part of."""

NOTE_TAG = "mlflow.note.content"
"""The tag that holds the note (description) of a run or an experiment, in Markdown."""

CONTEXT_TAG = "mlflow.data.context"
"""The tag of a dataset input that says what the dataset was used for."""


class Status(enum.Enum):
    """Where a run is in its life."""

    RUNNING = "RUNNING"
    SCHEDULED = "SCHEDULED"
    FINISHED = "FINISHED"
    FAILED = "FAILED"
    KILLED = "KILLED"


@dataclass(frozen=True)
class Experiment:
    """A named set of runs. ``name`` may have folders (``a/b/c``) and is unique among experiments that are not deleted.

    ``model`` names the Treadle model whose trainings are its runs.
    """

    id: str
    name: str
    artifact_location: str
    created: int
    updated: int
    active: bool = True
    tags: Mapping[str, str] = field(default_factory=dict)
    model: str | None = None


@dataclass(frozen=True)
class RunInfo:
    """A run without what was logged to it. ``number`` is the store's own key; ``deleted`` is when it was deleted."""

    id: str
    number: int
    experiment: str
    name: str
    user: str
    status: Status
    started: int
    ended: int | None
    artifact_uri: str
    active: bool = True
    deleted: int | None = None


class LoggedMetric(NamedTuple):
    """One point as it is logged. ``model_id`` and the data set, where given, say what was measured on what."""

    key: str
    value: float
    timestamp: int
    step: int = 0
    model_id: str | None = None
    dataset_name: str | None = None
    dataset_digest: str | None = None


class MetricSummary(NamedTuple):
    """A metric of a run: its last point (greatest step, then time, then value) and the least and greatest value.

    ``least`` and ``greatest`` leave NaN out; they are NaN where nothing else was logged.
    """

    key: str
    value: float
    timestamp: int
    step: int
    least: float
    greatest: float


@dataclass(frozen=True)
class Curve:
    """Points of one metric in columns of equal length, by step, then time, then value (NaN last); none stands twice.

    ``cursor`` reads on behind the last point; it is ``None`` at the end.
    """

    run: str
    key: str
    steps: Sequence[int]
    timestamps: Sequence[int]
    values: Sequence[float]
    cursor: str | None = None

    def __len__(self) -> int:
        return len(self.steps)


@dataclass(frozen=True)
class Dataset:
    """Data that a run used. ``name`` and ``digest`` identify it within an experiment."""

    name: str
    digest: str
    source_type: str
    source: str
    schema: str | None = None
    profile: str | None = None


@dataclass(frozen=True)
class DatasetInput:
    """A data set as one run used it."""

    dataset: Dataset
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class DatasetSummary:
    """A data set as a search shows it."""

    experiment: str
    name: str
    digest: str
    context: str | None


@dataclass(frozen=True)
class ModelOutput:
    """A logged model that a run made, at a step."""

    model_id: str
    step: int = 0


@dataclass(frozen=True)
class TrackedRun:
    """A run with everything but the points of its metrics."""

    info: RunInfo
    metrics: Sequence[MetricSummary] = ()
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    datasets: Sequence[DatasetInput] = ()
    model_inputs: Sequence[str] = ()
    model_outputs: Sequence[ModelOutput] = ()


@dataclass(frozen=True)
class Comment:
    """What somebody wrote under a run. ``edited`` is ``None`` where it never was."""

    id: str
    run: str
    author: str
    text: str
    at: int
    edited: int | None = None


@dataclass(frozen=True)
class Found(Generic[T]):
    """One page of a search. ``cursor`` leads to the next one; it is ``None`` on the last."""

    items: Sequence[T]
    cursor: str | None = None


@dataclass(frozen=True)
class Freed:
    """What a collection of garbage removed for good. ``artifacts`` are places whose content nobody needs any more."""

    experiments: Sequence[str] = ()
    runs: Sequence[str] = ()
    artifacts: Sequence[str] = ()
