"""Blocks of rows that hang together, and what a metric becomes when each block is left out.

Rows of one day share weather, traffic and mood, so they are not independent; days nearly are. Everything that
bounds a metric here leaves out one block at a time (the delete-a-group jackknife), which needs no formula for the
metric's variance and carries over to differences, ratios and extremes of metrics.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from treadle.domain.errors import InvalidInput

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

ROW_CHUNKS = 50
FEWEST_DAYS = 3


@dataclass(frozen=True, eq=False)
class Blocks:
    """The block of each row: ``codes`` (n,) in ``0..count-1``.

    ``unit`` is ``day``, ``hour``, ``chunk`` (of neighbours in time, where there are too few of those) or ``rows``:
    there was no time to block by, rows are held to be independent, and the blocks are mere chunks of rows.
    """

    codes: Ints
    count: int
    unit: str = "day"

    @staticmethod
    def of_times(times: NDArray[np.datetime64]) -> Blocks:
        """UTC days of ``times`` (n,), oldest first.

        Fewer than 3 days cannot carry an interval; then UTC hours are the blocks, and if those are too few as well,
        chunks of rows in order of time. Raises InvalidInput where a time is missing.
        """
        if times.size == 0:
            return Blocks(np.zeros(0, np.int64), 0)
        if np.isnat(times).any():
            raise InvalidInput("a row has no time", hint="give every row a time, or leave the time column out")
        for unit, step in (("day", "D"), ("hour", "h")):
            codes, count = _dense(times.astype(f"datetime64[{step}]").astype(np.int64))
            if count >= FEWEST_DAYS:
                return Blocks(codes, count, unit)
        rank = np.empty(times.size, np.int64)
        rank[np.argsort(times, kind="stable")] = np.arange(times.size)
        chunks = Blocks.of_rows(times.size)
        return Blocks(chunks.codes[rank], chunks.count, "chunk")

    @staticmethod
    def of_rows(rows: int, count: int = ROW_CHUNKS) -> Blocks:
        """At most ``count`` chunks of neighbouring rows, of sizes that differ by one at most."""
        count = min(rows, count)
        return Blocks(np.arange(rows, dtype=np.int64) * count // max(rows, 1), count, "rows")

    def take(self, rows: NDArray[np.bool_]) -> Blocks:
        """The blocks of the rows where the mask (n,) is true; blocks keep their codes, so some may be empty."""
        return Blocks(self.codes[rows], self.count, self.unit)

    def coarse(self, limit: int) -> Blocks:
        """At most ``limit`` blocks: neighbours are put together."""
        if self.count <= limit:
            return self
        return Blocks(self.codes * limit // self.count, limit, self.unit)

    def sums(self, values: Floats | Ints | NDArray[np.bool_]) -> Floats:
        """Sum of ``values`` (n,) per block, (count,)."""
        return np.bincount(self.codes, weights=values, minlength=self.count).astype(np.float64)

    @property
    def sizes(self) -> Floats:
        """Rows per block, (count,)."""
        return np.bincount(self.codes, minlength=self.count).astype(np.float64)


def _dense(codes: Ints) -> tuple[Ints, int]:
    shifted = codes - codes.min()
    if int(shifted.max()) > 10_000_000:
        unique, inverse = np.unique(shifted, return_inverse=True)
        return inverse.astype(np.int64), len(unique)
    present = np.bincount(shifted) > 0
    return (np.cumsum(present) - 1)[shifted].astype(np.int64), int(present.sum())


@dataclass(frozen=True, eq=False)
class Replicates:
    """A metric on all rows, and without each block.

    ``leave_out`` (blocks,) holds the value without block b; ``sizes`` (blocks,) the rows of each block (an empty block
    changes nothing and is not counted). ``support`` counts the rows that carry the metric (for recall: the positives).
    NaN means undefined.
    """

    value: float
    leave_out: Floats
    sizes: Floats
    support: float

    @property
    def rows(self) -> int:
        """All rows."""
        return int(self.sizes.sum())

    @property
    def blocks(self) -> int:
        """Blocks that have rows."""
        return int((self.sizes > 0).sum())

    @property
    def standard_error(self) -> float:
        """The jackknife's standard error, CR3 in the words of cluster-robust inference; NaN where undefined.

        ``se^2 = (B - 1)/B * sum_b (theta_(b) - theta)^2`` over the B blocks with rows. Slightly conservative with few
        blocks, which is why it is preferred there (MacKinnon, Nielsen & Webb 2023, "Fast and reliable jackknife and
        bootstrap methods for cluster-robust inference", J. Appl. Econometrics 38).
        """
        used = self.sizes > 0
        count = int(used.sum())
        if count < 2 or not np.isfinite(self.value):
            return float("nan")
        deviations = self.leave_out[used] - self.value
        return float(np.sqrt((count - 1) / count * np.dot(deviations, deviations)))

    @property
    def degrees(self) -> float:
        """Degrees of freedom of the standard error: the effective number of blocks, less one; at least 1.

        The effective number ``n^2 / sum_b n_b^2`` is B for equal blocks and falls as one block outweighs the others
        (Carter, Schnepel & Steigerwald 2017, Rev. Econ. Stat. 99).
        """
        squares = float(np.dot(self.sizes, self.sizes))
        return max(1.0, float(self.sizes.sum()) ** 2 / squares - 1) if squares > 0 else 1.0

    def map(self, function: Callable[[Floats], Floats]) -> Replicates:
        """The same with an elementwise function of the value."""
        value = float(function(np.asarray([self.value]))[0])
        return Replicates(value, function(self.leave_out), self.sizes, self.support)

    def minus(self, other: Replicates) -> Replicates:
        """The difference of two metrics on the same rows in the same blocks."""
        return Replicates(
            self.value - other.value,
            self.leave_out - other.leave_out,
            np.maximum(self.sizes, other.sizes),
            min(self.support, other.support),
        )


def of_sums(
    function: Callable[[Floats], Floats], block_sums: Floats, sizes: Floats, support: float | None = None
) -> Replicates:
    """A metric that is a function of sums over rows.

    ``block_sums`` is (blocks, ...); ``function`` maps sums (k, ...) to values (k,).
    """
    total = block_sums.sum(axis=0, keepdims=True)
    values = function(np.concatenate([total, total - block_sums]))
    rows = float(sizes.sum()) if support is None else support
    return Replicates(float(values[0]), values[1:], sizes, rows)


def average(parts: Sequence[Replicates]) -> Replicates:
    """The mean of several metrics on the same rows; undefined parts are left out of it."""
    values = np.array([[p.value, *p.leave_out] for p in parts])
    defined = ~np.isnan(values)
    mean = ratio(np.where(defined, values, 0).sum(axis=0), defined.sum(axis=0).astype(np.float64))
    return Replicates(float(mean[0]), mean[1:], parts[0].sizes, min(p.support for p in parts))


def ratio(numerator: Floats, denominator: Floats) -> Floats:
    """Elementwise quotient; NaN where the denominator is not positive, without a warning."""
    out: Floats = np.full(np.broadcast_shapes(np.shape(numerator), np.shape(denominator)), np.nan)
    np.divide(numerator, denominator, out=out, where=np.asarray(denominator) > 0)
    return out
