"""Runs: one training with its parameters, metrics and artifacts."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import datetime


class RunStatus(enum.Enum):
    """Where a run is in its life."""

    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class MetricPoint:
    """One value of a metric. ``at`` is when it was measured, ``step`` counts from 0."""

    key: str
    value: float
    step: int
    at: datetime


@dataclass(frozen=True)
class Candidate:
    """A line of a leaderboard: a baseline or a set of parameters, and what it reached on validation rows."""

    name: str
    params: dict[str, float | int | str | bool]
    metrics: dict[str, float]
    objective: float | None
    seconds: float
    state: str = "complete"  # complete, pruned, failed
    chosen: bool = False


@dataclass(frozen=True)
class Run:
    """``id`` is unique; ``params`` are immutable once set; ``metrics`` holds the last value of each.

    ``artifacts`` maps a path to a blob digest. ``parent`` names the run that this one is a trial of.
    """

    id: str
    model: str
    status: RunStatus
    started_at: datetime
    ended_at: datetime | None = None
    parent: str | None = None
    params: dict[str, float | int | str | bool] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    artifacts: dict[str, str] = field(default_factory=dict)
    snapshot: str | None = None
    leaderboard: tuple[Candidate, ...] = ()
    error: str | None = None
