"""Figures of repeated timings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

ROUNDS = 5


def steady_p99(times: Sequence[float]) -> float:
    """A 99th percentile that one hiccup of the machine does not set: the median of those of five rounds, in order.

    Each round is a fifth of the timings. Where they are fewer than ten, the largest one. NaN for none.
    """
    if not len(times):
        return float("nan")
    if len(times) < 2 * ROUNDS:
        return float(max(times))
    rounds = np.array_split(np.asarray(times, dtype=np.float64), ROUNDS)
    return float(np.median([np.percentile(part, 99) for part in rounds]))
