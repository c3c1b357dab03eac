"""What a model is measured by on validation rows, and what tuning improves."""

from __future__ import annotations

import math
from collections.abc import Sequence

import polars as pl

from treadle.domain.errors import InvalidInput
from treadle.evaluation.decisions import best_threshold
from treadle.evaluation.rows import ScoredRows
from treadle.spec.catalog import CATALOG, MetricInfo
from treadle.spec.model_spec import ModelSpec
from treadle.stats import metrics

BY_TASK = {"binary": "auc", "multiclass": "log_loss", "regression": "mae"}


def objective(spec: ModelSpec) -> MetricInfo:
    """The metric that tuning improves: the declared one, else worth, else the task's usual one.

    Raises InvalidInput for one that has no better direction or is not measured on rows of this task.
    """
    name = spec.objective or ("worth" if spec.worth is not None else BY_TASK[spec.task])
    info = CATALOG.get(name)
    usable = [i.name for i in CATALOG.values() if spec.task in i.tasks and i.of_rows and i.better != "zero"]
    if info is None or name not in usable:
        raise InvalidInput(
            f"{name!r} cannot be the objective of {spec.task} model {spec.name!r}",
            hint="choose one of " + ", ".join(usable),
        )
    return info


def measure(spec: ModelSpec, scored: pl.DataFrame, classes: Sequence[str]) -> dict[str, float]:
    """All metrics that the rows allow, by name; undefined ones are left out.

    Raises InvalidInput where a score is missing or not finite.
    """
    sample = ScoredRows.of(scored, spec.task, classes).sample
    values = {
        name: metrics.compute(name, sample)
        for name in metrics.names(spec.task)
        if name != "worth" or spec.worth is not None
    }
    return {name: float(value) for name, value in values.items() if math.isfinite(value)}


def threshold(spec: ModelSpec, scores: pl.DataFrame, worth: pl.DataFrame | None) -> float | None:
    """The declared threshold of a binary model; for ``"worth"`` the one that earns most on these (validation) rows.

    ``worth`` has ``worth_true`` and ``worth_false``, row by row with ``scores``. None leaves the usual 0.5.
    """
    if spec.task != "binary" or spec.threshold is None:
        return None
    if not isinstance(spec.threshold, str):
        return float(spec.threshold)
    if worth is None:
        raise InvalidInput(
            f'model {spec.name!r} asks for the threshold "worth" but declares no worth',
            hint=f"declare it with @{spec.name}.worth, or give a number",
        )
    value, _ = best_threshold(
        scores.get_column("score").to_numpy(),
        worth.get_column("worth_true").cast(pl.Float64).to_numpy(),
        worth.get_column("worth_false").cast(pl.Float64).to_numpy(),
    )
    return value
