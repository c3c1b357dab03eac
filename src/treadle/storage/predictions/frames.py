"""Answered requests as a frame: one row a prediction, in the types that the model declares.

The columns are those of ``ports.PredictionLog`` and ``shadow``; ``score`` of a multiclass model is that of the most
likely class. A declared column has the same type in every part: text String, int Int64, float Float64, bool Boolean,
datetime Datetime in UTC, date Date. Where a value does not fit its declaration (a row answered under an earlier
revision), that part's column takes the type of its values: nothing that was answered is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

import polars as pl

from treadle.domain.errors import InvalidInput
from treadle.domain.predictions import PredictionRecord
from treadle.spec.model_spec import ColumnSpec, ModelSpec
from treadle.spec.times import parse_date, parse_datetime

TIME = pl.Datetime("us", "UTC")
ROW = "row."
_DECLARED: dict[str, pl.DataType] = {
    "str": pl.String(),
    "int": pl.Int64(),
    "float": pl.Float64(),
    "bool": pl.Boolean(),
    "datetime": TIME,
    "date": pl.Date(),
}
_DECISIONS: dict[str, pl.DataType] = {"binary": pl.Boolean(), "multiclass": pl.String(), "regression": pl.Float64()}
_HOLDS: dict[pl.DataType, set[type]] = {
    pl.Boolean(): {bool},
    pl.Int64(): {int},
    pl.Float64(): {int, float},
    pl.String(): {str},
}
_UNREADABLE = (TypeError, ValueError, OverflowError, InvalidInput, pl.exceptions.PolarsError)


def predictions_frame(records: Sequence[PredictionRecord], spec: ModelSpec | None) -> pl.DataFrame:
    """The rows of one model's answered requests, in order. Without a declaration, types follow from the values."""
    features = _features(records)
    declared = {c.name: c for c in spec.features_in} if spec is not None else {}
    key = spec.key if spec is not None else None
    time = spec.time if spec is not None else None
    length = sum(record.rows for record in records)
    nothing: list[Any] = [None] * length
    multiclass = any(isinstance(score, list | tuple) for record in records for score in record.scores[:1])
    scores = [score for record in records for score in record.scores]
    decisions = [decision for record in records for decision in record.decisions]
    columns = [
        pl.Series("prediction_id", [f"{r.request_id}-{i}" for r in records for i in range(r.rows)], pl.String),
        _repeated("request_id", records, lambda r: r.request_id, pl.String()),
        pl.Series("row", [i for r in records for i in range(r.rows)], pl.Int64),
        _repeated("model", records, lambda r: r.model, pl.String()),
        _repeated("version", records, lambda r: r.version, pl.Int64()),
        _repeated("at", records, lambda r: r.at, TIME),
        pl.Series("key", [None if v is None else str(v) for v in features.get(key or "", nothing)], pl.String),
        pl.Series("time", _times(features.get(time or "", nothing), declared.get(time or "")), TIME),
        pl.Series("score", [max(s) for s in scores] if multiclass else scores, pl.Float64, strict=False),
        typed("decision", decisions, _DECISIONS.get(spec.task) if spec is not None else None),
        _repeated("threshold", records, lambda r: r.threshold, pl.Float64()),
        _repeated("latency_ms", records, lambda r: r.latency_ms, pl.Float64()),
        _repeated("shadow", records, lambda r: r.shadow, pl.Boolean()),
    ]
    if multiclass:
        columns.append(pl.Series("scores", [list(s) for s in scores], pl.List(pl.Float64)))
    columns += [_feature(ROW + name, features.get(name, nothing), column) for name, column in declared.items()]
    columns += [typed(ROW + name, values, None) for name, values in features.items() if name not in declared]
    return pl.DataFrame(columns)


def typed(name: str, values: Sequence[Any], wanted: pl.DataType | None) -> pl.Series:
    """Values as a column of the wanted type if all of them fit it, else of a type that holds them all."""
    kinds = {type(value) for value in values if value is not None}
    if not kinds:
        return pl.Series(name, values, wanted or pl.Null())
    fitting = [dtype for dtype, holds in _HOLDS.items() if kinds <= holds]
    for dtype in sorted(fitting, key=lambda dtype: dtype != wanted):
        try:
            return pl.Series(name, values, dtype, strict=dtype != pl.Float64())
        except _UNREADABLE:
            continue
    return pl.Series(name, [None if value is None else str(value) for value in values], pl.String)


def _features(records: Iterable[PredictionRecord]) -> dict[str, list[Any]]:
    features: dict[str, list[Any]] = {}
    length = 0
    for record in records:
        for name, values in record.columns.items():
            column = features.get(name)
            if column is None:
                column = features[name] = [None] * length
            column.extend(values)
        length += record.rows
        for column in features.values():
            if len(column) < length:
                column.extend([None] * (length - len(column)))
    return features


def _repeated(
    name: str, records: Sequence[PredictionRecord], value: Callable[[PredictionRecord], Any], dtype: pl.DataType
) -> pl.Series:
    return pl.Series(name, [v for r in records for v in [value(r)] * r.rows], dtype, strict=dtype != pl.Float64())


def _feature(name: str, values: Sequence[Any], column: ColumnSpec) -> pl.Series:
    if column.type not in ("datetime", "date"):
        return typed(name, values, _DECLARED.get(column.type))
    try:
        return pl.Series(name, _parsed(values, column), _DECLARED[column.type])
    except _UNREADABLE:
        return typed(name, values, None)


def _parsed(values: Sequence[Any], column: ColumnSpec) -> list[Any]:
    known: dict[Any, datetime | date | None] = {None: None}
    for value in values:
        if value not in known:
            known[value] = _moment(value, column)
    return [known[value] for value in values]


def _moment(value: Any, column: ColumnSpec) -> datetime | date:
    if isinstance(value, date):
        return value
    return parse_datetime(value, column.zone) if column.type == "datetime" else parse_date(value)


def _times(values: Sequence[Any], column: ColumnSpec | None) -> list[datetime | None]:
    """The declared time of each row, null where it cannot be read."""
    if column is None:
        return [None] * len(values)
    times: Mapping[Any, datetime | None] = {value: _time(value, column) for value in set(values)}
    return [times[value] for value in values]


def _time(value: Any, column: ColumnSpec) -> datetime | None:
    try:
        return value if isinstance(value, datetime) else parse_datetime(value, column.zone)
    except _UNREADABLE:
        return None
