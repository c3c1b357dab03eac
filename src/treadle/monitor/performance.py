"""Realised quality: metrics and live gates over a cohort of predictions, with the labels known by now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import polars as pl

from treadle.domain.errors import InvalidInput
from treadle.domain.gates import GateReport, GateResult
from treadle.domain.models import AppliedModel
from treadle.domain.monitoring import Evaluation, Maturity
from treadle.evaluation.gates import evaluate as evaluate_gates
from treadle.evaluation.gates import triggered
from treadle.evaluation.measuring import measure_all
from treadle.evaluation.rows import ScoredRows
from treadle.monitor.cohorts import cohort
from treadle.monitor.health import live_figures
from treadle.ports.predictions import JoinedLog, PredictionLog
from treadle.spec.catalog import MULTICLASS
from treadle.spec.expressions import When
from treadle.spec.model_spec import ModelSpec


class LiveEvaluation(NamedTuple):
    """What a cohort showed: the measurement, the gates' report (final cohorts with labels alone), and each ``when``
    trigger's own verdict, which is pass where its condition is true."""

    evaluation: Evaluation
    report: GateReport | None
    triggers: tuple[GateResult, ...] = ()


def evaluate(
    log: PredictionLog,
    joined: JoinedLog,
    applied: AppliedModel,
    version: int | None,
    since: datetime,
    until: datetime,
    now: datetime,
    *,
    champion: ScoredRows | None = None,
    classes: Mapping[int, Sequence[str]] | None = None,
) -> LiveEvaluation:
    """Measure the predictions answered in ``[since, until)``, by ``version`` or by all, as known at ``now``.

    The cohort is final once the horizon of its last prediction has passed, else partial; gates are held against final
    ones, and where no horizon is declared against what is labelled by now. What comes later changes later measurements,
    never this one. ``champion`` holds the scores of another version on the same rows, as ``cohorts.cohort`` orders
    them, for the comparisons among the gates, which stay open without it.
    ``classes`` gives the classes of each version that answered (multiclass).
    Raises InvalidInput for a span that has not come yet or is empty.
    """
    if not since < until <= now:
        raise InvalidInput(
            f"a cohort from {since.isoformat()} to {until.isoformat()} cannot be measured at {now.isoformat()}",
            hint="give a span that has passed, with since before until",
        )
    spec = ModelSpec.from_json(applied.spec_json)
    found = cohort(log, joined, spec, version, since, until, now)
    final = spec.horizon is not None and until <= now - spec.horizon
    rows = scored(found.rows, spec, classes or {}) if found.rows.height else None
    evaluation = Evaluation(
        model=spec.name,
        version=version,
        since=since,
        until=until,
        at=now,
        maturity=Maturity.FINAL if final else Maturity.PARTIAL,
        predictions=found.predictions,
        labelled=found.rows.height,
        censored=found.censored,
        metrics=measure_all(rows) if rows is not None else {},
    )
    if rows is None or not (final or spec.horizon is None):
        return LiveEvaluation(evaluation, None)
    service = live_figures(log, spec.name, version, since, until)
    report = evaluate_gates(spec.gates, rows, champion, service=service, live=True)
    conditions = [trigger.expression for trigger in spec.triggers if isinstance(trigger, When)]
    asked = tuple(triggered(condition, rows, champion, service=service) for condition in conditions)
    return LiveEvaluation(evaluation, report, asked)


def scored(rows: pl.DataFrame, spec: ModelSpec, classes: Mapping[int, Sequence[str]] | None = None) -> ScoredRows:
    """A cohort's rows for evaluation. Rows that were answered without a finite score carry no metric and are left out.

    ``classes`` gives each version's classes in the order of its scores; those of all versions are brought together.
    """
    if spec.task != MULTICLASS:
        return ScoredRows.of(rows.filter(pl.col("score").is_finite().fill_null(False)), spec.task)
    together = list(dict.fromkeys(name for names in (classes or {}).values() for name in names))
    parts = [
        _reordered(rows.filter(pl.col("version") == number), names, together)
        for number, names in (classes or {}).items()
    ]
    frame = pl.concat(parts, how="diagonal_relaxed") if parts else rows
    return ScoredRows.of(frame, spec.task, together)


def _reordered(rows: pl.DataFrame, names: Sequence[str], together: Sequence[str]) -> pl.DataFrame:
    scores = {name: rows[f"score_{i}"].fill_null(0.0) for i, name in enumerate(names) if f"score_{i}" in rows.columns}
    nothing = pl.Series([0.0] * rows.height, dtype=pl.Float64)
    kept = rows.select(column for column in rows.columns if not column.startswith("score_"))
    return kept.with_columns(scores.get(name, nothing).alias(f"score_{i}") for i, name in enumerate(together))
