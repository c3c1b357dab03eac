"""Experiments and runs of tracking as pages show them: what any client has logged, MLflow's too."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from treadle.wire.records import Answer, Number


class ExperimentRow(Answer):
    """A named set of runs; ``model`` is the Treadle model whose trainings they are. ``runs`` counts active ones."""

    id: str
    name: str
    model: str | None
    note: str
    created: datetime
    updated: datetime
    runs: int


class TrackedMetric(Answer):
    """The last value of a metric with its step, and the least and the greatest value."""

    value: Number
    step: int
    least: Number
    greatest: Number


class TrackedRow(Answer):
    """A run with what was logged to it, but for the points of its metrics."""

    id: str
    name: str
    experiment: str
    user: str
    status: Literal["running", "scheduled", "finished", "failed", "killed"]
    started: datetime
    ended: datetime | None
    params: dict[str, str]
    metrics: dict[str, TrackedMetric]
    tags: dict[str, str]


class TrackedPage(Answer):
    """One page of a search. ``count`` is how many fulfil it in all; ``cursor`` leads on, null at the end."""

    items: list[TrackedRow]
    count: int
    cursor: str | None


class TrackedDataset(Answer):
    """Data that a run used."""

    name: str
    digest: str
    source_type: str
    context: str


class TrackedDetail(Answer):
    """A run, its experiment and the data it used."""

    run: TrackedRow
    experiment: ExperimentRow
    datasets: list[TrackedDataset]
