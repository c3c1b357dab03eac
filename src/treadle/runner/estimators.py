"""What can be read off a fitted estimator without knowing its library: classes, scores, learning curves."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from treadle.domain.errors import InvalidInput

CURVES = ("train_score_", "validation_score_", "oob_scores_", "loss_curve_", "validation_scores_")
"""Attributes that hold a value an iteration: gradient boosting (histogram and exact) and neural networks."""

LONGEST_CURVE = 2000


def innermost(model: Any) -> Any:
    """The estimator that decides: the last step of a pipeline, the best one of a search."""
    seen = 0
    while seen < 16:
        seen += 1
        steps = getattr(model, "steps", None)
        if isinstance(steps, list) and steps and isinstance(steps[-1], tuple):
            model = steps[-1][1]
        elif getattr(model, "best_estimator_", None) is not None:
            model = model.best_estimator_
        else:
            break
    return model


def classes(model: Any) -> list[Any] | None:
    """The classes in the order of the columns of ``predict_proba``, as Python's own values; None where unknown."""
    found = getattr(model, "classes_", None)
    if found is None:
        found = getattr(innermost(model), "classes_", None)
    if found is None:
        return None
    return [plain(value) for value in found]


def plain(value: Any) -> Any:
    """A numpy scalar as Python's own value; others as they are."""
    return value.item() if hasattr(value, "item") and not isinstance(value, str | bytes) else value


def curves(model: Any) -> list[dict[str, Any]]:
    """Learning curves of a fitted estimator as points ``{"key", "value", "step"}``, at most 2000 a curve."""
    estimator, points = innermost(model), []
    for attribute in CURVES:
        points += list(_points(attribute.rstrip("_"), getattr(estimator, attribute, None)))
    evaluated = getattr(estimator, "evals_result_", None)
    if isinstance(evaluated, Mapping):
        for rows, metrics in evaluated.items():
            if isinstance(metrics, Mapping):
                for metric, values in metrics.items():
                    points += list(_points(f"{rows}_{metric}", values))
    return points


def _points(key: str, values: Any) -> Iterator[dict[str, Any]]:
    if values is None or not hasattr(values, "__len__") or getattr(values, "ndim", 1) != 1:
        return
    stride = max(1, -(-len(values) // LONGEST_CURVE))
    for step in range(0, len(values), stride):
        try:
            value = float(values[step])
        except (TypeError, ValueError):
            return
        if math.isfinite(value):
            yield {"key": key, "value": value, "step": step}


def as_matrix(answer: Any, rows: int, whose: str) -> list[list[float]] | list[float]:
    """Scores of any library's array, series or frame as lists: a float a row, or a list of floats a row.

    Raises InvalidInput where there is not one for each of ``rows`` rows, or where they are no numbers.
    """
    if hasattr(answer, "collect"):
        answer = answer.collect()
    if type(answer).__module__.startswith("pyarrow") and hasattr(answer, "to_pylist") and hasattr(answer, "schema"):
        answer = list(zip(*(column.to_pylist() for column in answer.columns), strict=True))
    elif hasattr(answer, "rows") and hasattr(answer, "columns"):
        answer = answer.rows()
    for convert in ("to_numpy", "tolist", "to_pylist"):
        if hasattr(answer, convert):
            answer = getattr(answer, convert)()
    if not isinstance(answer, Sequence) or isinstance(answer, str | bytes):
        raise InvalidInput(
            f"{whose} returned a {type(answer).__name__}", hint="return an array or a series with one score a row"
        )
    if len(answer) != rows:
        raise InvalidInput(f"{whose} returned {len(answer):,} scores for {rows:,} rows", hint="return one score a row")
    try:
        if rows and isinstance(answer[0], list | tuple):
            return [[float(value) for value in row] for row in answer]
        return [math.nan if value is None else float(value) for value in answer]
    except (TypeError, ValueError) as error:
        raise InvalidInput(
            f"{whose} returned scores that are no numbers: {error}",
            hint="return probabilities (binary, multiclass) or numbers (regression)",
        ) from error
