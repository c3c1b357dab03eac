"""Many tests at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from treadle.domain.errors import InvalidInput
from treadle.stats.blocks import Floats


def benjamini_hochberg(p_values: Floats, rate: float = 0.05) -> tuple[NDArray[np.bool_], Floats]:
    """Which of the hypotheses are rejected at false discovery rate ``rate``, and the adjusted p-values; both (m,).

    Benjamini & Hochberg 1995: the largest k with ``p_(k) <= rate * k / m`` rejects the k smallest. A NaN is never
    rejected, counts in m as a p-value of 1 would, and stays NaN. Raises InvalidInput for a p-value outside [0, 1].
    """
    p = np.asarray(p_values, dtype=np.float64)
    known = np.where(np.isnan(p), 1.0, p)
    if ((known < 0) | (known > 1)).any():
        raise InvalidInput("a p-value lies outside 0 to 1", hint="give probabilities, NaN for those not known")
    count = len(p)
    order = np.argsort(known, kind="stable")
    scaled = known[order] * count / np.arange(1, count + 1)
    adjusted = np.empty(count)
    adjusted[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    adjusted[np.isnan(p)] = np.nan
    return np.nan_to_num(adjusted, nan=1.0) <= rate, adjusted
