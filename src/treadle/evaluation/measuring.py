"""Metrics of scored rows with their intervals, whole and by slice."""

from __future__ import annotations

import math
from collections.abc import Iterable

from treadle.domain.gates import SliceValue
from treadle.domain.monitoring import Measured
from treadle.evaluation.rows import ScoredRows
from treadle.stats import metrics
from treadle.stats.intervals import Interval, estimate


def measure(name: str, rows: ScoredRows, *, confidence: float = 0.95) -> Measured:
    """One metric with its two-sided interval, in blocks of days.

    The value is None where the metric is undefined, the bounds where they are (fewer than two blocks). Raises
    InvalidInput for an unknown metric, or a decision or worth that the rows lack.
    """
    return measured(estimate(name, rows.sample, rows.blocks, confidence=confidence))


def measure_all(
    rows: ScoredRows, names: Iterable[str] | None = None, *, confidence: float = 0.95
) -> dict[str, Measured]:
    """Several metrics by name; without ``names`` all that the rows allow."""
    chosen = available(rows) if names is None else tuple(names)
    return {name: measure(name, rows, confidence=confidence) for name in chosen}


def available(rows: ScoredRows) -> tuple[str, ...]:
    """The metrics that can be computed on these rows."""
    sample = rows.sample
    has = {"score": True, "decision": sample.decision is not None, "worth": sample.worth is not None}
    return tuple(name for name in metrics.names(rows.task) if has[metrics.find(rows.task, name).needs])


def measure_slices(
    name: str, rows: ScoredRows, column: str, *, confidence: float = 0.95, fewest: int = 50
) -> tuple[SliceValue, ...]:
    """A metric for each value of a slice column; slices under ``fewest`` rows have a count but no value."""
    found = []
    for value, mask in rows.slices(column).items():
        size = int(mask.sum())
        if size < fewest:
            found.append(SliceValue(f"{column}={value}", None, None, None, size))
            continue
        one = measured(estimate(name, rows.sample.take(mask), rows.blocks.take(mask), confidence=confidence))
        found.append(SliceValue(f"{column}={value}", one.value, one.low, one.high, size))
    return tuple(found)


def measured(interval: Interval) -> Measured:
    """An interval as the record that is kept: None in the place of what is undefined."""
    return Measured(finite(interval.value), finite(interval.low), finite(interval.high))


def finite(value: float) -> float | None:
    """The value, or None where it is not a finite number."""
    return value if math.isfinite(value) else None
