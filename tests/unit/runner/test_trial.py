"""What ``fit`` reports while it trains."""

from __future__ import annotations

import pytest

from treadle.domain.errors import InvalidInput
from treadle.runner.trial import StepTrial


def test_values_come_with_whole_steps() -> None:
    asked: list[tuple[int, float]] = []
    trial = StepTrial(lambda step, value: not asked.append((step, value)))
    trial.report(0.5, 3)
    trial.report(float("nan"), 4)
    assert (asked, trial.should_prune()) == ([(3, 0.5)], True)


@pytest.mark.parametrize(("value", "step"), [(3, 0.85), ("good", 1), (0.5, None)])
def test_a_value_in_the_place_of_the_step_is_refused(value: object, step: object) -> None:
    trial = StepTrial(lambda *_: False)
    with pytest.raises(InvalidInput, match=r"trial\.report") as told:
        trial.report(value, step)  # type: ignore[arg-type]
    assert "trial.report(value, step)" in told.value.hint
