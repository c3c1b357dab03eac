"""Metrics and the conditions made of them: what a user touches of :mod:`treadle.spec.expressions`."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from treadle.spec import expressions as ex
from treadle.spec.catalog import MetricInfo, for_task
from treadle.spec.columns import Column, Selection
from treadle.spec.declared_at import DeclaredAt, declared_at


class Trigger:
    """Something that starts a retraining when it becomes true."""

    def __init__(self, trigger: ex.Trigger, at: DeclaredAt) -> None:
        self.trigger = trigger
        self.at = at

    def __bool__(self) -> NoReturn:
        raise declared_at().error(
            f"{self} is neither true nor false while it is declared",
            "triggers stand in a list, retrain=[...]; and, or, not do not work on them",
        )

    def __repr__(self) -> str:
        return str(self.trigger)


class Condition(Trigger):
    """A condition on metrics: it must hold where it stands in ``ship``, and acts when true in ``retrain=``.

    Combine conditions with ``&`` and ``|``. ``and``, ``or``, ``not`` and chained comparisons raise DeclarationError.
    """

    def __init__(self, expression: ex.Expression, metrics: tuple[MetricBase, ...], at: DeclaredAt) -> None:
        super().__init__(ex.When(expression), at)
        self.expression = expression
        self.metrics = metrics

    def __and__(self, other: Condition) -> Condition:
        return self._joined(other, ex.AllOf, "&")

    def __or__(self, other: Condition) -> Condition:
        return self._joined(other, ex.AnyOf, "|")

    def _joined(self, other: Condition, joint: type[ex.AllOf] | type[ex.AnyOf], sign: str) -> Condition:
        if not isinstance(other, Condition):
            raise declared_at().error(
                f"{self} {sign} {other!r} does not join two conditions",
                f"put each comparison in parentheses: ({self}) {sign} (metrics.... >= ...)",
            )
        parts: list[ex.Expression] = []
        for side in (self.expression, other.expression):
            parts.extend(side.parts if isinstance(side, joint) else (side,))
        return Condition(joint(tuple(parts)), self.metrics + other.metrics, self.at)

    def __bool__(self) -> NoReturn:
        raise declared_at().error(
            f"{self} is neither true nor false while it is declared",
            "write & for and, | for or, and the opposite comparison for not, each comparison in parentheses; "
            "write a chained comparison a <= m <= b as (m >= a) & (m <= b)",
        )

    if not TYPE_CHECKING:  # checkers report the missing operators

        def __invert__(self) -> NoReturn:
            raise declared_at().error(f"~({self}) has no meaning", "write the opposite comparison")

        __rand__ = __and__
        __ror__ = __or__

    def __repr__(self) -> str:
        return str(self.expression)


class MetricBase:
    """What all metrics share: a place in the catalog and a reference."""

    def __init__(self, info: MetricInfo, ref: ex.MetricRef | None = None, column: Column[Any] | None = None) -> None:
        self.info = info
        self.ref = ref or ex.MetricRef(info.name)
        self.column = column

    def __repr__(self) -> str:
        return f"metrics.{self.ref}"

    def __hash__(self) -> int:
        return id(self)

    def __bool__(self) -> NoReturn:
        raise declared_at().error(f"{self} is neither true nor false", f"compare it: {self} >= ...")

    if not TYPE_CHECKING:  # checkers report the missing operators

        def __eq__(self, other: object) -> NoReturn:
            raise declared_at().error(f"{self} == {other!r}: no metric is exactly that", "use >= or <=")

        def __ne__(self, other: object) -> NoReturn:
            raise declared_at().error(f"{self} != {other!r} is always so", "use >= or <=")

        def _unparenthesised(self, other: object) -> NoReturn:
            raise declared_at().error(
                f"& and | bind tighter than comparisons, so {other!r} was taken together with {self}",
                f"put each comparison in parentheses: (metrics.... >= ...) & ({self} >= ...)",
            )

        __and__ = __rand__ = __or__ = __ror__ = _unparenthesised

    def _threshold(self, op: str, value: Any) -> Condition:
        at = declared_at()
        return Condition(ex.Threshold(self.ref, op, self._number(op, value, at)), (self,), at)

    def _number(self, op: str, value: Any, at: DeclaredAt) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise at.error(f"{self} {op} {value!r} compares with a {type(value).__name__}", "compare with a number")
        low, high = self._range()
        if (low is not None and value < low) or (high is not None and value > high):
            span = (
                f"at least {low:g}" if high is None else f"at most {high:g}" if low is None else f"{low:g} to {high:g}"
            )
            raise at.error(f"{self} {op} {value:g} is decided already: it is always {span}", f"compare with {span}")
        return float(value)

    def _range(self) -> tuple[float | None, float | None]:
        if self.ref.reduce == "gap":
            spread = (
                self.info.high - self.info.low if self.info.high is not None and self.info.low is not None else None
            )
            return 0.0, spread
        return self.info.low, self.info.high


class Metric(MetricBase):
    """A metric of scored rows; numbers compare with it.

    ``worst`` and ``gap`` reduce it over the values of a column, ``slice`` restricts it to the rows of one value.
    """

    def __ge__(self, value: float) -> Condition:
        return self._threshold(">=", value)

    def __gt__(self, value: float) -> Condition:
        return self._threshold(">", value)

    def __le__(self, value: float) -> Condition:
        return self._threshold("<=", value)

    def __lt__(self, value: float) -> Condition:
        return self._threshold("<", value)

    def worst(self, column: Column[Any]) -> Metric:
        """The metric on the worst of the slices by ``column``."""
        return self._reduced("worst", column, None, declared_at())

    def gap(self, column: Column[Any]) -> Metric:
        """The largest difference of the metric between two slices by ``column``."""
        return self._reduced("gap", column, None, declared_at())

    def slice(self, selection: Selection) -> Metric:
        """The metric on the rows of one slice: ``metrics.auc.slice(Flight.origin == "JFK")``."""
        at = declared_at()
        if not isinstance(selection, Selection):
            raise at.error(
                f"{self}.slice({selection!r}) names no slice",
                f"write {self}.slice(Row.column == value), Row being yours",
            )
        return self._reduced("slice", selection.column, selection.value, at)

    def beats_champion(self, *, confidence: float = 0.95, at_least: float = 0.0) -> Condition:
        """The challenger is better than the champion by more than ``at_least``, on the same rows, at ``confidence``."""
        at = declared_at()
        self._check_comparison("beats_champion", confidence, at)
        return Condition(
            ex.BeatsChampion(self.ref, float(confidence), self._difference("at_least", at_least, at)), (self,), at
        )

    def not_worse_than_champion(self, *, margin: float, confidence: float = 0.95) -> Condition:
        """The challenger is worse than the champion by less than ``margin``, on the same rows, at ``confidence``."""
        at = declared_at()
        self._check_comparison("not_worse_than_champion", confidence, at)
        return Condition(
            ex.NotWorseThanChampion(self.ref, self._difference("margin", margin, at), float(confidence)), (self,), at
        )

    def _reduced(self, reduce: str, column: Column[Any], value: Any, at: DeclaredAt) -> Metric:
        if not isinstance(column, Column):
            raise at.error(
                f"{self}.{reduce}({column!r}) names no column", f"write {self}.{reduce}(Row.column), Row being yours"
            )
        if self.ref.reduce is not None:
            raise at.error(f"{self} is over slices already", "reduce a metric once")
        if column.spec.type in ("float", "datetime", "date"):
            raise at.error(
                f"{self}.{reduce}({column}) slices by a {column.spec.type}", "slice by a str, bool or int column"
            )
        if reduce == "worst" and self.info.better == "zero":
            raise at.error(f"{self} has no worst slice: it has a sign", f"use {self}.gap({column})")
        return Metric(self.info, ex.MetricRef(self.info.name, reduce, column.name, value), column)

    def _check_comparison(self, name: str, confidence: Any, at: DeclaredAt) -> None:
        if self.info.better == "zero":
            raise at.error(f"{self}.{name}(): neither way is better", "compare metrics.mae or metrics.rmse")
        if isinstance(confidence, bool) or not isinstance(confidence, int | float) or not 0.5 <= confidence < 1:
            raise at.error(f"{self}.{name}(confidence={confidence!r})", "give a confidence from 0.5 to below 1: 0.95")

    def _difference(self, name: str, value: Any, at: DeclaredAt) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not (value >= 0 and math.isfinite(value)):
            raise at.error(f"{self}: {name}={value!r}", f"give {name} a number, 0 or more, in the metric's unit")
        return float(value)


class DurationMetric(MetricBase):
    """A latency; ``timedelta`` compares with it."""

    def __ge__(self, value: timedelta) -> Condition:
        return self._threshold(">=", value)

    def __gt__(self, value: timedelta) -> Condition:
        return self._threshold(">", value)

    def __le__(self, value: timedelta) -> Condition:
        return self._threshold("<=", value)

    def __lt__(self, value: timedelta) -> Condition:
        return self._threshold("<", value)

    def _number(self, op: str, value: Any, at: DeclaredAt) -> float:
        if not isinstance(value, timedelta):
            raise at.error(
                f"{self} {op} {value!r}: a duration has a unit", f"write {self} {op} timedelta(milliseconds=...)"
            )
        if value <= timedelta():
            raise at.error(f"{self} {op} {value} is decided already", "compare with a positive duration")
        return value.total_seconds()


class SizeMetric(MetricBase):
    """A size in bytes."""

    def __ge__(self, value: int) -> Condition:
        return self._threshold(">=", value)

    def __gt__(self, value: int) -> Condition:
        return self._threshold(">", value)

    def __le__(self, value: int) -> Condition:
        return self._threshold("<=", value)

    def __lt__(self, value: int) -> Condition:
        return self._threshold("<", value)


def check_metrics(condition: Condition, *, row: type[Any], label: str, task: str, model: str) -> None:
    """Hold a condition against the model it was given to.

    Raises DeclarationError for a metric of another task, and for a column that is another row's or the label.
    """
    for metric in condition.metrics:
        fault = fault_of_metric(metric, task)
        if fault is not None:
            raise condition.at.error(f"{condition}: {fault[0]}", fault[1])
        column = metric.column
        if column is None:
            continue
        check_owner(column, row, f"{condition} of model {model!r}", condition.at)
        if column.name == label:
            raise condition.at.error(f"{condition} slices by the label", "slice by a column that is known beforehand")


def check_owner(column: Column[Any], row: type[Any], what: str, at: DeclaredAt) -> None:
    """Refuse a column that does not belong to ``row``. Raises DeclarationError."""
    if not issubclass(row, column.row):
        raise at.error(f"{what} names {column!r}, a column of another row", f"name a column of {row.__name__}")


def fault_of_metric(metric: MetricBase, task: str) -> tuple[str, str] | None:
    """Why a metric cannot be used for a task, and what to use instead; None if it can."""
    if task in metric.info.tasks:
        return None
    fitting = ", ".join(info.name for info in for_task(task))
    return f"metrics.{metric.info.name} is for {' and '.join(metric.info.tasks)} labels, and this one is {task}", (
        f"for a {task} label there are {fitting}"
    )
