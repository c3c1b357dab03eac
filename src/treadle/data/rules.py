"""Declared rules, held against rows: pure functions over polars frames.

Rows are first conformed to the declared types, then every rule is counted in one pass; only for rules that are
broken are example rows looked up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl

from treadle.domain.data import Finding
from treadle.spec.model_spec import ColumnSpec, ModelSpec

EXAMPLES = 3

DTYPES: Mapping[str, pl.DataType] = {
    "str": pl.String(),
    "int": pl.Int64(),
    "float": pl.Float64(),
    "bool": pl.Boolean(),
    "datetime": pl.Datetime("us", "UTC"),
    "date": pl.Date(),
}
"""The type that a column has inside, by its declared one."""


@dataclass(frozen=True)
class _Rule:
    column: str
    rule: str
    broken: pl.Expr
    allowed: float = 0.0  # share of rows, 0 to 1


def conform(frame: pl.DataFrame, spec: ModelSpec) -> tuple[pl.DataFrame, list[Finding]]:
    """The declared columns in the declared order and types, and what could not be brought there without loss.

    NaN counts as missing. Integers become floats and back where nothing is lost, 0 and 1 become booleans, times
    become UTC microseconds; a naive time needs a declared zone (of two readings at the end of summer time the
    earlier counts). A column that is missing or of another kind is left out of the answer.
    """
    conformed: list[pl.Series] = []
    findings: list[Finding] = []
    for column in spec.columns:
        if column.name not in frame.columns:
            findings.append(Finding(column.name, "column present", frame.height, frame.height))
            continue
        given = frame.get_column(column.name)
        cast, wrong = _cast(given, column)
        if cast is None:
            findings.append(
                Finding(
                    column.name, f"type {column.type}, not {wrong}", frame.height, frame.height, _raw_examples(given)
                )
            )
            continue
        if cast is not given:
            lost = _lost(given, cast)
            if lost.any():
                rule = f"type {column.type} without loss from {given.dtype}"
                findings.append(_finding(frame, spec, column.name, rule, lost))
        conformed.append(cast)
    return pl.DataFrame(conformed), findings


def check_rules(frame: pl.DataFrame, spec: ModelSpec, as_of: datetime) -> list[Finding]:
    """What breaks the declaration among conformed rows: missing values, bounds, choices, uniqueness, key and time.

    A label may be missing: it is not known yet. Columns that are not in ``frame`` are passed over, since
    :func:`conform` has told of them.
    """
    rules = [rule for column in spec.columns if column.name in frame.columns for rule in _rules(column, spec, as_of)]
    if not rules or not frame.height:
        return []
    counts = frame.select([rule.broken.sum().alias(str(i)) for i, rule in enumerate(rules)]).row(0)
    findings = []
    for rule, count in zip(rules, counts, strict=True):
        if not count or count <= rule.allowed * frame.height:
            continue
        broken = frame.select(rule.broken.fill_null(value=False)).to_series()
        findings.append(_finding(frame, spec, rule.column, rule.rule, broken))
    return findings


def check_look_ahead(frame: pl.DataFrame, outcomes: pl.DataFrame, spec: ModelSpec, as_of: datetime) -> list[Finding]:
    """Labels that could not have been known at ``as_of``.

    A row that has a label needs an outcome of its key with that very label, observed at or before ``as_of``; the time
    is the key of a model without one. ``outcomes`` has the columns key (as text, under the key's name or ``key``; or
    ``time``, in UTC), ``label`` (or the label's name) and ``observed_at``.
    """
    key = spec.key or spec.time
    if key is None or key not in frame.columns or spec.label not in frame.columns:
        return []
    plain = "key" if spec.key is not None else "time"
    names = {
        "key": key if key in outcomes.columns else plain,
        "label": spec.label if spec.label in outcomes.columns else "label",
        "observed_at": "observed_at",
    }
    missing = [name for name in names.values() if name not in outcomes.columns]
    if missing:
        return [Finding(name, "column present in outcomes", outcomes.height, outcomes.height) for name in missing]
    kind = pl.String() if spec.key is not None else DTYPES["datetime"]
    known = outcomes.select(
        pl.col(names["key"]).cast(kind).alias("key"),
        pl.col(names["label"]).cast(frame.schema[spec.label], strict=False).alias("label"),
        pl.col("observed_at"),
    ).filter((_utc("observed_at", outcomes.schema["observed_at"]) <= as_of) & pl.col("label").is_not_null())
    labelled = (
        frame.select(pl.col(key).cast(kind).alias("key"), pl.col(spec.label).alias("label"))
        .with_row_index("row")
        .filter(pl.col("label").is_not_null())
    )
    unknown = labelled.join(known, on=["key", "label"], how="anti")
    if not unknown.height:
        return []
    broken = np.zeros(frame.height, dtype=np.bool_)
    broken[unknown.get_column("row").to_numpy()] = True
    rule = f"look-ahead (no outcome observed by {as_of.isoformat()} says so)"
    return [_finding(frame, spec, spec.label, rule, pl.Series(broken))]


def _utc(name: str, dtype: pl.DataType) -> pl.Expr:
    naive = isinstance(dtype, pl.Datetime) and dtype.time_zone is None
    return pl.col(name).dt.replace_time_zone("UTC") if naive else pl.col(name)


def _rules(column: ColumnSpec, spec: ModelSpec, as_of: datetime) -> list[_Rule]:
    name, value = column.name, pl.col(column.name)
    rules = []
    required = name in (spec.key, spec.time) or not column.nullable
    if required and name != spec.label:
        rules.append(_Rule(name, "not missing", value.is_null()))
    elif column.nulls is not None and name != spec.label:
        rules.append(_Rule(name, f"at most {column.nulls:.4g} missing", value.is_null(), column.nulls))
    bounds: Sequence[tuple[str, float | None, Any]] = (
        (">=", column.ge, lambda bound: value < bound),
        (">", column.gt, lambda bound: value <= bound),
        ("<=", column.le, lambda bound: value > bound),
        ("<", column.lt, lambda bound: value >= bound),
    )
    rules += [_Rule(name, f"{sign} {bound:g}", broken(bound)) for sign, bound, broken in bounds if bound is not None]
    if column.one_of is not None:
        shown = ", ".join(map(str, column.one_of))
        rules.append(_Rule(name, f"one of {shown}", ~value.is_in(list(column.one_of))))
    if column.unique or name == spec.key:
        rules.append(_Rule(name, "unique", value.is_duplicated() & value.is_not_null()))
    if name == spec.time:
        rules.append(_Rule(name, f"before {as_of.isoformat()}", value >= as_of))
        if spec.key is None and spec.outcomes is not None and not column.unique:
            alone = "unique (without a key the time tells rows and their outcomes apart)"
            rules.append(_Rule(name, alone, value.is_duplicated() & value.is_not_null()))
    return rules


def _cast(given: pl.Series, column: ColumnSpec) -> tuple[pl.Series | None, str]:
    """The series in the column's type, with null where it does not fit; or None and what kind it is instead."""
    target, found = DTYPES[column.type], given.dtype
    if isinstance(found, pl.Float32 | pl.Float64) and given.is_nan().any():
        given = given.fill_nan(None)
    if found == target:
        return given, ""
    if isinstance(found, pl.Null):
        return given.cast(target), ""
    fits = {
        "str": isinstance(found, pl.Categorical | pl.Enum),
        "int": found.is_numeric() or isinstance(found, pl.Boolean),
        "float": found.is_numeric(),
        "bool": found.is_integer(),
        "datetime": found.is_temporal() and not isinstance(found, pl.Time | pl.Duration),
        "date": isinstance(found, pl.Datetime),
    }[column.type]
    if not fits:
        return None, str(found)
    if column.type == "datetime":
        return _cast_time(given, column)
    return given.cast(target, strict=False), ""


def _cast_time(given: pl.Series, column: ColumnSpec) -> tuple[pl.Series | None, str]:
    found = given.dtype
    if isinstance(found, pl.Date):
        zone = column.zone or "UTC"
        return given.cast(pl.Datetime("us")).dt.replace_time_zone(zone).dt.convert_time_zone("UTC"), ""
    if isinstance(found, pl.Datetime) and found.time_zone is None:
        if column.zone is None:
            return None, f'naive {found}; name its zone with col(zone="...")'
        aware = given.cast(pl.Datetime("us")).dt.replace_time_zone(
            column.zone, ambiguous="earliest", non_existent="null"
        )
        return aware.dt.convert_time_zone("UTC"), ""
    return given.cast(pl.Datetime("us", "UTC")), ""


def _lost(given: pl.Series, cast: pl.Series) -> pl.Series:
    """Where ``given`` holds a value that ``cast`` does not."""
    found = given.dtype
    if isinstance(found, pl.Float32 | pl.Float64):
        given = given.fill_nan(None)
    if isinstance(found, pl.Categorical | pl.Enum | pl.Date):
        return given.is_not_null() & cast.is_null()
    if isinstance(found, pl.Datetime) and isinstance(cast.dtype, pl.Datetime):
        if found.time_zone is None:
            finer = given != given.dt.cast_time_unit("us").dt.cast_time_unit(found.time_unit)
        else:
            finer = given != cast.dt.cast_time_unit(found.time_unit).dt.convert_time_zone(found.time_zone)
        return given.is_not_null() & (cast.is_null() | finer)
    if isinstance(found, pl.Datetime):
        return given.is_not_null() & (given.dt.truncate("1d") != given)
    return given.is_not_null() & (cast.is_null() | (cast.cast(found, strict=False) != given))


def _finding(frame: pl.DataFrame, spec: ModelSpec, column: str, rule: str, broken: pl.Series) -> Finding:
    shown = dict.fromkeys(name for name in (spec.key, spec.time, column) if name is not None and name in frame.columns)
    examples = frame.select(list(shown)).filter(broken).head(EXAMPLES)
    count = int(broken.sum() or 0)
    return Finding(column, rule, count, frame.height, tuple(_shown(row) for row in examples.iter_rows(named=True)))


def _raw_examples(given: pl.Series) -> tuple[dict[str, str], ...]:
    return tuple(_shown({given.name: value}) for value in given.drop_nulls().head(EXAMPLES).to_list())


def _shown(row: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: "missing" if value is None else value.isoformat() if isinstance(value, datetime) else str(value)
        for name, value in row.items()
    }
