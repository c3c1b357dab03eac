"""Rows with scores, decisions and worth: the form in which gates and monitoring take them.

Columns: ``label``, ``score`` (multiclass: ``score_0`` ...), ``decision``, ``worth`` (of the decision made, null where
none is declared), ``time`` (event time, where the model has one) and slice columns as ``row.<column>``.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from treadle.domain.errors import InvalidInput
from treadle.domain.models import AppliedModel
from treadle.domain.steps import StepKind
from treadle.domain.versions import ModelVersion
from treadle.evaluation.decisions import decide
from treadle.ports.blobs import Blobs
from treadle.ports.steps import Cancel, Engine, LogLine
from treadle.spec.model_spec import ModelSpec
from treadle.train.steps import MODEL, ROWS, SCORES, WORTH, ModelCode, read, write

DECISION = "__decision"


class Scorer:
    """Scores rows in a model's own environment, with its own code."""

    def __init__(
        self, engine: Engine, blobs: Blobs, *, log: LogLine | None = None, cancel: Cancel | None = None
    ) -> None:
        self._engine = engine
        self._blobs = blobs
        self._log = log
        self._cancel = cancel

    def scores(self, code: ModelCode, model: str, rows: str) -> tuple[pl.DataFrame, tuple[str, ...]]:
        """The score columns of ``rows`` (a blob) by ``model`` (a blob), and the classes they stand for."""
        request = code.request(StepKind.SCORE, {MODEL: model, ROWS: rows})
        made = self._engine.run(request, log=self._log, cancel=self._cancel)
        classes = (made.value or {}).get("classes") or ()
        return read(self._blobs, made.outputs[SCORES]), tuple(str(c) for c in classes)

    def timed_scores(self, code: ModelCode, model: str, rows: str, calls: int) -> tuple[pl.DataFrame, list[float]]:
        """The score columns of ``rows``, and the microseconds that ``calls`` calls with one row each took."""
        request = code.request(StepKind.SCORE, {MODEL: model, ROWS: rows}, {"timed": calls})
        made = self._engine.run(request, log=self._log, cancel=self._cancel)
        return read(self._blobs, made.outputs[SCORES]), list((made.value or {}).get("latency_us") or ())

    def worths(self, code: ModelCode, rows: str) -> pl.DataFrame:
        """``worth_true`` and ``worth_false`` of binary rows; or ``worth`` of rows with a ``__decision``."""
        made = self._engine.run(code.request(StepKind.WORTH, {ROWS: rows}), log=self._log, cancel=self._cancel)
        return read(self._blobs, made.outputs[WORTH])

    def decided(self, code: ModelCode, spec: ModelSpec, rows: pl.DataFrame, scored: pl.DataFrame) -> pl.DataFrame:
        """``scored`` with the worth of its decisions, for models whose decisions are not yes or no."""
        if spec.worth is None:
            return scored
        decided = rows.with_columns(scored.get_column("decision").alias(DECISION))
        worth = self.worths(code, write(self._blobs, decided)).get_column("worth")
        return scored.with_columns(worth.cast(pl.Float64))

    def score_version(
        self, version: ModelVersion, rows: str, *, valued_by: AppliedModel | ModelVersion | None = None
    ) -> pl.DataFrame:
        """Score a version on rows (a blob of its schema with labels), so that two can be held against each other.

        Worth is that of ``valued_by``'s function, so that both are valued alike; by default of the version's own.
        Raises InvalidInput where rows lack a column that the version needs, StepFailed where its code raised.
        """
        spec = ModelSpec.from_json(version.spec_json)
        frame = read(self._blobs, rows)
        lacking = [c.name for c in spec.columns if c.name not in frame.columns]
        if lacking:
            raise InvalidInput(
                f"version {version.number} of {version.model!r} cannot score these rows: "
                f"they lack {', '.join(lacking)}",
                hint="the schema has changed since; compare with a version of the same schema",
            )
        judge = valued_by if valued_by is not None else version
        value_spec, value_code = ModelSpec.from_json(judge.spec_json), ModelCode.of(judge)
        scores, classes = self.scores(ModelCode.of(version), version.artifacts[MODEL], rows)
        if spec.task == "binary" and value_spec.worth is not None:
            return scored_rows(spec, frame, scores, version.threshold, worth=self.worths(value_code, rows))
        scored = scored_rows(spec, frame, scores, version.threshold, classes=classes)
        return self.decided(value_code, value_spec, frame, scored)


def scored_rows(
    spec: ModelSpec,
    rows: pl.DataFrame,
    scores: pl.DataFrame,
    threshold: float | None,
    *,
    classes: Sequence[str] = (),
    worth: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Put rows and their scores together; all frames have the same rows in the same order.

    ``worth`` has ``worth_true`` and ``worth_false`` and is for binary models. Raises InvalidInput where the scores are
    not those of ``classes``.
    """
    columns = [rows.get_column(spec.label).alias("label"), *scores.get_columns()]
    decision = decide(scores, threshold, spec.task, classes)
    columns.append(decision)
    realised = pl.repeat(None, rows.height, dtype=pl.Float64, eager=True)
    if worth is not None:
        realised = worth.get_column("worth_true").zip_with(decision, worth.get_column("worth_false"))
    columns.append(realised.cast(pl.Float64).alias("worth"))
    if spec.time is not None:
        columns.append(rows.get_column(spec.time).alias("time"))
    columns += [rows.get_column(name).alias(f"row.{name}") for name in spec.slices]
    return pl.DataFrame(columns)
