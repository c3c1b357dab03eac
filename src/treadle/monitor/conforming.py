"""Makes outcomes fit the declaration; what does not fit is reported and left out, never a crash."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl

from treadle.domain.data import Finding
from treadle.monitor.joins import outcome_schema
from treadle.monitor.reading import TYPES, as_declared
from treadle.spec.model_spec import ColumnSpec, ModelSpec

EXAMPLES = 3


def label_type(spec: ModelSpec) -> pl.DataType:
    """The polars type of the model's label."""
    return TYPES[spec.column(spec.label).type]


def conform(
    frame: pl.DataFrame, spec: ModelSpec, *, since: datetime | None, until: datetime, received_at: datetime
) -> tuple[pl.DataFrame, tuple[Finding, ...]]:
    """Outcomes as the model's own step gave them, in the stored columns, and what was wrong with the rest.

    ``frame`` has ``key``, ``label`` and ``observed_at``; only outcomes with ``since < observed_at <= until`` are kept.
    """
    missing = [name for name in ("key", "label", "observed_at") if name not in frame.columns]
    if missing:
        rule = f"missing among the columns of outcomes ({', '.join(frame.columns) or 'none'})"
        findings = tuple(Finding(name, rule, frame.height, frame.height) for name in missing if frame.height)
        return pl.DataFrame(schema=outcome_schema(label_type(spec))), findings
    read = pl.DataFrame(
        {
            "prediction_id": pl.Series([None] * frame.height, dtype=pl.String),
            "key": frame["key"].cast(pl.String, strict=False),
            "label": as_declared(frame["label"], spec.column(spec.label)),
            "observed_at": as_declared(frame["observed_at"], ColumnSpec("observed_at", "datetime")),
        }
    ).with_columns(pl.lit(received_at).cast(outcome_schema(label_type(spec))["received_at"]).alias("received_at"))
    rules = {
        "key": (read["key"].is_null(), "key is missing"),
        spec.label: (
            read["label"].is_null(),
            f"label is missing or is no {spec.column(spec.label).type}",
        ),
        "observed_at": (read["observed_at"].is_null(), "time is missing or cannot be read"),
    }
    findings = tuple(_finding(frame, column, rule, broken) for column, (broken, rule) in rules.items() if broken.any())
    kept = read.drop_nulls(["key", "label", "observed_at"]).filter(pl.col("observed_at") <= until)
    return (kept if since is None else kept.filter(pl.col("observed_at") > since)), findings


def contradictions(frame: pl.DataFrame) -> tuple[Finding, ...]:
    """A finding for outcomes that contradict a known one, if there are any."""
    if frame.is_empty():
        return ()
    rule = "another label for the same key at the same time (a revision has a later observed_at)"
    return (_finding(frame, "key", rule, pl.Series([True] * frame.height)),)


def _finding(frame: pl.DataFrame, column: str, rule: str, broken: pl.Series) -> Finding:
    shown = frame.filter(broken).select(c for c in ("key", "label", "observed_at") if c in frame.columns)
    examples = tuple({name: str(value) for name, value in row.items()} for row in shown.head(EXAMPLES).to_dicts())
    return Finding(column, rule, int(broken.sum()), frame.height, examples)


@dataclass(frozen=True)
class PushedOutcome:
    """One outcome given by a client: of a prediction (``prediction_id``) or of a ``key``. ``problem`` says why not."""

    prediction_id: str | None = None
    key: str | None = None
    label: Any = None
    observed_at: datetime | None = None
    problem: str = ""


def read_pushed(record: Mapping[str, Any], spec: ModelSpec, now: datetime) -> PushedOutcome:
    """Read one pushed record: ``prediction_id`` or ``key``, ``label``, and ``observed_at`` (now, unless given)."""
    unknown = sorted(set(record) - {"prediction_id", "key", "label", "observed_at"})
    if unknown:
        return PushedOutcome(
            problem=f"unknown field {', '.join(unknown)}; give prediction_id or key, label, observed_at"
        )
    prediction_id, key = record.get("prediction_id"), record.get("key")
    if (prediction_id is None) == (key is None):
        return PushedOutcome(problem="give either prediction_id or key")
    if key is not None and spec.key is None:
        return PushedOutcome(problem=f"model {spec.name!r} declares no key; give prediction_id")
    column = spec.column(spec.label)
    label = as_declared(pl.Series("label", [record.get("label")], strict=False), column)[0]
    if label is None:
        return PushedOutcome(problem=f"label {record.get('label')!r} is no {column.type}")
    observed_at = _time(record.get("observed_at"), now)
    if observed_at is None:
        return PushedOutcome(problem=f"observed_at {record.get('observed_at')!r} is no ISO 8601 time with a zone")
    if observed_at > now:
        return PushedOutcome(
            problem=f"observed_at {observed_at.isoformat()} lies in the future; it is {now.isoformat()}"
        )
    text_id = None if prediction_id is None else str(prediction_id)
    return PushedOutcome(text_id, None if key is None else str(key), label, observed_at)


def _time(value: Any, now: datetime) -> datetime | None:
    if value is None:
        return now
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, datetime) or value.tzinfo is None:
        return None
    return value.astimezone(UTC)
