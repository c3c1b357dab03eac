from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pytest

from treadle.domain import codec
from treadle.domain.data import Profile, Snapshot
from treadle.domain.models import AppliedModel, CodeTree, EnvironmentLock
from treadle.domain.steps import StepKind, StepRequest
from treadle.domain.versions import Compilation
from treadle.ports.steps import Report
from treadle.spec.model_spec import ColumnSpec, FunctionSpec, ModelSpec, ParamSpec
from treadle.testing.engine import ScriptedEngine, Step
from treadle.testing.memory import ManualClock, MemoryBlobs, MemoryEnvironments, MemoryRuns
from treadle.train.service import TrainService

NOW = datetime(2024, 5, 1, tzinfo=UTC)


class DerivingEnvironments(MemoryEnvironments):
    def derive(self, lock: EnvironmentLock, extras: Sequence[str]) -> EnvironmentLock:
        text = lock.requirements + "\n" + "\n".join(extras)
        return EnvironmentLock(text, lock.python, codec.digest_bytes(text.encode()))


class AgreeingCompiler:
    """Believes every compiled model; keeps what it was asked."""

    def __init__(self) -> None:
        self.columns: Mapping[str, Sequence[Any]] = {}
        self.scores: Sequence[Any] = ()

    def compare(
        self,
        onnx: bytes,
        columns: Mapping[str, Sequence[Any]],
        scores: Sequence[Any],
        *,
        spec_json: str,
        tolerance: float,
        python_us: float | None = None,
    ) -> Compilation:
        self.columns, self.scores = columns, scores
        return Compilation("onnx", rows=len(scores), difference=0.0, tolerance=tolerance, size=len(onnx))


class Parts(NamedTuple):
    train: pl.DataFrame
    validation: pl.DataFrame
    test: pl.DataFrame
    immature: int = 3
    unlabelled: int = 2


PARAMS = (
    ParamSpec("strength", "float", 0.2, low=0.0, high=3.0),
    ParamSpec("rounds", "int", 3, low=1, high=6),
    ParamSpec("link", "str", "logit"),
)


def make_spec(task: str = "binary", **changes: Any) -> ModelSpec:
    label = {"binary": "bool", "multiclass": "str", "regression": "float"}[task]
    columns = (
        ColumnSpec("id", "str"),
        ColumnSpec("at", "datetime"),
        ColumnSpec("shop", "str", slice=True),
        ColumnSpec("x", "float"),
        ColumnSpec("z", "float", nullable=True),
        ColumnSpec("y", label),
    )
    given: dict[str, Any] = {
        "name": "shops",
        "doc": "",
        "row": "Visit",
        "columns": columns,
        "label": "y",
        "task": task,
        "key": "id",
        "time": "at",
        "params": PARAMS,
        "train": FunctionSpec("fit"),
    }
    return ModelSpec(**(given | changes))


def make_rows(n: int, start: int, task: str = "binary") -> pl.DataFrame:
    rng = np.random.default_rng(start)
    x = rng.normal(size=n)
    noisy = x + rng.normal(size=n)
    labels: dict[str, Any] = {
        "binary": noisy > 0,
        "multiclass": np.select([noisy < -0.5, noisy < 0.5], ["low", "mid"], "high"),
        "regression": 3 * noisy,
    }
    at = [NOW - timedelta(days=60) + timedelta(hours=start + i) for i in range(n)]
    return pl.DataFrame(
        {
            "id": [f"{start + i}" for i in range(n)],
            "at": pl.Series(at, dtype=pl.Datetime("us", "UTC")),
            "shop": ["north" if i % 2 else "south" for i in range(n)],
            "x": x,
            "z": rng.normal(size=n),
            "y": labels[task],
        }
    )


def make_parts(task: str = "binary") -> Parts:
    return Parts(make_rows(400, 0, task), make_rows(150, 400, task), make_rows(200, 550, task))


def make_applied(spec: ModelSpec, requirements: str = "scikit-learn==1.9.0") -> AppliedModel:
    code = CodeTree("model.py", {}, "c" * 64, "/nowhere")
    lock = EnvironmentLock(requirements, "3.11", "e" * 64)
    return AppliedModel(spec.name, 1, spec.to_json(), spec.digest, code, lock, NOW)


SNAPSHOT = Snapshot("s" * 64, "shops", 755, 750, None, NOW, NOW, {}, (), Profile(755, {}), "c" * 64)


class Works:
    """A training service over scripted steps that fit a model whose score follows ``x``, bent by ``strength``."""

    def __init__(
        self, environments: MemoryEnvironments | None = None, compiler: AgreeingCompiler | None = None
    ) -> None:
        self.blobs = MemoryBlobs()
        self.runs = MemoryRuns()
        self.environments = environments or MemoryEnvironments()
        self.task = "binary"
        script: dict[StepKind, Step] = {
            StepKind.FIT: self.fit,
            StepKind.SCORE: self.score,
            StepKind.WORTH: self.worth,
            StepKind.COMPILE: self.compile,
        }
        self.engine = ScriptedEngine(self.blobs, script)
        self.service = TrainService(
            self.engine, self.environments, self.blobs, self.runs, ManualClock(NOW), compiler=compiler
        )

    def fit(self, request: StepRequest, folder: Path, report: Report) -> Any:
        params, rounds = request.arguments["params"], 0
        assert pl.read_parquet(folder / "train.parquet").height == 400
        assert pl.read_parquet(folder / "validation.parquet").height == 150
        if params["strength"] > 2.9:
            raise ValueError("diverged")
        done = 0
        for rounds in range(params["rounds"]):
            done = rounds + 1
            if report(rounds, -abs(params["strength"] - 1.0)):
                break
        (folder / "model.pkl").write_bytes(pickle.dumps({"params": params, "rounds": done}))
        points = [{"key": "loss_curve", "value": 1.0 / (i + 1), "step": i} for i in range(done)]
        return {"metrics": {"auc": 0.9, "fit_rows": 400}, "points": points, "classes": [], "seconds": 0.1}

    def score(self, request: StepRequest, folder: Path, _report: Report) -> Any:
        model = pickle.loads((folder / "model.pkl").read_bytes())
        rows = pl.read_parquet(folder / "rows.parquet")
        bend = abs(model["params"]["strength"] - 1.0)
        value = (rows["x"] - bend * rows["z"].fill_null(0)).to_numpy()
        if self.task == "regression":
            pl.DataFrame({"score": 3 * value}).write_parquet(folder / "scores.parquet")
            return {"classes": []}
        if self.task == "multiclass":
            raw = np.exp(np.column_stack([value, -value, 0 * value]))
            scores = raw / raw.sum(axis=1, keepdims=True)
            frame = pl.DataFrame({f"score_{i}": scores[:, i] for i in range(3)})
            frame.write_parquet(folder / "scores.parquet")
            return {"classes": ["high", "low", "mid"]}
        pl.DataFrame({"score": 1 / (1 + np.exp(-2 * value))}).write_parquet(folder / "scores.parquet")
        timed = request.arguments.get("timed")
        return {"classes": [False, True]} | ({"latency_us": [200.0, 300.0]} if timed else {})

    def worth(self, request: StepRequest, folder: Path, _report: Report) -> Any:
        rows = pl.read_parquet(folder / "rows.parquet")
        if "__decision" in rows.columns:
            frame = rows.select(worth=(pl.col("__decision") == pl.col("y")).cast(pl.Float64))
        else:
            frame = rows.select(
                worth_true=pl.when("y").then(4.0).otherwise(-1.0), worth_false=pl.lit(0.0).repeat_by(1).list.first()
            )
        frame.write_parquet(folder / "worth.parquet")
        return {}

    def compile(self, request: StepRequest, folder: Path, _report: Report) -> Any:
        (folder / "model.onnx").write_bytes(b"compiled " + (folder / "model.pkl").read_bytes())
        return {"ok": True, "reason": ""}


@pytest.fixture
def works() -> Works:
    return Works()


@pytest.fixture
def compiling_works() -> tuple[Works, AgreeingCompiler]:
    compiler = AgreeingCompiler()
    return Works(DerivingEnvironments(), compiler), compiler


@pytest.fixture
def spec_of() -> Callable[..., ModelSpec]:
    return make_spec


@pytest.fixture
def parts_of() -> Callable[..., Parts]:
    return make_parts


@pytest.fixture
def apply() -> Callable[..., AppliedModel]:
    return make_applied


@pytest.fixture
def snapshot() -> Snapshot:
    return SNAPSHOT
