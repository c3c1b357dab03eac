"""What is to be predicted: the task that a target makes, and its values as a label."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

import numpy as np
import polars as pl

from treadle.domain.errors import InvalidInput
from treadle.scaffold import recipes
from treadle.scaffold.leakage import Target
from treadle.scaffold.parsing import positive_value
from treadle.scaffold.profile import NUMBERS, ColumnFacts, TableFacts
from treadle.scaffold.recipes import Recipe
from treadle.spec.catalog import BINARY, MULTICLASS, REGRESSION

MOST_CLASSES = 50
MOST_CODES = 20
ROWS_A_CLASS = 5


@dataclass(frozen=True, eq=False)
class Label:
    """The target as the model file has it.

    ``type`` is that of the label's column, ``recipe`` leads to it, ``classes`` are a multiclass label's values in
    order, ``positive`` is the value that means true of a binary one. ``reason`` says why this task.
    """

    target: Target
    type: str
    recipe: Recipe
    reason: str
    classes: tuple[str | int, ...] = ()
    positive: str = ""

    @property
    def task(self) -> str:
        """``binary``, ``multiclass`` or ``regression``."""
        return self.target.task

    @property
    def missing(self) -> int:
        """How many rows have no label."""
        return int(np.isnan(self.target.codes).sum())


def find_column(table: TableFacts, name: str, option: str) -> ColumnFacts:
    """A column that an option names. Raises InvalidInput with those that it might have meant."""
    names = [column.name for column in table.columns]
    spaced = [n for n in names if n.strip() == name.strip()]
    found = table.column(name if name in names or len(spaced) != 1 else spaced[0])
    if found is not None:
        return found
    folded = [n for n in names if n.casefold().strip() == name.casefold().strip()]
    close = folded or difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    hint = f"did you mean {', '.join(close)}?" if close else f"its columns are {', '.join(names)}"
    raise InvalidInput(f"{table.path.name} has no column {name!r} for {option}", hint=hint)


def label_of(column: ColumnFacts, task: str | None = None) -> Label:
    """The label that a column makes, by a ``task`` or by its values.

    Raises InvalidInput where nothing can be learned from it: no value, one value, times, endless text.
    """
    _check(column)
    if task is None:
        task, reason = _task(column)
    else:
        reason = "you said so"
    if task == BINARY:
        return _binary(column, reason)
    if task == MULTICLASS:
        return _multiclass(column, reason)
    if task == REGRESSION:
        return _regression(column, reason)
    raise InvalidInput(f"there is no task {task!r}", hint=f"give --task {BINARY}, {MULTICLASS} or {REGRESSION}")


def _check(column: ColumnFacts) -> None:
    name = f"target {column.name!r}"
    hint = "choose another with --target"
    if column.kind == "none":
        raise InvalidInput(f"{name} has no value in any row", hint=hint)
    if column.kind in ("datetime", "date"):
        raise InvalidInput(f"{name} holds times", hint="predict a number, a class, or yes or no; make one of it")
    if column.kind == "other":
        raise InvalidInput(f"{name} cannot be predicted: {column.note}", hint=hint)
    if column.distinct < 2:
        only = next(iter(column.counts))
        raise InvalidInput(f"{name} is {only!r} in every row: there is nothing to learn", hint=hint)


def _task(column: ColumnFacts) -> tuple[str, str]:
    distinct, rows = column.distinct, column.present
    if column.kind == "bool" or distinct == 2:
        return BINARY, f"{column.name} has two values"
    if column.kind == "str":
        return MULTICLASS, f"{column.name} is text with {distinct:,} values"
    if column.whole and distinct <= MOST_CODES:
        values = _integers(column)
        low, high = values[0], values[-1]
        rarest = min(column.counts.values())
        if low in (0, 1) and high - low + 1 == distinct and rarest >= ROWS_A_CLASS and rows >= 10 * distinct:
            return MULTICLASS, (
                f"{column.name} has the whole numbers {low} to {high} alone, which look like classes; "
                "if they count or measure something, give --task regression"
            )
    return REGRESSION, f"{column.name} is a number with {distinct:,} values"


def _integers(column: ColumnFacts) -> list[int]:
    return sorted(int(float(str(value))) for value in column.counts)


def _binary(column: ColumnFacts, reason: str) -> Label:
    if column.kind == "bool" and column.recipe is not None:
        codes = _codes(column.values.cast(pl.Float64))
        return Label(Target(column, BINARY, codes), "bool", column.recipe, reason, positive="true")
    if column.distinct != 2:
        raise InvalidInput(
            f"target {column.name!r} has {column.distinct:,} values, not two", hint="leave --task out, or give another"
        )
    counts = {_written(column, value): count for value, count in column.counts.items()}
    positive, why = positive_value(counts)
    if column.kind in NUMBERS:
        positive, why = _written(column, max(column.counts, key=lambda v: float(str(v)))), "the larger one"
    values = {value: _written(column, value) == positive for value in column.counts}
    truth = pl.Series([values.get(v) for v in column.values.to_list()], dtype=pl.Boolean)
    known = {value: true for value, true in values.items() if isinstance(value, str | int | float | bool)}
    recipe = recipes.flag(known, column.recipe)
    return Label(
        Target(column, BINARY, _codes(truth.cast(pl.Float64))),
        "bool",
        recipe,
        f"{reason}; true means {positive}, {why}",
        positive=positive,
    )


def _multiclass(column: ColumnFacts, reason: str) -> Label:
    distinct = column.distinct
    if distinct > MOST_CLASSES or (column.kind == "str" and distinct > 0.5 * column.present):
        raise InvalidInput(
            f"target {column.name!r} has {distinct:,} different values in {column.present:,} rows; no class is seen "
            "often enough to be learned",
            hint=column.note or "choose another with --target, or group its values",
        )
    if column.kind == "str" and column.recipe is not None:
        classes: tuple[str | int, ...] = tuple(sorted(str(value) for value in column.counts))
        kind, recipe, values = "str", column.recipe, column.values
    elif column.whole:
        classes = tuple(_integers(column))
        recipe = _as_int(column)
        kind, values = "int", column.values.cast(pl.Int64)
    else:
        raise InvalidInput(
            f"target {column.name!r} holds numbers with fractions, which are no classes",
            hint="give --task regression, or leave --task out",
        )
    place = {value: float(i) for i, value in enumerate(classes)}
    codes = np.array([place.get(v, np.nan) for v in values.to_list()], dtype=np.float64)
    return Label(Target(column, MULTICLASS, codes), kind, recipe, reason, classes=classes)


def _as_int(column: ColumnFacts) -> Recipe:
    typed = column.recipe or recipes.as_is(column.kind)
    if column.kind == "int":
        return typed
    return Recipe("int", f"{typed.head}.cast(pl.Int64)", lambda e: typed.apply(e).cast(pl.Int64), typed.helper)


def _regression(column: ColumnFacts, reason: str) -> Label:
    if column.kind not in NUMBERS or column.recipe is None:
        raise InvalidInput(
            f"target {column.name!r} holds {'text' if column.kind == 'str' else 'yes and no'}, not numbers",
            hint=column.note or "leave --task out, or choose another with --target",
        )
    recipe = column.recipe
    if column.kind == "int":
        recipe = recipes.cast("float")
    return Label(Target(column, REGRESSION, _codes(column.values.cast(pl.Float64))), "float", recipe, reason)


def _codes(values: pl.Series) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return values.fill_null(float("nan")).to_numpy().astype(np.float64)


def _written(column: ColumnFacts, value: object) -> str:
    return f"{float(str(value)):g}" if column.kind in NUMBERS else str(value)
