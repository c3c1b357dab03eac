"""All that was answered, period by period: what reports are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from treadle.domain.errors import InvalidInput
from treadle.domain.monitoring import Measured
from treadle.evaluation.measuring import measure_all
from treadle.monitor import cohorts
from treadle.monitor.joins import known_by
from treadle.monitor.performance import scored
from treadle.monitor.reading import scan
from treadle.ports.predictions import JoinedLog, PredictionLog
from treadle.spec.model_spec import ModelSpec

PERIODS = {"day": "1d", "week": "1w", "month": "1mo"}


@dataclass(frozen=True)
class PeriodSummary:
    """One calendar period (UTC, by when it was answered), ``[since, until)``.

    ``joined`` predictions have a label by now, ``censored`` ones have none after the horizon; ``metrics`` are over the
    joined ones (``worth`` is the mean worth of a joined prediction's decision). ``versions`` counts predictions by the
    version that answered.
    """

    since: datetime
    until: datetime
    predictions: int
    joined: int
    censored: int
    metrics: dict[str, Measured]
    versions: dict[int, int]


def summarise(
    log: PredictionLog,
    joined: JoinedLog,
    spec: ModelSpec,
    by: str,
    now: datetime,
    *,
    classes: Mapping[int, Sequence[str]] | None = None,
) -> list[PeriodSummary]:
    """Every period from the first prediction to ``now``, oldest first; periods without predictions are left out.

    Raises InvalidInput for another ``by`` than day, week or month.
    """
    if by not in PERIODS:
        raise InvalidInput(f"cannot summarise by {by!r}", hint="choose one of " + ", ".join(PERIODS))
    rows = cohorts.answered(log, spec.name, datetime.min.replace(tzinfo=now.tzinfo), now)
    if rows is None:
        return []
    ripe = now - spec.horizon if spec.horizon is not None else None
    mature = pl.lit(False) if ripe is None else pl.col("at") < ripe
    start = pl.col("at").dt.truncate(PERIODS[by]).alias("since")
    answered = rows.select("prediction_id", "version", start, mature.alias("mature"))
    known = _known(joined, spec, now)
    beside = answered.join(
        known.lazy().select("prediction_id", pl.lit(True).alias("joined")), on="prediction_id", how="left"
    )
    counted = (
        beside.group_by("since", "version")
        .agg(
            pl.len().alias("predictions"),
            pl.col("joined").sum().alias("joined"),
            (pl.col("mature") & pl.col("joined").is_null()).sum().alias("censored"),
        )
        .sort("since", "version")
        .collect()
    )
    by_period = known.with_columns(start).partition_by("since", as_dict=True) if known.height else {}
    found = []
    for (since,), group in counted.group_by("since", maintain_order=True):
        until = pl.select(pl.lit(since).dt.offset_by(PERIODS[by])).item()
        labelled = by_period.get((since,))
        metrics = {} if labelled is None else measure_all(scored(labelled, spec, classes))
        found.append(
            PeriodSummary(
                since=group["since"][0],
                until=until,
                predictions=int(group["predictions"].sum()),
                joined=int(group["joined"].sum()),
                censored=int(group["censored"].sum()),
                metrics=metrics,
                versions={int(v): int(n) for v, n in group.select("version", "predictions").iter_rows()},
            )
        )
    return found


def _known(joined: JoinedLog, spec: ModelSpec, now: datetime) -> pl.DataFrame:
    rows = scan(part.path for part in joined.parts(spec.name))
    if rows is None:
        return pl.DataFrame(schema={"prediction_id": pl.String()})
    return cohorts.evaluation_rows(known_by(rows, now).collect(), spec)
