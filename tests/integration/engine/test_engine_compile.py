"""Fitting, scoring and compiling with scikit-learn in the model's own environment and one derived from it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import polars as pl
import pytest

from treadle.domain.steps import StepKind

EXTRAS = ("skl2onnx>=1.18,<2", "onnx>=1.16")

MODEL = """\
# /// script
# dependencies = ["polars", "scikit-learn>=1.9,<2"]
# ///
from datetime import datetime

import polars as pl
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from treadle import Col, Model, Row, Window, metrics


class Visit(Row):
    visit_id: Col[str]
    at: Col[datetime]
    age: Col[float | None]
    count: Col[int]
    weekend: Col[bool]
    kind: Col[str]
    came: Col[bool]


visits = Model("visits", Visit, key=Visit.visit_id, time=Visit.at, label=Visit.came)


@visits.source
def source(window: Window) -> pl.DataFrame:
    raise NotImplementedError


@visits.train
def fit(rows: pl.DataFrame):
    label = rows["came"]
    {fit}


visits.ship(metrics.auc >= 0.5)
"""

BOOSTING = """
    encode = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    prepare = ColumnTransformer([("text", encode, ["kind"]), ("rest", "passthrough", ["weekend", "age", "count"])])
    boost = HistGradientBoostingClassifier(max_iter=20, early_stopping=True, random_state=0)
    return Pipeline([("prepare", prepare), ("boost", boost)]).fit(rows, label)"""
LOGISTIC = """
    prepare = ColumnTransformer([("text", OneHotEncoder(handle_unknown="ignore"), ["kind"])])
    return Pipeline([("prepare", prepare), ("linear", LogisticRegression())]).fit(rows, label)"""
SCALED = """
    return Pipeline([("scale", StandardScaler()), ("linear", LogisticRegression())]).fit(rows[["count"]], label)"""
UNNAMED = "return LogisticRegression().fit(rows[['count']].to_numpy(), label)"
TIMED = """
    prepare = ColumnTransformer([("time", "passthrough", ["count"]), ("x", StandardScaler(), ["at"])])
    return Pipeline([("prepare", prepare), ("linear", LogisticRegression())]).fit(
        rows.with_columns(pl.col("at").dt.epoch("s")), label)"""
NETWORK = """
    prepare = ColumnTransformer([("count", StandardScaler(), ["count"])])
    return Pipeline([("p", prepare), ("net", MLPClassifier([4], max_iter=5, random_state=0))]).fit(rows, label)"""


def visits(rows: int = 400) -> pl.DataFrame:
    random = np.random.default_rng(0)
    count, kind = random.integers(0, 9, rows), random.choice(["x", "y", "z"], rows)
    age = [None if value < 0.1 else float(value) for value in random.random(rows)]
    came = (count + 3 * (kind == "x") + random.normal(0, 1, rows)) > 5
    at = [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=i) for i in range(rows)]
    return pl.DataFrame(
        {
            "visit_id": [str(i) for i in range(rows)],
            "at": pl.Series(at, dtype=pl.Datetime("us", "UTC")),
            "age": age,
            "count": count,
            "weekend": random.random(rows) < 0.3,
            "kind": kind,
            "came": came,
        }
    )


def fitted(bench: Any, tmp_path: Path, body: str) -> tuple[Any, str, str, Any]:
    file = tmp_path / "model.py"
    file.write_text(MODEL.replace("{fit}", body))
    applied, rows = bench.apply(file), bench.put(visits())
    made = bench.run(applied, StepKind.FIT, inputs={"train.parquet": rows, "validation.parquet": rows})
    return applied, rows, made.outputs["model.pkl"], made.value


def compiled(bench: Any, applied: Any, model: str, rows: str) -> Any:
    from treadle.spec.script_metadata import requirements_of

    need = requirements_of(Path(applied[0].root) / applied[0].entry)
    lock = bench.environments.derive(bench.environments.lock(need.requirements), EXTRAS)
    environment = bench.environments.build(lock)
    inputs = {"model.pkl": model, "rows.parquet": rows}
    return bench.run(applied, StepKind.COMPILE, inputs=inputs, environment=environment)


@pytest.mark.parametrize(
    ("body", "inputs"),
    [(BOOSTING, {"kind", "weekend", "age", "count"}), (LOGISTIC, {"kind"}), (SCALED, {"count"})],
    ids=["boosting", "logistic", "scaled"],
)
def test_compiled_models_answer_alike_and_take_only_what_they_use(
    bench: Any, tmp_path: Path, body: str, inputs: set[str]
) -> None:
    applied, rows, model, _ = fitted(bench, tmp_path, body)
    scored = bench.run(applied, StepKind.SCORE, inputs={"model.pkl": model, "rows.parquet": rows})
    made = compiled(bench, applied, model, rows)
    assert made.value["ok"], made.value["reason"]
    session = onnxruntime.InferenceSession(bench.blobs.get(made.outputs["model.onnx"]))
    assert {tensor.name for tensor in session.get_inputs()} == inputs
    frame = visits()
    feed = {
        name: (
            frame[name].to_numpy().astype(object)
            if name == "kind"
            else frame[name].cast(pl.Float32).fill_null(float("nan")).to_numpy()
        ).reshape(-1, 1)
        for name in inputs
    }
    probabilities = session.run(["probabilities"], feed)[0]
    assert np.abs(probabilities[:, 1] - bench.read(scored, "scores.parquet")["score"].to_numpy()).max() < 1e-5


@pytest.mark.parametrize(
    ("body", "reason"),
    [(UNNAMED, "was not fitted on named columns"), (TIMED, "at, which a compiled model cannot take")],
)
def test_what_cannot_be_compiled_has_a_reason(bench: Any, tmp_path: Path, body: str, reason: str) -> None:
    applied, rows, model, _ = fitted(bench, tmp_path, body)
    made = compiled(bench, applied, model, rows)
    assert not made.value["ok"]
    assert reason in made.value["reason"]
    assert made.outputs == {}


def test_learning_curves_are_read_from_inside_the_pipeline(bench: Any, tmp_path: Path) -> None:
    value = fitted(bench, tmp_path, BOOSTING)[3]
    keys = {point["key"] for point in value["points"]}
    assert keys == {"train_score", "validation_score"}
    assert value["metrics"]["iterations"] > 0


def test_loss_curves_of_networks(bench: Any, tmp_path: Path) -> None:
    with_log = fitted(bench, tmp_path, NETWORK)[3]
    assert [point["step"] for point in with_log["points"] if point["key"] == "loss_curve"] == [0, 1, 2, 3, 4]
