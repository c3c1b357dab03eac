from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from treadle.data.service import DataService
from treadle.domain.models import AppliedModel, CodeTree, EnvironmentLock
from treadle.domain.steps import StepKind, StepRequest
from treadle.ports.steps import Report
from treadle.spec.model_spec import ColumnSpec, FunctionSpec, ModelSpec
from treadle.testing.engine import ScriptedEngine, Step
from treadle.testing.memory import MemoryBlobs, MemorySnapshots

AS_OF = datetime(2024, 4, 1, tzinfo=UTC)


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
