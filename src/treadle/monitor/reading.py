"""Opening the prediction log's Parquet parts with polars, in the types that the model declares."""

from __future__ import annotations

import functools
import io
import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from treadle.ports.blobs import Blobs
from treadle.spec.expressions import AllOf, AnyOf, Expression, When
from treadle.spec.model_spec import ColumnSpec, ModelSpec

TIME = pl.Datetime("us", "UTC")
TYPES: dict[str, pl.DataType] = {
    "str": pl.String(),
    "int": pl.Int64(),
    "float": pl.Float64(),
    "bool": pl.Boolean(),
    "datetime": TIME,
    "date": pl.Date(),
}
TRUE, FALSE = ("true", "1", "yes"), ("false", "0", "no")
ROW = "row."


class PartCache:
    """What was read of immutable Parquet files, by path. Forgets the files that are not asked for any more.

    ``read`` makes a frame of one file; a process that starts anew reads again what it needs.
    """

    def __init__(self, read: Callable[[str], pl.DataFrame]) -> None:
        self._read = read
        self._frames: dict[str, pl.DataFrame] = {}
        self._lock = threading.Lock()

    def frames(self, paths: Sequence[str]) -> list[pl.DataFrame]:
        """The frames of these files, in this order; every other one is forgotten."""
        with self._lock:
            present = self._frames
        frames = {path: present[path] if path in present else self._read(path) for path in paths}
        with self._lock:
            self._frames = frames
        return list(frames.values())


def scan(paths: Iterable[str]) -> pl.LazyFrame | None:
    """All rows of some Parquet files, as :func:`together` puts them. None where there is no file."""
    names = list(dict.fromkeys(paths))
    if not names:
        return None
    schemas = [_schema(name) for name in names]
    if all(schema == schemas[0] for schema in schemas):
        return pl.scan_parquet(names)
    return together([pl.scan_parquet(name) for name in names], schemas)


def together(frames: Sequence[pl.LazyFrame], schemas: Sequence[Mapping[str, pl.DataType]]) -> pl.LazyFrame:
    """Frames one below the other. A column that some lack is null there; one of differing kinds becomes text."""
    kinds: dict[str, set[pl.DataType]] = {}
    for schema in schemas:
        for name, kind in schema.items():
            kinds.setdefault(name, set()).add(kind)
    mixed = [name for name, seen in kinds.items() if not _fit(seen - {pl.Null()})]
    as_text = [
        frame.with_columns(pl.col(name).cast(pl.String) for name in mixed if name in schema)
        for frame, schema in zip(frames, schemas, strict=True)
    ]
    return pl.concat(as_text, how="diagonal_relaxed")


def answers_given(rows: pl.LazyFrame, *, mirrored: bool = False) -> pl.LazyFrame:
    """The log's rows that were answered to somebody; or, ``mirrored``, those that only versions on trial saw."""
    shadow = pl.col("shadow").fill_null(value=False) if "shadow" in rows.collect_schema() else pl.lit(value=False)
    return rows.filter(shadow if mirrored else ~shadow)


def read_blob(blobs: Blobs, digest: str) -> pl.DataFrame:
    """A Parquet blob's rows."""
    path = blobs.path(digest)
    return pl.read_parquet(path if path is not None else io.BytesIO(blobs.get(digest)))


def as_declared(values: pl.Series, column: ColumnSpec) -> pl.Series:
    """Values in the type that ``column`` declares; null where they cannot be read as such.

    Text becomes times (ISO 8601; a naive one is in the column's zone), numbers and booleans (true, false, 1, 0).
    """
    wanted = TYPES[column.type]
    if values.dtype == wanted:
        return values
    if values.dtype == pl.Null:
        return values.cast(wanted)
    if column.type in ("datetime", "date"):
        return _as_time(values, column, wanted)
    if column.type == "bool":
        return _as_bool(values)
    if column.type == "int" and not values.dtype.is_integer():
        numbers = values.cast(pl.Float64, strict=False)
        return numbers.set(numbers != numbers.floor(), None).cast(wanted, strict=False)
    return values.cast(wanted, strict=False)


def declared_rows(frame: pl.DataFrame, spec: ModelSpec, only: Collection[str] | None = None) -> pl.DataFrame:
    """The request's columns (or ``only`` some) out of the log's ``row.<column>``, in their declared types.

    Null where the log has none.
    """
    columns = []
    for column in spec.features_in:
        if only is not None and column.name not in only:
            continue
        name = ROW + column.name
        values = frame[name] if name in frame.columns else pl.Series(column.name, [None] * frame.height)
        columns.append(as_declared(values.alias(column.name), column))
    return pl.DataFrame(columns)


def sliced_columns(spec: ModelSpec) -> tuple[str, ...]:
    """The columns that metrics are sliced by: those declared so, and those that a condition names."""
    conditions = [*spec.gates, *(t.expression for t in spec.triggers if isinstance(t, When))]
    named = {column for condition in conditions for column in _columns(condition)}
    return tuple(c.name for c in spec.features_in if c.slice or c.name in named)


@functools.lru_cache(maxsize=4096)
def _schema(path: str) -> dict[str, pl.DataType]:
    """The columns of a file; parts never change."""
    return pl.read_parquet_schema(path)


def _fit(kinds: set[pl.DataType]) -> bool:
    return len(kinds) < 2 or all(kind.is_numeric() for kind in kinds)


def _columns(expression: Expression) -> set[str]:
    if isinstance(expression, AllOf | AnyOf):
        return {column for part in expression.parts for column in _columns(part)}
    return {expression.metric.column} if expression.metric.column is not None else set()


def _as_bool(values: pl.Series) -> pl.Series:
    if values.dtype == pl.String:
        text = values.str.strip_chars().str.to_lowercase()
        frame = pl.DataFrame({"text": text})
        read = pl.when(pl.col("text").is_in(TRUE)).then(True).when(pl.col("text").is_in(FALSE)).then(False)
        return frame.select(read.alias(values.name)).to_series()
    if values.dtype.is_numeric():
        frame = pl.DataFrame({"number": values.cast(pl.Float64)})
        said = pl.when(pl.col("number").is_in([0.0, 1.0])).then(pl.col("number") == 1.0)
        return frame.select(said.alias(values.name)).to_series()
    return pl.Series(values.name, [None] * len(values), pl.Boolean)


def _as_time(values: pl.Series, column: ColumnSpec, wanted: pl.DataType) -> pl.Series:
    if isinstance(values.dtype, pl.Datetime):
        if column.type == "date":
            return values.dt.date()
        if values.dtype.time_zone is None:
            zone = column.zone or "UTC"
            values = values.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
        return values.dt.convert_time_zone("UTC").cast(wanted)
    if values.dtype != pl.String:
        return values.cast(wanted, strict=False)
    zone_info = ZoneInfo(column.zone) if column.zone is not None else UTC
    read = {text: _parse(text, column.type, zone_info) for text in values.unique().to_list()}
    return pl.Series(values.name, [read[text] for text in values.to_list()], wanted)


def _parse(text: str | None, kind: str, zone: Any) -> datetime | date | None:
    if text is None:
        return None
    try:
        if kind == "date":
            return date.fromisoformat(text[:10])
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (at if at.tzinfo is not None else at.replace(tzinfo=zone)).astimezone(UTC)
