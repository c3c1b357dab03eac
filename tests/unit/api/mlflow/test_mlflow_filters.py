"""Filters and orders as clients write them, and what they are told when they write them wrong."""

from __future__ import annotations

import pytest

from treadle.api.mlflow.errors import ProtocolError
from treadle.api.mlflow.filters import (
    EXPERIMENTS,
    LOGGED_MODELS,
    MODEL_VERSIONS,
    REGISTERED_MODELS,
    RUNS,
    condition,
    orders,
)
from treadle.api.mlflow.grammars import Grammar
from treadle.domain.search import EVERYTHING, AllOf, AnyOf, Column, Comparison, Kind, Op, Order, Scalar

RUN_NAME = Column(Kind.ATTRIBUTE, "run_name")
START = Column(Kind.ATTRIBUTE, "start_time")


@pytest.mark.parametrize(
    ("text", "column", "op", "value"),
    [
        ("metrics.loss > 0.5", Column(Kind.METRIC, "loss"), Op.GT, 0.5),
        ("metric.`f 1` <= -1e-3", Column(Kind.METRIC, "f 1"), Op.LE, -1e-3),
        ('metrics."a b"=2', Column(Kind.METRIC, "a b"), Op.EQ, 2),
        ("min.loss < .5", Column(Kind.MIN, "loss"), Op.LT, 0.5),
        ("params.lr = '0.1'", Column(Kind.PARAM, "lr"), Op.EQ, "0.1"),
        ('parameter.lr = "0.1"', Column(Kind.PARAM, "lr"), Op.EQ, "0.1"),
        ("params.`a.b/c` like '%x%'", Column(Kind.PARAM, "a.b/c"), Op.LIKE, "%x%"),
        ("`params`.lr != ''", Column(Kind.PARAM, "lr"), Op.NE, ""),
        ("tags.mlflow.parentRunId = 'abc'", Column(Kind.TAG, "mlflow.parentRunId"), Op.EQ, "abc"),
        ("tags.note IS NOT NULL", Column(Kind.TAG, "note"), Op.IS_NOT_NULL, None),
        ("params.note is null", Column(Kind.PARAM, "note"), Op.IS_NULL, None),
        ("run_name = 'a'", RUN_NAME, Op.EQ, "a"),
        ("attributes.`Run name` ILIKE 'A%'", RUN_NAME, Op.ILIKE, "A%"),
        ("attr.run_name <> 'a'", RUN_NAME, Op.NE, "a"),
        ("start_time >= 1664067852747", START, Op.GE, 1664067852747),
        ("attribute.created < 5", START, Op.LT, 5),
        ("`Start Time` < 99999999999999999999", START, Op.LT, 1e20),
        ("run_id IN ('a','b')", Column(Kind.ATTRIBUTE, "run_id"), Op.IN, ("a", "b")),
        ("run_id not in ( 'a' , \"b\" )", Column(Kind.ATTRIBUTE, "run_id"), Op.NOT_IN, ("a", "b")),
        ("dataset.digest = 'x'", Column(Kind.DATASET, "digest"), Op.EQ, "x"),
        ("datasets.context IN ('train')", Column(Kind.DATASET, "context"), Op.IN, ("train",)),
        ("tags.a = 'it''s'", Column(Kind.TAG, "a"), Op.EQ, "it's"),
        (r"tags.a = 'it\'s'", Column(Kind.TAG, "a"), Op.EQ, "it's"),
        (r"tags.a = 'C:\dir\'", Column(Kind.TAG, "a"), Op.EQ, "C:\\dir\\"),
        (r"tags.a = 'C:\\dir'", Column(Kind.TAG, "a"), Op.EQ, r"C:\\dir"),
        (r"tags.a = 'say \"hi\"'", Column(Kind.TAG, "a"), Op.EQ, r"say \"hi\""),
    ],
)
def test_comparison(text: str, column: Column, op: Op, value: Scalar | tuple[str, ...] | None) -> None:
    assert condition(text, RUNS) == Comparison(column, op, value)


def test_and_binds_closer_than_or() -> None:
    a, b, c = (Comparison(Column(Kind.METRIC, key), Op.GT, 1) for key in "abc")
    assert condition("metrics.a > 1 AND metrics.b > 1 and metrics.c>1", RUNS) == AllOf((a, b, c))
    assert condition("metrics.a > 1 OR metrics.b > 1 AND metrics.c > 1", RUNS) == AnyOf((a, AllOf((b, c))))
    assert condition("(metrics.a > 1 OR metrics.b > 1) AND metrics.c > 1", RUNS) == AllOf((AnyOf((a, b)), c))
    assert condition("metrics.a > 1 AND", RUNS) == a
    assert condition("  ", RUNS) == condition("", RUNS) == EVERYTHING


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("metrics.acc != 0.93 NAND metrics.b > 1", "Invalid clause(s) in filter string: 'NAND metrics.b > 1'"),
        ("metrics.acc", "Invalid clause(s) in filter string: 'metrics.acc'"),
        ("attribute.status =", "Invalid clause(s) in filter string"),
        ("params.a = 'x", "Invalid clause(s) in filter string"),
        ("params.a = 'x'; params.b = 'y'", "Search filter contained multiple expression"),
        (
            "model.acc = 'LR'",
            "Invalid entity type 'model'. Valid values are ['metric', 'parameter', 'tag', 'attribute'",
        ),
        ("attribute.start != 1", "Invalid attribute key 'start' specified. Valid keys are"),
        ("dataset.source = 'x'", "Invalid dataset key 'source' specified"),
        ("metric.acc = 'LR'", "Expected numeric value type for metric. Found 'LR'"),
        ("start_time = 'x'", "Expected numeric value type for numeric attribute: start_time. Found 'x'"),
        ("params.acc = LR", "value is either not quoted or unidentified quote types used for string value LR"),
        ("params.acc = `LR`", "value is either not quoted or unidentified quote types used for string value `LR`"),
        ("params.acc = 5", "Expected a quoted string value for parameter (e.g. 'my-value'). Got value 5"),
        ("run_id = 5", "Expected a quoted string value for attributes"),
        ("'a' = params.b", "Invalid comparison clause. Expected 'Identifier' found ''a''"),
        ("metrics.acc ~ 1", "Invalid comparator '~' not one of"),
        ("metrics.acc LIKE 1", "Invalid comparator 'LIKE' not one of"),
        ("params.acc > '1'", "Invalid comparator '>' not one of"),
        ("params.acc NOT LIKE '1'", "Invalid comparator 'NOT LIKE' not one of"),
        ("run_name IN ('a')", "Only ['run_id'] attributes support comparison with a list of quoted string values."),
        ("run_id IN ()", "expected a non-empty list of string values, but got empty list"),
        ("run_id IN (1)", "expected string value, punctuation, or whitespace, but got different type in list"),
        ("run_id IN ('a' 'b')", "got ill-formed list"),
        ("run_id IN ('a'", "got ill-formed list"),
        ("run_id IN 'a'", "expected a non-empty list"),
        ("run_id IS NULL", "IS NULL / IS NOT NULL is only supported for tags and params, not for 'attribute' 'run_id'"),
        ("(metrics.a > 1", "Invalid clause(s) in filter string: '(metrics.a > 1'"),
        ("metrics.a > 1)", "Invalid clause(s) in filter string: ')'"),
        ("params.a = '\x00'", "Error on parsing filter"),
        ("(" * 40 + "metrics.a > 1" + ")" * 40, "more than 30 parentheses"),
        (" AND ".join(["metrics.a > 1"] * 201), "more than 200 comparisons"),
    ],
)
def test_refusals(text: str, message: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        condition(text, RUNS)
    assert message in caught.value.message
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("grammar", "text", "expected"),
    [
        (EXPERIMENTS, "name LIKE 'a%'", Comparison(Column(Kind.ATTRIBUTE, "name"), Op.LIKE, "a%")),
        (EXPERIMENTS, "creation_time > 5", Comparison(Column(Kind.ATTRIBUTE, "creation_time"), Op.GT, 5)),
        (EXPERIMENTS, "tags.x IS NULL", Comparison(Column(Kind.TAG, "x"), Op.IS_NULL)),
        (REGISTERED_MODELS, "name IN ('a')", Comparison(Column(Kind.ATTRIBUTE, "name"), Op.IN, ("a",))),
        (MODEL_VERSIONS, "version_number >= 2", Comparison(Column(Kind.ATTRIBUTE, "version_number"), Op.GE, 2)),
        (LOGGED_MODELS, "creation_time > 5", Comparison(Column(Kind.ATTRIBUTE, "creation_timestamp"), Op.GT, 5)),
        (LOGGED_MODELS, "params.lr IN ('1')", Comparison(Column(Kind.PARAM, "lr"), Op.IN, ("1",))),
        (LOGGED_MODELS, "metrics.loss < 1", Comparison(Column(Kind.METRIC, "loss"), Op.LT, 1)),
    ],
)
def test_other_searches(grammar: Grammar, text: str, expected: Comparison) -> None:
    assert condition(text, grammar) == expected


@pytest.mark.parametrize(
    ("grammar", "text", "message"),
    [
        (
            EXPERIMENTS,
            "params.a = 'x'",
            "Invalid entity type 'params'. Valid entity types are ('attribute', 'tag', 'tags')",
        ),
        (EXPERIMENTS, "name IS NULL", "only supported for tags"),
        (EXPERIMENTS, "acc = 'x'", "Invalid attribute key 'acc'"),
        (MODEL_VERSIONS, "version_number = 'x'", "Expected numeric value type"),
        (LOGGED_MODELS, "param.a = 'x'", "Invalid entity type 'param'"),
    ],
)
def test_refusals_of_other_searches(grammar: Grammar, text: str, message: str) -> None:
    with pytest.raises(ProtocolError, match=r".*") as caught:
        condition(text, grammar)
    assert message in caught.value.message


@pytest.mark.parametrize(
    ("text", "column", "ascending"),
    [
        ("metrics.loss DESC", Column(Kind.METRIC, "loss"), False),
        ("max.loss desc", Column(Kind.MAX, "loss"), False),
        ("params.`a b` asc", Column(Kind.PARAM, "a b"), True),
        ('params."a b"', Column(Kind.PARAM, "a b"), True),
        ("start_time", START, True),
        ("attributes.`Start Time`  DESC ", START, False),
        ("tag.mlflow.user", Column(Kind.TAG, "mlflow.user"), True),
    ],
)
def test_order(text: str, column: Column, ascending: bool) -> None:
    assert orders([text], RUNS) == (Order(column, ascending),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("m.acc", "Invalid entity type 'm'"),
        ("acc", "Invalid attribute key 'acc'"),
        ("metrics.a >= 0.1", "Invalid order_by clause 'metrics.a >= 0.1'. Could not be parsed."),
        ("params.a asc desc", "Invalid order_by clause"),
        ("params.a up", "Invalid ordering key in order_by clause 'params.a up'."),
        ("`metrics.a", "Invalid order_by clause"),
        ("dataset.name", "Invalid order_by entity: dataset"),
        ("", "Invalid order_by clause ''"),
    ],
)
def test_refused_orders(text: str, message: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        orders([text], RUNS)
    assert message in caught.value.message


def test_registered_models_are_ordered_by_timestamp_too() -> None:
    assert orders(["timestamp DESC"], REGISTERED_MODELS) == (
        Order(Column(Kind.ATTRIBUTE, "last_updated_timestamp"), ascending=False),
    )
