"""Something that scores rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from treadle.domain.versions import Compilation


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


class Compiler(Protocol):
    """Decides whether a compiled model may answer in place of the one that was fitted."""

    def compare(
        self,
        onnx: bytes,
        columns: Mapping[str, Sequence[Any]],
        scores: Sequence[Any],
        *,
        spec_json: str,
        tolerance: float,
        python_us: float | None = None,
    ) -> Compilation:
        """Score rows with the compiled model and hold the answers against ``scores``, those of the fitted one.

        ``columns`` holds all feature columns as a :class:`Predictor` takes them (the compiled model uses those that
        it has inputs for), ``scores`` a float a row (multiclass: a list of floats a row); ``spec_json`` is the model's
        declaration, with its task and the columns' types, and ``python_us`` what the fitted model takes for one row, if
        known. The runtime of the answer is ``onnx`` where the largest difference is at most ``tolerance``, else
        ``python`` with the reason; a model that cannot be loaded or run is a reason too, never an error.
        """
        ...
