"""What live traffic says of a version that is being rolled out.

**Mirrored requests** are compared in pairs: the challenger's answer beside the one that was given, on the very same
rows, each with the outcome of the request that it mirrors. The decisions of both are valued by the challenger's code,
day by day, so that a day that was valued before is a cached step.

**Its own answers** are held against the thresholds; comparisons are taken over from the mirrored requests, since
nobody else answered the same ones. Where no request was mirrored they stand as judged at release.

Only matured predictions count: of younger ones the quick outcomes alone are known, and these are not like the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import polars as pl

from treadle.domain.gates import GateReport, GateResult, Verdict
from treadle.domain.versions import ModelVersion
from treadle.evaluation.gates import ServiceFigures
from treadle.evaluation.gates import evaluate as evaluate_gates
from treadle.evaluation.rows import ScoredRows
from treadle.monitor.cohorts import cohort, evaluation_rows, labelled, mirrored
from treadle.monitor.health import live_figures
from treadle.monitor.joining import score_columns, worths
from treadle.monitor.performance import scored
from treadle.monitor.reading import declared_rows
from treadle.ports.blobs import Blobs
from treadle.ports.predictions import JoinedLog, PredictionLog
from treadle.ports.steps import Engine
from treadle.spec.expressions import AllOf, AnyOf, BeatsChampion, Expression, NotWorseThanChampion
from treadle.spec.model_spec import ModelSpec

AT_RELEASE = "as judged at release; no request was mirrored"
IN_SHADOW = "on mirrored requests"
GIVEN = "given_"


def compare_shadow(
    log: PredictionLog,
    joined: JoinedLog,
    challenger: ModelVersion,
    champion: ModelVersion,
    since: datetime,
    until: datetime,
    now: datetime,
    *,
    engine: Engine,
    blobs: Blobs,
    service: ServiceFigures | None = None,
) -> GateReport | None:
    """Hold the challenger against its gates on the requests of ``[since, until)`` that ``champion`` answered and it
    saw mirrored, as far as they have matured by ``now``. None where there are none.

    ``service`` are the figures of the model itself, as measured at release: the latency of a mirrored request is not
    what a caller would wait for.
    """
    spec = ModelSpec.from_json(challenger.spec_json)
    pairs = _paired(log, joined, spec, challenger.number, champion.number, since, _matured(spec, until, now), now)
    if pairs is None or pairs.is_empty():
        return None
    sides = _valued(pairs, spec, challenger, engine, blobs)
    new, old = (
        scored(side.with_columns(version=pl.lit(version.number)), spec, {version.number: version.classes})
        for side, version in zip(sides, (challenger, champion), strict=True)
    )
    return evaluate_gates(spec.gates, new, old, service=service, live=True)


def own_answers(
    log: PredictionLog,
    joined: JoinedLog,
    challenger: ModelVersion,
    since: datetime,
    until: datetime,
    now: datetime,
    *,
    shadow: GateReport | None,
    service: ServiceFigures | None = None,
) -> GateReport | None:
    """Hold the challenger against its gates on the requests of ``[since, until)`` that it answered itself, as far as
    they have matured by ``now``. None where there are none.

    ``shadow`` is the comparison on mirrored requests, if there was one. Latencies are those of the requests it
    answered, or where these are too few the ``service`` figures measured at release.
    """
    spec = ModelSpec.from_json(challenger.spec_json)
    end = _matured(spec, until, now)
    if not since < end:
        return None
    found = cohort(log, joined, spec, challenger.number, since, end, now)
    if found.rows.is_empty():
        return None
    rows: ScoredRows = scored(found.rows, spec, {challenger.number: challenger.classes})
    seen = live_figures(log, spec.name, challenger.number, since, until)
    report = evaluate_gates(spec.gates, rows, None, service=_known(seen, service), live=True)
    return with_comparisons(report, spec.gates, shadow)


def with_comparisons(report: GateReport, gates: Sequence[Expression], shadow: GateReport | None) -> GateReport:
    """The report with its comparisons taken from ``shadow``, or standing as judged at release without one."""
    known = _comparisons(gates, shadow.results) if shadow is not None else {}
    results = tuple(_taken_over(gate, result, known) for gate, result in zip(gates, report.results, strict=True))
    return replace(report, results=results, verdict=Verdict.all([result.verdict for result in results]))


def _comparisons(gates: Sequence[Expression], results: Sequence[GateResult]) -> dict[str, GateResult]:
    found: dict[str, GateResult] = {}
    for gate, result in zip(gates, results, strict=False):
        if isinstance(gate, AllOf | AnyOf):
            found |= _comparisons(gate.parts, result.parts)
        elif isinstance(gate, BeatsChampion | NotWorseThanChampion):
            found[str(gate)] = result
    return found


def _taken_over(gate: Expression, result: GateResult, known: Mapping[str, GateResult]) -> GateResult:
    if isinstance(gate, AllOf | AnyOf):
        parts = tuple(_taken_over(part, one, known) for part, one in zip(gate.parts, result.parts, strict=True))
        judge = Verdict.all if isinstance(gate, AllOf) else Verdict.any
        return replace(result, parts=parts, verdict=judge([part.verdict for part in parts]))
    if isinstance(gate, BeatsChampion | NotWorseThanChampion):
        before = known.get(str(gate))
        return replace(result, note=AT_RELEASE) if before is None else replace(before, note=IN_SHADOW)
    return result


def _matured(spec: ModelSpec, until: datetime, now: datetime) -> datetime:
    return until if spec.horizon is None else min(until, now - spec.horizon)


def _known(seen: ServiceFigures, measured: ServiceFigures | None) -> ServiceFigures:
    """Live figures, with what live traffic does not tell from release."""
    if measured is None:
        return seen
    return ServiceFigures(
        latency_p50=measured.latency_p50 if seen.latency_p50 is None else seen.latency_p50,
        latency_p99=measured.latency_p99 if seen.latency_p99 is None else seen.latency_p99,
        size=measured.size if seen.size is None else seen.size,
    )


def _paired(
    log: PredictionLog,
    joined: JoinedLog,
    spec: ModelSpec,
    challenger: int,
    champion: int,
    since: datetime,
    until: datetime,
    now: datetime,
) -> pl.DataFrame | None:
    """The challenger's mirrored rows with their label, and what the champion answered as ``given_<column>``."""
    if not since < until:
        return None
    shadows = mirrored(log, spec.name, since, until, challenger)
    known = labelled(joined, spec.name, since, until, now)
    if shadows is None or known is None:
        return None
    known = known.filter(pl.col("version") == champion)
    scores = [name for name in known.collect_schema() if name == "score" or name.startswith("score_")]
    given = known.select(
        "prediction_id", "label", *(pl.col(name).alias(GIVEN + name) for name in [*scores, "decision"])
    )
    rows = shadows.drop("label", strict=False).join(given, on="prediction_id")
    finite = pl.col("score").is_finite() & pl.col(GIVEN + "score").is_finite()
    return rows.filter(finite).unique("prediction_id").sort("at", "prediction_id").collect()


def _valued(
    pairs: pl.DataFrame, spec: ModelSpec, challenger: ModelVersion, engine: Engine, blobs: Blobs
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The challenger's and the champion's side of the same rows, in the same order, as evaluation takes them."""
    ours, theirs = [], []
    for _, day in pairs.group_by(pl.col("at").dt.date(), maintain_order=True):
        given = [name for name in day.columns if name.startswith(GIVEN)]
        new = evaluation_rows(_scores_apart(day).drop(given), spec)
        kept = [name for name in new.columns if not (name == "decision" or name.startswith("score"))]
        answers = day.select("prediction_id", *(pl.col(name).alias(name.removeprefix(GIVEN)) for name in given))
        old = evaluation_rows(new.select(kept).join(answers, on="prediction_id", maintain_order="left"), spec)
        rows = declared_rows(new, spec).with_columns(new["label"].alias(spec.label))
        worth = worths(rows, [new["decision"], old["decision"]], challenger, engine, blobs)
        ours.append(new.with_columns(worth[0]))
        theirs.append(old.with_columns(worth[1]))
    return pl.concat(ours, how="diagonal_relaxed"), pl.concat(theirs, how="diagonal_relaxed")


def _scores_apart(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of the log with a column for each class's score, as joined rows have them."""
    if not isinstance(rows.schema.get("scores"), pl.List):
        return rows
    return rows.with_columns(score_columns(rows["scores"])).drop("scores")
