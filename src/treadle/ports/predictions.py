"""The prediction log and the outcomes, as Parquet parts. Readers open ``part.path`` with polars."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Protocol

from treadle.domain.predictions import JoinedPart, OutcomePart, PredictionPart, PredictionRecord


class PredictionWriter(Protocol):
    """The gateway's end of the log."""

    def append(self, record: PredictionRecord) -> None:
        """Hand one answered request to the operating system with ``write()``; when this returns, a killed process
        loses nothing. Raises OSError where it cannot (disk full): the deployment's policy decides what then."""
        ...

    def close(self) -> None:
        """Finish the open segment."""
        ...


class PredictionLog(Protocol):
    """What was answered. Columns of a part: ``prediction_id, request_id, row, model, version, at, key, time, score,
    decision, threshold, latency_ms`` (and ``scores`` for multiclass), then every feature as ``row.<column>``."""

    def record(self) -> int:
        """Turn everything that gateways have written so far into Parquet, exactly once; return the rows added."""
        ...

    def parts(
        self, model: str, since: datetime | None = None, until: datetime | None = None
    ) -> Sequence[PredictionPart]:
        """Parts that may hold rows answered in ``[since, until)``, oldest first."""
        ...

    def compact_finished(self, before: date) -> int:
        """Merge the parts of each model's days (UTC) before ``before``; return how many parts went into others."""
        ...


class Outcomes(Protocol):
    """What became of it; append-only and bitemporal. A part's file has ``prediction_id`` (text), or what names the row,
    ``key`` (text), ``time`` (UTC, the event's) or both; ``label``, ``observed_at`` and ``received_at`` (UTC)."""

    def append(self, part: OutcomePart, source: Path) -> OutcomePart:
        """Take a Parquet file over into the store under a name made from ``part``; the same file again is no change."""
        ...

    def parts(self, model: str, received_since: datetime | None = None) -> Sequence[OutcomePart]:
        """Parts received at or after a time, in the order received."""
        ...


class JoinedLog(Protocol):
    """Predictions with their outcome and worth, as computed when the outcome came. Columns: ``prediction_id, version,
    at, time, key, label, observed_at, joined_at, score, decision, worth`` (null where no worth is declared) and the
    slice columns as ``row.<column>``."""

    def append(self, part: JoinedPart, source: Path) -> JoinedPart:
        """Take a Parquet file over into the store; the same content again is no change."""
        ...

    def parts(self, model: str, since: datetime | None = None, until: datetime | None = None) -> Sequence[JoinedPart]:
        """Parts that may hold rows answered in ``[since, until)``, in the order joined."""
        ...
