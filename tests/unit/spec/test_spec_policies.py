from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from treadle import Resources, age, by_time, canary, days, gate_broken, hours, minutes, shadow
from treadle.domain.errors import DeclarationError
from treadle.spec import expressions as ex
from treadle.spec.model_spec import ResourceSpec, SplitSpec

Refused = Callable[[str], DeclarationError]


def test_durations() -> None:
    assert (days(2), hours(1.5), minutes(90)) == (timedelta(days=2), timedelta(hours=1.5), timedelta(hours=1.5))


def test_triggers() -> None:
    assert age(days(30)).trigger == ex.Age(timedelta(days=30))
    assert gate_broken().trigger == ex.GateBroken()
    assert (str(age(days(30))), str(gate_broken())) == ("age(30 days)", "gate_broken()")


def test_rollouts() -> None:
    assert shadow(days(2)).steps == (ex.ShadowStep(timedelta(days=2)),)
    assert canary(5, 100, hold=hours(6)).steps == (
        ex.CanaryStep(5.0, timedelta(hours=6)),
        ex.CanaryStep(100.0, timedelta(hours=6)),
    )


def test_splits() -> None:
    assert by_time(validation=days(14), test=days(28)) == SplitSpec(14 * 86400.0, 28 * 86400.0, in_seconds=True)
    assert by_time(validation=0.1, test=0.2) == SplitSpec(0.1, 0.2)


@pytest.mark.parametrize(
    ("memory", "size"), [("4GB", 4 * 10**9), ("1.5 GiB", 3 * 2**29), ("512MB", 512 * 10**6), ("100 B", 100)]
)
def test_resources(memory: str, size: int) -> None:
    assert Resources(cpus=2, memory=memory, gpus=1).spec() == ResourceSpec(2.0, size, 1.0)
    assert Resources().spec() == ResourceSpec()


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("age(30)", "age is 30, not a duration", "days(2)"),
        ("age(days(-1))", "age is -1 day", "above zero"),
        ("shadow(2)", "shadow is 2, not a duration", "days(2)"),
        ("days('2')", "days('2') is no duration", "days(2)"),
        ("hours(True)", "hours(True)", "hours(2)"),
        ("canary(5, 100, hold=1)", "hold is 1, not a duration", "days(2)"),
        ("canary(hold=days(1))", "no steps", "growing"),
        ("canary(5, 25, 25, hold=days(1))", "does not grow", "growing"),
        ("canary(5, 150, hold=days(1))", "150 is no percentage", "up to 100"),
        ("canary(0, hold=days(1))", "0 is no percentage", "above 0"),
        ("by_time(validation=days(14), test=0.2)", "by_time(", "two durations"),
        ("by_time(validation=days(14), test=days(0))", "empty part", "positive"),
        ("by_time(validation=0.5, test=0.5)", "leaves a part empty", "less than 1"),
        ("by_time(validation=0.5, test=0)", "leaves a part empty", "less than 1"),
        ("Resources(cpus=0)", "can do nothing", "cpus=0.5"),
        ("Resources(gpus=-1)", "gpus=-1", "0 or more"),
        ("Resources(memory='4')", "memory='4'", '"4GB"'),
        ("Resources(memory=4)", "memory=4", '"4GB"'),
    ],
)
def test_a_wrong_policy_is_refused(refused: Refused, head: str, text: str, message: str, hint: str) -> None:
    error = refused(f"{head}x = {text}  # here\n")
    assert message in error.message
    assert hint in error.hint
