from __future__ import annotations

import asyncio
import itertools
import math
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
from onnx import TensorProto, helper
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from treadle.domain.errors import CorruptData, InvalidInput
from treadle.runtimes.onnx import INLINE_ROWS, OnnxColumn, OnnxCompiler, OnnxPredictor
from treadle.spec.model_spec import ColumnSpec, ModelSpec

TYPES = {"origin": OnnxColumn("str"), "distance": OnnxColumn("float"), "unused": OnnxColumn("int")}


def rows(count: int, *, gaps: bool = True) -> dict[str, list[Any]]:
    random = np.random.default_rng(1)
    distance = random.uniform(0, 100, count).tolist()
    if gaps:
        distance[::7] = [None] * len(distance[::7])
    return {"origin": random.choice(["EWR", "JFK"], count).tolist(), "distance": distance, "unused": [1] * count}


def fit(estimator: Any, labels: Any, columns: dict[str, list[Any]]) -> Any:
    pipeline = make_pipeline(
        ColumnTransformer(
            [
                ("text", OneHotEncoder(handle_unknown="ignore"), ["origin"]),
                ("number", make_pipeline(SimpleImputer(), StandardScaler()), ["distance"]),
            ]
        ),
        estimator,
    )
    return pipeline.fit(frame(columns), labels)


def frame(columns: dict[str, list[Any]]) -> Any:
    return pd.DataFrame({"origin": columns["origin"], "distance": np.array(columns["distance"], dtype=np.float64)})


def compiled(pipeline: Any, **options: Any) -> bytes:
    inputs = [("origin", StringTensorType([None, 1])), ("distance", FloatTensorType([None, 1]))]
    return convert_sklearn(pipeline, initial_types=inputs, options=options or None).SerializeToString()


@pytest.fixture(scope="module")
def binary() -> tuple[Any, bytes]:
    columns = rows(400)
    labels = [(d or 50) > 40 and o == "JFK" for d, o in zip(columns["distance"], columns["origin"], strict=True)]
    pipeline = fit(LogisticRegression(), labels, columns)
    return pipeline, compiled(pipeline, zipmap=False)


def spec(task: str, *, distance: str = "float", nullable: bool = True) -> str:
    return ModelSpec(
        "m",
        "",
        "Row",
        (
            ColumnSpec("origin", "str"),
            ColumnSpec("distance", distance, nullable=nullable),
            ColumnSpec("unused", "int"),
            ColumnSpec("y", "bool"),
        ),
        label="y",
        task=task,
    ).to_json()


@pytest.mark.parametrize("count", [1, INLINE_ROWS, INLINE_ROWS + 1])
def test_binary_scores_are_the_probability_of_true(binary: tuple[Any, bytes], count: int) -> None:
    pipeline, graph = binary
    columns = rows(count)
    scores = asyncio.run(OnnxPredictor(graph, TYPES, task="binary").predict(columns, count))
    assert scores == pytest.approx(pipeline.predict_proba(frame(columns))[:, 1].tolist(), abs=1e-6)
    assert all(isinstance(score, float) for score in scores)


def test_inputs_are_the_columns_that_the_graph_uses(binary: tuple[Any, bytes]) -> None:
    assert set(OnnxPredictor(binary[1], TYPES, task="binary").inputs) == {"origin", "distance"}


def test_multiclass_scores_are_a_row_of_probabilities() -> None:
    columns = rows(300)
    labels = [("a", "b", "c")[int((d or 50) // 34)] for d in columns["distance"]]
    pipeline = fit(LogisticRegression(), labels, columns)
    predictor = OnnxPredictor(compiled(pipeline, zipmap=False), TYPES, task="multiclass")
    expected = pipeline.predict_proba(frame(columns))
    assert np.asarray(predictor.score(columns, 300)) == pytest.approx(expected, abs=1e-5)


def test_regression_scores_are_the_number() -> None:
    columns = rows(300)
    pipeline = fit(Ridge(), [d or 50.0 for d in columns["distance"]], columns)
    predictor = OnnxPredictor(compiled(pipeline), TYPES, task="regression")
    assert predictor.score(columns, 300) == pytest.approx(pipeline.predict(frame(columns)).tolist(), abs=1e-3)


def test_no_rows_are_no_scores(binary: tuple[Any, bytes]) -> None:
    assert OnnxPredictor(binary[1], TYPES, task="binary").score({"origin": [], "distance": []}, 0) == []


def test_numbers_beyond_32_bits_are_refused(binary: tuple[Any, bytes]) -> None:
    with pytest.raises(InvalidInput, match="'distance' holds a number that is too large"):
        OnnxPredictor(binary[1], TYPES, task="binary").score({"origin": ["JFK"], "distance": [1e300]}, 1)


def test_a_graph_that_does_not_fit_the_declaration(binary: tuple[Any, bytes]) -> None:
    with pytest.raises(CorruptData, match="cannot load"):
        OnnxPredictor(b"no graph", TYPES, task="binary")
    with pytest.raises(InvalidInput, match="wants 'distance', which is no column"):
        OnnxPredictor(binary[1], {"origin": OnnxColumn("str")}, task="binary")
    with pytest.raises(InvalidInput, match="wants 'distance' as tensor"):
        OnnxPredictor(binary[1], {**TYPES, "distance": OnnxColumn("str")}, task="binary")


def test_times_become_seconds_in_their_declared_zone(binary: tuple[Any, bytes]) -> None:
    moment = datetime(2013, 3, 1, 14, 30, tzinfo=UTC)
    for zone, value in itertools.product(
        ["America/New_York"], ["2013-03-01T09:30", "2013-03-01T14:30:00Z", moment, "2013-03-01T15:30:00+01:00"]
    ):
        types = {**TYPES, "distance": OnnxColumn("datetime", zone)}
        predictor = OnnxPredictor(binary[1], types, task="binary")
        plain = OnnxPredictor(binary[1], TYPES, task="binary")
        expected = plain.score({"origin": ["JFK"], "distance": [moment.timestamp()]}, 1)
        assert predictor.score({"origin": ["JFK"], "distance": [value]}, 1) == expected
    days = OnnxPredictor(binary[1], {**TYPES, "distance": OnnxColumn("date")}, task="binary")
    assert days.score({"origin": ["JFK", "JFK"], "distance": ["1970-01-01", None]}, 2) == plain.score(
        {"origin": ["JFK", "JFK"], "distance": [0.0, None]}, 2
    )


def test_a_compiled_model_that_agrees_is_used(binary: tuple[Any, bytes]) -> None:
    pipeline, graph = binary
    columns = rows(200)
    scores = pipeline.predict_proba(frame(columns))[:, 1].tolist()
    found = OnnxCompiler().compare(graph, columns, scores, spec_json=spec("binary"), python_us=900.0)
    assert (found.runtime, found.reason, found.rows) == ("onnx", "", 200)
    assert found.difference is not None
    assert found.difference < 1e-5
    assert found.onnx_us is not None
    assert 0 < found.onnx_us < 10_000
    assert (found.python_us, found.size, found.tolerance) == (900.0, len(graph), 1e-4)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda scores: [scores[0] + 0.01, *scores[1:]], "scores differ by up to 0.01 on 200 held-out rows"),
        (lambda scores: [math.nan, *scores[1:]], "scores differ by up to inf"),
        (lambda scores: [[s, 1 - s] for s in scores], "scores cannot be compared"),
    ],
)
def test_a_compiled_model_that_disagrees_is_not_used(binary: tuple[Any, bytes], spoil: Any, reason: str) -> None:
    pipeline, graph = binary
    columns = rows(200)
    scores = spoil(pipeline.predict_proba(frame(columns))[:, 1].tolist())
    found = OnnxCompiler().compare(graph, columns, scores, spec_json=spec("binary"))
    assert found.runtime == "python"
    assert found.reason.startswith(reason)


def test_a_missing_value_that_was_never_compared_is_unproven(binary: tuple[Any, bytes]) -> None:
    pipeline, graph = binary
    columns = rows(200, gaps=False)
    scores = pipeline.predict_proba(frame(columns))[:, 1].tolist()
    found = OnnxCompiler().compare(graph, columns, scores, spec_json=spec("binary"))
    assert (found.runtime, "no held-out row lacks distance" in found.reason) == ("python", True)
    proven = OnnxCompiler().compare(graph, columns, scores, spec_json=spec("binary", nullable=False))
    assert proven.runtime == "onnx"


def test_what_cannot_be_run_is_a_reason_not_an_error(binary: tuple[Any, bytes]) -> None:
    columns = rows(10)
    broken = OnnxCompiler().compare(b"no graph", columns, [0.5] * 10, spec_json=spec("binary"))
    assert (broken.runtime, broken.size) == ("python", 8)
    assert "cannot load the compiled model" in broken.reason
    none = OnnxCompiler().compare(binary[1], {name: [] for name in columns}, [], spec_json=spec("binary"))
    assert none.runtime == "python"


@pytest.mark.parametrize(
    ("kind", "declared", "values"),
    [
        (TensorProto.DOUBLE, "float", [0.1, 1e300]),
        (TensorProto.INT64, "int", [1, 2**53]),
        (TensorProto.BOOL, "bool", [True, False]),
    ],
)
def test_graphs_are_fed_the_types_they_declare(kind: int, declared: str, values: list[Any]) -> None:
    shape = [None, 1]
    graph = helper.make_graph(
        [helper.make_node("Cast", ["x"], ["variable"], to=TensorProto.DOUBLE)],
        "g",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info("variable", TensorProto.DOUBLE, shape)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9).SerializeToString()
    predictor = OnnxPredictor(model, {"x": OnnxColumn(declared)}, task="regression")
    assert predictor.score({"x": values}, 2) == [float(value) for value in values]
    if declared == "int":
        with pytest.raises(InvalidInput, match="x cannot be a int64"):
            predictor.score({"x": [None, 1]}, 2)
