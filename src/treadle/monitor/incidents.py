"""From what was measured to incidents. Pure: reports and open incidents in, changes out.

One cause is one incident: its fingerprint says which cause, and while an incident of a fingerprint is open there is no
second one. An incident opens at once, since what is measured is quiet already, and closes with hysteresis: only when
the evidence has turned, not when it is merely gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from treadle.domain import codec
from treadle.domain.data import Finding
from treadle.domain.gates import GateReport, GateResult, Verdict, describe
from treadle.domain.monitoring import DriftReport, Evaluation, Incident, Maturity, ServiceHealth

QUIET_REPORTS = 2
"""So many drift reports in a row without an alert resolve a drift incident."""
ERROR_SHARE = 0.01
"""A share of failed requests above this opens a service incident; below a tenth of it resolves it."""
LOST_LABELS = 30
"""A matured cohort of at least so many predictions without one label opens a data incident."""


@dataclass(frozen=True)
class Resolution:
    """An incident that is over, and why."""

    incident: Incident
    reason: str


@dataclass(frozen=True)
class Changes:
    """Incidents to open and to resolve."""

    opened: tuple[Incident, ...] = ()
    resolved: tuple[Resolution, ...] = ()


def incident(
    model: str,
    kind: str,
    cause: str,
    title: str,
    detail: str,
    at: datetime,
    numbers: dict[str, float | int | str | None] | None = None,
    version: int | None = None,
) -> Incident:
    """A new incident; its id follows from model, cause and time, so that opening it twice is once."""
    fingerprint = f"{kind}:{cause}"
    name = codec.digest({"model": model, "fingerprint": fingerprint, "at": at})[:16]
    return Incident(name, model, kind, fingerprint, title, detail, at, numbers or {}, version)


def from_drift(reports: Sequence[DriftReport], standing: Sequence[Incident], now: datetime) -> Changes:
    """``reports`` are a version's, oldest first. One incident lists all drifted columns, the largest effect first."""
    if not reports:
        return Changes()
    last = reports[-1]
    cause = f"version {last.version}"
    gone = _superseded("drift", last.version, standing)
    alerts = sorted((c for c in last.columns if c.alert), key=lambda c: -c.effect)
    if alerts:
        names = ", ".join(c.column for c in alerts)
        detail = "; ".join(
            f"{c.column}: {c.measure} {c.effect:.3g} (at least {c.low:.3g}, practical from {c.threshold:.3g})"
            + (f", expected {c.expected}, seen {c.seen}" if c.expected or c.seen else "")
            for c in alerts
        )
        numbers: dict[str, float | int | str | None] = {"rows": last.rows, "columns": len(alerts)}
        numbers |= {c.column: round(c.effect, 6) for c in alerts}
        title = f"{names} moved away from the training data of version {last.version}"
        made = incident(last.model, "drift", cause, title, detail, now, numbers, last.version)
        return _changes([made], gone, standing)
    quiet = reports[-QUIET_REPORTS:]
    if len(quiet) == QUIET_REPORTS and not any(c.alert for report in quiet for c in report.columns):
        gone += _over(f"drift:{cause}", f"no column drifted in the last {QUIET_REPORTS} reports", standing)
    return _changes([], gone, standing)


def from_gates(
    evaluation: Evaluation, report: GateReport | None, standing: Sequence[Incident], now: datetime
) -> Changes:
    """One incident for each broken expression; it is over when the gate passes, not when data is short."""
    version = evaluation.version
    gone = _superseded("gate", version, standing) if version is not None else []
    opened: list[Incident] = []
    for result in report.results if report is not None else ():
        cause = f"version {version}: {result.expression}"
        if result.verdict is Verdict.FAIL:
            title = f"{result.expression} is broken on live traffic"
            numbers = _numbers(result, evaluation)
            opened.append(incident(evaluation.model, "gate", cause, title, describe(result), now, numbers, version))
        elif result.verdict is Verdict.PASS:
            gone += _over(f"gate:{cause}", f"it holds again: {describe(result)}", standing)
    return _changes(opened, gone, standing)


def from_labels(evaluation: Evaluation, standing: Sequence[Incident], now: datetime) -> Changes:
    """Labels that do not come at all: a matured cohort without a single one."""
    if evaluation.maturity is not Maturity.FINAL:
        return Changes()
    if evaluation.labelled:
        return _changes([], _over("data:labels", f"{evaluation.labelled:,} labels came", standing), standing)
    if evaluation.predictions < LOST_LABELS:
        return Changes()
    title = f"none of {evaluation.predictions:,} matured predictions has a label"
    detail = (
        f"predictions from {evaluation.since.isoformat()} to {evaluation.until.isoformat()}; "
        "quality cannot be measured until outcomes come again"
    )
    numbers: dict[str, float | int | str | None] = {"predictions": evaluation.predictions, "labelled": 0}
    return _changes([incident(evaluation.model, "data", "labels", title, detail, now, numbers)], [], standing)


def from_findings(
    model: str, findings: Sequence[Finding], received: int, standing: Sequence[Incident], now: datetime
) -> Changes:
    """Outcomes that could not be used: one incident for all of them; a clean collection with rows resolves it."""
    if findings:
        broken = max(finding.count for finding in findings)
        title = f"{broken:,} outcomes could not be used"
        numbers: dict[str, float | int | str | None] = {f"{f.column}: {f.rule}": f.count for f in findings}
        made = incident(model, "data", "outcomes", title, "; ".join(map(str, findings)), now, numbers)
        return _changes([made], [], standing)
    if received:
        return _changes([], _over("data:outcomes", f"{received:,} outcomes came, all usable", standing), standing)
    return Changes()


def from_health(health: ServiceHealth, standing: Sequence[Incident], now: datetime) -> Changes:
    """Requests that failed."""
    share = health.errors / health.requests if health.requests else 0.0
    if share > ERROR_SHARE:
        title = f"{share:.1%} of {health.requests:,} requests failed"
        numbers: dict[str, float | int | str | None] = {
            "requests": health.requests,
            "errors": health.errors,
            "latency_p99": health.latency_p99,
        }
        detail = f"from {health.since.isoformat()} to {health.until.isoformat()}"
        return _changes([incident(health.model, "service", "errors", title, detail, now, numbers)], [], standing)
    if health.requests and share < ERROR_SHARE / 10:
        reason = f"{health.errors} of {health.requests:,} requests failed"
        return _changes([], _over("service:errors", reason, standing), standing)
    return Changes()


def over(kind: str, reason: str, standing: Sequence[Incident], cause: str | None = None) -> Changes:
    """Every open incident of a kind (or of one cause of it) is over."""
    ended = [i for i in standing if i.kind == kind and (cause is None or i.fingerprint == f"{kind}:{cause}")]
    return _changes([], [Resolution(i, reason) for i in ended], standing)


def _changes(opened: list[Incident], resolved: list[Resolution], standing: Sequence[Incident]) -> Changes:
    known = {i.fingerprint for i in standing if i.resolved_at is None}
    fresh = {i.fingerprint: i for i in reversed(opened) if i.fingerprint not in known}
    ended = {r.incident.id: r for r in resolved if r.incident.resolved_at is None}
    return Changes(tuple(reversed(fresh.values())), tuple(ended.values()))


def _over(fingerprint: str, reason: str, standing: Sequence[Incident]) -> list[Resolution]:
    return [Resolution(i, reason) for i in standing if i.fingerprint == fingerprint]


def _superseded(kind: str, version: int, standing: Sequence[Incident]) -> list[Resolution]:
    """What was about another version than the one that answers now."""
    stale = [i for i in standing if i.kind == kind and i.version is not None and i.version != version]
    return [Resolution(i, f"version {version} answers now") for i in stale]


def _numbers(result: GateResult, evaluation: Evaluation) -> dict[str, float | int | str | None]:
    return {
        "value": result.value,
        "low": result.low,
        "high": result.high,
        "threshold": result.threshold,
        "rows": result.rows,
        "coverage": round(evaluation.coverage, 4),
        "since": evaluation.since.isoformat(),
        "until": evaluation.until.isoformat(),
    }
