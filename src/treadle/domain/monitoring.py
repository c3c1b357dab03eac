"""What monitoring measured, and the incidents that came of it."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import datetime


class Maturity(enum.Enum):
    """How far the labels behind a metric have come."""

    ESTIMATED = "estimated"
    PARTIAL = "partial"
    FINAL = "final"


@dataclass(frozen=True)
class Measured:
    """A metric's value with its interval at 95 %."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Evaluation:
    """Realised quality of one model over the cohort of predictions answered in ``[since, until)``.

    ``version`` is None where all versions that answered count together. ``coverage`` is labelled rows over all
    rows; ``censored`` counts rows whose label did not come within the horizon.
    """

    model: str
    version: int | None
    since: datetime
    until: datetime
    at: datetime
    maturity: Maturity
    predictions: int
    labelled: int
    censored: int
    metrics: dict[str, Measured] = field(default_factory=dict)

    @property
    def coverage(self) -> float:
        """The part of the predictions whose label is known, 0 to 1."""
        return self.labelled / self.predictions if self.predictions else 0.0


@dataclass(frozen=True)
class ColumnDrift:
    """How far one column has moved from its reference.

    ``effect`` is the debiased effect size (``measure`` names it), ``low`` the lower bound of its interval,
    ``p_value`` belongs to no movement at all; ``alert`` is true where ``low`` passes the practical threshold and the
    column is significant beside all the others.
    """

    column: str
    measure: str
    effect: float
    low: float
    threshold: float
    p_value: float
    alert: bool
    expected: str = ""
    seen: str = ""


@dataclass(frozen=True)
class DriftReport:
    """All columns of one window against the training profile of ``version``."""

    model: str
    version: int
    since: datetime
    until: datetime
    rows: int
    columns: tuple[ColumnDrift, ...]


@dataclass(frozen=True)
class ServiceHealth:
    """How the gateway fared in ``[since, until)``. Latencies are milliseconds inside the gateway."""

    model: str
    since: datetime
    until: datetime
    requests: int
    predictions: int
    errors: int
    latency_p50: float | None
    latency_p99: float | None


@dataclass(frozen=True)
class Incident:
    """Something that needs attention. ``numbers`` are the evidence; ``fingerprint`` keeps one cause one incident."""

    id: str
    model: str
    kind: str  # drift, gate, data, training, service
    fingerprint: str
    title: str
    detail: str
    opened_at: datetime
    numbers: dict[str, float | int | str | None] = field(default_factory=dict)
    version: int | None = None
    resolved_at: datetime | None = None
