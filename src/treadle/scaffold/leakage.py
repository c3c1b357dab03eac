"""Columns that may know the answer: copies of the target, what is computed from it, what is known only after it.

A feature that is known only after the thing to be predicted makes a model look perfect and useless.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from treadle.scaffold.names import words
from treadle.scaffold.profile import NUMBERS, ColumnFacts
from treadle.stats.ranking import auc

MOST_ROWS = 20_000
MOST_COLUMNS = 200
LEAST_ROWS = 50
LEAST_OTHERS = 20
"""So many rows must be outside of the most frequent class for a power to be told."""

BINS = 32
SURE, STRIKING = 0.999, 0.97
"""How much of the target a column alone may tell before it is left out, or named. See :func:`power`."""

EXACT = 1e-9
_AFTER = frozenset(
    words(
        "actual after approved arrival arrived cancelled canceled churned closed closing completed delay delivered "
        "delivery departed ended final finished landed outcome paid payout refunded resolved resolution result "
        "returned settled shipped solved"
    )
)

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Suspect:
    """A column with the evidence against it; ``sure`` where it is left out of the model's columns."""

    column: str
    evidence: str
    sure: bool


@dataclass(frozen=True, eq=False)
class Target:
    """What is to be predicted: ``codes`` are the number itself (regression), 0 and 1, or the class's place."""

    facts: ColumnFacts
    task: str
    codes: Floats  # NaN where missing


def suspects(columns: Sequence[ColumnFacts], target: Target, time: pl.Series | None) -> list[Suspect]:
    """Everything suspicious among ``columns``, which are those that might become features.

    ``time`` is when the prediction is asked for, aware, a value a row. A column is named once, by the strongest
    evidence.
    """
    known = ~np.isnan(target.codes)
    found: dict[str, Suspect] = {}
    for suspect in itertools.chain(
        _copies(columns, target, known),
        _sums(columns, target, known),
        _products(columns, target, known),
        _later(columns, time),
        _powerful(columns, target, known),
        _named(columns, target),
    ):
        found.setdefault(suspect.column, suspect)
    return list(found.values())


def _copies(columns: Sequence[ColumnFacts], target: Target, known: NDArray[np.bool_]) -> Iterator[Suspect]:
    """Columns that tell the target exactly, value by value."""
    name = target.facts.name
    label = pl.Series(target.codes).filter(pl.Series(known))
    for column in columns:
        values = column.values.filter(pl.Series(known))
        both = pl.DataFrame({"x": values, "y": label}).drop_nulls()
        if both.height < LEAST_ROWS or both.height < 0.9 * len(label):
            continue
        distinct, classes = both["x"].n_unique(), both["y"].n_unique()
        pairs = both.n_unique()
        if pairs != distinct or classes < 2:
            continue
        if column.kind in NUMBERS and target.task == "regression" and both["x"].cast(pl.Float64).equals(both["y"]):
            yield Suspect(column.name, f"is {name} itself", True)
        elif distinct <= both.height / 5:
            yield Suspect(column.name, f"each of its {distinct} values goes with one value of {name}", True)
        elif target.task == "regression" and column.kind in NUMBERS and _ordered_alike(both):
            yield Suspect(column.name, f"puts all rows in the very order of {name}", True)


def _ordered_alike(both: pl.DataFrame) -> bool:
    if both["y"].n_unique() < 10:
        return False
    ranks = both.select(pl.col("x").cast(pl.Float64).rank("dense"), pl.col("y").rank("dense"))
    x, y = ranks["x"].to_numpy().astype(np.float64), ranks["y"].to_numpy().astype(np.float64)
    return bool(np.array_equal(x, y) or np.array_equal(x.max() + 1 - x, y))


def _numbers(columns: Sequence[ColumnFacts], known: NDArray[np.bool_]) -> dict[str, Floats]:
    """Numeric columns that are mostly there and not constant, without the target's missing rows."""
    usable = [c for c in columns if c.kind in NUMBERS and c.distinct > 1 and c.nulls < 0.1 * c.rows][:MOST_COLUMNS]
    return {c.name: _floats(c.values)[known] for c in usable}


def _floats(values: pl.Series) -> Floats:
    return values.cast(pl.Float64).fill_null(float("nan")).to_numpy().astype(np.float64, copy=False)


def _sums(columns: Sequence[ColumnFacts], target: Target, known: NDArray[np.bool_]) -> Iterator[Suspect]:
    """Columns that add up to the target exactly: a weighted sum with a remainder of nothing."""
    numbers = _numbers(columns, known)
    if target.task != "regression" or not numbers:
        return
    names, y = list(numbers), target.codes[known]
    whole = ~np.isnan(np.column_stack(list(numbers.values()))).any(axis=1)
    if whole.sum() < max(LEAST_ROWS, 3 * len(names)):
        return
    x, y = np.column_stack([numbers[n][whole] for n in names]), y[whole]
    sample = slice(0, max(2000, 6 * len(names)))
    scale = np.abs(x).max(axis=0)
    design = np.column_stack([x / np.where(scale > 0, scale, 1.0), np.ones(len(x))])
    weights = np.linalg.lstsq(design[sample], y[sample], rcond=None)[0]
    spread = float(np.abs(y - y.mean()).max())
    if not spread or np.abs(design @ weights - y).max() > 1e-7 * spread:
        return
    part = np.abs(weights[:-1]) * x.std(axis=0) / np.where(scale > 0, scale, 1.0)
    used = [(n, w / s) for n, w, s, p in zip(names, weights, scale, part, strict=False) if p > 1e-6 * spread]
    told = " ".join(
        f"{'-' if w < 0 else '+'} {'' if abs(abs(w) - 1) < 1e-6 else f'{abs(w):.4g} * '}{n}" for n, w in used
    )
    told = told.removeprefix("+ ")
    for name, _ in used:
        yield Suspect(name, f"{target.facts.name} = {told}, exactly", True)


def _products(columns: Sequence[ColumnFacts], target: Target, known: NDArray[np.bool_]) -> Iterator[Suspect]:
    """Pairs of columns whose product or quotient is the target exactly."""
    if target.task != "regression":
        return
    numbers, y = _numbers(columns, known), target.codes[known]
    if len(y) < LEAST_ROWS or len(np.unique(y)) < 5:
        return
    few = slice(0, 200)
    for a, b in itertools.permutations(numbers, 2):
        for sign, make in (("*", np.multiply), ("/", np.divide)):
            if sign == "*" and a > b:
                continue
            with np.errstate(all="ignore"):
                if not _same(make(numbers[a][few], numbers[b][few]), y[few]):
                    continue
                if not _same(make(numbers[a], numbers[b]), y):
                    continue
            for name in (a, b):
                yield Suspect(name, f"{target.facts.name} = {a} {sign} {b}, exactly", True)


def _same(one: Floats, other: Floats) -> bool:
    there = np.isfinite(one)
    if there.sum() < max(20, 0.9 * len(one)):
        return False
    return bool(np.allclose(one[there], other[there], rtol=EXACT, atol=0))


def _later(columns: Sequence[ColumnFacts], time: pl.Series | None) -> Iterator[Suspect]:
    """Times that never lie before the time of the row, and mostly after it."""
    if time is None:
        return
    for column in columns:
        if column.kind not in ("datetime", "date"):
            continue
        if lies_after(lag(column.values, time)):
            yield Suspect(column.name, "lies after the time of its row, so that it is known only later", True)


def lies_after(lags: pl.Series) -> bool:
    """Whether times lie, but for one in a thousand, never before those of their rows, and mostly after them."""
    seconds = lags.to_numpy()
    return len(seconds) >= LEAST_ROWS and bool(np.mean(seconds >= 0) >= 0.999 and np.mean(seconds > 0) > 0.5)


def lag(values: pl.Series, time: pl.Series) -> pl.Series:
    """Seconds from ``time`` to a column of times or days, where both are there; naive times as in UTC."""
    moment = values.cast(pl.Datetime("us")) if values.dtype == pl.Date else values
    if isinstance(moment.dtype, pl.Datetime) and moment.dtype.time_zone is not None:
        moment = moment.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    start = time.dt.replace_time_zone(None)
    if values.dtype == pl.Date:
        start = start.dt.truncate("1d")
    return ((moment.to_physical() - start.to_physical()) / 1e6).drop_nulls()


def _powerful(columns: Sequence[ColumnFacts], target: Target, known: NDArray[np.bool_]) -> Iterator[Suspect]:
    """Columns that alone predict the target almost perfectly."""
    rows = np.flatnonzero(known)
    if len(rows) < LEAST_ROWS:
        return
    drawn = np.random.default_rng(0).permutation(rows)[:MOST_ROWS]
    y = target.codes[drawn]
    for column in columns:
        if column.kind not in (*NUMBERS, "str", "bool") or (column.unique and column.kind == "str"):
            continue
        reached = power(column.values.gather(drawn), y, target.task)
        if reached >= STRIKING:
            shown = {
                "binary": f"with an AUC of {(1 + reached) / 2:.4g}",
                "multiclass": f"and avoids {100 * reached:.4g} % of a constant's errors",
                "regression": f"with an R2 of {reached:.4g}",
            }[target.task]
            evidence = f"predicts {target.facts.name} alone {shown} on rows held out"
            yield Suspect(column.name, evidence, reached >= SURE)


def power(values: pl.Series, y: Floats, task: str) -> float:
    """How well a column alone predicts, on rows other than those it learned from.

    0 is no better than a constant, 1 is perfect: Gini coefficient, 2 AUC - 1 (binary), share of a constant answer's
    errors that it avoids (multiclass), share of variance explained (regression). Predicted is the mean target, or the
    most frequent class, in each of at most 32 bins of equal count or of each value of text, learned on one half of the
    rows and held against the other, both ways.
    """
    codes = _binned(values)
    half = len(y) // 2
    predicted = np.zeros(len(y))
    for learn, judge in ((slice(0, half), slice(half, None)), (slice(half, None), slice(0, half))):
        predicted[judge] = _learned(codes[learn], y[learn], codes[judge], task)
    if task == "regression":
        variance = float(np.var(y))
        return 1 - float(np.mean((y - predicted) ** 2)) / variance if variance else 0.0
    others = len(y) - int(np.unique(y, return_counts=True)[1].max(initial=0))
    if others < LEAST_OTHERS:
        return 0.0
    if task == "multiclass":
        return 1 - float(np.sum(predicted != y)) / others
    reached = auc(y > 0.5, predicted)
    return abs(2 * float(reached) - 1) if np.isfinite(reached) else 0.0


def _learned(codes: NDArray[np.int64], y: Floats, asked: NDArray[np.int64], task: str) -> Floats:
    size = int(max(codes.max(initial=0), asked.max(initial=0))) + 1
    if task == "multiclass":
        classes, places = np.unique(y, return_inverse=True)
        table = np.zeros((size, len(classes)))
        np.add.at(table, (codes, places), 1)
        usual = classes[np.bincount(places).argmax()]
        best = np.where(table.sum(axis=1) > 0, classes[table.argmax(axis=1)], usual)
        return np.asarray(best[asked], dtype=np.float64)
    totals, counts = np.bincount(codes, weights=y, minlength=size), np.bincount(codes, minlength=size)
    means = np.where(counts > 0, totals / np.maximum(counts, 1), y.mean())
    return np.asarray(means[asked], dtype=np.float64)


def _binned(values: pl.Series) -> NDArray[np.int64]:
    """A bin for each row; bin 0 for missing values."""
    if values.dtype.is_numeric() and values.n_unique() > BINS:
        ranks = values.rank("average").fill_null(0).to_numpy()
        return np.where(ranks > 0, 1 + np.floor(ranks / (len(values) + 1) * BINS), 0).astype(np.int64)
    codes = values.rank("dense") if values.dtype != pl.Boolean else values.cast(pl.Int64) + 1
    return codes.fill_null(0).to_numpy().astype(np.int64)


def _named(columns: Sequence[ColumnFacts], target: Target) -> Iterator[Suspect]:
    """Columns whose names sound as if they were known only after the target, or as if they were made of it."""
    own = words(target.facts.name)
    for column in columns:
        said = words(column.name)
        late = [word for word in said if word in _AFTER and word not in own]
        if late:
            yield Suspect(
                column.name, f"its name has the word {late[0]!r}: is it known before {target.facts.name}?", False
            )
        elif own and len(" ".join(own)) > 3 and f" {' '.join(own)} " in f" {' '.join(said)} " and said != own:
            yield Suspect(column.name, f"is named after {target.facts.name}: is it made of it?", False)
