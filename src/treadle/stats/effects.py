"""How far a distribution has moved, quiet by design.

Two windows of the same stream never have the same counts: with few rows and many categories every distance between
them is far above zero. So each effect is debiased, bounded from below and tested against its own null distribution,
simulated for the shape at hand (the pooled shares, the two numbers of rows, and a design effect because the rows of a
day hang together).

With p and q the shares of reference and current:

============  ================================================  ==============  =========
measure       distance                                          range           cells
============  ================================================  ==============  =========
tv            1/2 sum |p - q|                                   0 to 1          unordered
js            sqrt of Jensen-Shannon divergence, base 2         0 to 1          unordered
psi           sum (p - q) ln(p / q), half a row added to each   0 to infinity   unordered
              cell
hellinger     sqrt(1 - sum sqrt(p q))                           0 to 1          unordered
ks            max |P - Q| of the cumulated shares               0 to 1          ordered
============  ================================================  ==============  =========
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import special

from treadle.domain.errors import InvalidInput
from treadle.stats.blocks import Floats, Ints
from treadle.stats.intervals import check_confidence, wilson

SIMULATIONS = 400


@dataclass(frozen=True)
class Effect:
    """One effect size.

    ``raw`` is the distance between the counts as they are, ``effect`` the debiased one (0 where there is no more than
    chance would bring), ``low`` its one-sided lower bound, ``p_value`` belongs to no movement at all. ``rows`` is the
    effective number of current rows. NaN and p = 1 where a window is empty.
    """

    measure: str
    effect: float
    low: float
    p_value: float
    raw: float
    rows: float


def total_variation(p: Floats, q: Floats) -> Floats:
    """``1/2 sum |p - q|`` over the last axis."""
    return np.asarray(0.5 * np.abs(p - q).sum(axis=-1), np.float64)


def jensen_shannon(p: Floats, q: Floats) -> Floats:
    """The Jensen-Shannon distance, base 2, over the last axis (the square root of the divergence)."""
    middle = (p + q) / 2
    divergence = (special.rel_entr(p, middle) + special.rel_entr(q, middle)).sum(axis=-1) / 2 / math.log(2)
    return np.asarray(np.sqrt(np.maximum(divergence, 0)), np.float64)


def hellinger(p: Floats, q: Floats) -> Floats:
    """``sqrt(1 - sum sqrt(p q))`` over the last axis."""
    return np.asarray(np.sqrt(np.maximum(0.5 * ((np.sqrt(p) - np.sqrt(q)) ** 2).sum(axis=-1), 0)), np.float64)


def kolmogorov_smirnov(p: Floats, q: Floats) -> Floats:
    """``max |P - Q|`` of the cumulated shares over the last axis, whose cells are in order."""
    return np.asarray(np.abs(np.cumsum(p - q, axis=-1)).max(axis=-1), np.float64)


def _root_psi(p: Floats, q: Floats) -> Floats:
    return np.asarray(np.sqrt(np.maximum(((p - q) * np.log(p / q)).sum(axis=-1), 0)), np.float64)


_DISTANCES: dict[str, Callable[[Floats, Floats], Floats]] = {
    "tv": total_variation,
    "js": jensen_shannon,
    "psi": _root_psi,
    "hellinger": hellinger,
    "ks": kolmogorov_smirnov,
}


def shift(
    reference: Floats,
    current: Floats,
    measure: str = "js",
    *,
    design_effect: float = 1.0,
    reference_design_effect: float | None = None,
    confidence: float = 0.95,
    simulations: int = SIMULATIONS,
    seed: int = 0,
) -> Effect:
    """How far ``current`` counts (k,) have moved from ``reference`` counts (k,) over the same cells.

    The null draws both windows from the pooled shares with ``rows / design_effect`` rows each. With d the distance
    and d0 its null: ``effect = sqrt(max(0, d^2 - E d0^2))``, since squared distances add their noise; ``low = max(0,
    d - quantile(d0, confidence))``, since distances obey the triangle inequality, so that ``low > 0`` exactly where
    the test at ``1 - confidence`` rejects; ``p_value`` is the simulated one, continued by a gamma tail of equal mean
    and variance where the simulation has no more than ten beyond. PSI is treated as a square.
    ``reference_design_effect`` defaults to ``design_effect``. Deterministic by ``seed``. Raises InvalidInput for
    counts that do not fit each other.
    """
    check_confidence(confidence)
    distance = _distance(measure)
    ours, theirs = _counts(reference, current)
    rows_ours = ours.sum() / (reference_design_effect or design_effect)
    rows_theirs = theirs.sum() / design_effect
    if min(ours.sum(), theirs.sum()) == 0:
        return Effect(measure, math.nan, math.nan, 1.0, math.nan, float(rows_theirs))
    used = (ours + theirs) > 0
    ours, theirs = ours[used], theirs[used]
    raw = float(distance(*_shares(measure, ours, theirs)))
    if len(ours) == 1:
        return Effect(measure, 0.0, 0.0, 1.0, raw, float(rows_theirs))
    null = _null(measure, ours + theirs, (max(round(rows_ours), 1), max(round(rows_theirs), 1)), simulations, seed)
    excess = raw**2 - float((null**2).mean())
    effect = math.sqrt(max(excess, 0.0))
    low = max(raw - float(np.quantile(null, confidence, method="higher")), 0.0)
    p_value = _p_value(raw, null)
    if measure == "psi":
        return Effect(measure, effect**2, low**2, p_value, raw**2, float(rows_theirs))
    return Effect(measure, effect, low, p_value, raw, float(rows_theirs))


def missing_shift(
    reference_missing: int,
    reference_rows: int,
    current_missing: int,
    current_rows: int,
    *,
    design_effect: float = 1.0,
    confidence: float = 0.95,
    seed: int = 0,
) -> Effect:
    """Change of the missing rate, as total variation of missing against present: the absolute difference of rates."""
    found = shift(
        np.array([reference_missing, reference_rows - reference_missing], dtype=np.float64),
        np.array([current_missing, current_rows - current_missing], dtype=np.float64),
        "tv",
        design_effect=design_effect,
        confidence=confidence,
        seed=seed,
    )
    return Effect("missing", found.effect, found.low, found.p_value, found.raw, found.rows)


def new_categories(
    reference_rows: int,
    reference_singletons: int,
    current_rows: int,
    current_unseen: int,
    *,
    design_effect: float = 1.0,
    confidence: float = 0.95,
) -> Effect:
    """Share of current rows in categories that the reference never saw.

    Some are to be expected: by Good & Turing (1953) the unseen categories carry about singletons / rows of the
    reference's mass; here ``u = (singletons + 1) / rows``, which leaves room for chance. ``effect`` is the share
    beyond u, ``low`` Wilson's lower bound less u, ``p_value`` the binomial tail at u.
    """
    check_confidence(confidence)
    rows = current_rows / design_effect
    if reference_rows <= 0 or current_rows <= 0:
        return Effect("new", math.nan, math.nan, 1.0, math.nan, rows)
    expected = min((reference_singletons + 1) * design_effect / reference_rows, 1.0)
    share = current_unseen / current_rows
    low = max(wilson(share * rows, rows, 2 * confidence - 1 if confidence > 0.5 else confidence)[0] - expected, 0.0)
    unseen = math.floor(current_unseen / design_effect)
    p_value = 1.0 if unseen == 0 else float(special.bdtrc(unseen - 1, max(round(rows), unseen), expected))
    return Effect("new", max(share - expected, 0.0), low, p_value, share, rows)


def design_effect(block_counts: Floats) -> float:
    """By how much blocks inflate the variance of shares, from counts per block and cell (blocks, k); at least 1.

    The mean generalised design effect of Rao & Scott (1981, JASA 76): over the cells, weighted by ``1 - p``, the
    cluster variance of the share (ratio estimator) over its multinomial variance ``p (1 - p) / n``. 1 where fewer than
    two blocks have rows.
    """
    counts = np.asarray(block_counts, dtype=np.float64)
    sizes = counts.sum(axis=1)
    counts, sizes = counts[sizes > 0], sizes[sizes > 0]
    blocks, rows = len(sizes), sizes.sum()
    if blocks < 2:
        return 1.0
    p = counts.sum(axis=0) / rows
    varying = (p > 0) & (p < 1)
    if not varying.any():
        return 1.0
    residual = counts - sizes[:, None] * p
    clustered = blocks / (blocks - 1) * (residual**2).sum(axis=0) / rows**2
    ratio = clustered[varying] / (p * (1 - p) / rows)[varying]
    weight = 1 - p[varying]
    return max(float(np.dot(ratio, weight) / weight.sum()), 1.0)


def group(reference: Floats, cells: int = 20) -> Ints:
    """Groups (k,) for ordered cells, so that each group holds about an equal part of the reference's rows.

    Sum counts with ``numpy.bincount(groups, counts)``. Fewer, fuller cells make a test of shift more powerful.
    """
    counts = np.asarray(reference, dtype=np.float64)
    total = counts.sum()
    if total == 0:
        return np.zeros(len(counts), np.int64)
    middle = (np.cumsum(counts) - counts / 2) / total
    raw = np.minimum((middle * cells).astype(np.int64), cells - 1)
    return np.unique(raw, return_inverse=True)[1].astype(np.int64)


def _distance(measure: str) -> Callable[[Floats, Floats], Floats]:
    if measure not in _DISTANCES:
        raise InvalidInput(f"no drift measure {measure!r}", hint="there are " + ", ".join(_DISTANCES))
    return _DISTANCES[measure]


def _counts(reference: Floats, current: Floats) -> tuple[Floats, Floats]:
    ours, theirs = np.asarray(reference, dtype=np.float64), np.asarray(current, dtype=np.float64)
    if ours.ndim != 1 or ours.shape != theirs.shape or len(ours) == 0:
        raise InvalidInput(
            f"counts of shapes {ours.shape} and {theirs.shape} cannot be compared",
            hint="count both over the same cells",
        )
    if (ours < 0).any() or (theirs < 0).any():
        raise InvalidInput("a count is negative", hint="give counts of rows")
    return ours, theirs


def _shares(measure: str, ours: Floats, theirs: Floats) -> tuple[Floats, Floats]:
    extra = 0.5 if measure == "psi" else 0.0
    first, second = ours + extra, theirs + extra
    return first / first.sum(axis=-1, keepdims=True), second / second.sum(axis=-1, keepdims=True)


def _null(measure: str, pooled: Floats, rows: tuple[int, int], simulations: int, seed: int) -> Floats:
    rng = np.random.default_rng(seed)
    shares = pooled / pooled.sum()
    first, second = (rng.multinomial(n, shares, size=simulations).astype(np.float64) for n in rows)
    return _DISTANCES[measure](*_shares(measure, first, second))


def _p_value(raw: float, null: Floats) -> float:
    beyond = int((null >= raw).sum())
    if beyond > 10:
        return (beyond + 1) / (len(null) + 1)
    squares = null**2
    mean, variance = float(squares.mean()), float(squares.var())
    if mean <= 0 or variance <= 0:
        return (beyond + 1) / (len(null) + 1)
    tail = float(special.gammaincc(mean**2 / variance, raw**2 * mean / variance))
    return min(tail, (beyond + 1) / (len(null) + 1))
