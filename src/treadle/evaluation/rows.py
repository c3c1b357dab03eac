"""Scored and labelled rows: what metrics and gates look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from treadle.domain.errors import InvalidInput
from treadle.spec.catalog import BINARY, MULTICLASS, REGRESSION, TASKS
from treadle.stats.blocks import Blocks, Floats, Ints
from treadle.stats.metrics import Sample

Value = str | int | float | bool
MISSING = "(missing)"


@dataclass(frozen=True, eq=False)
class ScoredRows:
    """Rows with labels and a model's scores; build it with :meth:`of`, which checks them.

    ``frame`` has ``label`` (never null), ``score`` (binary: probability of true; regression: prediction) or
    ``score_0`` .. ``score_{k-1}`` in the order of ``classes`` (multiclass), and where known ``decision``, ``worth``
    (null where not known), ``time`` and slice columns named ``row.<column>``. ``unlabelled`` counts rows that were
    left out because their label is not known.
    """

    frame: pl.DataFrame
    task: str
    classes: tuple[Value, ...] = ()
    unlabelled: int = 0

    @staticmethod
    def of(frame: pl.DataFrame, task: str, classes: Sequence[Value] = ()) -> ScoredRows:
        """Check a frame and keep its labelled rows.

        A binary label is bool, 0/1, or one of two ``classes`` of which the second is true. Raises InvalidInput where
        the task is unknown, a column is missing, a score of a labelled row is null or NaN, or a label does not fit.
        """
        if task not in TASKS:
            raise InvalidInput(f"unknown task {task!r}", hint="a task is " + ", ".join(TASKS))
        if task == MULTICLASS and len(classes) < 2:
            raise InvalidInput(
                "multiclass rows came without their classes", hint="pass the classes the model was fit on"
            )
        needed = [f"score_{i}" for i in range(len(classes))] if task == MULTICLASS else ["score"]
        for name in ["label", *needed]:
            if name not in frame.columns:
                raise InvalidInput(f"scored rows have no column {name!r}", hint="they have " + ", ".join(frame.columns))
        labelled = frame.filter(pl.col("label").is_not_null())
        if task == REGRESSION and labelled["label"].dtype.is_float():
            labelled = labelled.filter(pl.col("label").is_not_nan())
        for name in needed:
            scores = labelled[name].cast(pl.Float64)
            broken = scores.null_count() + int((~scores.is_finite()).sum())
            if broken:
                raise InvalidInput(
                    f"{broken} of {labelled.height} labelled rows have no finite {name}",
                    hint="let the model answer every row with a number",
                )
        rows = ScoredRows(labelled, task, tuple(classes), frame.height - labelled.height)
        _ = rows.sample
        return rows

    @property
    def rows(self) -> int:
        """How many labelled rows there are."""
        return self.frame.height

    @cached_property
    def sample(self) -> Sample:
        """The rows as arrays for the statistics."""
        label, decision, score = self._labels("label"), None, self._scores()
        if "decision" in self.frame.columns and not self.frame["decision"].null_count() and self.task != REGRESSION:
            decision = self._labels("decision")
        if self.task == MULTICLASS:
            unknown = len(self._known_classes()) - score.shape[1]
            score = np.hstack([score, np.zeros((self.rows, unknown))])
        worth = None
        if "worth" in self.frame.columns:
            worth = self.frame["worth"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        return Sample(self.task, label, score, decision, worth)

    @cached_property
    def blocks(self) -> Blocks:
        """UTC days of ``time`` (hours or chunks for fewer than three days), independent rows without a time column."""
        if "time" not in self.frame.columns:
            return Blocks.of_rows(self.rows)
        time = self.frame["time"]
        zone = time.dtype.time_zone if isinstance(time.dtype, pl.Datetime) else None
        micros = time.cast(pl.Datetime("us", zone)).to_physical()
        if micros.null_count():
            raise InvalidInput(f"{micros.null_count()} scored rows have no time", hint="give every row its event time")
        return Blocks.of_times(micros.to_numpy().astype("datetime64[us]"))

    def in_classes(self, classes: Sequence[Value]) -> ScoredRows:
        """The same rows with scores in the order of other classes; classes the model does not know score 0."""
        if self.task != MULTICLASS or tuple(classes) == self.classes:
            return self
        where = {_text(value): i for i, value in enumerate(self.classes)}
        scores = [
            (pl.col(f"score_{where[_text(value)]}") if _text(value) in where else pl.lit(0.0)).alias(f"score_{i}")
            for i, value in enumerate(classes)
        ]
        kept = self.frame.select(pl.exclude([f"score_{i}" for i in range(len(self.classes))]), *scores)
        return ScoredRows(kept, self.task, tuple(classes), self.unlabelled)

    def slices(self, column: str) -> dict[str, NDArray[np.bool_]]:
        """Rows (n,) by value of a slice column, as masks, in order of the values' text; nulls are ``(missing)``."""
        codes, names = self._slice_codes(column)
        return {name: codes == code for code, name in enumerate(names)}

    def slice(self, column: str, value: Value | None) -> NDArray[np.bool_]:
        """Mask (n,) of the rows where the column equals ``value``."""
        text = MISSING if value is None else _text(value)
        masks = self.slices(column)
        return masks.get(text, np.zeros(self.rows, np.bool_))

    def _slice_codes(self, column: str) -> tuple[Ints, list[str]]:
        name = f"row.{column}"
        if name not in self.frame.columns:
            known = [c.removeprefix("row.") for c in self.frame.columns if c.startswith("row.")]
            raise InvalidInput(
                f"scored rows have no slice column {column!r}",
                hint="they can be sliced by " + ", ".join(known) if known else "add it as a column named " + name,
            )
        text = self.frame[name].cast(pl.String).fill_null(MISSING)
        names = text.unique().sort().to_list()
        codes = text.replace_strict(names, list(range(len(names))), return_dtype=pl.Int64).to_numpy()
        return codes, names

    def _scores(self) -> Floats:
        if self.task != MULTICLASS:
            return self.frame["score"].cast(pl.Float64).to_numpy()
        return self.frame.select(pl.col(f"score_{i}").cast(pl.Float64) for i in range(len(self.classes))).to_numpy()

    def _labels(self, column: str) -> NDArray[np.bool_] | Ints | Floats:
        values = self.frame[column]
        if self.task == REGRESSION:
            return _numbers(values)
        if self.task == BINARY:
            return truth(values, self.classes)
        codes = {_text(v): i for i, v in enumerate(self._known_classes())}
        return values.cast(pl.String).replace_strict(codes, return_dtype=pl.Int64).to_numpy()

    def _known_classes(self) -> list[str]:
        """The model's classes as text, then those that only labels or decisions have (scored as impossible)."""
        known = [_text(v) for v in self.classes]
        if self.task == MULTICLASS:
            seen = [
                self.frame[c].drop_nulls().cast(pl.String) for c in ("label", "decision") if c in self.frame.columns
            ]
            known += sorted(set().union(*(set(s.unique().to_list()) for s in seen)) - set(known))
        return known


def truth(values: pl.Series, classes: Sequence[Value] = ()) -> NDArray[np.bool_]:
    """A binary label or decision column as bools. Raises InvalidInput where a value is neither class."""
    if values.dtype == pl.Boolean:
        return values.to_numpy()
    if len(classes) == 2 and not values.dtype.is_numeric():
        false, true = map(_text, classes)
    else:
        false, true = "0", "1"
    text = (values.cast(pl.Int64) if values.dtype.is_numeric() else values).cast(pl.String)
    wrong = text.filter(~text.is_in([false, true]))
    if len(wrong) or (values.dtype.is_numeric() and not bool((values == values.cast(pl.Int64)).all())):
        shown = wrong[0] if len(wrong) else "a fraction"
        raise InvalidInput(
            f"column {values.name!r} holds {shown}, which is neither {false} nor {true}",
            hint="a binary label is bool, 0 or 1, or one of the model's two classes",
        )
    return (text == true).to_numpy()


def _numbers(values: pl.Series) -> Floats:
    if not values.dtype.is_numeric():
        raise InvalidInput(
            f"column {values.name!r} holds {values.dtype}, not numbers", hint="a regression label is a number"
        )
    return values.cast(pl.Float64).to_numpy()


def _text(value: Value) -> str:
    """A value as polars casts it to text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
