"""Predictions beside their outcomes, and what the decisions made were worth."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import polars as pl

from treadle.domain.errors import StepCancelled, StepCrashed, StepFailed, StepTimedOut
from treadle.domain.steps import StepKind, StepRequest
from treadle.domain.versions import ModelVersion
from treadle.monitor.reading import (
    ROW,
    TIME,
    answers_given,
    as_declared,
    declared_rows,
    read_blob,
    sliced_columns,
    together,
)
from treadle.ports.blobs import Blobs
from treadle.ports.steps import Engine
from treadle.ports.versions import Versions
from treadle.spec.model_spec import ColumnSpec, ModelSpec

logger = logging.getLogger("treadle.monitor")


def joined_rows(
    matched: pl.DataFrame, spec: ModelSpec, now: datetime, *, engine: Engine, blobs: Blobs, versions: Versions
) -> pl.DataFrame:
    """The rows of one joined part, from what :func:`treadle.monitor.joins.match` found.

    Worth is computed by the code of the version that answered. Where that code raises, worth is null and the failure
    is logged; a step that timed out or was cancelled raises, and the join is tried again later.
    """
    parts = [_answered(str(part), rows) for (part,), rows in matched.group_by("part", maintain_order=True)]
    answered = together([part.lazy() for part in parts], [part.schema for part in parts]).collect()
    rows = pl.concat(
        [
            _with_worth(group, versions.get(spec.name, int(number)), engine, blobs)
            for (number,), group in answered.group_by("version", maintain_order=True)
        ],
        how="diagonal_relaxed",
    )
    return _as_kept(rows, spec, now)


def decided(decision: pl.Series, task: str) -> pl.Series:
    """The decisions made, as the task has them: booleans, class names or numbers."""
    kinds = {"binary": "bool", "multiclass": "str", "regression": "float"}
    return as_declared(decision, ColumnSpec(decision.name, kinds[task]))


def score_columns(scores: pl.Series) -> list[pl.Series]:
    """A list of scores a row (multiclass) as one column a class, ``score_0`` and on."""
    width = int(scores.list.len().max() or 0)  # type: ignore[arg-type]
    return [scores.list.get(i, null_on_oob=True).alias(f"score_{i}") for i in range(width)]


def worths(
    rows: pl.DataFrame, decisions: Sequence[pl.Series], version: ModelVersion, engine: Engine, blobs: Blobs
) -> list[pl.Series]:
    """What each of several series of decisions is worth on the same labelled rows, by the code of ``version``.

    ``rows`` are declared rows with their label. Null where no worth is declared or the code raised, which is logged;
    a step that was killed, timed out or was cancelled raises. Valuing the same rows again is a cached step.
    """
    spec = ModelSpec.from_json(version.spec_json)
    unknown = pl.repeat(None, rows.height, dtype=pl.Float64, eager=True).alias("worth")
    if spec.worth is None or rows.is_empty():
        return [unknown] * len(decisions)
    try:
        if spec.task == "binary":
            worth = _worth_step(rows, version, engine, blobs)
            return [_of_made(decision, worth) for decision in decisions]
        return [
            _worth_step(rows.with_columns(decision.alias("__decision")), version, engine, blobs)["worth"].cast(
                pl.Float64
            )
            for decision in decisions
        ]
    except (StepCrashed, StepTimedOut, StepCancelled):
        raise
    except StepFailed as error:
        logger.error("%s: worth of %d decisions is unknown: %s", version.model, rows.height, error)
        return [unknown] * len(decisions)


def _worth_step(rows: pl.DataFrame, version: ModelVersion, engine: Engine, blobs: Blobs) -> pl.DataFrame:
    with written(rows) as path:
        digest = blobs.put_file(path)
    request = StepRequest(
        kind=StepKind.WORTH,
        model=version.model,
        code=version.recipe.code_digest,
        entry=version.code_entry,
        environment=version.recipe.environment_digest,
        root=version.code_root,
        inputs={"rows.parquet": digest},
    )
    return read_blob(blobs, engine.run(request).outputs["worth.parquet"])


def _of_made(decision: pl.Series, worth: pl.DataFrame) -> pl.Series:
    said = worth.with_columns(decision.alias("said"))
    made = pl.when(pl.col("said")).then("worth_true").when(~pl.col("said")).then("worth_false")
    return said.select(made.cast(pl.Float64).alias("worth"))["worth"]


def _answered(part: str, matched: pl.DataFrame) -> pl.DataFrame:
    wanted = matched.select("prediction_id", "label", "observed_at")
    log = answers_given(pl.read_parquet(part).lazy()).collect()
    return log.drop("label", "observed_at", strict=False).join(wanted, on="prediction_id")


def _with_worth(group: pl.DataFrame, version: ModelVersion, engine: Engine, blobs: Blobs) -> pl.DataFrame:
    spec = ModelSpec.from_json(version.spec_json)
    group = group.with_columns(decided(group["decision"], spec.task))
    rows = declared_rows(group, spec).with_columns(group["label"].alias(spec.label))
    (worth,) = worths(rows, [group["decision"]], version, engine, blobs)
    return group.with_columns(worth.alias("worth"))


def _as_kept(rows: pl.DataFrame, spec: ModelSpec, now: datetime) -> pl.DataFrame:
    absent = [pl.lit(None).alias(name) for name in ("time", "key", "score") if name not in rows.columns]
    rows = rows.with_columns(absent)
    scores = score_columns(rows["scores"]) if isinstance(rows.schema.get("scores"), pl.List) else []
    slices = [
        as_declared(rows[ROW + name], spec.column(name)) for name in sliced_columns(spec) if ROW + name in rows.columns
    ]
    return rows.select(
        pl.col("prediction_id").cast(pl.String),
        pl.col("version").cast(pl.Int64),
        pl.col("at").cast(TIME),
        pl.col("time").cast(TIME),
        pl.col("key").cast(pl.String),
        pl.col("label"),
        pl.col("observed_at").cast(TIME),
        pl.lit(now).cast(TIME).alias("joined_at"),
        pl.col("score").cast(pl.Float64),
        pl.col("decision"),
        pl.col("worth"),
    ).with_columns(*scores, *slices)


@contextmanager
def written(frame: pl.DataFrame) -> Iterator[Path]:
    """A frame as a Parquet file, for as long as the block lasts."""
    with tempfile.TemporaryDirectory(prefix="treadle-") as folder:
        path = Path(folder) / "rows.parquet"
        frame.write_parquet(path)
        yield path
