"""Mergeable summaries of columns: exact, and the same in whatever order parts come.

**Numbers.** A histogram whose bins are ``[k 2^e, (k + 1) 2^e)``, kept where they hold rows. The exponent e is the
smallest at which at most 128 bins are occupied (and not below 40 bits under the largest magnitude). Bins of a larger e
are unions of bins of a smaller one, and occupied bins only become more as rows join; so merging coarsens to the larger
exponent, coarsens on while there are too many, and arrives exactly at the sketch of all rows together. An outlier
costs one bin instead of all resolution. Mean and variance merge by Chan, Golub & LeVeque (1979).

**Categories.** Counts of the most frequent values. Exact as long as no part had more than ``TOP`` different values;
beyond, what fell off is counted in ``other`` and ``distinct`` is a lower bound once two such parts are merged.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from treadle.domain.data import Bin, ColumnProfile, Profile
from treadle.domain.errors import InvalidInput
from treadle.stats.blocks import Floats, Ints

MOST_BINS = 128
TOP = 200
_DEPTH = 40
_LARGEST = 1e150


def describe_numbers(name: str, values: Floats, missing: int = 0, kind: str = "number") -> ColumnProfile:
    """Profile of a column of numbers, or of times in UTC seconds (``kind="time"``).

    ``values`` (n,) are those present, ``missing`` counts the others; values that are not finite, or beyond 1e150, count
    as missing.
    ``variance`` is that of the rows themselves (divided by n).
    """
    x = np.asarray(values, dtype=np.float64)
    finite = np.abs(x) <= _LARGEST
    if not finite.all():
        x, missing = x[finite], missing + int((~finite).sum())
    if not len(x):
        return ColumnProfile(name, kind, missing, missing)
    ordered = np.sort(x)
    low, high = float(ordered[0]), float(ordered[-1])
    mean = float(ordered.mean())
    return ColumnProfile(
        name,
        kind,
        len(x) + missing,
        missing,
        mean=min(max(mean, low), high),
        variance=float(np.square(ordered - mean).mean()),
        minimum=low,
        maximum=high,
        histogram=_histogram(ordered),
        distinct=int((ordered[1:] != ordered[:-1]).sum()) + 1,
    )


def describe_categories(
    name: str, counts: Mapping[str, int], missing: int = 0, kind: str = "text", keep: int = TOP
) -> ColumnProfile:
    """Profile of a column of text or booleans from its counts by value; the ``keep`` most frequent are named."""
    present = sum(counts.values())
    top, other = _top(counts, keep)
    return ColumnProfile(name, kind, present + missing, missing, top=top, other=other, distinct=len(counts))


def merge(first: ColumnProfile, second: ColumnProfile) -> ColumnProfile:
    """The profile of the rows of both. Associative and order-free (sums of floats up to rounding).

    ``distinct`` of numbers is the larger one, a lower bound. Raises InvalidInput for different columns or kinds.
    """
    if (first.name, first.kind) != (second.name, second.kind):
        raise InvalidInput(
            f"cannot merge column {first.name!r} ({first.kind}) with {second.name!r} ({second.kind})",
            hint="merge profiles of the same column",
        )
    both = replace(first, count=first.count + second.count, nulls=first.nulls + second.nulls)
    distinct = _larger(first.distinct, second.distinct)
    if first.kind in {"text", "bool"}:
        names = list(first.top) + [name for name in second.top if name not in first.top]
        counts = {name: first.top.get(name, 0) + second.top.get(name, 0) for name in names}
        top, fell = _top(counts, TOP)
        other = first.other + second.other + fell
        return replace(both, top=top, other=other, distinct=len(counts) if other == fell else distinct)
    if first.mean is None or second.mean is None:
        full = first if second.mean is None else second
        return replace(full, count=both.count, nulls=both.nulls)
    mean, variance = _merged_moments(first, second)
    lows = [p.minimum for p in (first, second) if p.minimum is not None]
    highs = [p.maximum for p in (first, second) if p.maximum is not None]
    magnitude = max(map(abs, lows + highs))
    return replace(
        both,
        mean=mean,
        variance=variance,
        minimum=min(lows),
        maximum=max(highs),
        histogram=_merged_histogram(first, second, magnitude),
        distinct=distinct,
    )


def merge_profiles(first: Profile, second: Profile) -> Profile:
    """Merge profiles column by column; a column that only one has is missing in the rows of the other."""
    columns: dict[str, ColumnProfile] = {}
    for name in [*first.columns, *(n for n in second.columns if n not in first.columns)]:
        ours, theirs = first.columns.get(name), second.columns.get(name)
        if ours is not None and theirs is not None:
            columns[name] = merge(ours, theirs)
        elif ours is not None:
            columns[name] = replace(ours, count=ours.count + second.rows, nulls=ours.nulls + second.rows)
        elif theirs is not None:
            columns[name] = replace(theirs, count=theirs.count + first.rows, nulls=theirs.nulls + first.rows)
    return Profile(first.rows + second.rows, columns)


@dataclass(frozen=True, eq=False)
class Aligned:
    """Counts of two profiles over the same cells, both (k,); ``labels`` name the cells, ``ordered`` tells numbers."""

    labels: tuple[str, ...]
    reference: Floats
    current: Floats
    ordered: bool


def align(reference: ColumnProfile, current: ColumnProfile) -> Aligned:
    """Counts of the same column in two windows over common cells, ready for :func:`treadle.stats.effects.shift`.

    Numbers: the bins of the coarser histogram. Categories: the values named by the reference, and one last cell for all
    others. Missing values are left out. Raises InvalidInput for different kinds.
    """
    if reference.kind != current.kind:
        raise InvalidInput(
            f"column {reference.name!r} was {reference.kind} and is {current.kind}",
            hint="profile both windows by the same column declaration",
        )
    if reference.kind in {"text", "bool"}:
        names = tuple(reference.top)
        ours = [*(reference.top[n] for n in names), reference.other]
        theirs = [current.top.get(n, 0) for n in names]
        rest = current.other + sum(count for name, count in current.top.items() if name not in reference.top)
        cells = np.array(ours, dtype=np.float64), np.array([*theirs, rest], dtype=np.float64)
        return Aligned((*names, "(other)"), *cells, ordered=False)
    ours_at, theirs_at = _Dyadic.of(reference), _Dyadic.of(current)
    exponent = max(ours_at.exponent, theirs_at.exponent)
    ours_at, theirs_at = ours_at.coarse(exponent), theirs_at.coarse(exponent)
    keys = np.union1d(ours_at.keys, theirs_at.keys)
    counted = []
    for side in (ours_at, theirs_at):
        counts = np.zeros(len(keys))
        counts[np.searchsorted(keys, side.keys)] = side.counts
        counted.append(counts)
    labels = tuple(f"{math.ldexp(int(k), exponent):g} to {math.ldexp(int(k) + 1, exponent):g}" for k in keys)
    return Aligned(labels, counted[0], counted[1], ordered=True)


@dataclass(frozen=True, eq=False)
class _Dyadic:
    """Occupied bins ``[k 2^e, (k + 1) 2^e)``: ``keys`` k (ascending) and ``counts``."""

    exponent: int
    keys: Ints
    counts: Ints

    @staticmethod
    def of(profile: ColumnProfile) -> _Dyadic:
        if not profile.histogram:
            return _Dyadic(-1074, np.zeros(0, np.int64), np.zeros(0, np.int64))
        first = profile.histogram[0]
        exponent = math.frexp(first.high - first.low)[1] - 1
        keys = [int(math.ldexp(b.low, -exponent)) for b in profile.histogram]
        return _Dyadic(exponent, np.array(keys, np.int64), np.array([b.count for b in profile.histogram], np.int64))

    def coarse(self, exponent: int) -> _Dyadic:
        """The same in bins of a larger exponent."""
        if exponent == self.exponent or not len(self.keys):
            return replace(self, exponent=exponent)
        keys = self.keys >> min(exponent - self.exponent, 63)
        starts = np.flatnonzero(np.append(True, keys[1:] != keys[:-1]))
        return _Dyadic(exponent, keys[starts], np.add.reduceat(self.counts, starts))

    def bins(self) -> tuple[Bin, ...]:
        e = self.exponent
        return tuple(
            Bin(math.ldexp(k, e), math.ldexp(k + 1, e), c)
            for k, c in zip(self.keys.tolist(), self.counts.tolist(), strict=True)
        )


def _finest(magnitude: float) -> int:
    """The smallest exponent allowed for values up to ``magnitude``; their keys stay below 2^41."""
    return max(math.frexp(magnitude)[1] - _DEPTH, -1000) if magnitude > 0 else -1000


def _fitting(keys: Ints) -> int:
    """By how many bits ascending ``keys`` must be coarsened so that at most 128 differ.

    Neighbours x, y fall into one bin once shifted by the bit length of ``x xor y``; so one pass counts for all shifts.
    """
    if len(keys) <= MOST_BINS:
        return 0
    apart = (keys[1:] ^ keys[:-1]).astype(np.float64)
    lengths = np.where(apart < 0, 64, np.frexp(np.abs(apart))[1])
    lengths = np.bincount(lengths[apart != 0], minlength=65)
    occupied = 1 + lengths.sum() - np.cumsum(lengths)
    return int(np.argmax(occupied <= MOST_BINS))


def _histogram(ordered: Floats) -> tuple[Bin, ...]:
    exponent = _finest(max(abs(float(ordered[0])), abs(float(ordered[-1]))))
    scaled = np.ldexp(ordered, -exponent)
    keys = np.where((scaled == 0) & (ordered < 0), -1, np.floor(scaled)).astype(np.int64)  # tiny ones underflow
    shift = _fitting(keys)
    ones = _Dyadic(exponent + shift, keys >> shift, np.zeros(0, np.int64))
    starts = np.flatnonzero(np.append(True, ones.keys[1:] != ones.keys[:-1]))
    return _Dyadic(ones.exponent, ones.keys[starts], np.diff(np.append(starts, len(keys)))).bins()


def _merged_moments(first: ColumnProfile, second: ColumnProfile) -> tuple[float, float]:
    """Mean and variance of both columns' values together."""
    count, more = first.count - first.nulls, second.count - second.nulls
    mean, other = first.mean or 0.0, second.mean or 0.0
    share = more / (count + more)
    between = (other - mean) ** 2 * share * (1 - share)
    within = (first.variance or 0.0) * (1 - share) + (second.variance or 0.0) * share
    return mean * (1 - share) + other * share, within + between


def _merged_histogram(first: ColumnProfile, second: ColumnProfile, magnitude: float) -> tuple[Bin, ...]:
    ours, theirs = _Dyadic.of(first), _Dyadic.of(second)
    exponent = max(ours.exponent, theirs.exponent, _finest(magnitude))
    ours, theirs = ours.coarse(exponent), theirs.coarse(exponent)
    keys = np.concatenate([ours.keys, theirs.keys])
    order = np.argsort(keys, kind="stable")
    joined = _Dyadic(exponent, keys[order], np.concatenate([ours.counts, theirs.counts])[order])
    shift = _fitting(np.unique(joined.keys))
    shifted = joined.keys >> shift
    starts = np.flatnonzero(np.append(True, shifted[1:] != shifted[:-1]))
    return _Dyadic(exponent + shift, shifted[starts], np.add.reduceat(joined.counts, starts)).bins()


def _larger(first: int | None, second: int | None) -> int | None:
    known = [d for d in (first, second) if d is not None]
    return max(known) if known else None


def _top(counts: Mapping[str, int], keep: int) -> tuple[dict[str, int], int]:
    """The most frequent values (ties by name) and how many rows the others have."""
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return dict(ranked[:keep]), sum(count for _, count in ranked[keep:])
