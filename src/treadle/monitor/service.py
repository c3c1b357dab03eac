"""What became of the answers: one facade over outcomes, realised quality, drift, health and incidents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import polars as pl

from treadle.domain.data import Finding
from treadle.domain.errors import NotFound
from treadle.domain.events import CohortEvaluated, Event, IncidentOpened, IncidentResolved
from treadle.domain.gates import GateReport
from treadle.domain.models import AppliedModel
from treadle.domain.monitoring import DriftReport, Incident, ServiceHealth
from treadle.domain.versions import ModelVersion
from treadle.evaluation.gates import ServiceFigures
from treadle.evaluation.rows import ScoredRows
from treadle.monitor import challengers, cohorts, incidents
from treadle.monitor.drift import measure_drift
from treadle.monitor.health import health
from treadle.monitor.outcomes import OutcomesTaken, OutcomeTaker, PushAnswer
from treadle.monitor.performance import LiveEvaluation, evaluate
from treadle.monitor.summaries import PeriodSummary, summarise
from treadle.ports.blobs import Blobs
from treadle.ports.clock import Clock
from treadle.ports.monitoring import Measurements
from treadle.ports.predictions import JoinedLog, Outcomes, PredictionLog
from treadle.ports.steps import Engine
from treadle.ports.versions import Versions
from treadle.spec.model_spec import ModelSpec

_ENDED = {
    "data": "training refused its data",
    "step": "training failed in a step",
    "environment": "training has no environment",
}


class MonitorService:
    """Monitoring of all models. Nothing here knows more than what was known at the clock's now."""

    def __init__(
        self,
        *,
        engine: Engine,
        blobs: Blobs,
        log: PredictionLog,
        outcomes: Outcomes,
        joined: JoinedLog,
        measurements: Measurements,
        versions: Versions,
        clock: Clock,
    ) -> None:
        self._engine = engine
        self._blobs = blobs
        self._log = log
        self._joined = joined
        self._measurements = measurements
        self._versions = versions
        self._clock = clock
        self._taker = OutcomeTaker(
            engine=engine, blobs=blobs, log=log, outcomes=outcomes, joined=joined, versions=versions, clock=clock
        )

    def collect_outcomes(self, applied: AppliedModel, since: datetime | None, until: datetime) -> OutcomesTaken:
        """Pull what became known in ``(since, until]``, join it, and open or resolve an incident on unusable rows.

        Raises InvalidInput for a time that has not come, StepFailed where the model's own code raised.
        """
        taken = self._taker.collect(applied, since, until)
        self._report_findings(applied.name, taken.findings, taken.received)
        return taken

    def push_outcomes(self, applied: AppliedModel, records: Sequence[Mapping[str, Any]]) -> list[PushAnswer]:
        """Take outcomes from a client; one answer a record, in order. See :class:`PushAnswer`."""
        return self._taker.push(applied, records)

    def evaluate(
        self,
        applied: AppliedModel,
        version: int | None,
        since: datetime,
        until: datetime,
        *,
        champion: ScoredRows | None = None,
    ) -> LiveEvaluation:
        """Measure the cohort answered in ``[since, until)``, keep it with its event, and settle incidents.

        A cohort without predictions is measured but not kept. Incidents follow the gates only where one ``version`` is
        meant. See :func:`performance.evaluate`.
        """
        now = self._clock.now()
        found = evaluate(
            self._log,
            self._joined,
            applied,
            version,
            since,
            until,
            now,
            champion=champion,
            classes=self._classes(applied.name),
        )
        payload = CohortEvaluated(found.evaluation, found.report, found.triggers)
        cohort = f"{version}:{since.isoformat()}:{until.isoformat()}:{now.isoformat()}"
        event = Event(applied.name, now, payload, once=f"{payload.kind}:{cohort}")
        if found.evaluation.predictions:
            self._measurements.put_evaluation(found.evaluation, event)
        if version is not None and found.evaluation.predictions:
            standing = self._standing(applied.name)
            self._settle(applied.name, incidents.from_gates(found.evaluation, found.report, standing, now))
            self._settle(applied.name, incidents.from_labels(found.evaluation, standing, now))
        return found

    def compare_shadow(
        self,
        challenger: ModelVersion,
        champion: ModelVersion,
        since: datetime,
        until: datetime,
        *,
        service: ServiceFigures | None = None,
    ) -> GateReport | None:
        """The challenger's gates on mirrored requests, paired with the champion's answers to the very same ones.

        None where none has matured. See :func:`challengers.compare_shadow`.
        """
        return challengers.compare_shadow(
            self._log,
            self._joined,
            challenger,
            champion,
            since,
            until,
            self._clock.now(),
            engine=self._engine,
            blobs=self._blobs,
            service=service,
        )

    def own_answers(
        self,
        challenger: ModelVersion,
        since: datetime,
        until: datetime,
        *,
        shadow: GateReport | None,
        service: ServiceFigures | None = None,
    ) -> GateReport | None:
        """The challenger's gates on the requests that it answered itself; None where none has matured.

        See :func:`challengers.own_answers`.
        """
        return challengers.own_answers(
            self._log,
            self._joined,
            challenger,
            since,
            until,
            self._clock.now(),
            shadow=shadow,
            service=service,
        )

    def drift(self, applied: AppliedModel, version: ModelVersion, since: datetime, until: datetime) -> DriftReport:
        """Hold the requests of ``[since, until)`` against ``version``'s training data; keep it, settle incidents.

        A window without requests is not kept.
        """
        now = self._clock.now()
        report = measure_drift(self._log, applied, version, since, until, now)
        if not report.rows:
            return report
        self._measurements.put_drift(report)
        history = [r for r in self._measurements.drift(applied.name) if r.version == version.number]
        self._settle(applied.name, incidents.from_drift(history, self._standing(applied.name), now))
        return report

    def health(self, model: str, since: datetime, until: datetime, *, errors: int = 0) -> ServiceHealth:
        """How the gateway fared in ``[since, until)``; ``errors`` are requests that were not answered."""
        found = health(self._log, model, since, until, errors=errors)
        self._measurements.put_health(found)
        self._settle(model, incidents.from_health(found, self._standing(model), self._clock.now()))
        return found

    def summary(self, model: str, by: str = "month") -> list[PeriodSummary]:
        """All that was answered, per calendar ``month``, ``week`` or ``day`` (UTC), oldest first."""
        return summarise(
            self._log, self._joined, self._spec(model), by, self._clock.now(), classes=self._classes(model)
        )

    def joined_frame(self, model: str, since: datetime, until: datetime) -> pl.LazyFrame:
        """Every prediction answered in ``[since, until)`` as logged (features as ``row.<column>``), with the label
        known by now beside it: ``label, observed_at, joined_at, worth``, null where none is.

        ``monitor.reading.declared_rows`` turns the features into typed rows.
        """
        rows = cohorts.answered(self._log, model, since, until)
        if rows is None:
            return pl.LazyFrame(schema={"prediction_id": pl.String(), "label": pl.Null()})
        known = cohorts.labelled(self._joined, model, since, until, self._clock.now())
        wanted = ["prediction_id", "label", "observed_at", "joined_at", "worth"]
        if known is None:
            return rows.with_columns(pl.lit(None).alias(name) for name in wanted[1:])
        return rows.join(known.select(wanted), on="prediction_id", how="left", maintain_order="left")

    def report_failure(self, model: str, what: str, message: str, tries: int) -> None:
        """A part of the loop keeps failing: one incident for each part."""
        made = incidents.incident(
            model, "service", what, f"{what} keeps failing", message, self._clock.now(), {"tries": tries}
        )
        self._settle(model, incidents.Changes(opened=(made,)))

    def report_recovery(self, model: str, what: str) -> None:
        """A part of the loop works again."""
        self._settle(model, incidents.over("service", f"{what} works again", self._standing(model), what))

    def report_training_failure(self, model: str, attempt: str, cause: str, message: str) -> None:
        """A training ended without a version: one incident for each ``cause``, until one succeeds."""
        title = _ENDED.get(cause, f"training ended without a version: {cause}")
        made = incidents.incident(model, "training", cause, title, message, self._clock.now(), {"attempt": attempt})
        self._settle(model, incidents.Changes(opened=(made,)))

    def report_training_success(self, model: str, version: int) -> None:
        """A training ended in a version, which ends what was reported of earlier ones."""
        self._settle(model, incidents.over("training", f"version {version} was trained", self._standing(model)))

    def _report_findings(self, model: str, findings: Sequence[Finding], received: int) -> None:
        now = self._clock.now()
        self._settle(model, incidents.from_findings(model, findings, received, self._standing(model), now))

    def _standing(self, model: str) -> Sequence[Incident]:
        return self._measurements.incidents(model, open_only=True)

    def _settle(self, model: str, changes: incidents.Changes) -> None:
        now = self._clock.now()
        for made in changes.opened:
            event = Event(model, now, IncidentOpened(made), once=f"incident_opened:{made.id}")
            self._measurements.open_incident(made, event)
        for over in changes.resolved:
            payload = IncidentResolved(over.incident.id, over.reason)
            event = Event(model, now, payload, once=f"incident_resolved:{over.incident.id}")
            self._measurements.resolve_incident(over.incident.id, now, event)

    def _classes(self, model: str) -> dict[int, tuple[str, ...]]:
        return {version.number: version.classes for version in self._versions.list(model)}

    def _spec(self, model: str) -> ModelSpec:
        """The newest version's declaration. Raises NotFound before the first version."""
        versions = self._versions.list(model)
        if not versions:
            raise NotFound(f"model {model!r} has no version yet", hint="train one: treadle run")
        return ModelSpec.from_json(versions[0].spec_json)
