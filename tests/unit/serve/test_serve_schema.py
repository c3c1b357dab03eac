from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.domain.errors import InvalidInput
from treadle.serve.schema import ColumnRules, RowSchema
from treadle.spec.model_spec import ColumnSpec, ModelSpec


def encode(*rows: Any) -> bytes:
    return json.dumps({"rows": list(rows)}).encode()


@pytest.fixture
def schema(kit: Any) -> RowSchema:
    return RowSchema(kit.flights())


@pytest.mark.parametrize("form", ["envelope", "list", "object", "spaced"])
def test_three_forms_of_a_body_are_one_batch(schema: RowSchema, kit: Any, form: str) -> None:
    text = json.dumps(kit.row)
    bodies = {
        "envelope": f'{{"rows":[{text}]}}',
        "list": f"[{text}]",
        "object": text,
        "spaced": f' {{ "rows" : [ {text} ] }}',
    }
    batch = schema.decode(bodies[form].encode())
    assert batch.rows == 1
    assert {name: list(values) for name, values in batch.columns.items()} == {
        **{name: [value] for name, value in kit.row.items()},
        "pressure": [None],
        "diverted": [None],
        "day": [None],
    }


def test_several_rows_become_columns_in_their_order(schema: RowSchema, kit: Any) -> None:
    batch = schema.decode(encode(kit.row, {**kit.row, "distance": 7, "pressure": 1013.5, "diverted": True}))
    assert batch.rows == 2
    assert list(batch.columns["distance"]) == [100.0, 7]
    assert list(batch.columns["pressure"]) == [None, 1013.5]
    assert list(batch.columns["diverted"]) == [None, True]


def test_a_label_in_a_row_is_ignored(schema: RowSchema, kit: Any) -> None:
    assert "late" not in schema.decode(encode({**kit.row, "late": True})).columns


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"distance": -5}, "row 1, column 'distance': must be >= 0, is -5"),
        ({"distance": 1e4}, "row 1, column 'distance': must be < 10000, is 10000.0"),
        ({"distance": "far"}, "row 1, column 'distance': must be a number, is \"far\""),
        ({"distance": True}, "row 1, column 'distance': must be a number, is true"),
        ({"distance": None}, "row 1, column 'distance': must not be missing (null)"),
        ({"stops": 4}, "row 1, column 'stops': must be <= 3, is 4"),
        ({"stops": 1.0}, "row 1, column 'stops': must be a whole number, is 1.0"),
        ({"origin": "LAX"}, 'row 1, column \'origin\': must be one of "EWR", "JFK", "LGA", is "LAX"'),
        ({"origin": 3}, "row 1, column 'origin': must be text, is 3"),
        ({"flight_id": []}, "row 1, column 'flight_id': must be text, is []"),
        ({"diverted": 1}, "row 1, column 'diverted': must be true or false, is 1"),
        ({"departs": "yesterday"}, "row 1, column 'departs': cannot be read: 'yesterday' is not a time"),
        ({"departs": "0001-01-01T00:00:00+14:00"}, "row 1, column 'departs': cannot be read"),
        ({"departs": 1362130200}, "row 1, column 'departs': must be a time as ISO 8601 text"),
        ({"day": "2013-13-01"}, "row 1, column 'day': cannot be read: '2013-13-01' is not a day"),
        ({"distnace": 3}, "row 1: model 'flights' has no column \"distnace\""),
    ],
)
def test_a_bad_value_is_named_with_row_column_rule_and_value(
    schema: RowSchema, kit: Any, change: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        schema.decode(encode(kit.row, {**kit.row, **change}))
    assert caught.value.message.startswith(said)


def test_an_unknown_column_brings_a_guess(schema: RowSchema, kit: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        schema.decode(encode({**kit.row, "distnace": 3}))
    assert "did you mean 'distance'?" in caught.value.hint


def test_a_missing_column_is_named(schema: RowSchema, kit: Any) -> None:
    del kit.row["distance"]
    with pytest.raises(InvalidInput, match="row 0: column 'distance' is missing"):
        schema.decode(encode(kit.row))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'{"rows":[]}',
        b'{"rows":[1]}',
        b"nul",
        b"3",
        b'"a"',
        b"\xff\xfe",
        b"[" * 5000,
        b'{"rows":[{}],"x":1}',
    ],
)
def test_a_body_that_has_no_rows_is_refused(schema: RowSchema, body: bytes) -> None:
    with pytest.raises(InvalidInput) as caught:
        schema.decode(body)
    assert caught.value.message


def test_naive_times_need_a_declared_zone() -> None:
    assert ColumnRules(ColumnSpec("t", "datetime", zone="America/New_York")).problem("2013-03-01T09:30") is None
    problem = ColumnRules(ColumnSpec("t", "datetime")).problem("2013-03-01T09:30")
    assert problem is not None
    assert "has no zone" in problem


def test_columns_are_checked_as_rows_are(schema: RowSchema, kit: Any) -> None:
    columns = {name: [value] for name, value in kit.row.items()}
    assert schema.check(columns, 1).columns["pressure"] == (None,)
    with pytest.raises(InvalidInput, match=r"row 0, column 'stops': must be <= 3, is 9"):
        schema.check({**columns, "stops": [9]}, 1)
    with pytest.raises(InvalidInput, match="column 'stops' has 2 values for 1 rows"):
        schema.check({**columns, "stops": [1, 1]}, 1)
    with pytest.raises(InvalidInput, match='no column "tail"'):
        schema.check({**columns, "tail": ["x"]}, 1)


_bounds = st.one_of(st.none(), st.integers(-3, 3), st.floats(-3, 3, allow_nan=False))
_values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-4, 4),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=3),
    st.sampled_from(["a", "b", "2013-03-01", "2013-03-01T10:00:00Z", "2013-03-01T10:00:00"]),
    st.lists(st.integers(), max_size=1),
)


@given(
    kind=st.sampled_from(["str", "int", "float", "bool", "datetime", "date"]),
    bounds=st.tuples(_bounds, _bounds, _bounds, _bounds),
    nullable=st.booleans(),
    choices=st.booleans(),
    value=_values,
)
def test_the_fast_decoder_takes_exactly_what_the_rules_allow(
    kind: str, bounds: tuple[Any, ...], nullable: bool, choices: bool, value: Any
) -> None:
    allowed: dict[str, tuple[Any, ...]] = {"str": ("a", "b"), "int": (0, 1, 2), "float": (0.5, 2.0), "bool": (True,)}
    numeric = kind in ("int", "float")
    column = ColumnSpec(
        "x",
        kind,
        nullable,
        *(bounds if numeric else (None,) * 4),
        one_of=allowed.get(kind) if choices else None,
        zone=None,
    )
    spec = ModelSpec("m", "", "Row", (column, ColumnSpec("y", "bool")), label="y", task="binary")
    problem = ColumnRules(column).problem(value)
    try:
        batch = RowSchema(spec).decode(msgspec.json.encode({"rows": [{"x": value}]}))
    except InvalidInput:
        assert problem is not None
    else:
        assert problem is None
        assert list(batch.columns["x"]) == [value]
