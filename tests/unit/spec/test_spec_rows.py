from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from datetime import UTC, date, datetime
from types import ModuleType
from typing import Any

import pytest

from treadle import Col, Column, Row, col
from treadle.domain.errors import DeclarationError, InvalidInput
from treadle.spec.model_spec import ColumnSpec
from treadle.spec.rows import columns_of


class Trip(Row):
    trip_id: Col[str]
    leaves: Col[datetime] = col(zone="Europe/Berlin", doc="as the timetable says")
    stops: Col[int] = col(ge=0, lt=100, slice=True)
    weight: Col[float | None] = col(gt=0, le=9, nulls=0.5)
    late: Col[bool]


Load = Callable[[str], ModuleType]
Refused = Callable[[str], DeclarationError]

VALUES: dict[str, Any] = {
    "trip_id": "a",
    "leaves": datetime(2024, 1, 1, tzinfo=UTC),
    "stops": 3,
    "weight": None,
    "late": True,
}


def test_columns_are_data_in_the_order_declared() -> None:
    assert [c.spec for c in columns_of(Trip)] == [
        ColumnSpec("trip_id", "str"),
        ColumnSpec("leaves", "datetime", zone="Europe/Berlin", doc="as the timetable says"),
        ColumnSpec("stops", "int", ge=0.0, lt=100.0, slice=True),
        ColumnSpec("weight", "float", nullable=True, gt=0.0, le=9.0, nulls=0.5),
        ColumnSpec("late", "bool"),
    ]


def test_the_class_has_columns_and_an_instance_has_values() -> None:
    assert isinstance(Trip.stops, Column)
    assert (Trip.stops.name, Trip.stops.row) == ("stops", Trip)
    assert repr(Trip.stops) == "Trip.stops"
    trip = Trip(**VALUES)
    assert trip.stops == 3
    assert trip.weight is None


def test_rows_compare_and_print_by_value() -> None:
    trip = Trip(**VALUES)
    assert trip == Trip(**VALUES)
    assert hash(trip) == hash(Trip(**VALUES))
    more: dict[str, Any] = {**VALUES, "stops": 4}
    assert trip != Trip(**more)
    assert "stops=3" in repr(trip)
    assert copy.deepcopy(trip) == trip
    assert pickle.loads(pickle.dumps(trip)) == trip


def test_subclasses_inherit_columns() -> None:
    class Long(Trip):
        nights: Col[int]

    assert [c.name for c in columns_of(Long)] == [*VALUES, "nights"]
    assert Long.stops is Trip.stops
    assert Long(**VALUES, nights=2).nights == 2


def test_every_type_can_be_a_column() -> None:
    class All(Row):
        text: Col[str | None]
        whole: Col[int | None]
        number: Col[float]
        flag: Col[bool]
        time: Col[datetime]
        day: Col[date]

    assert [c.spec.type for c in columns_of(All)] == ["str", "int", "float", "bool", "datetime", "date"]


def test_annotations_may_be_text(load: Load) -> None:
    module = load("""
        from __future__ import annotations
        from datetime import datetime
        from treadle import Col, Row, col

        def inside():
            Text = str
            class Plane(Row):
                name: Col[Text]
                seats: Col[int | None] = col(ge=1)
            return Plane

        Plane = inside()
    """)
    assert [(c.name, c.spec.type, c.spec.nullable) for c in columns_of(module.Plane)] == [
        ("name", "str", False),
        ("seats", "int", True),
    ]


def test_a_missing_value_is_named() -> None:
    with pytest.raises(InvalidInput, match=r"needs stops, late(?s:.*)Trip\(stops="):
        Trip(**{k: v for k, v in VALUES.items() if k not in ("stops", "late")})


def extra(name: str) -> dict[str, Any]:
    return {name: 1}


def test_a_misspelt_value_is_corrected() -> None:
    with pytest.raises(InvalidInput, match=r"no column 'stop'(?s:.*)did you mean 'stops'"):
        Trip(**VALUES, **extra("stop"))
    with pytest.raises(InvalidInput, match=r"no column 'zzz'(?s:.*)it has trip_id"):
        Trip(**VALUES, **extra("zzz"))


def test_values_come_by_keyword() -> None:
    with pytest.raises(InvalidInput, match="by keyword"):
        Trip("a")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def test_the_builder_makes_rows_without_the_label() -> None:
    names = [n for n in VALUES if n != "late"]
    build = Trip._builder(names)
    trip = build([VALUES[n] for n in names])
    assert isinstance(trip, Trip)
    assert trip.leaves == VALUES["leaves"]
    with pytest.raises(InvalidInput, match=r"this Trip has no 'late'(?s:.*)not known yet"):
        _ = trip.late


def test_the_builder_refuses_what_is_no_column() -> None:
    with pytest.raises(InvalidInput, match="no column 'stop'"):
        Trip._builder(["stop"])
    with pytest.raises(ValueError, match=r"longer|shorter"):
        Trip._builder(["stops", "late"])([1])


def test_a_slice_is_a_column_and_a_value() -> None:
    assert repr(Trip.stops == 3) == "Trip.stops == 3"
    assert (Trip.weight == None).value is None  # noqa: E711


@pytest.mark.parametrize(
    ("body", "message", "hint"),
    [
        ("    seats: int  # here?", "annotated with int", "write seats: Col[int]"),
        ("    seats: Col[list]  # here?", "Col[list]", "str, int, float, bool, datetime, date"),
        ("    seats: Col[int | str]  # here?", "Col[int | str]", "or that and None"),
        ("    seats: Col[int] = 3  # here?", "has the value 3", "col(...)"),
        ('    seats: "Col[Unheard]"  # here?', "Unheard", "import"),
        ("    _seats: Col[int]  # here?", "underscore", "'seats'"),
        ("    seats = col(ge=0)  # here", "no type", "seats: Col[...]"),
        ("    seats: Col[str] = col(ge=0)  # here", "ge bound numbers", "one_of"),
        ('    seats: Col[int] = col(ge="0")  # here', "ge='0'", "a number"),
        ("    seats: Col[int] = col(ge=5, le=4)  # here", "no number does", "swap"),
        ("    seats: Col[int] = col(gt=5, le=5)  # here", "no number does", "swap"),
        ('    seats: Col[int] = col(one_of=["a"])  # here', "one_of lists 'a'", "type int"),
        ("    seats: Col[int] = col(one_of=[True, 2])  # here", "one_of lists True", "type int"),
        ("    seats: Col[int] = col(one_of=[])  # here", "one of nothing", "one_of=["),
        ("    seats: Col[int] = col(nulls=0.1)  # here", "never missing", "Col[int | None]"),
        ("    seats: Col[int | None] = col(nulls=25)  # here", "nulls=25", "0 to 1"),
        ("    seats: Col[float] = col(slice=True)  # here", "cannot be sliced", "str, bool or int"),
        ('    seats: Col[int] = col(zone="UTC")  # here', "only a datetime has a zone", "leave zone"),
        ('    seats: Col[datetime] = col(zone="New York")  # here', "unknown zone", "America/New_York"),
    ],
)
def test_a_wrong_column_is_refused(refused: Refused, body: str, message: str, hint: str) -> None:
    # an annotation without col(...) has no line of its own: the class's line stands for it
    head = "class Plane(Row):  # here" if body.endswith("# here?") else "class Plane(Row):"
    text = f"from datetime import datetime\nfrom treadle import Col, Row, col\n{head}\n{body.replace('# here?', '')}\n"
    error = refused(text)
    assert message in error.message
    assert hint in error.hint


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Flight.origin == 3", "of type str, not int"),
        ('Flight.origin == "BOS"', "is one of 'EWR', 'JFK', 'LGA'"),
        ("Flight.origin == None", "never missing"),
        ("Flight.origin == Flight.flight_id", "another column"),
        ('Flight.origin != "JFK"', "selects no slice"),
        ('bool(Flight.origin == "JFK")', "neither true nor false"),
    ],
)
def test_a_wrong_slice_is_refused(refused: Refused, head: str, text: str, message: str) -> None:
    error = refused(f"{head}x = {text}  # here\n")
    assert message in error.message
