"""Evaluations, drift, service health and incidents on SQL."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Table, insert, select, update

from treadle.domain import codec
from treadle.domain.errors import NotFound
from treadle.domain.events import Event
from treadle.domain.monitoring import DriftReport, Evaluation, Incident, ServiceHealth
from treadle.storage.sql.database import Database, time_text
from treadle.storage.sql.events import record_events
from treadle.storage.sql.tables import drift_reports, evaluations, incidents, service_health

T = TypeVar("T")

ALL_VERSIONS = 0
"""Stands in a column for a version of None: versions count from 1, and NULL equals nothing."""


class SqlMeasurements:
    """``ports.Measurements`` on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put_evaluation(self, evaluation: Evaluation, *events: Event) -> None:
        """Keep an evaluation; one of the same model, version, since, until and at again is no change."""
        row = {
            "model": evaluation.model,
            "version": evaluation.version or ALL_VERSIONS,
            "since": time_text(evaluation.since),
            "until": time_text(evaluation.until),
            "at": time_text(evaluation.at),
            "body": codec.dumps(evaluation),
        }
        self._keep(evaluations, row, events, "model", "version", "since", "until", "at")

    def evaluations(self, model: str, since: datetime | None = None) -> Sequence[Evaluation]:
        """Evaluations whose ``until`` is ``since`` or later, by ``until``, oldest first."""
        return self._kept(evaluations, Evaluation, model, since)

    def put_drift(self, report: DriftReport, *events: Event) -> None:
        """Keep a drift report; one of the same model, version, since and until again is no change."""
        row = {
            "model": report.model,
            "version": report.version,
            "since": time_text(report.since),
            "until": time_text(report.until),
            "body": codec.dumps(report),
        }
        self._keep(drift_reports, row, events, "model", "version", "since", "until")

    def drift(self, model: str, since: datetime | None = None) -> Sequence[DriftReport]:
        """Drift reports whose ``until`` is ``since`` or later, by ``until``, oldest first."""
        return self._kept(drift_reports, DriftReport, model, since)

    def put_health(self, health: ServiceHealth, *events: Event) -> None:
        """Keep a measurement of service health; one of the same model, since and until again is no change."""
        row = {"model": health.model, "until": time_text(health.until), "body": codec.dumps(health)}
        table = service_health.c
        same = select(table.body).where(table.model == health.model, table.until == row["until"])
        with self._database.write() as connection:
            bodies = connection.execute(same).scalars().all()
            if any(codec.loads(ServiceHealth, body).since == health.since for body in bodies):
                return
            connection.execute(insert(service_health).values(row))
            record_events(self._database, connection, events)

    def health(self, model: str, since: datetime | None = None) -> Sequence[ServiceHealth]:
        """Measurements whose ``until`` is ``since`` or later, by ``until``, oldest first."""
        return self._kept(service_health, ServiceHealth, model, since)

    def open_incident(self, incident: Incident, *events: Event) -> bool:
        """Open it unless one with its fingerprint is open for the model, or its id is known; whether it was opened."""
        same_id = incidents.c.id == incident.id
        same_cause = (incidents.c.model == incident.model) & (incidents.c.open_fingerprint == incident.fingerprint)
        row = {
            "id": incident.id,
            "model": incident.model,
            "opened_at": time_text(incident.opened_at),
            "open_fingerprint": incident.fingerprint,
            "body": codec.dumps(incident),
        }
        with self._database.write() as connection:
            if connection.execute(select(incidents.c.id).where(same_id | same_cause).limit(1)).first() is not None:
                return False
            if not connection.execute(self._database.insert_new(incidents, "model", "open_fingerprint"), row).rowcount:
                return False
            record_events(self._database, connection, events)
        return True

    def resolve_incident(self, incident_id: str, at: datetime, *events: Event) -> None:
        """Close it; closing a closed one is no change. Raises NotFound."""
        same = incidents.c.id == incident_id
        with self._database.write() as connection:
            body = connection.execute(select(incidents.c.body).where(same).with_for_update()).scalar()
            if body is None:
                raise NotFound(f"there is no incident {incident_id!r}", hint="see: treadle alerts")
            incident = codec.loads(Incident, body)
            if incident.resolved_at is not None:
                return
            closed = codec.dumps(dataclasses.replace(incident, resolved_at=at))
            connection.execute(update(incidents).where(same).values(open_fingerprint=None, body=closed))
            record_events(self._database, connection, events)

    def incidents(self, model: str | None = None, *, open_only: bool = False) -> Sequence[Incident]:
        """Incidents, newest first."""
        statement = select(incidents.c.body).order_by(incidents.c.opened_at.desc(), incidents.c.number.desc())
        if model is not None:
            statement = statement.where(incidents.c.model == model)
        if open_only:
            statement = statement.where(incidents.c.open_fingerprint.is_not(None))
        with self._database.read() as connection:
            return [codec.loads(Incident, body) for body in connection.execute(statement).scalars()]

    def _keep(self, table: Table, row: dict[str, Any], events: Sequence[Event], *columns: str) -> None:
        with self._database.write() as connection:
            if connection.execute(self._database.insert_new(table, *columns), row).rowcount:
                record_events(self._database, connection, events)

    def _kept(self, table: Table, record: type[T], model: str, since: datetime | None) -> list[T]:
        statement = select(table.c.body).where(table.c.model == model).order_by(table.c.until, table.c.number)
        if since is not None:
            statement = statement.where(table.c.until >= time_text(since))
        with self._database.read() as connection:
            return [codec.loads(record, body) for body in connection.execute(statement).scalars()]
