"""Profiles of frames, column by column."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from treadle.domain.data import ColumnProfile, Profile
from treadle.domain.errors import InvalidInput
from treadle.spec.model_spec import ColumnSpec
from treadle.stats import sketches

_KINDS = {"str": "text", "bool": "bool", "int": "number", "float": "number", "datetime": "time", "date": "time"}


def profile(frame: pl.DataFrame, columns: Sequence[ColumnSpec], reference: Profile | None = None) -> Profile:
    """Profile the declared columns of a frame.

    Histograms of numbers merge and compare exactly whatever they were made of (``treadle.stats.sketches``). With a
    ``reference``, the categories that it names are counted here too, however rare they have become, so that both
    compare category by category. A naive time is taken as UTC. Raises InvalidInput where a column is missing or holds
    another kind of values.
    """
    missing = [c.name for c in columns if c.name not in frame.columns]
    if missing:
        raise InvalidInput(
            f"cannot profile column {missing[0]!r}: the rows have no such column",
            hint="the rows have " + ", ".join(frame.columns),
        )
    kept = reference.columns if reference is not None else {}
    return Profile(frame.height, {c.name: _column(frame[c.name], c, kept.get(c.name)) for c in columns})


def merge(first: Profile, second: Profile) -> Profile:
    """The profile of both sets of rows; associative and order-free."""
    return sketches.merge_profiles(first, second)


def _column(values: pl.Series, column: ColumnSpec, reference: ColumnProfile | None) -> ColumnProfile:
    kind = _KINDS.get(column.type)
    if kind is None:
        raise InvalidInput(f"column {column.name!r} has type {column.type!r}", hint="types are " + ", ".join(_KINDS))
    try:
        if kind in {"text", "bool"}:
            return _categories(values, column.name, kind, reference)
        numbers = _seconds(values) if kind == "time" else values.cast(pl.Float64)
        present = numbers.drop_nulls()
        return sketches.describe_numbers(column.name, present.to_numpy(), values.null_count(), kind)
    except pl.exceptions.PolarsError as error:
        raise InvalidInput(
            f"column {column.name!r} is declared {column.type} but holds {values.dtype}: {error}",
            hint="convert it in the source function, or change its declaration",
        ) from error


def _seconds(values: pl.Series) -> pl.Series:
    micros = values.cast(pl.Datetime("us", values.dtype.time_zone if isinstance(values.dtype, pl.Datetime) else None))
    return micros.to_physical().cast(pl.Float64) / 1e6


def _categories(values: pl.Series, name: str, kind: str, reference: ColumnProfile | None) -> ColumnProfile:
    present = values.drop_nulls()
    if kind == "bool":
        true = int(present.cast(pl.Boolean).sum())
        counts = {"true": true, "false": len(present) - true}
        counts = {value: count for value, count in counts.items() if count}
        return sketches.describe_categories(name, counts, values.null_count(), kind)
    table = present.cast(pl.String).rename("value").value_counts(name="count")
    ranked = table.sort(["count", "value"], descending=[True, False])
    named = ranked.head(sketches.TOP)
    if reference is not None and ranked.height > sketches.TOP:
        fallen = ranked.slice(sketches.TOP).filter(pl.col("value").is_in(list(reference.top)))
        named = pl.concat([named, fallen])
    top = dict(zip(named["value"].to_list(), named["count"].to_list(), strict=True))
    return ColumnProfile(
        name,
        kind,
        len(values),
        values.null_count(),
        top=top,
        other=len(present) - int(np.sum(list(top.values()), dtype=np.int64)),
        distinct=ranked.height,
    )
