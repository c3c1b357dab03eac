"""Runs in dictionaries."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Mapping, Sequence

from treadle.domain import codec
from treadle.domain.errors import Conflict, NotFound
from treadle.domain.events import Event
from treadle.domain.runs import MetricPoint, Run
from treadle.testing.memory.events import MemoryEvents


class MemoryRuns:
    """``ports.Runs``. A metric's last value is that of the greatest step, then time, then logged last."""

    def __init__(self, events: MemoryEvents | None = None) -> None:
        self._events = events or MemoryEvents()
        self._lock = threading.RLock()
        self._runs: dict[str, Run] = {}
        self._points: dict[tuple[str, str], list[MetricPoint]] = {}

    def create(self, run: Run, *events: Event) -> None:
        """Store a new run; creating one that is there already is no change."""
        copy = codec.loads(Run, codec.dumps(run))

        def change() -> bool:
            return self._runs.setdefault(run.id, copy) is copy

        with self._lock:
            self._events.with_change(events, change)

    def log(
        self,
        run_id: str,
        *,
        metrics: Sequence[MetricPoint] = (),
        params: Mapping[str, float | int | str | bool] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Add to a run, atomically. Identical points are one point. Raises Conflict for a changed param, NotFound."""
        with self._lock:
            run = self._stored(run_id)
            for name, value in (params or {}).items():
                if name in run.params and codec.dumps(run.params[name]) != codec.dumps(value):
                    raise Conflict(
                        f"param {name!r} of run {run_id} is {run.params[name]!r} and cannot become {value!r}"
                    )
            for point in metrics:
                points = self._points.setdefault((run_id, point.key), [])
                if codec.dumps(point) not in {codec.dumps(known) for known in points}:
                    points.append(point)
            self._runs[run_id] = dataclasses.replace(
                run, params={**run.params, **(params or {})}, tags={**run.tags, **(tags or {})}
            )

    def finish(self, run: Run, *events: Event) -> None:
        """Replace the run's record; params, tags and metrics that are there already stay. Raises NotFound."""
        copy = codec.loads(Run, codec.dumps(run))

        def change() -> None:
            stored = self._stored(run.id)
            self._runs[run.id] = dataclasses.replace(
                copy,
                params={**copy.params, **stored.params},
                metrics={**stored.metrics, **copy.metrics},
                tags={**stored.tags, **copy.tags},
            )

        with self._lock:
            self._events.with_change(events, change)

    def get(self, run_id: str) -> Run:
        """The run with its params and the last value of each metric. Raises NotFound."""
        with self._lock:
            run = self._stored(run_id)
            last = {
                key: max(enumerate(points), key=lambda p: (p[1].step, p[1].at, p[0]))[1].value
                for (owner, key), points in self._points.items()
                if owner == run_id
            }
        return dataclasses.replace(run, metrics={**run.metrics, **last})

    def list(self, *, model: str | None = None, parent: str | None = None, limit: int = 100) -> Sequence[Run]:
        """Runs, newest first. ``parent`` selects trials of one run; an empty one selects runs that are no trial."""
        with self._lock:
            found = [
                (run.started_at, number, run.id)
                for number, run in enumerate(self._runs.values())
                if model in (None, run.model) and parent in (None, run.parent or "")
            ]
            return [self.get(run_id) for _, _, run_id in sorted(found, reverse=True)[:limit]]

    def points(self, run_id: str, key: str) -> Sequence[MetricPoint]:
        """One metric's points by step, then time."""
        with self._lock:
            self._stored(run_id)
            return sorted(self._points.get((run_id, key), []), key=lambda point: (point.step, point.at))

    def _stored(self, run_id: str) -> Run:
        if run_id not in self._runs:
            raise NotFound(f"there is no run {run_id!r}")
        return self._runs[run_id]
