from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from treadle.domain.deployments import Route, ServedModel, ServedVersion
from treadle.domain.predictions import PredictionRecord
from treadle.serve.asgi import GatewayApp
from treadle.serve.dataplane import DataPlane
from treadle.serve.schema import RowSchema
from treadle.serve.table import LoadedModel, LoadedVersion, Table
from treadle.spec.model_spec import ColumnSpec, ModelSpec

NOON = datetime(2013, 3, 1, 12, tzinfo=UTC)
ROW: dict[str, Any] = {
    "flight_id": "a",
    "departs": "2013-03-01T09:30:00Z",
    "origin": "JFK",
    "distance": 100.0,
    "stops": 1,
}


def flights(task: str = "binary") -> ModelSpec:
    return ModelSpec(
        name="flights",
        doc="",
        row="Flight",
        columns=(
            ColumnSpec("flight_id", "str"),
            ColumnSpec("departs", "datetime", zone="America/New_York"),
            ColumnSpec("origin", "str", one_of=("EWR", "JFK", "LGA")),
            ColumnSpec("distance", "float", ge=0, lt=10_000),
            ColumnSpec("stops", "int", ge=0, le=3),
            ColumnSpec("pressure", "float", nullable=True),
            ColumnSpec("diverted", "bool", nullable=True),
            ColumnSpec("day", "date", nullable=True),
            ColumnSpec("late", "bool", nullable=True),
        ),
        label="late",
        task=task,
        key="flight_id",
        time="departs",
    )


def served(
    spec: ModelSpec, *versions: int, weights: Mapping[int, float] | None = None, shadows: Sequence[int] = ()
) -> ServedModel:
    weights = weights or {versions[0]: 100.0}
    routes = tuple(Route(v, w) for v, w in weights.items()) + tuple(Route(v, 100.0, shadow=True) for v in shadows)
    return ServedModel(
        model=spec.name,
        task=spec.task,
        key=spec.key,
        time=spec.time,
        zone=None,
        columns={c.name: c.type for c in spec.features_in},
        nullable=tuple(c.name for c in spec.features_in if c.nullable),
        spec_json=spec.to_json(),
        routes=routes,
        versions=tuple(ServedVersion(v, "onnx", f"digest-{v}", 0.3, classes=("a", "b", "c")) for v in versions),
    )


@dataclass
class StillClock:
    at: datetime = NOON

    def now(self) -> datetime:
        return self.at


@dataclass
class MemoryWriter:
    records: list[PredictionRecord] = field(default_factory=list)
    full: bool = False

    def append(self, record: PredictionRecord) -> None:
        if self.full:
            raise OSError(28, "No space left on device")
        self.records.append(record)

    def close(self) -> None: ...


@dataclass
class Scripted:
    """A predictor that answers what it was told to, or raises it."""

    score: Any = 0.25
    closed: bool = False
    gate: asyncio.Event | None = None

    async def predict(self, columns: Mapping[str, Sequence[Any]], rows: int) -> list[Any]:
        if self.gate is not None:
            await self.gate.wait()
        if isinstance(self.score, Exception):
            raise self.score
        assert not self.closed
        return [self.score] * rows

    async def close(self) -> None:
        self.closed = True


def table_of(model: ServedModel, predictors: Mapping[int, Any], revision: int = 1) -> Table:
    loaded = {v.version: LoadedVersion(v, predictors[v.version]) for v in model.versions}
    schema = RowSchema(ModelSpec.from_json(model.spec_json))
    return Table(revision, {model.model: LoadedModel.of(model, schema, loaded)})


@dataclass
class Gateway:
    """The application without a socket."""

    plane: DataPlane
    writer: MemoryWriter
    app: GatewayApp
    predictor: Scripted

    def call(
        self, method: str, path: str, body: Any = b"", headers: Sequence[tuple[bytes, bytes]] = (), pieces: int = 1
    ) -> tuple[int, dict[str, str], Any]:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        size = -(-len(raw) // pieces) or 1
        parts = [raw[i : i + size] for i in range(0, len(raw), size)] or [b""]
        incoming = [
            {"type": "http.request", "body": part, "more_body": i + 1 < len(parts)} for i, part in enumerate(parts)
        ]
        sent: list[Any] = []

        async def receive() -> Any:
            return incoming.pop(0) if incoming else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "method": method, "path": path, "headers": list(headers), "query_string": b""}
        asyncio.run(self.app(scope, receive, send))
        start, content = sent
        named = {k.decode(): v.decode() for k, v in start["headers"]}
        assert int(named["content-length"]) == len(content["body"])
        text = content["body"]
        return (
            start["status"],
            named,
            json.loads(text) if named["content-type"] == "application/json" else text.decode(),
        )


def make_gateway(task: str = "binary", score: Any = 0.25, max_body: int = 1 << 20) -> Gateway:
    writer, predictor = MemoryWriter(), Scripted(score)
    plane = DataPlane(writer, StillClock())
    plane.table = table_of(served(flights(task), 3), {3: predictor})
    app = GatewayApp(plane, version="0.1.0", max_body=max_body)
    app.ready = True
    return Gateway(plane, writer, app, predictor)


class Kit:
    """What the tests of this folder build from."""

    now = NOON
    flights = staticmethod(flights)
    served = staticmethod(served)
    table_of = staticmethod(table_of)
    make_gateway = staticmethod(make_gateway)
    clock = StillClock
    writer = MemoryWriter
    predictor = Scripted

    def __init__(self) -> None:
        self.row = dict(ROW)


@pytest.fixture
def kit() -> Kit:
    return Kit()


@pytest.fixture
def gateway() -> Gateway:
    return make_gateway()
