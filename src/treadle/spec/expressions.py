"""Conditions, triggers and rollout steps as pure data: what a declaration is turned into.

The classes that users touch (``treadle.metrics.auc >= 0.8``) live in ``spec/metrics.py`` and ``spec/policies.py`` and
hold one of these.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar


@dataclass(frozen=True)
class MetricRef:
    """A metric, on all rows or reduced over slices.

    ``reduce`` is ``worst`` or ``gap`` over the values of ``column``, ``slice`` for the rows where ``column`` equals
    ``value``, or None.
    """

    kind: ClassVar[str] = "metric"
    name: str
    reduce: str | None = None
    column: str | None = None
    value: str | int | float | bool | None = None

    def __str__(self) -> str:
        if self.reduce == "slice":
            return f"{self.name}.slice({self.column} == {self.value!r})"
        return f"{self.name}.{self.reduce}({self.column})" if self.reduce else self.name


@dataclass(frozen=True)
class Threshold:
    """``metric op value``; durations are seconds."""

    kind: ClassVar[str] = "threshold"
    metric: MetricRef
    op: str  # one of >=, >, <=, <
    value: float

    def __str__(self) -> str:
        return f"{self.metric} {self.op} {self.value:g}"


@dataclass(frozen=True)
class BeatsChampion:
    """The challenger is better than the champion by at least ``at_least``, at ``confidence``, on the same rows."""

    kind: ClassVar[str] = "beats_champion"
    metric: MetricRef
    confidence: float
    at_least: float = 0.0

    def __str__(self) -> str:
        least = f", at_least={self.at_least:g}" if self.at_least else ""
        return f"{self.metric}.beats_champion(confidence={self.confidence:g}{least})"


@dataclass(frozen=True)
class NotWorseThanChampion:
    """The challenger is worse than the champion by less than ``margin``, at ``confidence``, on the same rows."""

    kind: ClassVar[str] = "not_worse_than_champion"
    metric: MetricRef
    margin: float
    confidence: float = 0.95

    def __str__(self) -> str:
        return f"{self.metric}.not_worse_than_champion(margin={self.margin:g}, confidence={self.confidence:g})"


@dataclass(frozen=True)
class AllOf:
    """Every part must hold."""

    kind: ClassVar[str] = "all_of"
    parts: tuple[Expression, ...]

    def __str__(self) -> str:
        return "(" + " & ".join(map(str, self.parts)) + ")"


@dataclass(frozen=True)
class AnyOf:
    """One part must hold."""

    kind: ClassVar[str] = "any_of"
    parts: tuple[Expression, ...]

    def __str__(self) -> str:
        return "(" + " | ".join(map(str, self.parts)) + ")"


Expression = Threshold | BeatsChampion | NotWorseThanChampion | AllOf | AnyOf


@dataclass(frozen=True)
class Age:
    """Acts when the newest attempt to train is older than ``after``."""

    kind: ClassVar[str] = "age"
    after: timedelta

    def __str__(self) -> str:
        return f"age({self.after.days} days)" if not self.after.seconds else f"age({self.after})"


@dataclass(frozen=True)
class GateBroken:
    """Acts when a gate fails on matured live traffic."""

    kind: ClassVar[str] = "gate_broken"

    def __str__(self) -> str:
        return "gate_broken()"


@dataclass(frozen=True)
class When:
    """Acts when the expression is true of matured live traffic."""

    kind: ClassVar[str] = "when"
    expression: Expression

    def __str__(self) -> str:
        return str(self.expression)


Trigger = Age | GateBroken | When


@dataclass(frozen=True)
class ShadowStep:
    """Mirrored requests for ``duration``; the answers are logged, not returned."""

    kind: ClassVar[str] = "shadow"
    duration: timedelta


@dataclass(frozen=True)
class CanaryStep:
    """``percent`` of requests for at least ``hold``."""

    kind: ClassVar[str] = "canary"
    percent: float
    hold: timedelta


RolloutStep = ShadowStep | CanaryStep
