"""Which prediction an outcome belongs to, and which outcome counts at a time. Pure, on frames.

An outcome names its prediction by ``prediction_id``, or by ``key``: then it belongs to the newest prediction of that
key answered no later than the outcome was observed. Nothing is ever replaced: a revision is one more row, and reading
*as of* a time picks the outcome observed last among those known by then.
"""

from __future__ import annotations

from datetime import datetime

import polars as pl

from treadle.monitor.reading import TIME

ORDER = "__outcome"
SAID = ["prediction_id", "key", "observed_at"]


def outcome_schema(label: pl.DataType) -> dict[str, pl.DataType]:
    """The columns of outcomes as stored; either ``prediction_id`` or ``key`` is null."""
    return {
        "prediction_id": pl.String(),
        "key": pl.String(),
        "label": label,
        "observed_at": TIME,
        "received_at": TIME,
    }


def without_repeats(new: pl.DataFrame, known: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """What is new among outcomes, and what contradicts a known one.

    A repeat (the same prediction or key, time and label) is dropped. Another label for the same prediction or key at
    the same time is a contradiction: a revision has a later time.
    """
    first = new.unique([*SAID, "label"], keep="first", maintain_order=True)
    standing = pl.concat([known.select(*SAID, "label"), first.select(*SAID, "label")])
    standing = standing.unique(SAID, keep="first", maintain_order=True).rename({"label": "__standing"})
    beside = first.join(standing, on=SAID, how="left", nulls_equal=True, maintain_order="left")
    agrees = pl.col("label").eq_missing(pl.col("__standing"))
    fresh = beside.filter(agrees).join(known.select(SAID), on=SAID, how="anti", nulls_equal=True, maintain_order="left")
    return fresh.drop("__standing"), beside.filter(~agrees).drop("__standing")


def waiting(known: pl.DataFrame, joined: pl.DataFrame) -> pl.DataFrame:
    """The known outcomes that have not met a prediction. ``joined`` has ``prediction_id, key, observed_at``."""
    by_key = joined.select("key", "observed_at").drop_nulls().unique()
    by_id = joined.select("prediction_id", "observed_at").drop_nulls().unique()
    keyed = known.filter(pl.col("prediction_id").is_null())
    named = known.filter(pl.col("prediction_id").is_not_null())
    return pl.concat(
        [
            keyed.join(by_key, on=["key", "observed_at"], how="anti", maintain_order="left"),
            named.join(by_id, on=["prediction_id", "observed_at"], how="anti", maintain_order="left"),
        ]
    )


def match(outcomes: pl.DataFrame, predictions: pl.DataFrame) -> pl.DataFrame:
    """The outcomes that belong to one of ``predictions`` (columns ``prediction_id, key, at, part``).

    Answers ``prediction_id, part, label, observed_at``, one row an outcome that met its prediction.
    """
    numbered = outcomes.with_row_index(ORDER)
    by_id = numbered.filter(pl.col("prediction_id").is_not_null()).join(
        predictions.select("prediction_id", "part"), on="prediction_id"
    )
    keyed = numbered.filter(pl.col("prediction_id").is_null() & pl.col("key").is_not_null()).drop("prediction_id")
    by_key = (
        keyed.join(predictions.select("prediction_id", "key", "at", "part"), on="key")
        .filter(pl.col("at") <= pl.col("observed_at"))
        .sort("at", "prediction_id")
        .unique(ORDER, keep="last", maintain_order=True)
    )
    wanted = [ORDER, "prediction_id", "part", "label", "observed_at"]
    met = pl.concat([by_id.select(wanted), by_key.select(wanted)])
    return met.unique(ORDER, keep="first").sort(ORDER).drop(ORDER)


def known_by(joined: pl.LazyFrame, now: datetime) -> pl.LazyFrame:
    """One row a prediction: the outcome observed last among those joined by ``now``."""
    return (
        joined.filter((pl.col("joined_at") <= now) & (pl.col("observed_at") <= now))
        .sort("observed_at", "joined_at", maintain_order=True)
        .unique("prediction_id", keep="last", maintain_order=True)
    )
