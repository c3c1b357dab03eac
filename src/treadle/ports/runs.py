"""Runs and their metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from treadle.domain.events import Event
from treadle.domain.runs import MetricPoint, Run


class Runs(Protocol):
    """Tracking. A run is created once, logged to while it runs, and finished once."""

    def create(self, run: Run, *events: Event) -> None:
        """Store a new run; creating one that is there already is no change (ids are unique by construction)."""
        ...

    def log(
        self,
        run_id: str,
        *,
        metrics: Sequence[MetricPoint] = (),
        params: Mapping[str, float | int | str | bool] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Add to a run, atomically. Identical points are one point. Raises Conflict for a changed param, NotFound."""
        ...

    def finish(self, run: Run, *events: Event) -> None:
        """Replace the run's record (status, end, artifacts, leaderboard, error); logged metrics and params stay."""
        ...

    def get(self, run_id: str) -> Run:
        """The run with its params and the last value of each metric. Raises NotFound."""
        ...

    def list(self, *, model: str | None = None, parent: str | None = None, limit: int = 100) -> Sequence[Run]:
        """Runs, newest first. ``parent`` selects trials of one run; an empty one selects runs that are no trial."""
        ...

    def points(self, run_id: str, key: str) -> Sequence[MetricPoint]:
        """One metric's points by step, then time."""
        ...
