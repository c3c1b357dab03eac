"""The prediction log's bookkeeping: parts of Parquet, and where recording stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any


@dataclass(frozen=True)
class PredictionRecord:
    """One answered request of ``rows`` rows; the id of row ``i`` is ``<request_id>-<i>``.

    ``columns`` holds the features as they came (missing values None, times as ISO 8601 text), ``scores`` a float a
    row (multiclass: a list of floats a row), ``decisions`` a bool, class name or number a row. ``at`` is the clock's
    time, ``latency_ms`` the monotonic time from request read to answer ready.
    """

    request_id: str
    model: str
    version: int
    at: datetime
    rows: int
    columns: Mapping[str, Sequence[Any]]
    scores: Sequence[Any]
    decisions: Sequence[Any]
    threshold: float | None
    latency_ms: float
    shadow: bool = False


@dataclass(frozen=True)
class PredictionPart:
    """One Parquet file of the log: rows of one model and one day (UTC, of the answer's time)."""

    path: str
    model: str
    day: date
    rows: int
    segment: str
    first: datetime
    last: datetime


@dataclass(frozen=True)
class SegmentProgress:
    """How many bytes of a WAL segment are in Parquet already."""

    segment: str
    offset: int
    closed: bool = False


@dataclass(frozen=True)
class OutcomePart:
    """One Parquet file of outcomes, in the order received: prediction id, key or time, label, observed_at,
    received_at."""

    path: str
    model: str
    rows: int
    received_at: datetime
    first_observed: datetime
    last_observed: datetime


@dataclass(frozen=True)
class JoinedPart:
    """One Parquet file of predictions joined with their outcome and their worth."""

    path: str
    model: str
    rows: int
    joined_at: datetime
    first: datetime
    last: datetime
