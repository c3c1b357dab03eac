"""What a model must beat to be worth its keep: a constant, and a linear model on the bare columns."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from treadle.domain.runs import Candidate
from treadle.spec.model_spec import ColumnSpec, ModelSpec

MOST_ROWS = 50_000
MOST_VALUES = 30
"""Values of a text column that get an indicator of their own; rarer ones share none."""

Matrix = NDArray[np.float64]
Measure = Callable[[pl.DataFrame, Sequence[str]], tuple[dict[str, float], float | None]]
"""From the score columns of validation rows and their classes to metrics and objective."""


def baselines(
    spec: ModelSpec, train: pl.DataFrame, validation: pl.DataFrame, measure: Measure, *, seed: int
) -> list[Candidate]:
    """Fit both on at most ``MOST_ROWS`` training rows and measure them on validation rows as the model is.

    Fitted in this process with scikit-learn on the columns as they are: text by indicators, times as weekday, hour and
    age, numbers standardised, missing ones as the mean beside an indicator.
    """
    if train.height > MOST_ROWS:
        train = train.sample(MOST_ROWS, seed=seed)
    classes = () if spec.task == "regression" else _classes(train.get_column(spec.label))
    candidates = []
    for name, fit in (("baseline: constant", _constant), ("baseline: linear", _linear)):
        started = time.perf_counter()
        scores = fit(spec, train, validation)
        metrics, objective = measure(_score_frame(spec, scores), classes)
        candidates.append(Candidate(name, {}, metrics, objective, time.perf_counter() - started))
    return candidates


def _classes(labels: pl.Series) -> tuple[str, ...]:
    return tuple(str(value) for value in labels.unique().sort().to_list())


def _score_frame(spec: ModelSpec, scores: Matrix) -> pl.DataFrame:
    if spec.task == "multiclass":
        return pl.DataFrame({f"score_{i}": scores[:, i] for i in range(scores.shape[1])})
    return pl.DataFrame({"score": scores if scores.ndim == 1 else scores[:, -1]})


def _constant(spec: ModelSpec, train: pl.DataFrame, validation: pl.DataFrame) -> Matrix:
    labels = train.get_column(spec.label)
    if spec.task == "multiclass":
        shares = np.asarray([(labels == value).mean() for value in labels.unique().sort()], dtype=np.float64)
        return np.tile(shares, (validation.height, 1))
    return np.full(validation.height, float(labels.cast(pl.Float64).to_numpy().mean()))


def _linear(spec: ModelSpec, train: pl.DataFrame, validation: pl.DataFrame) -> Matrix:
    from sklearn.linear_model import LogisticRegression, Ridge

    design = Design.learn(spec, train)
    labels = train.get_column(spec.label).to_numpy()
    if spec.task == "regression":
        return np.asarray(Ridge().fit(design.matrix(train), labels).predict(design.matrix(validation)))
    model = LogisticRegression(max_iter=300).fit(design.matrix(train), labels)
    return np.asarray(model.predict_proba(design.matrix(validation)))


@dataclass(frozen=True)
class Design:
    """Numbers made of columns in a way learned from training rows."""

    expressions: tuple[pl.Expr, ...]
    means: Matrix
    scales: Matrix
    indicators: tuple[pl.Expr, ...]

    @staticmethod
    def learn(spec: ModelSpec, train: pl.DataFrame) -> Design:
        """Which numbers and indicators, and how to scale them. The key is left out."""
        columns = [column for column in spec.features_in if column.name != spec.key]
        numbers = [e for column in columns for e in _numbers(column, train)]
        flags = [e for column in columns for e in _flags(column, train)]
        values = _numpy(train, numbers)
        means = np.nan_to_num(np.nanmean(values, axis=0)) if numbers else np.zeros(0)
        scales = np.nan_to_num(np.nanstd(values, axis=0)) if numbers else np.ones(0)
        return Design(tuple(numbers), means, np.where(scales > 0, scales, 1.0), tuple(flags))

    def matrix(self, frame: pl.DataFrame) -> Matrix:
        """One row a row: standardised numbers (missing as the mean), then indicators."""
        numbers = np.nan_to_num((_numpy(frame, self.expressions) - self.means) / self.scales)
        return np.hstack([numbers, _numpy(frame, self.indicators)])


def _numpy(frame: pl.DataFrame, expressions: Sequence[pl.Expr]) -> Matrix:
    if not expressions:
        return np.zeros((frame.height, 0))
    named = [e.cast(pl.Float64).alias(str(i)) for i, e in enumerate(expressions)]
    return frame.select(named).fill_null(np.nan).to_numpy()


def _numbers(column: ColumnSpec, train: pl.DataFrame) -> list[pl.Expr]:
    value = pl.col(column.name)
    if not train.get_column(column.name).count():
        return []
    if column.type == "datetime":
        return [value.dt.epoch("s"), value.dt.hour(), value.dt.weekday()]
    if column.type == "date":
        return [value.dt.epoch("d"), value.dt.weekday()]
    return [] if column.type == "str" else [value]


def _flags(column: ColumnSpec, train: pl.DataFrame) -> list[pl.Expr]:
    value, series = pl.col(column.name), train.get_column(column.name)
    flags = [value.is_null()] if series.null_count() else []
    if column.type == "str":
        counts = series.drop_nulls().value_counts(sort=True, name="count")
        common = counts.sort(["count", column.name], descending=[True, False]).head(MOST_VALUES)
        flags += [value.eq_missing(pl.lit(text)) for text in common.get_column(column.name)]
    return flags
