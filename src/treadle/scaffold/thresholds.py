"""A first gate: between what a constant answers and what a plain linear model reaches on held-out rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from treadle.scaffold.leakage import Target
from treadle.scaffold.profile import ColumnFacts
from treadle.stats.ranking import auc

MOST_ROWS = 5_000
MOST_VALUES = 20
MOST_COLUMNS = 200
LEAST_ROWS = 20

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class FirstGate:
    """``metric op value``; what a ``constant`` and a ``linear`` model (None: not measured) have on held-out rows."""

    metric: str
    op: str
    value: float
    constant: float
    linear: float | None
    rows: int


def first_gate(target: Target, features: Sequence[ColumnFacts], held_out: NDArray[np.bool_]) -> FirstGate:
    """Fit both on rows that are not held out (at most 5,000), and put the gate halfway where the linear one is better.

    ``held_out`` marks the rows for the gates. AUC for binary tasks, balanced accuracy for multiclass, mean absolute
    error for regression. Where the linear model is no better the gate is what a constant has.
    """
    known = ~np.isnan(target.codes)
    learn, judge = _some(known & ~held_out), _some(known & held_out)
    y, truth = target.codes[learn], target.codes[judge]
    constant = _constant(target.task, y, truth, target.codes[known])
    metric, op = {
        "binary": ("auc", ">="), "multiclass": ("balanced_accuracy", ">="), "regression": ("mae", "<=")
    }[target.task]  # fmt: skip
    linear = None
    if min(len(y), len(truth)) >= LEAST_ROWS and len(np.unique(y)) > 1 and len(np.unique(truth)) > 1:
        linear = _linear(target, features, learn, judge)
    better = linear is not None and (linear > constant if op == ">=" else linear < constant)
    value = (constant + linear) / 2 if linear is not None and better else constant
    return FirstGate(metric, op, _lenient(value, op), constant, linear, int((known & held_out).sum()))


def _some(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    rows = np.flatnonzero(mask)
    if len(rows) <= MOST_ROWS:
        return rows
    return np.sort(np.random.default_rng(0).choice(rows, MOST_ROWS, replace=False))


def _constant(task: str, y: Floats, truth: Floats, known: Floats) -> float:
    if task == "binary":
        return 0.5
    if task == "multiclass":
        return 1 / max(len(np.unique(known)), 1)
    answer = float(np.median(y)) if len(y) else float(np.median(known))
    return float(np.mean(np.abs((truth if len(truth) else known) - answer)))


def _linear(
    target: Target, features: Sequence[ColumnFacts], learn: NDArray[np.int64], judge: NDArray[np.int64]
) -> float | None:
    """Least squares on standardised columns, one indicator to predict for each class; slightly shrunk."""
    x, asked = _design(features[:MOST_COLUMNS], learn, judge)
    y, truth = target.codes[learn], target.codes[judge]
    if not x.shape[1]:
        return None
    classes = np.unique(y)
    wanted = (y[:, None] == classes).astype(np.float64) if target.task == "multiclass" else y[:, None]
    means, level = x.mean(axis=0), wanted.mean(axis=0)
    gram = (x - means).T @ (x - means) + np.eye(x.shape[1])
    weights = np.linalg.solve(gram, (x - means).T @ (wanted - level))
    answers = (asked - means) @ weights + level
    if target.task == "regression":
        return float(np.mean(np.abs(answers[:, 0] - truth)))
    if target.task == "binary":
        return float(auc(truth > 0.5, answers[:, 0]))
    chosen = classes[answers.argmax(axis=1)]
    return float(np.mean([np.mean(chosen[truth == c] == c) for c in np.unique(truth)]))


def _design(
    features: Sequence[ColumnFacts], learn: NDArray[np.int64], judge: NDArray[np.int64]
) -> tuple[Floats, Floats]:
    """Standardised numbers, missing ones as the mean, and an indicator for each common value of text."""
    parts: list[tuple[Floats, Floats]] = []
    for column in features:
        if column.kind == "str":
            for value in list(column.counts)[:MOST_VALUES]:
                hit = (column.values == value).fill_null(value=False).to_numpy().astype(np.float64)
                parts.append((hit[learn], hit[judge]))
            continue
        numbers = column.values.cast(pl.Float64).fill_null(float("nan")).to_numpy()
        known = numbers[learn][~np.isnan(numbers[learn])]
        mean, spread = (float(known.mean()), float(known.std())) if len(known) else (0.0, 0.0)
        scaled = (np.nan_to_num(numbers, nan=mean) - mean) / (spread if 0 < spread < math.inf else 1.0)
        parts.append((scaled[learn], scaled[judge]))
    if not parts:
        return np.zeros((len(learn), 0)), np.zeros((len(judge), 0))
    return np.column_stack([p[0] for p in parts]), np.column_stack([p[1] for p in parts])


def _lenient(value: float, op: str) -> float:
    """With three significant digits, rounded to the easier side."""
    if not value:
        return 0.0
    unit = 10.0 ** (math.floor(math.log10(abs(value))) - 2)
    rounded = math.ceil(value / unit - 1e-9) if op == "<=" else math.floor(value / unit + 1e-9)
    return float(f"{rounded * unit:.12g}")
