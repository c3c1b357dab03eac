"""Curves on the wire."""

from __future__ import annotations

from msgspec import Struct

from treadle.wire.mlflow.fields import Number, Whole


class HistoryAsked(Struct, frozen=True):
    """``metrics/get-history``."""

    run_id: str | None = None
    run_uuid: str | None = None
    metric_key: str | None = None
    page_token: str | None = None
    max_results: Whole | None = None


class BulkAsked(Struct, frozen=True):
    """``metrics/get-history-bulk``."""

    run_id: list[str] | None = None
    metric_key: str | None = None
    max_results: Whole | None = None


class IntervalAsked(Struct, frozen=True):
    """``metrics/get-history-bulk-interval``."""

    run_ids: list[str] | None = None
    metric_key: str | None = None
    start_step: Whole | None = None
    end_step: Whole | None = None
    max_results: Whole | None = None


class PointOut(Struct, frozen=True, gc=False):
    """A point."""

    key: str
    value: Number
    timestamp: int
    step: int


class RunPointOut(Struct, frozen=True, gc=False):
    """A point, and the run it is of."""

    key: str
    value: Number
    timestamp: int
    step: int
    run_id: str


class History(Struct, frozen=True, omit_defaults=True):
    """The answer with points of one run."""

    metrics: list[PointOut] = []
    next_page_token: str | None = None


class Histories(Struct, frozen=True):
    """The answer with points of several runs."""

    metrics: list[RunPointOut]
