"""Something that scores rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol


class Predictor(Protocol):
    """A loaded version. Columns come as plain sequences of equal length, missing values as None.

    A binary model answers a list of floats (the probability of true), a regression a list of floats, a multiclass
    model a list of lists of floats in the order of the version's classes.
    """

    async def predict(self, columns: Mapping[str, Sequence[Any]], rows: int) -> list[Any]:
        """Score ``rows`` rows. Raises InvalidInput for values it cannot take, WorkerUnavailable when gone."""
        ...

    async def close(self) -> None:
        """Let go of whatever it holds."""
        ...
