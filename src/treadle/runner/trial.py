"""What ``fit`` gets as its ``trial``."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from treadle.domain.errors import InvalidInput

REPORTED = "reported"
"""The key of the points that ``fit`` reported."""


class StepTrial:
    """A :class:`treadle.Trial` that asks the engine, at each report, whether to go on.

    ``ask`` is told (step, value) and answers whether the trial is hopeless. ``points`` are the reports so far.
    """

    def __init__(self, ask: Callable[[int, float], bool]) -> None:
        self._ask = ask
        self.points: list[dict[str, Any]] = []
        self.pruned = False

    def report(self, value: float, step: int) -> None:
        """Tell the objective's value after ``step``. Raises InvalidInput for what is no number."""
        try:
            number, count = float(value), int(step)
        except (TypeError, ValueError) as error:
            raise InvalidInput(
                f"trial.report({value!r}, {step!r}): {error}", hint="write trial.report(value, step) with two numbers"
            ) from error
        if count != step:
            raise InvalidInput(
                f"trial.report({value!r}, {step!r}): a step is a whole number", hint="write trial.report(value, step)"
            )
        if math.isfinite(number):
            self.points.append({"key": REPORTED, "value": number, "step": count})
            self.pruned = self._ask(count, number) or self.pruned

    def should_prune(self) -> bool:
        """Whether the trial is hopeless."""
        return self.pruned


def is_pruned(error: BaseException) -> bool:
    """Whether an error is some library's way to end a hopeless trial: an exception that is called TrialPruned."""
    return any(cls.__name__ == "TrialPruned" for cls in type(error).__mro__)
