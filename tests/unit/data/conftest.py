from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from treadle.data.service import DataService
from treadle.domain import codec
from treadle.domain.data import Snapshot
from treadle.domain.errors import NotFound
from treadle.domain.models import AppliedModel, CodeTree, EnvironmentLock
from treadle.domain.steps import StepKind, StepRequest
from treadle.ports.steps import Report
from treadle.spec.model_spec import ColumnSpec, FunctionSpec, ModelSpec
from treadle.testing.engine import ScriptedEngine, Step

AS_OF = datetime(2024, 4, 1, tzinfo=UTC)


class MemoryBlobs:
    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.puts = 0

    def put(self, data: bytes) -> str:
        self.puts += 1
        digest = codec.digest_bytes(data)
        self.kept[digest] = data
        return digest

    def put_file(self, path: Path) -> str:
        return self.put(path.read_bytes())

    def get(self, digest: str) -> bytes:
        if digest not in self.kept:
            raise NotFound(f"no blob {digest}")
        return self.kept[digest]

    def fetch(self, digest: str, destination: Path) -> None:
        destination.write_bytes(self.get(digest))

    def path(self, digest: str) -> Path | None:
        return None

    def has(self, digest: str) -> bool:
        return digest in self.kept

    def delete(self, digest: str) -> None:
        self.kept.pop(digest, None)

    def digests(self) -> Iterator[str]:
        yield from self.kept


class MemorySnapshots:
    def __init__(self) -> None:
        self.kept: dict[str, Snapshot] = {}

    def put(self, snapshot: Snapshot) -> None:
        self.kept.setdefault(snapshot.digest, snapshot)

    def get(self, digest: str) -> Snapshot:
        if digest not in self.kept:
            raise NotFound(f"no snapshot {digest}")
        return self.kept[digest]

    def list(self, model: str) -> list[Snapshot]:
        found = [s for s in self.kept.values() if s.model == model]
        return sorted(found, key=lambda s: s.as_of, reverse=True)


def visit_spec(**changes: Any) -> ModelSpec:
    columns = (
        ColumnSpec("visit", "str"),
        ColumnSpec("at", "datetime"),
        ColumnSpec("shop", "str", one_of=("north", "south"), slice=True),
        ColumnSpec("amount", "float", ge=0),
        ColumnSpec("items", "int", gt=0, lt=100),
        ColumnSpec("age", "float", nullable=True, nulls=0.5),
        ColumnSpec("returned", "bool"),
    )
    given: dict[str, Any] = {
        "name": "visits",
        "doc": "",
        "row": "Visit",
        "columns": columns,
        "label": "returned",
        "task": "binary",
        "key": "visit",
        "time": "at",
        "horizon": timedelta(days=2),
        "source": FunctionSpec("visits"),
        "outcomes": FunctionSpec("returns"),
    }
    return ModelSpec(**(given | changes))


def visit_rows(days: int = 80, per_day: int = 10, until: datetime = AS_OF) -> pl.DataFrame:
    """Rows with labels that were known a day later."""
    n = days * per_day
    start = until - timedelta(days=days)
    at = [start + timedelta(days=i // per_day, hours=2 * (i % per_day)) for i in range(n)]
    returned = [(i % 3 == 0) if at[i] + timedelta(days=1) <= until else None for i in range(n)]
    return pl.DataFrame(
        {
            "visit": [f"{t:%m%d}-{i}" for i, t in enumerate(at)],
            "at": pl.Series(at, dtype=pl.Datetime("us", "UTC")),
            "shop": ["north" if i % 2 else "south" for i in range(n)],
            "amount": [float(i % 17) for i in range(n)],
            "items": [1 + i % 9 for i in range(n)],
            "age": [None if i % 5 == 0 else 20.0 + i % 60 for i in range(n)],
            "returned": pl.Series(returned, dtype=pl.Boolean),
        }
    )


def applied(spec: ModelSpec) -> AppliedModel:
    code = CodeTree("model.py", {}, "c" * 64, "/nowhere")
    lock = EnvironmentLock("polars==2.1.0", "3.11", "e" * 64)
    return AppliedModel(spec.name, 1, spec.to_json(), spec.digest, code, lock, AS_OF)


class Shop:
    """A data service over scripted steps; ``rows`` and ``outcomes`` are what the model's functions give."""

    def __init__(self, rows: pl.DataFrame) -> None:
        self.rows = rows
        self.outcomes = rows.drop_nulls("returned").select(
            key="visit", label="returned", observed_at=pl.col("at") + timedelta(days=1)
        )
        self.checks: list[dict[str, Any]] = []
        self.asked: list[StepRequest] = []
        self.blobs = MemoryBlobs()
        self.snapshots = MemorySnapshots()
        script: dict[StepKind, Step] = {
            StepKind.SOURCE: self._source,
            StepKind.OUTCOMES: self._outcomes,
            StepKind.CHECK: self._check,
        }
        self.engine = ScriptedEngine(self.blobs, script)
        self.service = DataService(self.engine, self.blobs, self.snapshots)

    def _source(self, request: StepRequest, folder: Path, _report: Report) -> Any:
        self.asked.append(request)
        self.rows.write_parquet(folder / "rows.parquet")
        return {"rows": self.rows.height}

    def _outcomes(self, request: StepRequest, folder: Path, _report: Report) -> Any:
        until = datetime.fromisoformat(request.arguments["until"])
        self.outcomes.filter(pl.col("observed_at") <= until).write_parquet(folder / "outcomes.parquet")
        return {}

    def _check(self, request: StepRequest, folder: Path, _report: Report) -> Any:
        assert pl.read_parquet(folder / "rows.parquet").height == self.rows.height
        return self.checks


@pytest.fixture
def shop() -> Shop:
    return Shop(visit_rows())


@pytest.fixture
def make_spec() -> Callable[..., ModelSpec]:
    return visit_spec


@pytest.fixture
def make_rows() -> Callable[..., pl.DataFrame]:
    return visit_rows


@pytest.fixture
def apply() -> Callable[[ModelSpec], AppliedModel]:
    return applied


@pytest.fixture
def as_of() -> datetime:
    return AS_OF
