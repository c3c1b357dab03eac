"""The prediction log, outcomes and joined predictions: bookkeeping in memory, Parquet in a folder of the test's."""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl

from treadle.domain.predictions import JoinedPart, OutcomePart, PredictionPart, PredictionRecord
from treadle.spec.model_spec import ModelSpec
from treadle.spec.times import parse_date, parse_datetime

_TIME = pl.Datetime("us", "UTC")
_COLUMNS: dict[str, pl.DataType] = {
    "prediction_id": pl.String(),
    "request_id": pl.String(),
    "row": pl.Int64(),
    "model": pl.String(),
    "version": pl.Int64(),
    "at": _TIME,
    "key": pl.String(),
    "time": _TIME,
    "score": pl.Float64(),
    "threshold": pl.Float64(),
    "latency_ms": pl.Float64(),
    "shadow": pl.Boolean(),
}
_DECLARED: dict[str, pl.DataType] = {
    "str": pl.String(),
    "int": pl.Int64(),
    "float": pl.Float64(),
    "bool": pl.Boolean(),
    "datetime": _TIME,
    "date": pl.Date(),
}


class MemoryPredictionLog:
    """``ports.PredictionWriter`` and ``ports.PredictionLog`` in one. ``specs`` gives a model's declaration."""

    def __init__(self, folder: Path, specs: Callable[[str], ModelSpec | None] = lambda _: None) -> None:
        self._folder = folder
        self._specs = specs
        self._lock = threading.Lock()
        self._waiting: list[PredictionRecord] = []
        self._parts: list[PredictionPart] = []
        self._written = 0

    def append(self, record: PredictionRecord) -> None:
        """Take one answered request."""
        with self._lock:
            self._waiting.append(record)

    def close(self) -> None:
        """Nothing to do."""

    def record(self) -> int:
        """Write what was answered since the last call; return the rows added."""
        with self._lock:
            groups: dict[tuple[str, date], list[PredictionRecord]] = {}
            for record in self._waiting:
                groups.setdefault((record.model, record.at.astimezone(UTC).date()), []).append(record)
            self._waiting.clear()
            parts = [self._write(model, day, records) for (model, day), records in groups.items()]
            self._parts += parts
        return sum(part.rows for part in parts)

    def parts(
        self, model: str, since: datetime | None = None, until: datetime | None = None
    ) -> Sequence[PredictionPart]:
        """Parts that may hold rows answered in ``[since, until)``, oldest first."""
        found = [
            part
            for part in self._parts
            if part.model == model and (since is None or part.last >= since) and (until is None or part.first < until)
        ]
        return sorted(found, key=lambda part: part.first)

    def compact_finished(self, before: date) -> int:
        """Merge the parts of each model's days before ``before``; return how many parts went into others."""
        with self._lock:
            groups: dict[tuple[str, date], list[PredictionPart]] = {}
            for part in self._parts:
                if part.day < before:
                    groups.setdefault((part.model, part.day), []).append(part)
            scattered = [parts for parts in groups.values() if len(parts) > 1]
            for parts in scattered:
                frame = pl.concat([pl.read_parquet(part.path) for part in parts], how="diagonal_relaxed")
                first, last = min(part.first for part in parts), max(part.last for part in parts)
                merged = self._stored(parts[0].model, parts[0].day, frame, first, last)
                self._parts = [merged, *(part for part in self._parts if part not in parts)]
        return sum(len(parts) for parts in scattered)

    def _write(self, model: str, day: date, records: Sequence[PredictionRecord]) -> PredictionPart:
        spec = self._specs(model)
        rows = [row for record in records for row in _rows(record, spec)]
        types = dict(_COLUMNS)
        if spec is not None:
            types |= {f"row.{column.name}": _DECLARED[column.type] for column in spec.features_in}
        frame = pl.DataFrame(rows, schema_overrides=types, infer_schema_length=None, strict=False)
        return self._stored(model, day, frame, min(r.at for r in records), max(r.at for r in records))

    def _stored(self, model: str, day: date, frame: pl.DataFrame, first: datetime, last: datetime) -> PredictionPart:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._written += 1
        path = self._folder / f"part-{self._written}-{day}-{hashlib.sha256(model.encode()).hexdigest()[:12]}.parquet"
        frame.write_parquet(path)
        return PredictionPart(str(path), model, day, frame.height, "memory", first, last)


def _rows(record: PredictionRecord, spec: ModelSpec | None) -> list[dict[str, Any]]:
    rows = []
    for i in range(record.rows):
        values = {name: column[i] for name, column in record.columns.items()}
        score = record.scores[i]
        many = isinstance(score, list | tuple)
        row = {
            "prediction_id": f"{record.request_id}-{i}",
            "request_id": record.request_id,
            "row": i,
            "model": record.model,
            "version": record.version,
            "at": record.at,
            "key": None if spec is None or spec.key is None else _text(values.get(spec.key)),
            "time": None if spec is None or spec.time is None else _typed(values, spec, spec.time),
            "score": max(score) if many else score,
            "decision": record.decisions[i],
            "threshold": record.threshold,
            "latency_ms": record.latency_ms,
            "shadow": record.shadow,
        }
        if many:
            row["scores"] = list(score)
        declared = [] if spec is None else [column.name for column in spec.features_in]
        row |= {f"row.{name}": _typed(values, spec, name) for name in dict.fromkeys([*declared, *values])}
        rows.append(row)
    return rows


def _typed(values: Mapping[str, Any], spec: ModelSpec | None, name: str) -> Any:
    column = None if spec is None else next((c for c in spec.features_in if c.name == name), None)
    value = values.get(name)
    if column is None or not isinstance(value, str):
        return value
    if column.type == "datetime":
        return parse_datetime(value, column.zone)
    return parse_date(value) if column.type == "date" else value


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


class MemoryOutcomes:
    """``ports.Outcomes``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._parts: dict[str, OutcomePart] = {}

    def append(self, part: OutcomePart, source: Path) -> OutcomePart:
        """Take a Parquet file over into the store; the same file again is no change. The part as it is kept."""
        path = _taken(source, self._folder, part.model)
        return self._parts.setdefault(path, dataclasses.replace(part, path=path))

    def parts(self, model: str, received_since: datetime | None = None) -> Sequence[OutcomePart]:
        """Parts received at or after a time, in the order received."""
        found = [part for part in self._parts.values() if part.model == model]
        found = [part for part in found if received_since is None or part.received_at >= received_since]
        return sorted(found, key=lambda part: part.received_at)


class MemoryJoinedLog:
    """``ports.JoinedLog``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._parts: dict[str, JoinedPart] = {}

    def append(self, part: JoinedPart, source: Path) -> JoinedPart:
        """Take a Parquet file over into the store; the same content again is no change. The part as it is kept."""
        path = _taken(source, self._folder, part.model)
        return self._parts.setdefault(path, dataclasses.replace(part, path=path))

    def parts(self, model: str, since: datetime | None = None, until: datetime | None = None) -> Sequence[JoinedPart]:
        """Parts that may hold rows answered in ``[since, until)``, in the order joined."""
        found = [
            part
            for part in self._parts.values()
            if part.model == model and (since is None or part.last >= since) and (until is None or part.first < until)
        ]
        return sorted(found, key=lambda part: part.joined_at)


def _taken(source: Path, folder: Path, model: str) -> str:
    digest = hashlib.sha256(model.encode() + b"\0" + source.read_bytes()).hexdigest()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{digest}.parquet"
    if not path.exists():
        shutil.copyfile(source, path)
    return str(path)
