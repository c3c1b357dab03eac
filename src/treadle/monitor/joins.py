"""Which prediction an outcome belongs to, and which outcome counts at a time. Pure, on frames.

An outcome names its prediction by ``prediction_id``, or its row: by ``key``, by ``key`` and the event's ``time``, or,
where the model has no key, by ``time`` alone. It then belongs to the newest prediction of that row answered no later
than the outcome was observed. Where one request had several rows at that time, time alone does not tell them apart
and the outcome belongs to none. Nothing is ever replaced: a revision is one more row, and reading *as of* a time picks
the outcome observed last among those known by then.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import polars as pl

from treadle.monitor.reading import TIME

ORDER, ALIKE = "__outcome", "__alike"
NAMED = ["prediction_id", "key", "time"]
SAID = [*NAMED, "observed_at"]
BY_ROW = (["key"], ["key", "time"], ["time"])
"""The ways in which an outcome may name its row; the columns not named are null."""


def outcome_schema(label: pl.DataType) -> dict[str, pl.DataType]:
    """The columns of outcomes as stored; either ``prediction_id`` is null, or ``key`` and ``time`` are."""
    return {
        "prediction_id": pl.String(),
        "key": pl.String(),
        "time": TIME,
        "label": label,
        "observed_at": TIME,
        "received_at": TIME,
    }


def without_repeats(new: pl.DataFrame, known: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """What is new among outcomes, and what contradicts a known one.

    A repeat (the same prediction or row, time observed and label) is dropped. Another label for the same prediction or
    row observed at the same time is a contradiction: a revision has a later time.
    """
    first = new.unique([*SAID, "label"], keep="first", maintain_order=True)
    standing = pl.concat([known.select(*SAID, "label"), first.select(*SAID, "label")])
    standing = standing.unique(SAID, keep="first", maintain_order=True).rename({"label": "__standing"})
    beside = first.join(standing, on=SAID, how="left", nulls_equal=True, maintain_order="left")
    agrees = pl.col("label").eq_missing(pl.col("__standing"))
    fresh = beside.filter(agrees).join(known.select(SAID), on=SAID, how="anti", nulls_equal=True, maintain_order="left")
    return fresh.drop("__standing"), beside.filter(~agrees).drop("__standing")


def match(outcomes: pl.DataFrame, predictions: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Which of ``predictions`` (columns ``prediction_id, request_id, key, time, at, part``) the outcomes belong to.

    Answers ``prediction_id, part, label, observed_at``, one row an outcome that met its prediction, and the outcomes
    that have met none.
    """
    numbered = outcomes.with_row_index(ORDER)
    met = _met(numbered, predictions)
    waiting = numbered.join(met.select(ORDER), on=ORDER, how="anti", maintain_order="left")
    return met.drop(ORDER, "at"), waiting.drop(ORDER)


def after_horizon(outcomes: pl.DataFrame, predictions: pl.DataFrame, horizon: timedelta, now: datetime) -> pl.DataFrame:
    """The outcomes that come now for a prediction whose horizon has passed already."""
    numbered = outcomes.with_row_index(ORDER)
    late = _met(numbered, predictions).filter(pl.col("at") + horizon < now)
    return numbered.join(late.select(ORDER), on=ORDER, how="semi", maintain_order="left").drop(ORDER)


def before_prediction(outcomes: pl.DataFrame, predictions: pl.DataFrame) -> pl.DataFrame:
    """The outcomes of rows that were predicted only after the outcome had been observed."""
    numbered = outcomes.with_row_index(ORDER)
    orders = [_answered(numbered, predictions, names).select(ORDER) for names in BY_ROW]
    return numbered.join(pl.concat(orders), on=ORDER, how="semi", maintain_order="left").drop(ORDER)


def not_joined(met: pl.DataFrame, joined: pl.DataFrame) -> pl.DataFrame:
    """What of :func:`match` is not joined yet, once a prediction and time observed. ``joined`` has these columns."""
    said = ["prediction_id", "observed_at"]
    first = met.unique(said, keep="first", maintain_order=True)
    return first.join(joined.select(said), on=said, how="anti", maintain_order="left")


def ambiguous(outcomes: pl.DataFrame, predictions: pl.DataFrame) -> pl.DataFrame:
    """The outcomes that name their row by time alone, where the newest request had several rows at that time."""
    numbered = outcomes.with_row_index(ORDER)
    unclear = _newest(numbered, predictions, ["time"]).filter(pl.col(ALIKE) > 1)
    return numbered.join(unclear.select(ORDER), on=ORDER, how="semi", maintain_order="left").drop(ORDER)


def _newest(numbered: pl.DataFrame, predictions: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """The outcomes that name their row by exactly these columns, each with the newest prediction of it.

    ``ALIKE`` is how many predictions of that row the request had.
    """
    return (
        _answered(numbered, predictions, names)
        .filter(pl.col("at") <= pl.col("observed_at"))
        .sort("at", "prediction_id")
        .unique(ORDER, keep="last", maintain_order=True)
    )


def _answered(numbered: pl.DataFrame, predictions: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """The outcomes that name their row by exactly these columns, with every prediction of it."""
    said = numbered.filter(pl.col(name).is_not_null() == (name in names) for name in NAMED)
    alike = pl.lit(1) if "key" in names else pl.len().over(*names, "request_id")
    answered = predictions.select("prediction_id", "at", "part", *names, alike.alias(ALIKE))
    return said.drop("prediction_id").join(answered, on=names)


def _met(numbered: pl.DataFrame, predictions: pl.DataFrame) -> pl.DataFrame:
    """The numbered outcomes that have met their prediction, with when it was answered."""
    wanted = [ORDER, "prediction_id", "part", "label", "observed_at", "at"]
    by_id = numbered.filter(pl.col("prediction_id").is_not_null()).join(
        predictions.select("prediction_id", "part", "at"), on="prediction_id"
    )
    by_row = [_newest(numbered, predictions, names).filter(pl.col(ALIKE) == 1) for names in BY_ROW]
    return pl.concat([found.select(wanted) for found in (by_id, *by_row)]).unique(ORDER, keep="first").sort(ORDER)


def known_by(joined: pl.LazyFrame, now: datetime) -> pl.LazyFrame:
    """One row a prediction: the outcome observed last among those joined by ``now``."""
    return (
        joined.filter((pl.col("joined_at") <= now) & (pl.col("observed_at") <= now))
        .sort("observed_at", "joined_at", maintain_order=True)
        .unique("prediction_id", keep="last", maintain_order=True)
    )
