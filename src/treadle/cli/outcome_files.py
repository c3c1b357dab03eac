"""Files of outcomes: read in batches, with the line that each record stood in."""

from __future__ import annotations

import contextlib
import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from treadle.domain.errors import InvalidInput
from treadle.spec.times import parse_datetime

FIELDS = ("prediction_id", "key", "time", "label", "observed_at")
NAMING = FIELDS[:3]
CSV, PARQUET = (".csv", ".tsv", ".txt"), (".parquet", ".pq")


@dataclass(frozen=True)
class Columns:
    """Which of a file's columns becomes which field of an outcome, and which are not used."""

    fields: Mapping[str, str]
    unused: tuple[str, ...] = ()


@dataclass(frozen=True)
class Line:
    """One outcome as it stood in the file; ``number`` counts from 1, in CSV it is the line that the record ends on."""

    number: int
    record: dict[str, Any]


def choose(present: Sequence[str], names: Mapping[str, str], where: str) -> Columns:
    """Find the fields among a file's columns: by their own name, or by the model's (``names``: column to field).

    Raises InvalidInput where no label, or nothing that names a prediction, is among them, or two would be one field.
    """
    fields: dict[str, str] = {}
    for column in present:
        field = column if column in FIELDS else names.get(column)
        if field is None:
            continue
        if field in fields.values():
            first = next(name for name, found in fields.items() if found == field)
            raise InvalidInput(f"{where} has {first} and {column}, both the {field}", hint="leave one of them out")
        fields[column] = field
    known = set(fields.values())
    own = {field: column for column, field in names.items()}
    naming = [name for name in ("prediction_id", own.get("key") or own.get("time")) if name]
    lacking = [] if known & set(NAMING) else [" or ".join(naming)]
    lacking += [] if "label" in known else [f"label (or {own['label']})" if "label" in own else "label"]
    if lacking:
        raise InvalidInput(
            f"{where} has no column {' and no column '.join(lacking)}; it has {', '.join(present) or 'none'}",
            hint=f"an outcome has {' or '.join(naming)}, label, and observed_at: when it became known",
        )
    return Columns(fields, tuple(column for column in present if column not in fields))


class OutcomeFile:
    """A CSV or Parquet file of outcomes. ``names`` maps the model's own column names to fields.

    ``zone`` (an IANA name) is that of times in ``observed_at`` that name none. Opening raises InvalidInput for a file
    that cannot be read as such.
    """

    def __init__(self, path: Path, names: Mapping[str, str], zone: str | None = None) -> None:
        self.path = path
        self.zone = zone
        suffix = path.suffix.lower()
        if suffix not in (*CSV, *PARQUET):
            raise InvalidInput(f"{path} is neither CSV nor Parquet", hint="name it .csv, .tsv or .parquet")
        self._parquet = suffix in PARQUET
        if not path.is_file():
            raise InvalidInput(f"there is no file {path}", hint="give the path of a CSV or Parquet file")
        if zone is not None:
            parse_datetime("2000-01-01", zone)
        self.size = path.stat().st_size
        self.columns = choose(self._header(), names, str(path))

    def lines(self, batch: int) -> Iterator[tuple[float, list[Line]]]:
        """The outcomes in lists of ``batch``, each with how much of the file (0 to 1) has been read by then."""
        yield from self._parquet_lines(batch) if self._parquet else self._csv_lines(batch)

    def _header(self) -> list[str]:
        if self._parquet:
            import polars as pl
            from polars.exceptions import PolarsError

            try:
                return list(pl.read_parquet_schema(self.path))
            except (OSError, PolarsError) as error:
                raise self._unreadable(error) from error
        with self._opened() as file:
            try:
                return next(csv.reader(file, delimiter=self._separator()), [])
            except (OSError, UnicodeDecodeError, csv.Error) as error:
                raise self._unreadable(error) from error

    def _csv_lines(self, batch: int) -> Iterator[tuple[float, list[Line]]]:
        with self._opened() as file:
            reader = csv.reader(file, delimiter=self._separator())
            lines: list[Line] = []
            try:
                header = next(reader)
                for values in reader:
                    if not values:
                        continue
                    if len(values) != len(header):
                        raise InvalidInput(
                            f"{self.path}, line {reader.line_num}, has {len(values)} values, not {len(header)}",
                            hint="quote values that hold the separator",
                        )
                    lines.append(Line(reader.line_num, self._record(dict(zip(header, values, strict=True)))))
                    if len(lines) == batch:
                        yield min(1.0, file.buffer.tell() / max(self.size, 1)), lines
                        lines = []
            except (OSError, UnicodeDecodeError, csv.Error) as error:
                raise self._unreadable(error) from error
            if lines:
                yield 1.0, lines

    def _parquet_lines(self, batch: int) -> Iterator[tuple[float, list[Line]]]:
        import polars as pl
        from polars.exceptions import PolarsError

        try:
            scan = pl.scan_parquet(self.path)
            total = scan.select(pl.len()).collect().item()
            for start in range(0, total, batch):
                rows = scan.select(list(self.columns.fields)).slice(start, batch).collect().to_dicts()
                lines = [Line(start + i, self._record(row)) for i, row in enumerate(rows, 1)]
                yield (start + len(lines)) / total, lines
        except (OSError, PolarsError) as error:
            raise self._unreadable(error) from error

    def _record(self, row: Mapping[str, Any]) -> dict[str, Any]:
        plain = {field: _plain(row[column]) for column, field in self.columns.fields.items()}
        record = {field: value for field, value in plain.items() if value not in (None, "")}
        if "prediction_id" in record:  # it says all; key and time stand beside it in many exports
            record = {field: value for field, value in record.items() if field not in ("key", "time")}
        if self.zone is not None and isinstance(record.get("observed_at"), str):
            with contextlib.suppress(InvalidInput):  # the line's own answer says what is wrong with it
                record["observed_at"] = parse_datetime(record["observed_at"], self.zone).isoformat()
        return record

    def _opened(self) -> Any:
        try:
            return self.path.open(encoding="utf-8-sig", newline="")
        except OSError as error:
            raise self._unreadable(error) from error

    def _separator(self) -> str:
        return "\t" if self.path.suffix.lower() == ".tsv" else ","

    def _unreadable(self, error: Exception) -> InvalidInput:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        kind = "a Parquet file" if self._parquet else "CSV in UTF-8"
        return InvalidInput(f"cannot read {self.path}: {reason}", hint=f"is it {kind}?")


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    return None if isinstance(value, float) and not math.isfinite(value) else value
