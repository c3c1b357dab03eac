"""A control plane over stores in memory, with a loop, an engine and a gateway that do as the test says."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from treadle.api.app import create_app
from treadle.api.loop_deploy import LoopDeploy
from treadle.api.services import ControlServices
from treadle.deploy import rollouts
from treadle.domain import codec
from treadle.domain import events as ev
from treadle.domain.data import ColumnProfile, Profile, Snapshot, SnapshotChunk
from treadle.domain.deployments import Deployment, Route
from treadle.domain.errors import Conflict, InvalidInput, NotFound, StepFailed, TreadleError
from treadle.domain.gates import GateReport, GateResult, SliceValue, Verdict
from treadle.domain.monitoring import (
    ColumnDrift,
    DriftReport,
    Evaluation,
    Incident,
    Maturity,
    Measured,
    ServiceHealth,
)
from treadle.domain.runs import Candidate, MetricPoint, Run, RunStatus
from treadle.domain.steps import StepKind, StepRequest
from treadle.domain.versions import Compilation, ModelVersion, Recipe
from treadle.loop.plan import PlanService
from treadle.ports.steps import Report
from treadle.spec.expressions import CanaryStep, ShadowStep
from treadle.spec.model_spec import ColumnSpec, ModelSpec
from treadle.testing.engine import ScriptedEngine
from treadle.testing.memory import ManualClock, MemoryBlobs, MemoryCodeTrees, MemoryEnvironments, MemoryStore
from treadle.testing.memory.tracking import MemoryTracking

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
CODE = '# /// script\n# requires-python = ">=3.11"\n# dependencies = ["polars"]\n# ///\nimport polars\n'
SPEC = ModelSpec(
    name="flights",
    doc="Which flights will be late?\nMore.",
    row="Flight",
    columns=(ColumnSpec("carrier", "str"), ColumnSpec("distance", "float"), ColumnSpec("late", "bool")),
    label="late",
    task="binary",
)
PROFILE = Profile(10, {"distance": ColumnProfile("distance", "number", 10, 0, mean=3.5, variance=float("nan"))})
FAILED_GATES = GateReport(
    Verdict.FAIL,
    (
        GateResult("auc >= 0.8", Verdict.FAIL, 0.7, 0.65, 0.75, 0.8, 0.95, 900, 30),
        GateResult(
            "recall.worst(origin) >= 0.1",
            Verdict.NOT_ENOUGH_DATA,
            rows=20,
            rows_needed=400,
            slices=(SliceValue("JFK", None, None, None, 3),),
        ),
    ),
    900,
)
PASSED_GATES = GateReport(Verdict.PASS, (GateResult("auc >= 0.6", Verdict.PASS, 0.7, 0.65, 0.75, 0.6, 0.95, 900),), 900)


class WallClockDouble:
    def now(self) -> datetime:
        return NOW


class Describing:
    """What the describe step of a model file answers; a test may change ``answer``."""

    def __init__(self) -> None:
        self.answer: Callable[[], ModelSpec] = lambda: SPEC

    def __call__(self, _request: StepRequest, _folder: Path, _report: Report) -> Any:
        return {"spec": codec.to_plain(self.answer())}


class LoopDouble:
    """Answers as the loop would; seals events when woken."""

    def __init__(self, store: MemoryStore, clock: ManualClock) -> None:
        self.store = store
        self.clock = clock
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.doing: list[dict[str, Any]] = []
        self.away: TreadleError | None = None
        self.lines: list[dict[str, Any]] = [{"now": "2024-05-01T18:00:00Z"}]
        self.on_wake: Callable[[], None] = lambda: None

    async def call(self, op: str, **arguments: Any) -> dict[str, Any]:
        if self.away is not None:
            raise self.away
        self.calls.append((op, arguments))
        answer: dict[str, Any] = getattr(self, f"_{op}")(**arguments)
        return answer

    async def advance(self, to: datetime) -> AsyncIterator[dict[str, Any]]:
        for line in self.lines:
            yield line
        if self.away is not None:
            raise self.away
        self.clock.set(to)
        yield {"done": True, "now": codec.to_plain(to)}

    def _wake(self) -> dict[str, Any]:
        self.on_wake()
        self.store.events.seal()
        return {}

    def _status(self) -> dict[str, Any]:
        return {"doing": self.doing}

    def _report(self, model: str) -> dict[str, Any]:
        return {"report": {"model": model, "periods": []}}

    def _last_report(self, model: str) -> dict[str, Any]:
        self.store.models.get(model)
        return {"reckoned_at": None, "report": None}

    def _outcomes(self, model: str, records: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "answers": [
                {"status": "unknown", "message": "no such prediction"}
                if record.get("prediction_id") == "nobody"
                else {"status": "joined", "message": ""}
                for record in records
            ]
        }

    def _promote(self, model: str, version: int, reason: str, actor: str) -> dict[str, Any]:
        self.store.versions.get(model, version)
        before = self.store.deployments.get(model) or Deployment(model, 0, None, None, None)
        after = replace(
            before,
            revision=before.revision + 1,
            champion=version,
            previous=before.champion,
            promoted_at=self.clock.now(),
            routes=(Route(version, 100.0),),
        )
        payload = ev.VersionPromoted(version, before.champion, reason)
        self.store.deployments.put(after, ev.Event(model, self.clock.now(), payload, actor))
        self.store.versions.set_alias(model, "champion", version)
        self.store.events.seal()
        return {"deployment": codec.to_plain(after)}

    def _rollback(self, model: str, reason: str, actor: str, to: int | None) -> dict[str, Any]:
        before = self.store.deployments.get(model)
        target = to or (before.previous if before else None)
        if target is None:
            raise Conflict(f"{model!r} has no version to go back to", hint="promote one")
        return self._promote(model, target, reason, actor)

    def _rollout(self, model: str, action: str, reason: str, actor: str) -> dict[str, Any]:
        before = self.store.deployments.get(model) or Deployment(model, 0, None, None, None)
        if action == "abort":
            after = rollouts.aborted(before, self.clock.now(), reason)
        elif action == "pause":
            after = rollouts.paused(before, reason)
        else:
            after = rollouts.resumed(before, self.clock.now(), reason)
        if after.revision != before.revision:
            self.store.deployments.put(
                after, ev.Event(model, self.clock.now(), ev.RolloutStepped(2, 0, action, reason), actor)
            )
        return {"deployment": codec.to_plain(after)}


@dataclass
class World:
    """Everything a test may want to look at or change."""

    services: ControlServices
    store: MemoryStore
    loop: LoopDouble
    clock: ManualClock
    describing: Describing
    acks: list[Mapping[str, Any]] = field(default_factory=list)

    def apply(self, spec: ModelSpec = SPEC) -> None:
        """Make a model the desired state, past the API."""
        from treadle.loop.plan import Bundle

        self.describing.answer = lambda: spec
        self.services.plans.apply(Bundle("model.py", {"model.py": CODE.encode()}, "/code"), actor="test")
        self.store.events.seal()

    def register(self, number: int = 1, gates: GateReport | None = PASSED_GATES) -> ModelVersion:
        """A version with its run and its snapshot."""
        snapshot = Snapshot(
            f"snap{number}",
            "flights",
            10,
            9,
            None,
            NOW,
            NOW,
            {"distance": "float"},
            (SnapshotChunk("2024-05", 10, "c", "b"),),
            PROFILE,
            "code",
        )
        self.store.snapshots.put(snapshot)
        run = Run(f"run-{number}", "flights", RunStatus.RUNNING, NOW, params={"depth": 3, "rate": 0.5, "fast": True})
        self.store.runs.create(run)
        points = [MetricPoint("loss", 1.0 / (i + 1), i, NOW) for i in range(3)]
        self.store.runs.log(run.id, metrics=[*points, MetricPoint("valid/auc", 0.7, 0, NOW)])
        board = (
            Candidate("constant", {}, {"auc": 0.5}, 0.5, 0.1),
            Candidate("trial 1", {"depth": 3}, {"auc": 0.7}, 0.7, 2.0, chosen=True),
        )
        self.store.runs.finish(
            replace(run, status=RunStatus.FINISHED, ended_at=NOW + timedelta(seconds=9), leaderboard=board)
        )
        recipe = Recipe("s", "c", f"snap{number}", "e", {"depth": 3}, 7)
        version = ModelVersion(
            "flights", number, NOW, NOW, run.id, f"flights-{number:04d}", recipe, recipe.digest,
            {"model.pkl": "x"}, "artifact", 0.3, Compilation("onnx", difference=1e-7), SPEC.to_json(), "model.py",
            "/code", metrics={"auc": 0.7, "worth": float("nan")}, profile=PROFILE,
        )  # fmt: skip
        self.store.versions.register(version)
        if gates is not None:
            self.store.versions.judge("flights", number, gates)
        return version

    def measure(self) -> None:
        """One of each measurement, and an open incident."""
        evaluation = Evaluation(
            "flights",
            1,
            NOW - 2 * DAY,
            NOW - DAY,
            NOW,
            Maturity.PARTIAL,
            200,
            150,
            3,
            {"auc": Measured(0.68, 0.6, None)},
        )
        self.store.measurements.put_evaluation(evaluation)
        drift = ColumnDrift("distance", "psi", 0.4, 0.3, 0.2, 1e-9, True, "1", "2")
        self.store.measurements.put_drift(DriftReport("flights", 1, NOW - DAY, NOW, 100, (drift,)))
        self.store.measurements.put_health(ServiceHealth("flights", NOW - DAY, NOW, 50, 100, 0, 0.5, float("inf")))
        incident = Incident("i1", "flights", "drift", "f", "distance has moved", "", NOW, {"effect": 0.4, "rows": 100})
        self.store.measurements.open_incident(incident)

    def roll_out(self, version: int = 2) -> None:
        """A rollout of a version, in its first step, over the champion."""
        steps = (ShadowStep(DAY), CanaryStep(5, DAY))
        before = self.store.deployments.get("flights") or Deployment("flights", 0, None, None, None)
        decision = rollouts.next_action(steps, before, version, NOW)
        started = ev.RolloutStarted(version, before.champion, decision.reason)
        after = rollouts.apply(decision, steps, before, version, NOW)
        self.store.deployments.put(after, ev.Event("flights", NOW, started))

    def append(self, *payloads: ev.Payload) -> None:
        """Events of the model, sealed."""
        self.store.events.append(*(ev.Event("flights", NOW, payload) for payload in payloads))
        self.store.events.seal()


@dataclass(frozen=True)
class LineageDouble:
    store: MemoryStore

    def lineage(self, model: str, number: int) -> Mapping[str, Any]:
        version = self.store.versions.get(model, number)
        return {"model": model, "version": number, "run": version.run}


def make_world(folder: Path) -> World:
    store, clock, blobs, describing = MemoryStore(), ManualClock(NOW), MemoryBlobs(), Describing()
    engine = ScriptedEngine(blobs, {StepKind.DESCRIBE: describing})
    trees = MemoryCodeTrees(folder / "code-trees", blobs)
    loop = LoopDouble(store, clock)
    acks: list[Mapping[str, Any]] = [{"id": "gateway-1", "pid": 1, "revision": 1}]
    services = ControlServices(
        models=store.models,
        runs=store.runs,
        versions=store.versions,
        deployments=store.deployments,
        snapshots=store.snapshots,
        measurements=store.measurements,
        events=store.events,
        tracking=MemoryTracking(),
        registered=store.registered,
        plans=PlanService(store.models, MemoryEnvironments(), trees, engine, blobs, clock),
        deploy=LoopDeploy(loop),
        lineage=LineageDouble(store),
        loop=loop,
        clock=clock,
        gateways=lambda: acks,
        version="9.9.9",
        home=str(folder),
        hosts=("treadle.example",),
    )
    return World(services, store, loop, clock, describing, acks)


async def gateway(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answers ``POST /models/flights/predict`` with the number of each row, and refuses rows without a distance.

    All versions of flights are ready.
    """
    if scope["type"] != "http":
        return
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    ready = scope["method"] == "GET"  # asked whether a model, or a version of it, is served
    rows = [] if ready else json.loads(body)["rows"]
    status, answer = 200, {
        "model": "flights",
        "version": 3,
        "predictions": [{"id": f"r-{i}", "score": i / 10, "decision": i > 0} for i in range(len(rows))],
    }  # fmt: skip
    if ready and scope["path"].startswith("/v2/models/flights/") and scope["path"].endswith("/ready"):
        answer = {"name": "flights", "ready": True}
    elif scope["path"] != "/models/flights/predict":
        status, answer = 404, {"error": "no model of that name is served", "hint": "it serves flights"}
    elif any("distance" not in row for row in rows):
        status, answer = 422, {"error": "row 0 lacks column 'distance'", "hint": "send all columns"}
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": json.dumps(answer).encode()})


@contextlib.contextmanager
def serving(app: Any) -> Iterator[str]:
    """Serve an ASGI application on a free port of this machine; its URL."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off", ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + 10
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        listening.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = make_world(tmp_path)
    yield made
    made.store.close()


@pytest.fixture
def server(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """The world's control plane and a gateway on real sockets, announced as a server's home would."""
    monkeypatch.delenv("TREADLE_URL", raising=False)
    with serving(create_app(world.services)) as control, serving(gateway) as inference:
        home = tmp_path / "home"
        home.mkdir()
        (home / "server.json").write_text(json.dumps({"control": control, "gateway": inference, "pid": 1}))
        monkeypatch.setenv("TREADLE_HOME", str(home))
        yield control


def refuse_to_describe() -> ModelSpec:
    """A model file that raises when it is imported."""
    raise StepFailed("model.py raised ZeroDivisionError", hint="mend the model", traceback="Traceback: 1 / 0")


__all__ = [
    "CODE",
    "DAY",
    "FAILED_GATES",
    "NOW",
    "PASSED_GATES",
    "PROFILE",
    "SPEC",
    "InvalidInput",
    "NotFound",
    "WallClockDouble",
    "World",
    "gateway",
    "make_world",
    "refuse_to_describe",
    "server",
    "serving",
    "world",
]  # fmt: skip
