"""What pages of the browser ask for in one piece: series as columns, made for drawing."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from treadle.wire.control import Doing
from treadle.wire.records import Answer, CodeTree, EnvironmentLock, Measured, Number

Maturity = Literal["estimated", "partial", "final"]


class MetricSeries(Answer):
    """One metric over the cohorts of a :class:`QualityAnswer`; a value and its interval at 95 % each."""

    value: list[Number | None]
    low: list[Number | None]
    high: list[Number | None]


class QualityAnswer(Answer):
    """Realised quality over time. Lists are of one length, one entry a cohort, by ``until``, as measured last."""

    since: list[datetime]
    until: list[datetime]
    version: list[int | None]
    maturity: list[Maturity]
    predictions: list[int]
    labelled: list[int]
    censored: list[int]
    metrics: dict[str, MetricSeries]


class DriftWindow(Answer):
    """One window of a drift map: its time, the version it was held against, its rows."""

    since: datetime
    until: datetime
    version: int
    rows: int


class DriftCell(Answer):
    """One column in one window; see :class:`treadle.wire.records.ColumnDrift`."""

    effect: Number
    low: Number
    alert: bool
    expected: str
    seen: str


class DriftColumn(Answer):
    """A row of the map: a cell for each window, null where the column was not measured."""

    column: str
    measure: str
    threshold: Number
    cells: list[DriftCell | None]


class DriftMapAnswer(Answer):
    """Drift as columns by windows; scores first, then the columns that moved most."""

    windows: list[DriftWindow]
    columns: list[DriftColumn]


class OriginAnswer(Answer):
    """The code and the environment that a version was made with, and the revision that brought them.

    Null where no revision that is kept has them.
    """

    revision: int | None
    code: CodeTree | None
    environment: EnvironmentLock | None


class Curve(Answer):
    """A metric of a run by step."""

    step: list[int]
    value: list[Number]


class CurvesAnswer(Answer):
    """All metrics of a run that were logged at more than one step."""

    curves: dict[str, Curve]


class MetricMeaning(Answer):
    """What a metric says; see :class:`treadle.spec.catalog.MetricInfo`."""

    name: str
    tasks: list[str]
    better: Literal["higher", "lower", "zero"]
    meaning: str
    unit: str


class Pulse(Answer):
    """What the loop does now, and what time it is to it."""

    now: datetime
    loop: Literal["running", "away"]
    doing: list[Doing]


class ReportPeriod(Answer):
    """A calendar month or year of a :class:`Report`."""

    name: str
    predictions: int
    joined: int
    alone: dict[str, Number | None]
    loop: dict[str, Number | None]
    counts: dict[str, int]


class Report(Answer):
    """The first version left alone against the loop, on the same rows; see :class:`treadle.loop.report.Report`."""

    model: str
    metric: str
    first_version: int
    since: datetime
    until: datetime
    periods: list[ReportPeriod]
    alone: dict[str, Number | None]
    loop: dict[str, Number | None]
    gain: Measured
    gain_in: str
    days: int
    predictions: int
    joined: int
    censored: int
    pending: int
    counts: dict[str, int]
    years: list[ReportPeriod]


class LastReport(Answer):
    """A model's report as it was reckoned last; null where it never was."""

    reckoned_at: datetime | None
    report: Report | None
