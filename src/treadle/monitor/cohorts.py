"""Cohorts of predictions: those answered in a span of time, with the labels that are known by now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from treadle.monitor import joins
from treadle.monitor.joining import decided
from treadle.monitor.reading import ROW, TIME, answers_given, as_declared, scan
from treadle.ports.predictions import JoinedLog, PredictionLog
from treadle.spec.model_spec import ModelSpec


@dataclass(frozen=True)
class Cohort:
    """Predictions answered in ``[since, until)``, all versions or one.

    ``rows`` are the labelled ones as evaluation takes them (label, score, decision, worth, time, slice columns) with
    ``version``, ``at`` and ``prediction_id``. ``mature`` counts the predictions whose horizon has passed, ``censored``
    those of them without a label.
    """

    rows: pl.DataFrame
    predictions: int
    mature: int
    censored: int


def answered(log: PredictionLog, model: str, since: datetime, until: datetime) -> pl.LazyFrame | None:
    """The log's rows answered in ``[since, until)``, mirrored ones left out; None where there are none."""
    return _logged(log, model, since, until, mirrored=False)


def mirrored(log: PredictionLog, model: str, since: datetime, until: datetime, version: int) -> pl.LazyFrame | None:
    """What ``version`` made of mirrored requests that were answered in ``[since, until)``; None where there are none.

    A row has the ``prediction_id`` of the prediction that it mirrors, and so its outcome.
    """
    rows = _logged(log, model, since, until, mirrored=True)
    return None if rows is None else rows.filter(pl.col("version") == version)


def _logged(log: PredictionLog, model: str, since: datetime, until: datetime, *, mirrored: bool) -> pl.LazyFrame | None:
    rows = scan(part.path for part in log.parts(model, since, until))
    if rows is None:
        return None
    wanted = answers_given(rows, mirrored=mirrored)
    return wanted.filter((pl.col("at") >= since) & (pl.col("at") < until))


def labelled(log: JoinedLog, model: str, since: datetime, until: datetime, now: datetime) -> pl.LazyFrame | None:
    """The joined rows of predictions answered in ``[since, until)``, one a prediction, as known at ``now``."""
    rows = scan(part.path for part in log.parts(model, since, until))
    if rows is None:
        return None
    return joins.known_by(rows.filter((pl.col("at") >= since) & (pl.col("at") < until)), now)


def cohort(
    log: PredictionLog,
    joined: JoinedLog,
    spec: ModelSpec,
    version: int | None,
    since: datetime,
    until: datetime,
    now: datetime,
) -> Cohort:
    """The cohort as known at ``now``. Without a horizon no prediction is ever mature: a label may always come."""
    ripe = now - spec.horizon if spec.horizon is not None else None
    all_rows = answered(log, spec.name, since, until)
    predictions, mature = 0, 0
    if all_rows is not None:
        mine = all_rows if version is None else all_rows.filter(pl.col("version") == version)
        over = pl.lit(False) if ripe is None else pl.col("at") < ripe
        predictions, mature = mine.select(pl.len(), over.sum().alias("mature")).collect().row(0)
    known = labelled(joined, spec.name, since, until, now)
    if known is None:
        return Cohort(_no_rows(spec), int(predictions), int(mature), int(mature))
    if version is not None:
        known = known.filter(pl.col("version") == version)
    rows = evaluation_rows(known.collect(), spec)
    seen = 0 if ripe is None else int((rows["at"] < ripe).sum())
    return Cohort(rows, int(predictions), int(mature), max(int(mature) - seen, 0))


def evaluation_rows(joined: pl.DataFrame, spec: ModelSpec) -> pl.DataFrame:
    """Joined rows as evaluation takes them; the event's time is the answer's where the model declares none."""
    slices = [
        as_declared(joined[ROW + column.name], column)
        for column in spec.features_in
        if ROW + column.name in joined.columns
    ]
    return joined.with_columns(
        as_declared(joined["label"], spec.column(spec.label)).alias("label"),
        decided(joined["decision"], spec.task),
        pl.coalesce("time", "at").alias("time"),
        *slices,
    ).sort("time", "prediction_id")


def _no_rows(spec: ModelSpec) -> pl.DataFrame:
    label = as_declared(pl.Series("label", [], pl.Null), spec.column(spec.label)).dtype
    text, time = pl.String(), TIME
    schema = {"prediction_id": text, "version": pl.Int64(), "at": time, "time": time, "key": text, "label": label}
    schema |= {
        "observed_at": time,
        "joined_at": time,
        "score": pl.Float64(),
        "decision": pl.Null(),
        "worth": pl.Float64(),
    }
    rows = pl.DataFrame(schema=schema)
    slices = [as_declared(pl.Series(ROW + c.name, [], pl.Null), c) for c in spec.features_in if c.slice]
    return rows.with_columns(decided(rows["decision"], spec.task), *slices)
