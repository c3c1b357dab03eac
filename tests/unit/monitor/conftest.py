from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from treadle.domain import codec
from treadle.domain.errors import NotFound, StepCrashed, StepFailed
from treadle.domain.events import Event
from treadle.domain.models import AppliedModel, CodeTree, EnvironmentLock
from treadle.domain.monitoring import DriftReport, Evaluation, Incident, ServiceHealth
from treadle.domain.predictions import JoinedPart, OutcomePart, PredictionPart
from treadle.domain.steps import StepKind, StepRequest, StepResult
from treadle.domain.versions import Compilation, ModelVersion, Recipe
from treadle.monitor.service import MonitorService
from treadle.spec.expressions import MetricRef, Threshold
from treadle.spec.model_spec import ColumnSpec, FunctionSpec, ModelSpec

START = datetime(2013, 3, 1, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)

SPEC = ModelSpec(
    name="flights",
    doc="",
    row="Flight",
    columns=(
        ColumnSpec("flight_id", "str"),
        ColumnSpec("departs", "datetime", zone="America/New_York"),
        ColumnSpec("origin", "str", slice=True),
        ColumnSpec("distance", "float"),
        ColumnSpec("late", "bool"),
    ),
    label="late",
    task="binary",
    key="flight_id",
    time="departs",
    horizon=timedelta(days=2),
    outcomes=FunctionSpec("arrivals"),
    worth=FunctionSpec("worth"),
    gates=(Threshold(MetricRef("auc"), ">=", 0.55),),
)


@dataclass
class FakeClock:
    at: datetime = START

    def now(self) -> datetime:
        return self.at


@dataclass
class FakeBlobs:
    folder: Path

    def put(self, data: bytes) -> str:
        digest = codec.digest_bytes(data)
        (self.folder / digest).write_bytes(data)
        return digest

    def put_file(self, path: Path) -> str:
        return self.put(path.read_bytes())

    def get(self, digest: str) -> bytes:
        return (self.folder / digest).read_bytes()

    def path(self, digest: str) -> Path | None:
        return self.folder / digest


@dataclass
class FakeEngine:
    """Runs OUTCOMES from a table that the test fills, and WORTH as 120, -30 or 0 dollars."""

    blobs: FakeBlobs
    world: list[dict[str, Any]] = field(default_factory=list)
    asked: list[StepRequest] = field(default_factory=list)
    broken: set[StepKind] = field(default_factory=set)
    killed: set[StepKind] = field(default_factory=set)
    raw: pl.DataFrame | None = None

    def run(self, request: StepRequest, **_: Any) -> StepResult:
        self.asked.append(request)
        if request.kind in self.killed:
            raise StepCrashed(f"{request.kind.value} failed 2 times: ended by SIGKILL")
        if request.kind in self.broken:
            raise StepFailed(f"{request.kind.value} raised")
        if request.kind is StepKind.OUTCOMES:
            return self._result(request, "outcomes.parquet", self.raw if self.raw is not None else self._known(request))
        rows = pl.read_parquet(self.blobs.path(request.inputs["rows.parquet"]))
        worth = rows.select(worth_true=pl.when("late").then(120.0).otherwise(-30.0), worth_false=pl.lit(0.0))
        return self._result(request, "worth.parquet", worth)

    def _known(self, request: StepRequest) -> pl.DataFrame:
        since, until = (datetime.fromisoformat(request.arguments[name]) for name in ("since", "until"))
        seen = [row for row in self.world if since < row["observed_at"] <= until]
        return pl.DataFrame(
            seen, schema={"key": pl.String, "label": pl.Boolean, "observed_at": pl.Datetime("us", "UTC")}
        )

    def _result(self, request: StepRequest, name: str, frame: pl.DataFrame) -> StepResult:
        path = self.blobs.folder / "step.parquet"
        frame.write_parquet(path)
        return StepResult(request.key, {name: self.blobs.put_file(path)}, {"rows": frame.height}, 0.0)

    def close(self) -> None:
        pass


@dataclass
class FakeLog:
    folder: Path
    kept: list[PredictionPart] = field(default_factory=list)

    def record(self) -> int:
        return 0

    def parts(
        self, model: str, since: datetime | None = None, until: datetime | None = None
    ) -> Sequence[PredictionPart]:
        return [p for p in self.kept if (since is None or p.last >= since) and (until is None or p.first < until)]

    def answer(self, rows: list[dict[str, Any]]) -> None:
        """Log predictions; each row has at least key, at, score."""
        full = [
            {
                "prediction_id": row.get("prediction_id", f"p-{row['key']}-{int(row['at'].timestamp())}"),
                "request_id": row.get("request_id", f"p-{row['key']}"),
                "row": 0,
                "model": "flights",
                "version": row.get("version", 1),
                "at": row["at"],
                "key": row["key"],
                "time": row.get("time", row["at"]),
                "score": row["score"],
                "decision": row["score"] >= 0.3,
                "threshold": 0.3,
                "latency_ms": row.get("latency_ms", 1.0),
                "shadow": row.get("shadow", False),
                "row.flight_id": row["key"],
                "row.departs": (row["at"] - timedelta(hours=5)).strftime("%Y-%m-%dT%H:%M:%S"),
                "row.origin": row.get("origin", "EWR"),
                "row.distance": row.get("distance", 100.0),
            }
            for row in rows
        ]
        frame = pl.DataFrame(full).with_columns(pl.col("at", "time").cast(pl.Datetime("us", "UTC")))
        path = self.folder / f"predictions-{len(self.kept)}.parquet"
        frame.write_parquet(path)
        first, last = min(r["at"] for r in rows), max(r["at"] for r in rows)
        self.kept.append(PredictionPart(str(path), "flights", first.date(), len(rows), path.stem, first, last))


@dataclass
class FakeOutcomes:
    folder: Path
    kept: list[OutcomePart] = field(default_factory=list)

    def append(self, part: OutcomePart, source: Path) -> OutcomePart:
        stored = replace(part, path=str(self.folder / f"outcomes-{len(self.kept)}.parquet"))
        shutil.copy(source, stored.path)
        self.kept.append(stored)
        return stored

    def parts(self, model: str, received_since: datetime | None = None) -> Sequence[OutcomePart]:
        return [p for p in self.kept if received_since is None or p.received_at >= received_since]


@dataclass
class FakeJoined:
    folder: Path
    kept: list[JoinedPart] = field(default_factory=list)
    crash: bool = False

    def append(self, part: JoinedPart, source: Path) -> JoinedPart:
        if self.crash:
            raise OSError("killed here")
        stored = replace(part, path=str(self.folder / f"joined-{len(self.kept)}.parquet"))
        shutil.copy(source, stored.path)
        self.kept.append(stored)
        return stored

    def parts(self, model: str, since: datetime | None = None, until: datetime | None = None) -> Sequence[JoinedPart]:
        return [p for p in self.kept if (since is None or p.last >= since) and (until is None or p.first < until)]

    def rows(self) -> pl.DataFrame:
        return pl.concat([pl.read_parquet(p.path) for p in self.kept], how="diagonal_relaxed")


@dataclass
class FakeMeasurements:
    evaluated: list[Evaluation] = field(default_factory=list)
    drifted: list[DriftReport] = field(default_factory=list)
    fared: list[ServiceHealth] = field(default_factory=list)
    opened: dict[str, Incident] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)

    def put_evaluation(self, evaluation: Evaluation, *events: Event) -> None:
        same = [e for e in self.evaluated if _cohort(e) == _cohort(evaluation)]
        if not same:
            self.evaluated.append(evaluation)
            self.events += events

    def evaluations(self, model: str, since: datetime | None = None) -> Sequence[Evaluation]:
        return sorted(self.evaluated, key=lambda e: e.until)

    def put_drift(self, report: DriftReport, *events: Event) -> None:
        self.drifted.append(report)
        self.events += events

    def drift(self, model: str, since: datetime | None = None) -> Sequence[DriftReport]:
        return sorted(self.drifted, key=lambda r: r.until)

    def put_health(self, health: ServiceHealth, *events: Event) -> None:
        self.fared.append(health)
        self.events += events

    def health(self, model: str, since: datetime | None = None) -> Sequence[ServiceHealth]:
        return self.fared

    def open_incident(self, incident: Incident, *events: Event) -> bool:
        standing = {i.fingerprint for i in self.opened.values() if i.resolved_at is None and i.model == incident.model}
        if incident.fingerprint in standing:
            return False
        self.opened[incident.id] = incident
        self.events += events
        return True

    def resolve_incident(self, incident_id: str, at: datetime, *events: Event) -> None:
        if incident_id not in self.opened:
            raise NotFound("no such incident")
        self.opened[incident_id] = replace(self.opened[incident_id], resolved_at=at)
        self.events += events

    def incidents(self, model: str | None = None, *, open_only: bool = False) -> Sequence[Incident]:
        return [i for i in self.opened.values() if not open_only or i.resolved_at is None]


def _cohort(evaluation: Evaluation) -> tuple[object, ...]:
    return (evaluation.model, evaluation.version, evaluation.since, evaluation.until, evaluation.at)


@dataclass
class FakeVersions:
    kept: dict[int, ModelVersion]

    def get(self, model: str, number: int) -> ModelVersion:
        if number not in self.kept:
            raise NotFound(f"no version {number}")
        return self.kept[number]

    def list(self, model: str) -> Sequence[ModelVersion]:
        return [self.kept[number] for number in sorted(self.kept, reverse=True)]


def a_version(number: int, spec: ModelSpec = SPEC) -> ModelVersion:
    recipe = Recipe("spec", "code", "snapshot", "environment", {}, 0)
    return ModelVersion(
        model=spec.name, number=number, created_at=START, as_of=START, run="run", attempt=f"a{number}", recipe=recipe,
        recipe_digest=recipe.digest, artifacts={}, artifact_digest="f" * 64, threshold=0.3,
        compilation=Compilation("onnx"), spec_json=spec.to_json(), code_entry="model.py", code_root="/data",
    )  # fmt: skip


def applied(spec: ModelSpec = SPEC) -> AppliedModel:
    code = CodeTree("model.py", {}, "code", "/data")
    lock = EnvironmentLock("", "3.11", "environment")
    return AppliedModel(spec.name, 1, spec.to_json(), spec.digest, code, lock, START)


@dataclass
class World:
    """A life of one model: what it answered, what became of it, and the time."""

    folder: Path
    clock: FakeClock
    blobs: FakeBlobs
    engine: FakeEngine
    log: FakeLog
    outcomes: FakeOutcomes
    joined: FakeJoined
    measurements: FakeMeasurements
    versions: FakeVersions
    applied: AppliedModel = field(default_factory=applied)

    def service(self) -> MonitorService:
        """A new process over the same stores."""
        return MonitorService(
            engine=self.engine,
            blobs=self.blobs,  # type: ignore[arg-type]
            log=self.log,
            outcomes=self.outcomes,
            joined=self.joined,
            measurements=self.measurements,
            versions=self.versions,  # type: ignore[arg-type]
            clock=self.clock,
        )

    def at(self, when: datetime) -> World:
        self.clock.at = when
        return self

    def land(self, key: str, label: bool, when: datetime) -> None:
        self.engine.world.append({"key": key, "label": label, "observed_at": when})


@pytest.fixture
def world(tmp_path: Path) -> World:
    blobs = FakeBlobs(tmp_path)
    return World(
        tmp_path, FakeClock(), blobs, FakeEngine(blobs), FakeLog(tmp_path), FakeOutcomes(tmp_path),
        FakeJoined(tmp_path), FakeMeasurements(), FakeVersions({1: a_version(1), 2: a_version(2)}),
    )  # fmt: skip
