"""A filter that is written out is read back as it was; no text whatsoever does worse than a refusal."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
from treadle.domain.search import AllOf, AnyOf, Column, Comparison, Condition, Kind, Op, Order

NUMERIC = (Op.EQ, Op.NE, Op.LT, Op.LE, Op.GT, Op.GE)
TEXT = (Op.EQ, Op.NE, Op.LIKE, Op.ILIKE)
GRAMMARS = st.sampled_from([RUNS, EXPERIMENTS, REGISTERED_MODELS, MODEL_VERSIONS, LOGGED_MODELS])

keys = st.text(st.characters(exclude_characters="`\x00", exclude_categories=["Cs"]), min_size=0, max_size=12)
texts = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=20) | st.text("\\'\" ")
numbers = st.integers(-(10**15), 10**15) | st.floats(allow_nan=False, allow_infinity=False)
numeric_columns = st.builds(Column, st.sampled_from([Kind.METRIC, Kind.MIN, Kind.MAX]), keys) | st.sampled_from(
    [Column(Kind.ATTRIBUTE, "start_time"), Column(Kind.ATTRIBUTE, "end_time")]
)
named_columns = st.builds(Column, st.sampled_from([Kind.PARAM, Kind.TAG]), keys)
listed_columns = st.sampled_from(
    [Column(Kind.ATTRIBUTE, "run_id"), *(Column(Kind.DATASET, key) for key in ("name", "digest", "context"))]
)
attributes = st.sampled_from([Column(Kind.ATTRIBUTE, key) for key in ("run_name", "status", "user_id", "artifact_uri")])
comparisons = (
    st.builds(Comparison, numeric_columns, st.sampled_from(NUMERIC), numbers)
    | st.builds(Comparison, named_columns | attributes | listed_columns, st.sampled_from(TEXT), texts)
    | st.builds(
        Comparison,
        listed_columns,
        st.sampled_from([Op.IN, Op.NOT_IN]),
        st.lists(texts, min_size=1, max_size=4).map(tuple),
    )
    | st.builds(Comparison, named_columns, st.sampled_from([Op.IS_NULL, Op.IS_NOT_NULL]))
)
conditions = st.recursive(
    comparisons,
    lambda inner: (
        st.lists(inner, min_size=2, max_size=3).map(lambda terms: AllOf(tuple(terms)))
        | st.lists(inner, min_size=2, max_size=3).map(lambda terms: AnyOf(tuple(terms)))
    ),
    max_leaves=8,
)


def quoted(text: str) -> str:
    """A text as a filter has it: a backslash is doubled before a quote, a quote is doubled."""
    doubled = re.sub(r"\\+(?='|\Z)", lambda match: match[0] * 2, text)
    return "'" + doubled.replace("'", "''") + "'"


def column_text(column: Column) -> str:
    return f"{column.kind.value}.`{column.key}`"


def written(found: Condition) -> str:
    match found:
        case AllOf(terms):
            return " AND ".join(f"({written(term)})" for term in terms)
        case AnyOf(terms):
            return " OR ".join(f"({written(term)})" for term in terms)
        case Comparison(column, op, None):
            return f"{column_text(column)} {op.value}"
        case Comparison(column, op, tuple(values)):
            return f"{column_text(column)} {op.value} ({', '.join(quoted(value) for value in values)})"
        case Comparison(column, op, str(value)):
            return f"{column_text(column)} {op.value} {quoted(value)}"
        case Comparison(column, op, value):
            return f"{column_text(column)} {op.value} {value!r}"


@given(conditions)
def test_what_is_written_is_read(found: Condition) -> None:
    assert condition(written(found), RUNS) == found


@given(conditions, st.sampled_from(["\n", "\t ", "  "]))
def test_blanks_and_case_of_keywords_do_not_matter(found: Condition, blank: str) -> None:
    text = written(found)
    pieces = re.split(r"(`[^`]*`|'(?:[^'])*')", text)
    changed = "".join(piece if index % 2 else piece.replace(" ", blank).lower() for index, piece in enumerate(pieces))
    assert condition(changed, RUNS) == found


@given(st.builds(Order, numeric_columns | named_columns | attributes, st.booleans()))
def test_an_order_is_read(order: Order) -> None:
    text = column_text(order.column) + (" ASC" if order.ascending else " desc")
    assert orders([text], RUNS) == (order,)


fragments = st.lists(
    st.sampled_from(
        [
            "params.", "metrics.", "tags", "attribute.", "dataset.name", "run_id", "name", "a", "`", "'", '"', "(", ")",
            ",", ";", "=", "!=", "<", "LIKE", "IN", "NOT", "IS", "NULL", "AND", "OR", " ", "1", "-2.5e3", "\\", "'x'",
        ]
    ),
    max_size=14,
).map("".join)  # fmt: skip


@given(st.text() | fragments, GRAMMARS)
@settings(max_examples=400)
def test_any_text_is_read_or_refused(text: str, grammar: object) -> None:
    for read in (lambda: condition(text, grammar), lambda: orders([text], grammar)):  # type: ignore[arg-type]
        try:
            read()
        except ProtocolError as error:
            assert error.status == 400
            assert error.code == "INVALID_PARAMETER_VALUE"
            assert error.message


@pytest.mark.parametrize(
    "text", ["(" * 10_000, "a" * 200_000, "params.a = 'x' AND " * 5_000, " " * 200_000 + "x", "'" * 50_001]
)
def test_long_texts_are_read_or_refused_too(text: str) -> None:
    with pytest.raises(ProtocolError):
        condition(text + "!", RUNS)
