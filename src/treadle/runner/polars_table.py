"""Rows held by polars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from treadle.domain.errors import InvalidInput
from treadle.runner.frames import kind_of_frame, load

_UNIT = "us"


def _polars() -> Any:
    return load("polars", "to read rows")


class PolarsTable:
    """A :class:`treadle.runner.frames.Table` over a polars DataFrame."""

    def __init__(self, frame: Any) -> None:
        self._frame = frame

    @staticmethod
    def read(path: Path) -> PolarsTable:
        """The rows of a Parquet file."""
        return PolarsTable(_polars().read_parquet(path))

    @staticmethod
    def of_columns(columns: Mapping[str, Any]) -> PolarsTable:
        """Columns given as lists or numpy arrays."""
        pl = _polars()
        try:
            return PolarsTable(pl.DataFrame([pl.Series(name, values) for name, values in columns.items()]))
        except (pl.exceptions.PolarsError, TypeError, ValueError) as error:
            raise InvalidInput(f"these columns make no frame: {error}") from error

    @staticmethod
    def of_frame(value: Any) -> PolarsTable:
        """The rows of a frame of any kind."""
        pl, kind = _polars(), kind_of_frame(value)
        if kind == "polars":
            return PolarsTable(value.collect() if hasattr(value, "collect") else value)
        arrow = load("pyarrow", f"to pass rows from {kind} to polars")
        table = arrow.Table.from_pandas(value, preserve_index=False) if kind == "pandas" else value
        return PolarsTable(pl.DataFrame(pl.from_arrow(table)))

    @property
    def names(self) -> list[str]:
        """The columns, in order."""
        return list(self._frame.columns)

    @property
    def height(self) -> int:
        """The number of rows."""
        return int(self._frame.height)

    def select(self, names: Sequence[str]) -> PolarsTable:
        """These columns, in this order."""
        return PolarsTable(self._frame.select(list(names)))

    def rename(self, names: Mapping[str, str]) -> PolarsTable:
        """The same columns under other names."""
        return PolarsTable(self._frame.rename(dict(names)))

    def filter(self, keep: Sequence[bool]) -> PolarsTable:
        """The rows marked true."""
        return PolarsTable(self._frame.filter(_polars().Series(list(keep), dtype=_polars().Boolean)))

    def times(self) -> list[str]:
        """The columns of times."""
        return [name for name, dtype in self._frame.schema.items() if dtype == _polars().Datetime]

    def naive(self) -> list[str]:
        """The columns of times without a zone."""
        return [name for name in self.times() if self._frame.schema[name].time_zone is None]

    def to_utc(self, name: str, zone: str | None) -> PolarsTable:
        """The column's times in UTC."""
        pl = _polars()
        column = pl.col(name).cast(pl.Datetime(_UNIT, self._frame.schema[name].time_zone))
        try:
            if name in self.naive():
                column = self._localised(column, zone or "UTC")
            return PolarsTable(self._frame.with_columns(column.dt.convert_time_zone("UTC").alias(name)))
        except pl.exceptions.PolarsError as error:
            raise InvalidInput(
                f"the times of column {name!r} cannot be read in zone {zone!r}: {error}",
                hint="use an IANA name such as America/New_York",
            ) from error

    @staticmethod
    def _localised(column: Any, zone: str) -> Any:
        pl = _polars()

        def local(naive: Any) -> Any:
            aware = naive.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
            return aware.dt.convert_time_zone("UTC")

        day = pl.duration(days=1, time_unit=_UNIT)
        return local(column).fill_null(local(column - day) + day)

    def to_text(self, name: str) -> PolarsTable:
        """The column's values as text."""
        pl = _polars()
        return PolarsTable(self._frame.with_columns(pl.col(name).cast(pl.String)))

    def known_within(self, name: str, since: datetime | None, until: datetime) -> PolarsTable:
        """The rows whose time is after ``since`` and not after ``until``."""
        time = _polars().col(name)
        keep = time <= until if since is None else (time > since) & (time <= until)
        return PolarsTable(self._frame.filter(keep))

    def without_nulls(self, names: Sequence[str]) -> PolarsTable:
        """The rows in which none of these columns is missing."""
        return PolarsTable(self._frame.drop_nulls(list(names)))

    def kind_of(self, name: str) -> str:
        """What a column holds."""
        pl, dtype = _polars(), self._frame.schema[name]
        if dtype == pl.String:
            return "text"
        if dtype.is_numeric():
            return "number"
        known = ((pl.Boolean, "bool"), (pl.Datetime, "time"), (pl.Date, "date"), (pl.Categorical, "category"))
        return next((kind for cls, kind in known if dtype == cls), "category" if dtype == pl.Enum else "other")

    def values(self, name: str) -> list[Any]:
        """A column as Python's own values."""
        return list(self._frame.get_column(name).to_list())

    def to_frame(self, kind: str) -> Any:
        """The rows as a frame of ``kind``."""
        if kind == "polars":
            return self._frame
        load("pyarrow", f"to pass rows from polars to {kind}")
        if kind == "pyarrow":
            return self._frame.to_arrow()
        load("pandas", "since a function asks for a frame of pandas")
        return self._frame.to_pandas()

    def write(self, path: Path) -> None:
        """Write Parquet."""
        self._frame.rechunk().write_parquet(path, compression="zstd", compression_level=1)
