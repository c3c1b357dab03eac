"""What monitoring measured, kept."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from treadle.domain.events import Event
from treadle.domain.monitoring import DriftReport, Evaluation, Incident, ServiceHealth


class Measurements(Protocol):
    """Evaluations, drift and service health over time; and incidents."""

    def put_evaluation(self, evaluation: Evaluation, *events: Event) -> None:
        """Keep an evaluation; one of the same model, version, since, until and at again is no change."""
        ...

    def evaluations(self, model: str, since: datetime | None = None) -> Sequence[Evaluation]:
        """Evaluations by ``until``, oldest first."""
        ...

    def put_drift(self, report: DriftReport, *events: Event) -> None:
        """Keep a drift report; one of the same model, version, since and until again is no change."""
        ...

    def drift(self, model: str, since: datetime | None = None) -> Sequence[DriftReport]:
        """Drift reports by ``until``, oldest first."""
        ...

    def put_health(self, health: ServiceHealth, *events: Event) -> None:
        """Keep a measurement of service health; one of the same model, since and until again is no change."""
        ...

    def health(self, model: str, since: datetime | None = None) -> Sequence[ServiceHealth]:
        """Measurements by ``until``, oldest first."""
        ...

    def open_incident(self, incident: Incident, *events: Event) -> bool:
        """Open it unless one with its fingerprint is open for the model; whether it was opened."""
        ...

    def resolve_incident(self, incident_id: str, at: datetime, *events: Event) -> None:
        """Close it; closing a closed one is no change. Raises NotFound."""
        ...

    def incidents(self, model: str | None = None, *, open_only: bool = False) -> Sequence[Incident]:
        """Incidents, newest first."""
        ...
