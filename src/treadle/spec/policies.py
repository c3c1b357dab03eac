"""Durations, triggers, rollouts, splits and resources, as a user writes them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, overload

from treadle.spec import expressions as ex
from treadle.spec.conditions import Trigger
from treadle.spec.declared_at import DeclaredAt, declared_at
from treadle.spec.model_spec import ResourceSpec, SplitSpec

_MEMORY = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]i?B|B)")
_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_UNITS |= {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}


def days(count: float) -> timedelta:
    """So many days of 24 hours."""
    return timedelta(days=_count(count, "days"))


def hours(count: float) -> timedelta:
    """So many hours."""
    return timedelta(hours=_count(count, "hours"))


def minutes(count: float) -> timedelta:
    """So many minutes."""
    return timedelta(minutes=_count(count, "minutes"))


def gate_broken() -> Trigger:
    """Acts when a gate fails on matured live traffic."""
    return Trigger(ex.GateBroken(), declared_at())


def age(after: timedelta) -> Trigger:
    """Acts when the newest attempt to train is older than ``after``."""
    at = declared_at()
    return Trigger(ex.Age(positive(after, "age", at)), at)


class Rollout:
    """A part of the way of a challenger towards all traffic."""

    def __init__(self, steps: Sequence[ex.RolloutStep], at: DeclaredAt) -> None:
        self.steps = tuple(steps)
        self.at = at


def shadow(duration: timedelta) -> Rollout:
    """Mirror requests to the challenger for ``duration``; its answers are logged, not returned."""
    at = declared_at()
    return Rollout([ex.ShadowStep(positive(duration, "shadow", at))], at)


def canary(*percents: float, hold: timedelta) -> Rollout:
    """Give the challenger growing percentages of the requests, each for at least ``hold``."""
    at = declared_at()
    shown = ", ".join(map(str, percents))
    held = positive(hold, f"canary({shown}) hold", at)
    if not percents:
        raise at.error("canary() has no steps", "name growing percentages: canary(5, 25, 100, hold=days(1))")
    percent: Any
    for percent in percents:
        if isinstance(percent, bool) or not isinstance(percent, int | float) or not 0 < percent <= 100:
            raise at.error(f"canary({shown}): {percent!r} is no percentage", "give numbers above 0, up to 100")
    if any(after <= before for before, after in itertools.pairwise(percents)):
        raise at.error(f"canary({shown}) does not grow", "name growing percentages: canary(5, 25, 100, hold=days(1))")
    return Rollout([ex.CanaryStep(float(percent), held) for percent in percents], at)


@overload
def by_time(*, validation: timedelta, test: timedelta) -> SplitSpec: ...
@overload
def by_time(*, validation: float, test: float) -> SplitSpec: ...
def by_time(*, validation: Any, test: Any) -> SplitSpec:
    """The oldest rows train, then ``validation``, and the newest part, ``test``, is for gates alone.

    Both are durations, or both are shares of the rows' span of time (0 to 1, together below 1).
    """
    at = declared_at()
    parts = (validation, test)
    if all(isinstance(part, timedelta) for part in parts):
        if min(parts) <= timedelta():
            raise at.error(f"by_time({validation=!s}, {test=!s}) has an empty part", "give positive durations")
        return SplitSpec(validation.total_seconds(), test.total_seconds(), in_seconds=True)
    if any(isinstance(part, bool) or not isinstance(part, int | float) for part in parts):
        raise at.error(
            f"by_time({validation=!r}, {test=!r})",
            "give two durations, by_time(validation=days(14), test=days(28)), or two shares, 0.15 and 0.25",
        )
    if min(parts) <= 0 or sum(parts) >= 1:
        raise at.error(
            f"by_time({validation=!r}, {test=!r}) leaves a part empty", "give shares that sum to less than 1"
        )
    return SplitSpec(float(validation), float(test))


@dataclass(frozen=True)
class Resources:
    """What one step or worker of the model may use.

    ``memory`` is text with a unit: ``"4GB"`` (powers of 1000) or ``"4GiB"`` (powers of 1024). Raises
    DeclarationError.
    """

    cpus: float | None = None
    memory: str | None = None
    gpus: float = 0

    def __post_init__(self) -> None:
        at = declared_at()
        for name in ("cpus", "gpus"):
            value = getattr(self, name)
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
                raise at.error(f"Resources({name}={value!r})", f"give {name} a number, 0 or more")
        if self.cpus == 0:
            raise at.error("Resources(cpus=0) can do nothing", "give at least a part of one: cpus=0.5")
        if self.memory is not None and not _bytes(self.memory):
            raise at.error(f"Resources(memory={self.memory!r})", 'give a number and a unit: memory="4GB"')

    def spec(self) -> ResourceSpec:
        """The same as pure data, memory in bytes."""
        return ResourceSpec(None if self.cpus is None else float(self.cpus), _bytes(self.memory), float(self.gpus))


def positive(value: Any, what: str, at: DeclaredAt) -> timedelta:
    """A duration above zero. Raises DeclarationError."""
    if not isinstance(value, timedelta):
        raise at.error(f"{what} is {value!r}, not a duration", "write days(2), hours(6) or a timedelta")
    if value <= timedelta():
        raise at.error(f"{what} is {value}", "give a duration above zero")
    return value


def _bytes(memory: Any) -> int | None:
    match = _MEMORY.fullmatch(memory.strip()) if isinstance(memory, str) else None
    return None if match is None else int(float(match[1]) * _UNITS[match[2]])


def _count(count: Any, unit: str) -> float:
    if isinstance(count, bool) or not isinstance(count, int | float):
        raise declared_at().error(f"{unit}({count!r}) is no duration", f"give a number: {unit}(2)")
    return count
