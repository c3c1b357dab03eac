"""Snapshots of data, their profiles, and what checks found."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class Bin:
    """A histogram's half-open bin ``[low, high)`` (the last one closed) and its count."""

    low: float
    high: float
    count: int


@dataclass(frozen=True)
class ColumnProfile:
    """What is known of one column. All parts merge.

    ``count`` counts rows, ``nulls`` the missing ones among them. Numbers and times (as UTC seconds) carry
    moments and ``histogram``; text and booleans carry ``top`` (value to count, the most frequent first; what fell
    off is in ``other``).
    """

    name: str
    kind: str  # "number", "time", "text", "bool"
    count: int
    nulls: int
    mean: float | None = None
    variance: float | None = None
    minimum: float | None = None
    maximum: float | None = None
    histogram: tuple[Bin, ...] = ()
    top: dict[str, int] = field(default_factory=dict)
    other: int = 0
    distinct: int | None = None


@dataclass(frozen=True)
class Profile:
    """Column profiles of one set of rows, by column name."""

    rows: int
    columns: dict[str, ColumnProfile]


@dataclass(frozen=True)
class SnapshotChunk:
    """One Parquet blob of a snapshot: the rows of one partition of time, addressed by logical content."""

    partition: str
    rows: int
    content_digest: str
    blob: str


@dataclass(frozen=True)
class Snapshot:
    """Immutable rows as they were known at ``as_of``.

    ``digest`` depends on the rows' values and schema alone, not on how Parquet wrote them. ``start`` and ``until``
    bound the time column, ``[start, until)``. ``labelled`` counts rows whose label was known.
    """

    digest: str
    model: str
    rows: int
    labelled: int
    start: datetime | None
    until: datetime
    as_of: datetime
    schema: dict[str, str]
    chunks: tuple[SnapshotChunk, ...]
    profile: Profile
    code_digest: str


@dataclass(frozen=True)
class Finding:
    """A broken rule: the column (or check), the rule, how many rows broke it, and up to three of them."""

    column: str
    rule: str
    count: int
    rows: int
    examples: tuple[dict[str, str], ...] = ()

    def __str__(self) -> str:
        shown = "; ".join(", ".join(f"{k}={v}" for k, v in example.items()) for example in self.examples)
        tail = f", for example {shown}" if shown else ""
        return f"{self.column}: {self.rule} broken by {self.count:,} of {self.rows:,} rows{tail}"
