"""Models as runs log them: artifacts, params, tags and measurements. Times are milliseconds since 1970."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from treadle.domain.search import Order


class ModelStatus(enum.IntEnum):
    """Whether a logged model's files are there."""

    UNSPECIFIED = 0
    PENDING = 1
    READY = 2
    FAILED = 3


class ModelMetric(NamedTuple):
    """A point that was measured of a logged model, by a run, on a data set where one is named."""

    key: str
    value: float
    timestamp: int
    step: int
    run: str
    dataset_name: str | None = None
    dataset_digest: str | None = None


@dataclass(frozen=True)
class LoggedModel:
    """A model that was logged to an experiment. ``registrations`` are the versions that were made of it."""

    id: str
    experiment: str
    name: str
    artifact_location: str
    created: int
    updated: int
    status: ModelStatus = ModelStatus.PENDING
    status_message: str | None = None
    model_type: str | None = None
    source_run: str | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    metrics: Sequence[ModelMetric] = ()
    registrations: Sequence[tuple[str, int]] = ()
    active: bool = True


class MeasuredOn(NamedTuple):
    """A data set that metrics were measured on; without a digest, any of this name; without a name, any at all."""

    name: str | None = None
    digest: str | None = None

    def covers(self, metric: ModelMetric) -> bool:
        """Whether a point was measured on it."""
        return (self.name is None or metric.dataset_name == self.name) and (
            self.digest is None or metric.dataset_digest == self.digest
        )


ANYTHING = MeasuredOn()
"""Whatever a point was measured on."""


@dataclass(frozen=True)
class ModelOrder:
    """A term of an order; a metric stands for its newest point (time, then step) measured ``on`` a data set."""

    order: Order
    on: MeasuredOn = ANYTHING


def newest(points: Sequence[ModelMetric]) -> ModelMetric:
    """The point that a metric stands for: greatest time, then step; of several runs the one whose id is least."""
    return min(points, key=lambda point: (-point.timestamp, -point.step, point.run))
