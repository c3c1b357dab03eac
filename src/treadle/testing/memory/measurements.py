"""Evaluations, drift, service health and incidents in lists."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeVar

from treadle.domain.errors import NotFound
from treadle.domain.events import Event
from treadle.domain.monitoring import DriftReport, Evaluation, Incident, ServiceHealth
from treadle.testing.memory.events import MemoryEvents

T = TypeVar("T", Evaluation, DriftReport, ServiceHealth)


class MemoryMeasurements:
    """``ports.Measurements``."""

    def __init__(self, events: MemoryEvents | None = None) -> None:
        self._events = events or MemoryEvents()
        self._evaluations: dict[tuple[Any, ...], Evaluation] = {}
        self._drift: dict[tuple[Any, ...], DriftReport] = {}
        self._health: dict[tuple[Any, ...], ServiceHealth] = {}
        self._incidents: dict[str, Incident] = {}

    def put_evaluation(self, evaluation: Evaluation, *events: Event) -> None:
        """Keep an evaluation; one of the same model, version, since, until and at again is no change."""
        e = evaluation
        key = (e.model, e.version, e.since, e.until, e.at)
        self._events.with_change(events, lambda: self._evaluations.setdefault(key, e) is e)

    def evaluations(self, model: str, since: datetime | None = None) -> Sequence[Evaluation]:
        """Evaluations whose ``until`` is ``since`` or later, by ``until``, oldest first."""
        return _of(tuple(self._evaluations.values()), model, since)

    def put_drift(self, report: DriftReport, *events: Event) -> None:
        """Keep a drift report; one of the same model, version, since and until again is no change."""
        key = (report.model, report.version, report.since, report.until)
        self._events.with_change(events, lambda: self._drift.setdefault(key, report) is report)

    def drift(self, model: str, since: datetime | None = None) -> Sequence[DriftReport]:
        """Drift reports whose ``until`` is ``since`` or later, by ``until``, oldest first."""
        return _of(tuple(self._drift.values()), model, since)

    def put_health(self, health: ServiceHealth, *events: Event) -> None:
        """Keep a measurement of service health; one of the same model, since and until again is no change."""
        key = (health.model, health.since, health.until)
        self._events.with_change(events, lambda: self._health.setdefault(key, health) is health)

    def health(self, model: str, since: datetime | None = None) -> Sequence[ServiceHealth]:
        """Measurements whose ``until`` is ``since`` or later, by ``until``, oldest first."""
        return _of(tuple(self._health.values()), model, since)

    def open_incident(self, incident: Incident, *events: Event) -> bool:
        """Open it unless one with its fingerprint is open for the model, or its id is known; whether it was opened."""

        def change() -> bool:
            same = [i for i in self._incidents.values() if i.model == incident.model and i.resolved_at is None]
            if incident.id in self._incidents or incident.fingerprint in {i.fingerprint for i in same}:
                return False
            self._incidents[incident.id] = incident
            return True

        return self._events.with_change(events, change)

    def resolve_incident(self, incident_id: str, at: datetime, *events: Event) -> None:
        """Close it; closing a closed one is no change. Raises NotFound."""

        def change() -> bool:
            incident = self._incidents.get(incident_id)
            if incident is None:
                raise NotFound(f"there is no incident {incident_id!r}")
            if incident.resolved_at is not None:
                return False
            self._incidents[incident_id] = dataclasses.replace(incident, resolved_at=at)
            return True

        self._events.with_change(events, change)

    def incidents(self, model: str | None = None, *, open_only: bool = False) -> Sequence[Incident]:
        """Incidents, newest first."""
        found = [
            incident
            for incident in reversed(tuple(self._incidents.values()))
            if model in (None, incident.model) and not (open_only and incident.resolved_at is not None)
        ]
        return sorted(found, key=lambda incident: incident.opened_at, reverse=True)


def _of(kept: Sequence[T], model: str, since: datetime | None) -> list[T]:
    found = [one for one in kept if one.model == model and (since is None or one.until >= since)]
    return sorted(found, key=lambda one: one.until)
