"""From scores to decisions, and the threshold that earns most."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import polars as pl

from treadle.domain.errors import InvalidInput
from treadle.evaluation.rows import Value
from treadle.spec.catalog import BINARY, MULTICLASS, REGRESSION, TASKS
from treadle.stats.blocks import Floats

DEFAULT_THRESHOLD = 0.5


def decide(scores: pl.DataFrame, threshold: float | None, task: str, classes: Sequence[Value] = ()) -> pl.Series:
    """The column ``decision``.

    binary: ``score >= threshold`` (0.5 where None); multiclass: the class of the largest of ``score_0 ..`` (the first
    of equals); regression: the score itself. A null or NaN score decides nothing: null. Raises InvalidInput where a
    score column is missing.
    """
    if task not in TASKS:
        raise InvalidInput(f"unknown task {task!r}", hint="a task is " + ", ".join(TASKS))
    needed = [f"score_{i}" for i in range(len(classes))] if task == MULTICLASS else ["score"]
    missing = [name for name in needed if name not in scores.columns]
    if missing or not needed:
        raise InvalidInput(
            f"cannot decide: no column {missing[0]!r}" if missing else "cannot decide: no classes",
            hint="score the rows first; they have " + ", ".join(scores.columns),
        )
    columns = [scores[name].cast(pl.Float64).fill_nan(None) for name in needed]
    if task == REGRESSION:
        return columns[0].rename("decision")
    if task == BINARY:
        return (columns[0] >= (DEFAULT_THRESHOLD if threshold is None else threshold)).rename("decision")
    matrix = np.column_stack([column.fill_null(float("nan")).to_numpy() for column in columns])
    known = np.isfinite(matrix.sum(axis=1))
    best = np.argmax(np.where(np.isnan(matrix), -np.inf, matrix), axis=1)
    named = pl.Series("decision", list(classes)).gather(best)
    return pl.select(pl.when(pl.Series(known)).then(named).alias("decision")).to_series()


def best_threshold(score: Floats, worth_true: Floats, worth_false: Floats) -> tuple[float, float]:
    """The threshold at which ``score >= threshold`` earns most, and what it earns per row on these rows.

    ``score`` (n,), ``worth_true`` and ``worth_false`` (n,) are what deciding true or false is worth on each row. With
    rows by falling score, ``W(k)`` is the worth of deciding true for the first k. The raw maximum of W sits on
    whatever edge noise made (it converges with the cube root of n only); so W is averaged over the neighbours first,
    a box of ``n^(4/5) / 4`` rows to either side, passed twice (the smoothed maximum score of Horowitz 1992,
    Econometrica 60), and the middle of the best plateau is taken, halfway between two neighbouring scores. Where the
    smoothed choice earns less than the raw maximum by more than two standard errors of that difference (few distinct
    scores, tiny n), the raw one stands. Rows whose score or worth is not finite are left out. Where true (or false)
    is never worth deciding, the threshold lies above 1 and every score (or at 0 and below every score). O(n log n).
    Raises InvalidInput without rows.
    """
    arrays = [np.asarray(a, dtype=np.float64) for a in (score, worth_true, worth_false)]
    if len({a.shape for a in arrays}) != 1:
        raise InvalidInput("scores and worths differ in length", hint="give one worth of each decision per score")
    usable = np.isfinite(np.stack(arrays)).all(axis=0)
    s, true, false = (a[usable] for a in arrays)
    if not len(s):
        raise InvalidInput("no row has a score and worths to choose a threshold by", hint="validate on labelled rows")
    order = np.argsort(-s, kind="stable")
    ordered, gain = s[order], (true - false)[order]
    cuts = np.concatenate([[0], np.flatnonzero(ordered[1:] != ordered[:-1]) + 1, [len(s)]])
    total = np.concatenate([[0.0], np.cumsum(gain)])
    raw = _middle_of_best(total[cuts])
    chosen = _middle_of_best(_smooth(total)[cuts])
    lost = total[cuts[raw]] - total[cuts[chosen]]
    between = gain[min(cuts[raw], cuts[chosen]) : max(cuts[raw], cuts[chosen])]
    if lost > 2 * math.sqrt(float(np.square(between).sum())):
        chosen = raw
    cut = int(cuts[chosen])
    return _between(ordered, cut), float((false.sum() + total[cut]) / len(s))


def _smooth(total: Floats) -> Floats:
    """A moving average of the curve, twice; beyond its ends the curve goes on as its point reflection."""
    half = int((len(total) - 1) ** 0.8 / 4)
    for _ in range(2 if half else 0):
        reach = min(half, len(total) - 1)
        left, right = 2 * total[0] - total[reach:0:-1], 2 * total[-1] - total[-2 : -2 - reach : -1]
        summed = np.cumsum(np.concatenate([[0.0], left, total, right]))
        total = (summed[2 * reach + 1 :] - summed[: -2 * reach - 1]) / (2 * reach + 1)
    return total


def _middle_of_best(curve: Floats) -> int:
    """The middle index of the run of best values that holds the first best one."""
    tolerance = 1e-9 * max(float(np.abs(curve).max()), 1e-300)
    best = curve >= curve.max() - tolerance
    first = int(np.argmax(best))
    rest = np.flatnonzero(~best[first:])
    last = first + int(rest[0]) - 1 if len(rest) else len(curve) - 1
    return (first + last) // 2


def _between(ordered: Floats, cut: int) -> float:
    """A threshold that says true to the first ``cut`` of falling scores."""
    if cut == 0:
        return math.nextafter(max(1.0, float(ordered[0])), math.inf)
    if cut == len(ordered):
        return min(0.0, float(ordered[-1]))
    above, below = float(ordered[cut - 1]), float(ordered[cut])
    middle = below + (above - below) / 2
    return middle if middle > below else above
