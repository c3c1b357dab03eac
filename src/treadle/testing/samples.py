"""Records to try a backend with: complete, plausible, and each part of them changeable."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

from treadle.domain.data import Bin, ColumnProfile, Profile, Snapshot, SnapshotChunk
from treadle.domain.deployments import Deployment, Route
from treadle.domain.events import Event, VersionRefused
from treadle.domain.gates import GateReport, GateResult, SliceValue, Verdict
from treadle.domain.models import AppliedModel, CodeTree, EnvironmentLock
from treadle.domain.monitoring import (
    ColumnDrift,
    DriftReport,
    Evaluation,
    Incident,
    Maturity,
    Measured,
    ServiceHealth,
)
from treadle.domain.predictions import PredictionRecord
from treadle.domain.runs import Candidate, Run, RunStatus
from treadle.domain.steps import StepResult
from treadle.domain.versions import Compilation, ModelVersion, Recipe
from treadle.spec.model_spec import ColumnSpec, ModelSpec

START = datetime(2013, 1, 1, tzinfo=UTC)
MODEL = "flights"


def hours(count: float) -> datetime:
    """A time so many hours after the samples' start."""
    return START + timedelta(hours=count)


def an_event(reason: str = "too slow", *, model: str = MODEL, once: str | None = None, at: datetime = START) -> Event:
    """A version was refused."""
    return Event(model, at, VersionRefused(1, reason), once=once)


def an_applied_model(revision: int = 1, name: str = MODEL) -> AppliedModel:
    """A model as it was applied."""
    code = CodeTree("model.py", {"model.py": "ab" * 32}, "cd" * 32, "/somewhere", commit="0" * 40, dirty=True)
    lock = EnvironmentLock("polars==1.34.0 --hash=sha256:00", "3.11", "ef" * 32)
    return AppliedModel(name, revision, a_spec(name).to_json(), "12" * 32, code, lock, hours(revision))


def a_spec(name: str = MODEL, **changes: Any) -> ModelSpec:
    """A declaration with a column of every type."""
    columns = (
        ColumnSpec("flight_id", "str"),
        ColumnSpec("departs", "datetime"),
        ColumnSpec("carrier", "str", slice=True),
        ColumnSpec("seats", "int"),
        ColumnSpec("distance", "float"),
        ColumnSpec("pressure", "float", nullable=True),
        ColumnSpec("international", "bool"),
        ColumnSpec("built", "date", nullable=True),
        ColumnSpec("late", "bool"),
    )
    spec = ModelSpec(
        name, "", "Flight", columns, "late", "binary", key="flight_id", time="departs", horizon=timedelta(days=2)
    )
    return dataclasses.replace(spec, **changes)


def a_run(run_id: str = "run-1", **changes: Any) -> Run:
    """A run that has just begun."""
    run = Run(run_id, MODEL, RunStatus.RUNNING, START, params={"max_iter": 150}, tags={"trigger": "age"})
    return dataclasses.replace(run, **changes)


def finished(run: Run, **changes: Any) -> Run:
    """A run at its end."""
    board = (Candidate("baseline", {}, {"auc": 0.5}, 0.5, 1.5), Candidate("trial 1", {"max_iter": 99}, {}, None, 2.5))
    done = dataclasses.replace(
        run, status=RunStatus.FINISHED, ended_at=hours(1), artifacts={"model.pkl": "ab" * 32}, leaderboard=board
    )
    return dataclasses.replace(done, **changes)


def a_profile() -> Profile:
    """What is known of two columns."""
    distance = ColumnProfile(
        "distance", "number", 10, 0, 900.5, 10.25, 80.0, 2500.0, histogram=(Bin(80, 1000, 7), Bin(1000, 2500, 3))
    )
    carrier = ColumnProfile("carrier", "text", 10, 1, top={"UA": 6, "B6": 2}, other=1, distinct=3)
    return Profile(10, {"distance": distance, "carrier": carrier})


def a_snapshot(digest: str = "5a" * 32, **changes: Any) -> Snapshot:
    """A snapshot of a month."""
    chunk = SnapshotChunk("2013-01", 10, "11" * 32, "22" * 32)
    schema = {"distance": "float", "carrier": "str"}
    snapshot = Snapshot(digest, MODEL, 10, 9, None, hours(10), hours(12), schema, (chunk,), a_profile(), "cd" * 32)
    return dataclasses.replace(snapshot, **changes)


def a_version(number: int = 1, attempt: str | None = None, **changes: Any) -> ModelVersion:
    """A trained model."""
    recipe = Recipe("12" * 32, "cd" * 32, "5a" * 32, "ef" * 32, {"max_iter": 150, "rate": 0.1}, 7)
    version = ModelVersion(
        MODEL,
        number,
        hours(number),
        hours(number),
        f"run-{number}",
        attempt or f"attempt-{number}",
        recipe,
        recipe.digest,
        {"model.pkl": "ab" * 32, "model.onnx": "ac" * 32},
        "ad" * 32,
        0.3,
        Compilation("onnx", rows=100, difference=1e-7, tolerance=1e-4, onnx_us=8.0, python_us=700.0, size=1000),
        a_spec().to_json(),
        "model.py",
        "/somewhere",
        metrics={"auc": 0.7, "nothing": float("inf")},
        profile=a_profile(),
        score_profile=a_profile(),
    )
    return dataclasses.replace(version, **changes)


def a_gate_report(verdict: Verdict = Verdict.PASS) -> GateReport:
    """What one gate found."""
    worst = SliceValue("origin=EWR", 0.6, 0.55, 0.65, 40)
    gate = GateResult(
        "auc >= 0.58", verdict, 0.66, 0.64, 0.68, 0.58, 0.95, 100, 14, slices=(worst,), note="by blocks of days"
    )
    return GateReport(verdict, (gate,), 100)


def a_deployment(revision: int = 1, model: str = MODEL) -> Deployment:
    """One version takes all traffic."""
    return Deployment(model, revision, 1, None, hours(revision), (Route(1, 100.0),))


def an_evaluation(until: float = 24, *, version: int | None = 1, at: float | None = None) -> Evaluation:
    """Realised quality over the hours from the start."""
    metrics = {"auc": Measured(0.66, 0.64, 0.68), "worth": Measured(None)}
    seen = hours(until if at is None else at)
    return Evaluation(MODEL, version, START, hours(until), seen, Maturity.PARTIAL, 100, 90, 2, metrics)


def a_drift_report(until: float = 24, *, version: int = 1) -> DriftReport:
    """One column that moved."""
    column = ColumnDrift("distance", "wasserstein", 0.3, 0.2, 0.1, 1e-6, True, "mean 900", "mean 1200")
    return DriftReport(MODEL, version, START, hours(until), 100, (column,))


def a_health(until: float = 24) -> ServiceHealth:
    """How the gateway fared."""
    return ServiceHealth(MODEL, START, hours(until), 20, 900, 0, 1.5, 9.5)


def an_incident(number: int = 1, fingerprint: str = "drift:distance", *, model: str = MODEL) -> Incident:
    """Something that needs attention."""
    numbers: dict[str, float | int | str | None] = {"effect": 0.3, "rows": 100, "column": "distance", "p": None}
    title = "distance moved"
    return Incident(f"incident-{number}", model, "drift", fingerprint, title, "far", hours(number), numbers, 1)


def a_step_result(key: str = "99" * 32) -> StepResult:
    """What a step made."""
    return StepResult(key, {"model.pkl": "ab" * 32}, {"metrics": {"auc": 0.7}, "classes": []}, 1.25, log="33" * 32)


def a_prediction(number: int = 0, rows: int = 2, *, model: str = MODEL, at: datetime | None = None) -> PredictionRecord:
    """One answered request, with the columns of :func:`a_spec`."""
    each = range(rows)
    columns: dict[str, list[Any]] = {
        "flight_id": [f"{number}/{i}" for i in each],
        "departs": ["2013-01-02T05:15:00Z" if i % 2 else "2013-01-02T00:15:00-05:00" for i in each],
        "carrier": ["UA", "B6", "Ü\u2603"][: max(rows, 1)] * rows,
        "seats": [i + 100 for i in each],
        "distance": [100 if i % 2 else 1400.5 for i in each],
        "pressure": [None for _ in each],
        "international": [i % 2 == 0 for i in each],
        "built": [None if i % 2 else "1999-12-31" for i in each],
    }
    columns["carrier"] = columns["carrier"][:rows]
    return PredictionRecord(
        request_id=f"request{number:08x}",
        model=model,
        version=1,
        at=at if at is not None else hours(number / 10),
        rows=rows,
        columns=columns,
        scores=[0.25 + i / 1000 for i in each],
        decisions=[i % 2 == 1 for i in each],
        threshold=0.3,
        latency_ms=0.5,
    )
