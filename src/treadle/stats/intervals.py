"""Intervals for metrics: by blocks of rows that hang together, and for independent rows.

The default for any metric in blocks is the delete-a-block jackknife with Student's t (``jackknife``): accurate with
ten to thirty blocks, deterministic, and O(rows) for most metrics. The block bootstrap is there for statistics that
have no such shortcut.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from treadle.domain.errors import InvalidInput
from treadle.stats import ranking
from treadle.stats.blocks import Blocks, Floats, Ints, Replicates
from treadle.stats.metrics import Metric, Sample, find, replicates


@dataclass(frozen=True)
class Interval:
    """An estimate and its two-sided interval.

    ``low`` and ``high`` are NaN where it has none (undefined value, fewer than two blocks), ``value`` too where the
    estimate is undefined. ``error`` is the standard error, ``degrees`` its degrees of freedom (infinite for a normal
    one). ``blocks`` is None where rows were taken as independent.
    """

    value: float
    low: float
    high: float
    error: float
    degrees: float
    rows: int
    blocks: int | None = None

    @property
    def defined(self) -> bool:
        """Whether there are both an estimate and bounds."""
        return math.isfinite(self.value) and math.isfinite(self.low) and math.isfinite(self.high)


def t_quantile(probability: float, degrees: float) -> float:
    """Student's t quantile, normal for infinite ``degrees``."""
    if math.isinf(degrees):
        return float(special.ndtri(probability))
    return float(special.stdtrit(degrees, probability))


def t_upper_tail(t: float, degrees: float) -> float:
    """``P(T > t)``, normal for infinite ``degrees``."""
    return float(special.ndtr(-t)) if math.isinf(degrees) else float(special.stdtr(degrees, -t))


def check_confidence(confidence: float) -> None:
    """Raises InvalidInput unless ``confidence`` lies strictly between 0 and 1."""
    if not 0 < confidence < 1:
        raise InvalidInput(f"confidence {confidence} is not between 0 and 1", hint="0.95 is usual")


def estimate(name: str, sample: Sample, blocks: Blocks | None = None, *, confidence: float = 0.95) -> Interval:
    """A metric with its two-sided interval.

    In ``blocks`` by the jackknife. Where rows are independent (``blocks`` None or of unit ``rows``): DeLong for AUC,
    Wilson for proportions, Student for means, and the jackknife over chunks of rows for the others. Raises InvalidInput
    for an unknown metric, a missing column or a confidence outside (0, 1).
    """
    check_confidence(confidence)
    metric = find(sample.task, name)
    if blocks is None or blocks.unit == "rows":
        chunks = blocks or Blocks.of_rows(sample.rows)
        return _of_independent_rows(metric, sample, replicates(name, sample, chunks), confidence)
    return of_replicates(metric, replicates(name, sample, blocks), confidence)


def of_replicates(metric: Metric, values: Replicates, confidence: float = 0.95) -> Interval:
    """The interval of a metric from its block replicates, within the metric's bounds.

    A proportion's is Wilson's with the effective number of rows ``p (1 - p) / se^2`` (at most the real one) and
    Student's quantile, after Korn & Graubard 1998 (Survey Methodology 24): it stays inside [0, 1] and has a width where
    every row succeeded. Other metrics bounded by [0, 1] that lie on a bound get that too.
    """
    plain = jackknife(values, confidence)
    low, high = metric.bounds
    p, support = values.value, values.support
    on_a_bound = (low, high) == (0.0, 1.0) and plain.error == 0 and p in {0.0, 1.0}
    if (metric.proportion or on_a_bound) and math.isfinite(p) and math.isfinite(plain.error):
        effective = min(support, p * (1 - p) / plain.error**2) if plain.error > 0 and 0 < p < 1 else support
        bounds = wilson(p * effective, effective, confidence, degrees=plain.degrees)
        return Interval(p, *bounds, plain.error, plain.degrees, plain.rows, plain.blocks)
    bounds = max(plain.low, low), min(plain.high, high)
    return Interval(p, *bounds, plain.error, plain.degrees, plain.rows, plain.blocks)


def jackknife(values: Replicates, confidence: float = 0.95) -> Interval:
    """``value -/+ t * se`` with the delete-a-block standard error and effective blocks - 1 degrees of freedom."""
    error, degrees = values.standard_error, values.degrees
    reach = t_quantile((1 + confidence) / 2, degrees) * error
    return Interval(
        values.value, values.value - reach, values.value + reach, error, degrees, values.rows, values.blocks
    )


def mean_interval(values: Floats, blocks: Blocks | None = None, *, confidence: float = 0.95) -> Interval:
    """The mean of ``values`` (n,): Student's interval, or cluster-robust in blocks (the jackknife of the ratio)."""
    if blocks is not None:
        sums, sizes = blocks.sums(values), blocks.sizes
        total, rows = sums.sum(), sizes.sum()
        left = np.divide(total - sums, rows - sizes, out=np.full(blocks.count, np.nan), where=rows > sizes)
        value = float(total / rows) if rows else math.nan
        return jackknife(Replicates(value, left, sizes, float(rows)), confidence)
    count = len(values)
    if count < 2:
        return _undefined(float(values[0]) if count else math.nan, count)
    value, error = float(values.mean()), float(values.std(ddof=1)) / math.sqrt(count)
    reach = t_quantile((1 + confidence) / 2, count - 1) * error
    return Interval(value, value - reach, value + reach, error, count - 1, count)


def wilson(
    successes: float, rows: float, confidence: float = 0.95, *, degrees: float = math.inf
) -> tuple[float, float]:
    """Wilson's score interval (1927) for a proportion; (NaN, NaN) without rows.

    ``rows`` may be an effective number; ``degrees`` puts Student's quantile in the normal's place.
    """
    if rows <= 0:
        return math.nan, math.nan
    z = t_quantile((1 + confidence) / 2, degrees)
    p, w = successes / rows, z * z / rows
    centre = (p + w / 2) / (1 + w)
    reach = math.sqrt(max(p * (1 - p) * w + w * w / 4, 0.0)) / (1 + w)
    low = 0.0 if successes <= 0 else max(centre - reach, 0.0)
    return low, 1.0 if successes >= rows else min(centre + reach, 1.0)


def delong_variance(first: ranking.Placements, second: ranking.Placements | None = None) -> float:
    """Variance of an AUC, or of the difference of two on the same rows (DeLong, DeLong & Clarke-Pearson 1988).

    ``S10 / P + S01 / N``, the sample variances of the placements (or of their differences). NaN with fewer than two
    rows in a class.
    """
    positives, negatives = len(first.of_positives), len(first.of_negatives)
    if positives < 2 or negatives < 2:
        return math.nan
    v10 = first.of_positives - (0 if second is None else second.of_positives)
    v01 = first.of_negatives - (0 if second is None else second.of_negatives)
    of_positives = float(np.var(v10, ddof=1)) / negatives**2
    return of_positives / positives + float(np.var(v01, ddof=1)) / positives**2 / negatives


def block_bootstrap(
    statistic: Callable[[Ints], float],
    blocks: Blocks,
    *,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Interval:
    """Interval of any statistic of row numbers, by drawing whole blocks with replacement.

    ``statistic`` maps row numbers (with repeats) to a number. The bounds are ``value -/+ t * sd`` of the bootstrap
    values with the jackknife's degrees of freedom: with few blocks percentiles are too narrow (Cameron, Gelbach &
    Miller 2008). Resamples in which the statistic is undefined are left out; more than a tenth of them leave it
    without bounds. Deterministic by ``seed``.
    """
    check_confidence(confidence)
    members = [np.flatnonzero(blocks.codes == b) for b in range(blocks.count)]
    members = [m for m in members if len(m)]
    value = float(statistic(np.arange(len(blocks.codes), dtype=np.int64)))
    if len(members) < 2 or not math.isfinite(value):
        return _undefined(value, len(blocks.codes), len(members))
    draws = np.random.default_rng(seed).integers(len(members), size=(resamples, len(members)))
    values = np.array([statistic(np.concatenate([members[i] for i in draw])) for draw in draws])
    kept: NDArray[np.float64] = values[np.isfinite(values)]
    if len(kept) < 0.9 * resamples:
        return _undefined(value, len(blocks.codes), len(members))
    degrees = Replicates(value, np.zeros(blocks.count), blocks.sizes, 0).degrees
    error = float(kept.std(ddof=1)) * math.sqrt(len(members) / (len(members) - 1))
    reach = t_quantile((1 + confidence) / 2, degrees) * error
    return Interval(value, value - reach, value + reach, error, degrees, len(blocks.codes), len(members))


def _of_independent_rows(metric: Metric, sample: Sample, values: Replicates, confidence: float) -> Interval:
    low, high = metric.bounds
    if metric.proportion and math.isfinite(values.value):
        p, rows = values.value, values.support
        bounds = wilson(p * rows, rows, confidence)
        return Interval(p, *bounds, math.sqrt(p * (1 - p) / rows), math.inf, sample.rows)
    if metric.info.name == "auc" and 0 < values.value < 1:
        error = math.sqrt(delong_variance(ranking.placements(sample.label.astype(np.bool_), sample.score)))
        reach = t_quantile((1 + confidence) / 2, math.inf) * error
        bounds = max(values.value - reach, low), min(values.value + reach, high)
        return Interval(values.value, *bounds, error, math.inf, sample.rows)
    found = of_replicates(metric, values, confidence)
    return Interval(found.value, found.low, found.high, found.error, found.degrees, sample.rows)


def _undefined(value: float, rows: int, blocks: int | None = None) -> Interval:
    return Interval(value, math.nan, math.nan, math.nan, 1.0, rows, blocks)
