"""Confidence sequences: intervals that hold at all times at once, however often one looks and whenever one stops."""

from __future__ import annotations

import math

import numpy as np

from treadle.domain.errors import InvalidInput
from treadle.stats.blocks import Floats
from treadle.stats.intervals import check_confidence


def empirical_bernstein(values: Floats, low: float, high: float, *, confidence: float = 0.95) -> tuple[Floats, Floats]:
    """Running bounds (n,), (n,) for the mean of values in ``[low, high]``, exact at every time.

    The predictable plug-in empirical-Bernstein sequence of Waudby-Smith & Ramdas 2024 ("Estimating means of bounded
    random variables by betting", JRSS B 86, theorem 2), with running intersection. Needs nothing but the bounds and
    that every value has the same mean given the past. Raises InvalidInput for values outside the bounds.
    """
    check_confidence(confidence)
    if not low < high:
        raise InvalidInput(f"bounds {low} and {high} leave no room", hint="give low < high")
    x = (np.asarray(values, dtype=np.float64) - low) / (high - low)
    if len(x) == 0:
        return np.zeros(0), np.zeros(0)
    if not ((x >= 0) & (x <= 1)).all():
        raise InvalidInput(f"a value lies outside {low} to {high}", hint="widen the bounds, or clip the values first")
    t = np.arange(1, len(x) + 1, dtype=np.float64)
    alpha = 1 - confidence
    mean = (0.5 + np.cumsum(x)) / (t + 1)
    variance = (0.25 + np.cumsum((x - mean) ** 2)) / (t + 1)
    mean_before = np.concatenate([[0.5], mean[:-1]])
    variance_before = np.concatenate([[0.25], variance[:-1]])
    bet = np.minimum(np.sqrt(2 * math.log(2 / alpha) / (variance_before * t * np.log(1 + t))), 0.5)
    psi = (-np.log1p(-bet) - bet) / 4
    total = np.cumsum(bet)
    centre = np.cumsum(bet * x) / total
    reach = (math.log(2 / alpha) + np.cumsum(4 * (x - mean_before) ** 2 * psi)) / total
    lows = np.maximum.accumulate(np.clip(centre - reach, 0, 1))
    highs = np.minimum.accumulate(np.clip(centre + reach, 0, 1))
    return low + (high - low) * lows, low + (high - low) * highs


def normal_mixture(
    values: Floats, *, confidence: float = 0.95, best_at: int = 30, start: int = 10
) -> tuple[Floats, Floats]:
    """Running bounds (n,), (n,) for the mean of values without known bounds, such as the worth of a day.

    The normal mixture of Robbins (Howard, Ramdas, McAuliffe & Sekhon 2021, Ann. Statist. 49) with the running
    standard deviation, an asymptotic confidence sequence (Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas 2024, Ann.
    Statist. 52, theorem 2.2)::

        mean_t -/+ s_t * sqrt(2 (t r^2 + 1) / (t^2 r^2) * log(sqrt(t r^2 + 1) / alpha))

    ``best_at`` is the time at which it should be tightest, which sets r. Before ``start`` values the standard deviation
    is not known well enough and the bounds are infinite. Feed it blocks that are independent of each other (days),
    not rows.
    """
    check_confidence(confidence)
    x = np.asarray(values, dtype=np.float64)
    alpha = 1 - confidence
    t = np.arange(1, len(x) + 1, dtype=np.float64)
    mean = np.cumsum(x) / t
    shifted = x - (x[0] if len(x) else 0.0)
    squares = np.cumsum(shifted**2) - np.cumsum(shifted) ** 2 / t
    deviation = np.sqrt(np.maximum(squares, 0) / np.maximum(t - 1, 1))
    r2 = (-2 * math.log(alpha) + math.log(-2 * math.log(alpha)) + 1) / best_at
    reach = deviation * np.sqrt(2 * (t * r2 + 1) / (t * t * r2) * np.log(np.sqrt(t * r2 + 1) / alpha))
    reach[: max(start - 1, 0)] = np.inf
    return mean - reach, mean + reach
