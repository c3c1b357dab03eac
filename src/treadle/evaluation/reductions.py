"""Metrics over slices: each slice's value, the worst of them, and the gap between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from treadle.evaluation.rows import ScoredRows
from treadle.spec.expressions import MetricRef
from treadle.stats import metrics
from treadle.stats.blocks import Floats, Replicates

MIN_SLICE_ROWS = 50
MIN_SUPPORT = 20
_NAMED = 5


@dataclass(frozen=True, eq=False)
class Slice:
    """A metric on the rows of one slice, whole and without each block of all rows."""

    name: str
    rows: int
    values: Replicates


@dataclass(frozen=True, eq=False)
class Slices:
    """The slices that have rows enough to be judged, and the names of those that do not."""

    judged: tuple[Slice, ...]
    left_out: tuple[str, ...]

    @property
    def note(self) -> str:
        """Which slices are not judged, in words; empty where all are."""
        if not self.left_out:
            return ""
        named = ", ".join(self.left_out[:_NAMED])
        more = len(self.left_out) - _NAMED
        return f"too few rows to judge {named}" + (f" and {more} more" if more > 0 else "")

    def keep(self, names: set[str]) -> Slices:
        """Judge only the slices named; the others are left out."""
        dropped = tuple(s.name for s in self.judged if s.name not in names)
        return Slices(tuple(s for s in self.judged if s.name in names), self.left_out + dropped)


def judged_slices(ref: MetricRef, rows: ScoredRows) -> Slices:
    """A metric for each value of ``ref.column``.

    A slice is left out with fewer than 50 rows, with fewer than 20 that carry the metric (positives for recall, flagged
    rows for precision, twice the smaller class for AUC), or where the metric is undefined.
    """
    judged, left_out = [], []
    for value, mask in rows.slices(ref.column or "").items():
        name, size = f"{ref.column}={value}", int(mask.sum())
        if size >= MIN_SLICE_ROWS:
            values = metrics.replicates(ref.name, rows.sample.take(mask), rows.blocks.take(mask))
            if values.support >= MIN_SUPPORT and np.isfinite(values.value):
                judged.append(Slice(name, size, values))
                continue
        left_out.append(name)
    return Slices(tuple(judged), tuple(left_out))


def worst(ref: MetricRef, slices: Sequence[Slice]) -> Slice:
    """The slice that fares worst, whichever way the metric points."""
    return min(slices, key=lambda s: float(metrics.orient(ref.name, np.array([s.values.value]))[0]))


def goodness(ref: MetricRef, slices: Sequence[Slice]) -> Replicates:
    """The reduction over slices as a number of which more is better: the worst slice's, or minus the gap.

    The extreme of several noisy values lies further out than the truth (the gap of equal slices is above zero); paired
    comparisons, where both models carry the same excess, are hardly touched.
    """
    values = np.array([[s.values.value, *s.values.leave_out] for s in slices])
    found: Floats
    if ref.reduce == "gap":
        found = values.min(axis=0) - values.max(axis=0)
    else:
        found = metrics.orient(ref.name, values).min(axis=0)
    sizes = np.sum([s.values.sizes for s in slices], axis=0)
    return Replicates(float(found[0]), found[1:], sizes, min(s.values.support for s in slices))
