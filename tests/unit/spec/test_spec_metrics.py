from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from treadle import Col, Row, metrics
from treadle.domain.errors import DeclarationError
from treadle.spec import expressions as ex
from treadle.spec.catalog import CATALOG, TASKS, for_task
from treadle.spec.conditions import Condition, Trigger

Refused = Callable[[str], DeclarationError]


class Flight(Row):
    origin: Col[str]
    distance: Col[float]
    late: Col[bool]


AUC = ex.MetricRef("auc")


@pytest.mark.parametrize(
    ("condition", "expression", "text"),
    [
        (metrics.auc >= 0.58, ex.Threshold(AUC, ">=", 0.58), "auc >= 0.58"),
        (metrics.auc > 0.5, ex.Threshold(AUC, ">", 0.5), "auc > 0.5"),
        (metrics.auc <= 1, ex.Threshold(AUC, "<=", 1.0), "auc <= 1"),
        (metrics.auc < 0.9, ex.Threshold(AUC, "<", 0.9), "auc < 0.9"),
        (metrics.auc >= 0.5, ex.Threshold(AUC, ">=", 0.5), "auc >= 0.5"),
        (metrics.worth >= -3, ex.Threshold(ex.MetricRef("worth"), ">=", -3.0), "worth >= -3"),
        (
            metrics.recall.worst(Flight.origin) >= 0.08,
            ex.Threshold(ex.MetricRef("recall", "worst", "origin"), ">=", 0.08),
            "recall.worst(origin) >= 0.08",
        ),
        (
            metrics.mcc.gap(Flight.origin) <= 1.5,
            ex.Threshold(ex.MetricRef("mcc", "gap", "origin"), "<=", 1.5),
            "mcc.gap(origin) <= 1.5",
        ),
        (
            metrics.auc.slice(Flight.origin == "JFK") > 0.5,
            ex.Threshold(ex.MetricRef("auc", "slice", "origin", "JFK"), ">", 0.5),
            "auc.slice(origin == 'JFK') > 0.5",
        ),
        (
            metrics.latency_p99 <= timedelta(milliseconds=20),
            ex.Threshold(ex.MetricRef("latency_p99"), "<=", 0.02),
            "latency_p99 <= 0.02",
        ),
        (metrics.size <= 10_000, ex.Threshold(ex.MetricRef("size"), "<=", 10_000.0), "size <= 10000"),
        (
            metrics.worth.beats_champion(confidence=0.9, at_least=0.5),
            ex.BeatsChampion(ex.MetricRef("worth"), 0.9, 0.5),
            "worth.beats_champion(confidence=0.9, at_least=0.5)",
        ),
        (
            metrics.auc.not_worse_than_champion(margin=0.01),
            ex.NotWorseThanChampion(AUC, 0.01, 0.95),
            "auc.not_worse_than_champion(margin=0.01, confidence=0.95)",
        ),
    ],
)
def test_conditions_become_data(condition: Condition, expression: ex.Expression, text: str) -> None:
    assert condition.expression == expression
    assert condition.trigger == ex.When(expression)
    assert str(condition) == repr(condition) == text
    assert isinstance(condition, Trigger)


def test_conditions_join_flat() -> None:
    a, b, c = metrics.auc >= 0.5, metrics.recall >= 0.1, metrics.f1 >= 0.2
    assert (a & b & c).expression == ex.AllOf((a.expression, b.expression, c.expression))
    assert (a | (b | c)).expression == ex.AnyOf((a.expression, b.expression, c.expression))
    assert (a & (b | c)).expression == ex.AllOf((a.expression, ex.AnyOf((b.expression, c.expression))))
    assert str(a & (b | c)) == "(auc >= 0.5 & (recall >= 0.1 | f1 >= 0.2))"


def test_every_metric_of_the_catalog_has_a_name() -> None:
    assert list(CATALOG) == metrics.__all__
    for name, info in CATALOG.items():
        metric = getattr(metrics, name)
        assert metric.info is info
        assert info.name == name
        assert info.better in ("higher", "lower", "zero")
        assert set(info.tasks) <= set(TASKS)


def test_every_task_has_metrics_and_the_shared_ones() -> None:
    for task in TASKS:
        names = {info.name for info in for_task(task)}
        assert {"worth", "latency_p50", "latency_p99", "size"} < names


def test_a_condition_remembers_its_line(refused: Refused, model: str) -> None:
    error = refused(f"{model}flights.ship(\n    metrics.auc >= 0.5,\n    metrics.rmse <= 3,  # here\n)\n")
    assert "rmse is for regression labels, and this one is binary" in error.message
    assert "auc, average_precision" in error.hint


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("metrics.auc >= '0.5'", "compares with a str", "a number"),
        ("metrics.auc >= True", "compares with a bool", "a number"),
        ("metrics.auc >= float('nan')", "compares with a float", "a number"),
        ("metrics.auc >= metrics.f1", "compares with a Metric", "a number"),
        ("metrics.auc >= 80", "always 0 to 1", "0 to 1"),
        ("metrics.log_loss <= -1", "always at least 0", "at least 0"),
        ("metrics.r2 >= 2", "always at most 1", "at most 1"),
        ("metrics.auc == 0.5", "exactly that", ">= or <="),
        ("metrics.auc != 0.5", "always so", ">= or <="),
        ("bool(metrics.auc)", "neither true nor false", "metrics.auc >= ..."),
        ("metrics.auc >= 0.5 and metrics.f1 >= 0.5", "auc >= 0.5 is neither true nor false", "write & for and"),
        ("metrics.auc >= 0.5 or metrics.f1 >= 0.5", "auc >= 0.5 is neither true nor false", "| for or"),
        ("not metrics.auc >= 0.5", "auc >= 0.5 is neither true nor false", "opposite comparison for not"),
        ("0.2 <= metrics.auc <= 0.5", "auc >= 0.2 is neither true nor false", "(m >= a) & (m <= b)"),
        ("~(metrics.auc >= 0.5)", "has no meaning", "opposite"),
        ("metrics.auc >= 0.5 & metrics.f1 >= 0.5", "bind tighter", "parentheses"),
        ("metrics.auc >= 0.5 | metrics.f1 >= 0.5", "bind tighter", "parentheses"),
        ("(metrics.auc >= 0.5) & True", "does not join two conditions", "parentheses"),
        ("True | (metrics.auc >= 0.5)", "does not join two conditions", "parentheses"),
        ("metrics.acu", "no metric 'acu'", "did you mean metrics.auc?"),
        ("metrics.zzz", "no metric 'zzz'", "there are auc"),
        ("metrics.latency_p99 <= 20", "a duration has a unit", "timedelta(milliseconds="),
        ("metrics.latency_p99 <= timedelta(0)", "decided already", "positive"),
        ("metrics.auc.worst('origin')", "names no column", "Row.column"),
        ("metrics.auc.worst(Flight.distance)", "slices by a float", "str, bool or int"),
        ("metrics.auc.worst(Flight.origin).gap(Flight.origin)", "over slices already", "once"),
        ("metrics.bias.worst(Flight.origin)", "no worst slice", "gap"),
        ("metrics.auc.slice(Flight.origin)", "names no slice", "Row.column == value"),
        ("metrics.auc.beats_champion(confidence=95)", "confidence=95", "0.95"),
        ("metrics.auc.beats_champion(confidence=0.9, at_least=-1)", "at_least=-1", "0 or more"),
        ("metrics.bias.beats_champion()", "neither way is better", "mae"),
        ("metrics.auc.not_worse_than_champion(margin='1 %')", "margin='1 %'", "number"),
        ("bool(gate_broken())", "neither true nor false", "list"),
    ],
)
def test_a_wrong_expression_is_refused(refused: Refused, head: str, text: str, message: str, hint: str) -> None:
    error = refused(f"{head}x = {text}  # here\n")
    assert message in error.message
    assert hint in error.hint
