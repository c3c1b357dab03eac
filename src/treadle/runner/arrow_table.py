"""Rows held by pyarrow, for environments without polars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from treadle.domain.errors import InvalidInput
from treadle.runner.frames import kind_of_frame, load

_DAY = timedelta(days=1)
_LAST_YEAR = 2037
"""pyarrow knows the changes of clocks up to here; later times are read by Python, slowly."""


def _arrow(part: str = "") -> Any:
    return load("pyarrow" + part, "to read rows")


class ArrowTable:
    """A :class:`treadle.runner.frames.Table` over a pyarrow Table."""

    def __init__(self, table: Any) -> None:
        self._table = table

    @staticmethod
    def read(path: Path) -> ArrowTable:
        """The rows of a Parquet file."""
        return ArrowTable(_arrow(".parquet").read_table(path, partitioning=None))

    @staticmethod
    def of_columns(columns: Mapping[str, Any]) -> ArrowTable:
        """Columns given as lists or numpy arrays."""
        arrow = _arrow()
        try:
            return ArrowTable(arrow.table(dict(columns)))
        except (arrow.ArrowException, TypeError, ValueError) as error:
            raise InvalidInput(f"these columns make no frame: {error}") from error

    @staticmethod
    def of_frame(value: Any) -> ArrowTable:
        """The rows of a frame of any kind."""
        arrow = _arrow()
        if kind_of_frame(value) == "pandas":
            return ArrowTable(arrow.Table.from_pandas(value, preserve_index=False))
        return ArrowTable(arrow.Table.from_batches([value]) if isinstance(value, arrow.RecordBatch) else value)

    @property
    def names(self) -> list[str]:
        """The columns, in order."""
        return list(self._table.column_names)

    @property
    def height(self) -> int:
        """The number of rows."""
        return int(self._table.num_rows)

    def select(self, names: Sequence[str]) -> ArrowTable:
        """These columns, in this order."""
        return ArrowTable(self._table.select(list(names)))

    def rename(self, names: Mapping[str, str]) -> ArrowTable:
        """The same columns under other names."""
        return ArrowTable(self._table.rename_columns([names.get(name, name) for name in self.names]))

    def filter(self, keep: Sequence[bool]) -> ArrowTable:
        """The rows marked true."""
        return ArrowTable(self._table.filter(_arrow().array(list(keep), type=_arrow().bool_())))

    def times(self) -> list[str]:
        """The columns of times."""
        return [field.name for field in self._table.schema if _arrow().types.is_timestamp(field.type)]

    def naive(self) -> list[str]:
        """The columns of times without a zone."""
        return [name for name in self.times() if self._table.schema.field(name).type.tz is None]

    def to_utc(self, name: str, zone: str | None) -> ArrowTable:
        """The column's times in UTC."""
        arrow = _arrow()
        column = self._table.column(name)
        utc = arrow.timestamp("us", tz="UTC")
        try:
            column = self._localised(column, zone or "UTC") if name in self.naive() else column.cast(utc, safe=False)
        except (arrow.ArrowException, ZoneInfoNotFoundError, OSError) as error:
            raise InvalidInput(
                f"the times of column {name!r} cannot be read in zone {zone!r}: {error}",
                hint="use an IANA name such as America/New_York",
            ) from error
        return self._with(name, column)

    @staticmethod
    def _localised(column: Any, zone: str) -> Any:
        arrow, compute = _arrow(), _arrow(".compute")
        utc = arrow.timestamp("us", tz="UTC")
        naive = column.cast(arrow.timestamp("us"), safe=False)
        if (compute.max(compute.year(naive)).as_py() or 0) > _LAST_YEAR:
            rules = ZoneInfo(zone)
            read = [None if time is None else time.replace(tzinfo=rules) for time in naive.to_pylist()]
            return arrow.chunked_array([read], type=utc)

        def local(times: Any) -> Any:
            return compute.assume_timezone(times, zone, ambiguous="earliest", nonexistent="earliest")

        aware = local(naive)
        exists = compute.equal(compute.local_timestamp(aware), naive)
        day = arrow.scalar(_DAY, type=arrow.duration("us"))
        before = compute.add(local(compute.subtract(naive, day)).cast(utc), day)
        return compute.if_else(exists, aware.cast(utc), before)

    def to_text(self, name: str) -> ArrowTable:
        """The column's values as text."""
        return self._with(name, self._table.column(name).cast(_arrow().string()))

    def known_within(self, name: str, since: datetime | None, until: datetime) -> ArrowTable:
        """The rows whose time is after ``since`` and not after ``until``."""
        arrow, compute = _arrow(), _arrow(".compute")
        column, utc = self._table.column(name), arrow.timestamp("us", tz="UTC")
        keep = compute.less_equal(column, arrow.scalar(until, type=utc))
        if since is not None:
            keep = compute.and_(keep, compute.greater(column, arrow.scalar(since, type=utc)))
        return ArrowTable(self._table.filter(keep))

    def without_nulls(self, names: Sequence[str]) -> ArrowTable:
        """The rows in which none of these columns is missing."""
        compute, table = _arrow(".compute"), self._table
        for name in names:
            table = table.filter(compute.is_valid(table.column(name)))
        return ArrowTable(table)

    def kind_of(self, name: str) -> str:
        """What a column holds."""
        types, kind = _arrow().types, self._table.schema.field(name).type
        known = (
            (types.is_string, "text"),
            (types.is_large_string, "text"),
            (types.is_integer, "number"),
            (types.is_floating, "number"),
            (types.is_decimal, "number"),
            (types.is_boolean, "bool"),
            (types.is_timestamp, "time"),
            (types.is_date, "date"),
            (types.is_dictionary, "category"),
        )
        return next((name for fits, name in known if fits(kind)), "other")

    def values(self, name: str) -> list[Any]:
        """A column as Python's own values."""
        return list(self._table.column(name).to_pylist())

    def to_frame(self, kind: str) -> Any:
        """The rows as a frame of ``kind``."""
        if kind == "pyarrow":
            return self._table
        if kind == "polars":
            return load("polars", "since a function asks for a frame of polars").from_arrow(self._table)
        load("pandas", "since a function asks for a frame of pandas")
        return self._table.to_pandas()

    def write(self, path: Path) -> None:
        """Write Parquet."""
        _arrow(".parquet").write_table(self._table, path, compression="zstd", compression_level=1)

    def _with(self, name: str, column: Any) -> ArrowTable:
        return ArrowTable(self._table.set_column(self.names.index(name), name, column))
