from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.ensemble import GradientBoostingRegressor, HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from treadle.domain.errors import InvalidInput
from treadle.runner import estimators
from treadle.runner.trial import StepTrial, is_pruned

X = np.arange(40, dtype=float).reshape(-1, 1)
Y = (X[:, 0] > 20).astype(int)


def test_curves_come_from_inside_searches_and_pipelines() -> None:
    boost = HistGradientBoostingClassifier(max_iter=5, early_stopping=True, validation_fraction=0.5, random_state=0)
    search = GridSearchCV(Pipeline([("scale", StandardScaler()), ("boost", boost)]), {"boost__max_iter": [5]}, cv=2)
    points = estimators.curves(search.fit(X, Y))
    assert {point["key"] for point in points} == {"train_score", "validation_score"}
    assert [p["step"] for p in points if p["key"] == "train_score"] == list(range(6))
    exact = GradientBoostingRegressor(n_estimators=7).fit(X, X[:, 0])
    assert [p["step"] for p in estimators.curves(exact)] == list(range(7))


def test_long_curves_are_thinned_and_what_is_no_curve_is_left_out() -> None:
    model = SimpleNamespace(loss_curve_=list(range(10_000)), train_score_="text", validation_scores_=[math.nan, 1.0])
    points = estimators.curves(model)
    assert len([p for p in points if p["key"] == "loss_curve"]) == 2000
    assert [p["step"] for p in points if p["key"] == "validation_scores"] == [1]
    boosted = SimpleNamespace(evals_result_={"valid_0": {"auc": [0.5, 0.6]}})
    assert estimators.curves(boosted)[1] == {"key": "valid_0_auc", "value": 0.6, "step": 1}


def test_classes_are_pythons_own_values() -> None:
    fitted = Pipeline([("linear", LogisticRegression())]).fit(X, Y.astype(bool))
    assert estimators.classes(fitted) == [False, True]
    assert type(estimators.classes(LogisticRegression().fit(X, Y))[0]) is int  # type: ignore[index]
    assert estimators.classes(object()) is None


@pytest.mark.parametrize(
    "answer",
    [
        np.array([1.0, 2.0]),
        pl.Series([1.0, 2.0]),
        pd.Series([1.0, 2.0]),
        pa.chunked_array([[1.0, 2.0]]),
        [1, np.float32(2)],
        (1.0, 2.0),
    ],
    ids=["numpy", "polars", "pandas", "pyarrow", "list", "tuple"],
)
def test_scores_of_any_library(answer: Any) -> None:
    assert estimators.as_matrix(answer, 2, "predict") == [1.0, 2.0]


@pytest.mark.parametrize(
    "answer",
    [
        np.array([[0.1, 0.9], [0.2, 0.8]]),
        pl.DataFrame({"a": [0.1, 0.2], "b": [0.9, 0.8]}),
        pd.DataFrame({"a": [0.1, 0.2], "b": [0.9, 0.8]}),
        pa.table({"a": [0.1, 0.2], "b": [0.9, 0.8]}),
    ],
    ids=["numpy", "polars", "pandas", "pyarrow"],
)
def test_matrices_of_any_library(answer: Any) -> None:
    assert estimators.as_matrix(answer, 2, "predict") == [[0.1, 0.9], [0.2, 0.8]]


@pytest.mark.parametrize(
    ("answer", "told"),
    [([1.0], "1 scores for 2 rows"), (None, "returned a NoneType"), ("ab", "a str"), (["a", "b"], "no numbers")],
)
def test_what_is_no_score_is_refused(answer: Any, told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        estimators.as_matrix(answer, 2, "predict")


def test_missing_scores_are_not_a_number() -> None:
    assert math.isnan(estimators.as_matrix([None], 1, "predict")[0])  # type: ignore[arg-type]


def test_a_trial_asks_and_remembers() -> None:
    asked: list[tuple[int, float]] = []

    def ask(step: int, value: float) -> bool:
        asked.append((step, value))
        return step == 1

    trial = StepTrial(ask)
    for step in range(3):
        trial.report(0.5, step)
    trial.report(math.nan, 3)
    assert trial.should_prune()
    assert asked == [(0, 0.5), (1, 0.5), (2, 0.5)]
    assert trial.points[0] == {"key": "reported", "value": 0.5, "step": 0}
    with pytest.raises(InvalidInput, match="two numbers"):
        trial.report("good", 1)  # type: ignore[arg-type]


def test_pruning_of_any_library_is_recognised() -> None:
    class TrialPruned(Exception):
        pass

    class Mine(TrialPruned):
        pass

    assert is_pruned(Mine())
    assert not is_pruned(ValueError())
