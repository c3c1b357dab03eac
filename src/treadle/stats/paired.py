"""Challenger minus champion on the same rows.

Scoring both on the same rows takes what makes a row easy or hard out of the comparison, and blocks keep a few good
days from looking like thousands of good rows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from treadle.domain.errors import InvalidInput
from treadle.stats import ranking
from treadle.stats.blocks import Blocks, Floats, Replicates
from treadle.stats.intervals import check_confidence, delong_variance, mean_interval, t_quantile, t_upper_tail
from treadle.stats.metrics import Sample, orient, replicates


@dataclass(frozen=True)
class Comparison:
    """How much better the challenger is; more is better whichever way the metric points.

    ``low`` and ``high`` are one-sided bounds, each at ``confidence``; ``p_value`` is one-sided, of a gain no larger
    than ``against``. NaN where undefined. ``blocks`` is None where rows were taken as independent.
    """

    value: float
    low: float
    high: float
    p_value: float
    error: float
    degrees: float
    rows: int
    blocks: int | None
    confidence: float
    against: float = 0.0

    @property
    def defined(self) -> bool:
        """Whether there are both an estimate and bounds."""
        return math.isfinite(self.value) and math.isfinite(self.error)


def compare(
    name: str,
    challenger: Sample,
    champion: Sample,
    blocks: Blocks | None = None,
    *,
    confidence: float = 0.95,
    against: float = 0.0,
) -> Comparison:
    """Compare two models by a metric on the same rows.

    In blocks by the jackknife of the difference. Where rows are independent (``blocks`` None or of unit ``rows``):
    DeLong's paired test for AUC, Student's for means, and the jackknife over chunks of rows for the others. Raises
    InvalidInput where the rows are not the same.
    """
    check_confidence(confidence)
    if challenger.rows != champion.rows or not np.array_equal(challenger.label, champion.label):
        raise InvalidInput(
            f"challenger ({challenger.rows} rows) and champion ({champion.rows} rows) have different labels",
            hint="score both models on the same rows in the same order",
        )
    if name == "worth" and challenger.worth is not None and champion.worth is not None:
        both = ~(np.isnan(challenger.worth) | np.isnan(champion.worth))
        if not both.all():
            challenger, champion = challenger.take(both), champion.take(both)
            blocks = None if blocks is None else blocks.take(both)
    independent = blocks is None or blocks.unit == "rows"
    chunks = blocks or Blocks.of_rows(challenger.rows)
    first, second = (replicates(name, sample, chunks) for sample in (challenger, champion))
    found = compare_replicates(name, first, second, confidence=confidence, against=against)
    if not independent:
        return found
    value, error, degrees = found.value, found.error, found.degrees
    if name == "auc" and math.isfinite(value):
        placed = [ranking.placements(s.label.astype(np.bool_), s.score) for s in (challenger, champion)]
        error, degrees = math.sqrt(delong_variance(*placed)), math.inf
    elif name == "worth" and challenger.worth is not None and champion.worth is not None:
        mean = mean_interval(challenger.worth - champion.worth, confidence=confidence)
        error, degrees = mean.error, mean.degrees
    return bounded(value, error, degrees, rows=challenger.rows, blocks=None, confidence=confidence, against=against)


def compare_replicates(
    name: str, challenger: Replicates, champion: Replicates, *, confidence: float = 0.95, against: float = 0.0
) -> Comparison:
    """Compare from block replicates of the same metric (or the same reduction of it) in the same blocks."""

    def oriented(values: Floats) -> Floats:
        return orient(name, values)

    gain = challenger.map(oriented).minus(champion.map(oriented))
    return bounded(
        gain.value,
        gain.standard_error,
        gain.degrees,
        rows=gain.rows,
        blocks=gain.blocks,
        confidence=confidence,
        against=against,
    )


def bounded(
    value: float,
    error: float,
    degrees: float,
    *,
    rows: int,
    blocks: int | None,
    confidence: float,
    against: float = 0.0,
) -> Comparison:
    """One-sided bounds and p-value of a difference with a standard error, by Student's t."""
    reach = t_quantile(confidence, degrees) * error
    excess = value - against
    if error > 0:
        p_value = t_upper_tail(excess / error, degrees)
    else:
        p_value = math.nan if math.isnan(error) else (0.0 if excess > 0 else 1.0)
    return Comparison(value, value - reach, value + reach, p_value, error, degrees, rows, blocks, confidence, against)


def rows_needed(
    distance: float, error: float, rows: int, *, confidence: float = 0.95, power: float = 0.8
) -> int | None:
    """How many more rows would probably decide.

    ``distance`` is how far the estimate lies from the threshold, ``error`` its standard error on ``rows`` rows. If the
    estimate is right, ``rows * ((z_confidence + z_power) * error / distance)^2`` rows put it significantly on its side
    with probability ``power``; returned is what is missing of them. None where no number would do.
    """
    if not (math.isfinite(distance) and math.isfinite(error)) or distance == 0 or rows <= 0:
        return None
    quantiles = t_quantile(confidence, math.inf) + t_quantile(power, math.inf)
    total = rows * (quantiles * error / distance) ** 2
    return max(math.ceil(total) - rows, 0) if total < 1e12 else None
