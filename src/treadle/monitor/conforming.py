"""Makes outcomes fit the declaration; what does not fit is reported and left out, never a crash."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from treadle.domain.data import Finding
from treadle.domain.errors import InvalidInput
from treadle.monitor.joins import outcome_schema
from treadle.monitor.reading import TYPES, as_declared
from treadle.spec.model_spec import ColumnSpec, ModelSpec
from treadle.spec.times import parse_datetime

EXAMPLES = 3


def label_type(spec: ModelSpec) -> pl.DataType:
    """The polars type of the model's label."""
    return TYPES[spec.column(spec.label).type]


def conform(
    frame: pl.DataFrame, spec: ModelSpec, *, since: datetime | None, until: datetime, received_at: datetime
) -> tuple[pl.DataFrame, tuple[Finding, ...]]:
    """Outcomes as the model's own step gave them, in the stored columns, and what was wrong with the rest.

    ``frame`` has ``label``, ``observed_at``, and what names the row: ``key``, and ``time`` (the event's) where the
    model has no key; ``time`` may stand beside a key. Only outcomes with ``since < observed_at <= until`` are kept.
    """
    schema = outcome_schema(label_type(spec))
    naming = "key" if spec.key is not None else "time"
    needed = [naming, "label", "observed_at"]
    missing = [name for name in needed if name not in frame.columns]
    if missing:
        rule = f"missing among the columns of outcomes ({', '.join(frame.columns) or 'none'})"
        findings = tuple(Finding(name, rule, frame.height, frame.height) for name in missing if frame.height)
        return pl.DataFrame(schema=schema), findings
    absent = pl.Series([None] * frame.height)
    key = frame["key"].cast(pl.String, strict=False) if spec.key is not None else absent
    named = frame["time"] if "time" in frame.columns and spec.time is not None else absent
    said = {
        "prediction_id": absent,
        "key": key,
        "time": as_declared(named, spec.column(spec.time)) if spec.time is not None else absent,
        "label": as_declared(frame["label"], spec.column(spec.label)),
        "observed_at": as_declared(frame["observed_at"], ColumnSpec("observed_at", "datetime")),
        "received_at": pl.repeat(received_at, frame.height, eager=True),
    }
    read = pl.DataFrame({name: said[name].cast(kind) for name, kind in schema.items()})
    rules = {
        naming: (read[naming].is_null(), f"{naming} is missing" + ("" if naming == "key" else " or cannot be read")),
        spec.label: (
            read["label"].is_null(),
            f"label is missing or is no {spec.column(spec.label).type}",
        ),
        "observed_at": (read["observed_at"].is_null(), "time is missing or cannot be read"),
    }
    findings = tuple(_finding(frame, column, rule, broken) for column, (broken, rule) in rules.items() if broken.any())
    kept = read.drop_nulls(needed).filter(pl.col("observed_at") <= until)
    return (kept if since is None else kept.filter(pl.col("observed_at") > since)), findings


def contradictions(frame: pl.DataFrame, spec: ModelSpec) -> tuple[Finding, ...]:
    """A finding for outcomes that contradict a known one, if there are any."""
    if frame.is_empty():
        return ()
    naming = "key" if spec.key is not None else "time"
    rule = f"another label for the same {naming}, observed at the same time (a revision has a later observed_at)"
    return (_finding(frame, naming, rule, pl.Series([True] * frame.height)),)


def ambiguities(frame: pl.DataFrame) -> tuple[Finding, ...]:
    """A finding for outcomes whose time alone does not tell which prediction they belong to, if there are any."""
    if frame.is_empty():
        return ()
    rule = "several predictions of one request have this time; declare a key that tells them apart"
    return (_finding(frame, "time", rule, pl.Series([True] * frame.height)),)


def _finding(frame: pl.DataFrame, column: str, rule: str, broken: pl.Series) -> Finding:
    shown = frame.filter(broken).select(c for c in ("key", "time", "label", "observed_at") if c in frame.columns)
    examples = tuple({name: str(value) for name, value in row.items()} for row in shown.head(EXAMPLES).to_dicts())
    return Finding(column, rule, int(broken.sum()), frame.height, examples)


@dataclass(frozen=True)
class PushedOutcome:
    """One outcome given by a client: of a prediction (``prediction_id``), or of a row (``key``, ``time`` or both).

    ``dated`` tells whether the client said when it was observed; ``problem`` says why it cannot be taken.
    """

    prediction_id: str | None = None
    key: str | None = None
    time: datetime | None = None
    label: Any = None
    observed_at: datetime | None = None
    dated: bool = False
    problem: str = ""


_FIELDS = ("prediction_id", "key", "time", "label", "observed_at")


def read_pushed(record: Mapping[str, Any], spec: ModelSpec, now: datetime) -> PushedOutcome:
    """Read one pushed record: what names the prediction, ``label``, and ``observed_at`` (now, unless given).

    A prediction is named by ``prediction_id`` or its row by ``key``, where one is declared; ``time`` (the event's) may
    stand beside a key, and stands alone where the model has none. A naive time is in the zone of its column.
    """
    unknown = sorted(set(record) - set(_FIELDS))
    if unknown:
        return PushedOutcome(problem=f"unknown field {', '.join(unknown)}; give {_naming(spec)}, label, observed_at")
    prediction_id, key, said = record.get("prediction_id"), record.get("key"), record.get("time")
    problem = _unnamed(spec, prediction_id, key, said)
    if problem:
        return PushedOutcome(problem=problem)
    time = None if said is None else _time(said, spec.column(spec.time or "").zone)
    if said is not None and time is None:
        return PushedOutcome(problem=f"time {said!r} is no ISO 8601 time with a zone")
    column = spec.column(spec.label)
    label = as_declared(pl.Series("label", [record.get("label")], strict=False), column)[0]
    if label is None:
        return PushedOutcome(problem=f"label {record.get('label')!r} is no {column.type}")
    dated = record.get("observed_at") is not None
    observed_at = _time(record["observed_at"], None) if dated else now
    if observed_at is None:
        return PushedOutcome(problem=f"observed_at {record.get('observed_at')!r} is no ISO 8601 time with a zone")
    if observed_at > now:
        return PushedOutcome(
            problem=f"observed_at {observed_at.isoformat()} lies in the future; it is {now.isoformat()}"
        )
    text_id = None if prediction_id is None else str(prediction_id)
    return PushedOutcome(text_id, None if key is None else str(key), time, label, observed_at, dated)


def _naming(spec: ModelSpec) -> str:
    """What an outcome of the model may be named by."""
    row = "key" if spec.key is not None else "time" if spec.time is not None else None
    return "prediction_id" if row is None else f"prediction_id or {row}"


def _unnamed(spec: ModelSpec, prediction_id: Any, key: Any, time: Any) -> str:
    """Why these fields do not name a prediction; nothing where they do."""
    if (prediction_id is None) == (key is None and time is None):
        return f"give either {_naming(spec)}" if spec.key or spec.time else "give prediction_id"
    if key is not None and spec.key is None:
        return f"model {spec.name!r} declares no key; give {_naming(spec)}"
    if time is not None and spec.time is None:
        return f"model {spec.name!r} declares no time; give {_naming(spec)}"
    if prediction_id is None and key is None and spec.key is not None:
        return f"time alone does not name a row of model {spec.name!r}; give its key"
    return ""


def _time(value: Any, zone: str | None) -> datetime | None:
    """A time in UTC, of text or a datetime; a naive one is in ``zone``, and no time at all without one."""
    if not isinstance(value, str | datetime):
        return None
    try:
        return parse_datetime(value if isinstance(value, str) else value.isoformat(), zone)
    except InvalidInput:
        return None
