"""What the loop was worth: the first version left alone against the versions that answered, on the same rows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import polars as pl

from treadle.domain import events as ev
from treadle.domain.errors import InvalidInput
from treadle.domain.monitoring import Measured
from treadle.evaluation.measuring import measure
from treadle.evaluation.rows import ScoredRows
from treadle.loop.stages import Stages
from treadle.monitor.reading import as_declared, declared_rows
from treadle.ports.events import Events
from treadle.spec.model_spec import ModelSpec
from treadle.stats.paired import compare

COUNTED = {
    ev.TrainingRequested: "trainings",
    ev.RolloutStarted: "rollouts",
    ev.VersionPromoted: "promotions",
    ev.VersionRefused: "refusals",
    ev.VersionRolledBack: "rollbacks",
    ev.IncidentOpened: "alerts",
    ev.TrainingFailed: "failures",
}
ABORTED = "aborted"
YEAR, MONTH = "%Y", "%Y-%m"
PRIMARY = {"binary": "auc", "multiclass": "accuracy", "regression": "mae"}


@dataclass(frozen=True)
class Period:
    """One calendar month or year (UTC). The metric and ``worth`` (of a labelled prediction) by who answered."""

    name: str
    predictions: int
    joined: int
    alone: dict[str, float | None]
    loop: dict[str, float | None]
    counts: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Report:
    """``gain`` is what the loop earned more than the first version alone, for each labelled prediction: paired on the
    same rows, bounded at 95 % (two-sided) in blocks of days. Where no worth is declared it is how much better
    ``metric`` was; more is better whichever way the metric points.

    ``periods`` are months, ``years`` the calendar years where there is more than one. ``predictions`` counts logged
    answers, ``joined`` those whose outcome came, ``censored`` those whose horizon has passed without one, ``pending``
    the rest.
    """

    model: str
    metric: str
    first_version: int
    since: datetime
    until: datetime
    periods: tuple[Period, ...]
    alone: dict[str, float | None]
    loop: dict[str, float | None]
    gain: Measured
    gain_in: str
    days: int
    predictions: int
    joined: int
    censored: int
    pending: int
    counts: dict[str, int]
    years: tuple[Period, ...] = ()


def report(stages: Stages, model: str) -> Report:
    """Look back on everything that a model has answered. Raises InvalidInput where nothing was answered yet."""
    applied = stages.models.get(model)
    spec = ModelSpec.from_json(applied.spec_json)
    stages.log.record()
    parts = stages.log.parts(model)
    if not parts:
        raise InvalidInput(f"model {model!r} has answered nothing yet", hint="send it predictions first")
    since = min(part.first for part in parts)
    until = max(part.last for part in parts) + timedelta(microseconds=1)
    rows = stages.monitor.joined_frame(model, since, until).collect().sort("at", "prediction_id")
    known = rows.filter(pl.col("label").is_not_null())
    first = min(stages.registry.versions(model), key=lambda v: v.number)
    loop, alone = _beside(stages, spec, known, first.number)
    now = stages.clock.now()
    mature = int((rows["at"] < now - spec.horizon).sum()) if spec.horizon is not None else 0
    matured_known = int((known["at"] < now - spec.horizon).sum()) if spec.horizon is not None else 0
    metric = PRIMARY[spec.task] if spec.objective in {None, "worth"} else str(spec.objective)
    counts = _events_by_month(stages.events, model)
    years = _periods(rows, loop, alone, metric, counts, YEAR)
    total: Counter[str] = sum(counts.values(), Counter())
    gain_in = "worth" if spec.worth is not None else metric
    gain = compare(gain_in, loop.sample, alone.sample, loop.blocks, confidence=0.975)
    return Report(
        model=model,
        metric=metric,
        first_version=first.number,
        since=since,
        until=until,
        periods=_periods(rows, loop, alone, metric, counts, MONTH),
        alone=_figures(alone, metric),
        loop=_figures(loop, metric),
        gain=Measured(gain.value, gain.low, gain.high),
        gain_in=gain_in,
        days=gain.blocks or 0,
        predictions=rows.height,
        joined=known.height,
        censored=mature - matured_known,
        pending=rows.height - known.height - (mature - matured_known),
        counts={name: total.get(name, 0) for name in (*COUNTED.values(), ABORTED)},
        years=years if len(years) > 1 else (),
    )


def _beside(stages: Stages, spec: ModelSpec, known: pl.DataFrame, first: int) -> tuple[ScoredRows, ScoredRows]:
    """What was answered, and what the first version would have answered, row by row."""
    version = stages.registry.get(spec.name, first)
    label = as_declared(known["label"], spec.column(spec.label)).alias(spec.label)
    features = declared_rows(known, spec).with_columns(label)
    alone = stages.train.score(version, stages.train.keep_rows(features))
    answered = alone.with_columns(known["worth"].cast(pl.Float64))
    if spec.task != "multiclass":
        answered = answered.with_columns(known["score"].cast(pl.Float64))
    kind = alone.schema["decision"]
    decision = known["decision"]
    if kind == pl.Boolean and decision.dtype == pl.String:
        decision = decision == "true"
    answered = answered.with_columns(decision.cast(kind).alias("decision"))
    time = known["at"].alias("time")
    return (
        ScoredRows.of(answered.with_columns(time), spec.task, version.classes),
        ScoredRows.of(alone.with_columns(time), spec.task, version.classes),
    )


def _periods(
    rows: pl.DataFrame,
    loop: ScoredRows,
    alone: ScoredRows,
    metric: str,
    counts: dict[str, Counter[str]],
    named: str,
) -> tuple[Period, ...]:
    """Every calendar period that has predictions, by its name: ``YEAR`` or ``MONTH``."""
    predicted = dict(rows.group_by(pl.col("at").dt.strftime(named).alias("period")).len().iter_rows())
    periods = []
    for name in sorted(predicted):
        here = pl.col("time").dt.strftime(named) == name
        mine = ScoredRows.of(loop.frame.filter(here), loop.task, loop.classes)
        first = ScoredRows.of(alone.frame.filter(here), alone.task, alone.classes)
        happened: Counter[str] = sum((c for month, c in counts.items() if month.startswith(name)), Counter())
        figures = _figures(first, metric), _figures(mine, metric)
        periods.append(Period(name, predicted[name], mine.rows, *figures, dict(happened)))
    return tuple(periods)


def _figures(rows: ScoredRows, metric: str) -> dict[str, float | None]:
    figures = {metric: measure(metric, rows).value if rows.rows else None}
    if "worth" in rows.frame.columns and rows.frame["worth"].null_count() < rows.rows:
        figures["worth"] = measure("worth", rows).value
    return figures


def counted(payload: ev.Payload) -> str | None:
    """What an event counts as in the report, if anything: of rollouts those that began, and those that were aborted."""
    if isinstance(payload, ev.RolloutStepped):
        return ABORTED if payload.action == "aborted" else None
    return COUNTED.get(type(payload))


def _events_by_month(events: Events, model: str) -> dict[str, Counter[str]]:
    counts: dict[str, Counter[str]] = {}
    after = 0
    while sealed := events.read(after, model=model):
        after = sealed[-1].position
        for item in sealed:
            name = counted(item.event.payload)
            if name is not None:
                counts.setdefault(f"{item.event.at:{MONTH}}", Counter())[name] += 1
    return counts
