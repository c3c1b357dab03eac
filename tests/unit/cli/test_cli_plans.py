"""Plans as people see them."""

from __future__ import annotations

import pytest

from treadle.cli.plans import diff, shown
from treadle.domain import codec
from treadle.sdk.records import Change, Plan
from treadle.spec.expressions import MetricRef, Threshold


def plan(*changes: tuple[str, object, object], base: int = 0) -> Plan:
    return Plan("rides", base, tuple(Change(*change) for change in changes), (), "digest")


def test_parts_of_one_thing_stand_on_one_line() -> None:
    told = plan(
        ("columns[at].type", None, "datetime"),
        ("columns[at].zone", None, "UTC"),
        ("columns[hum].ge", None, 0.0),
        ("horizon", None, 86400.0),
        ("code/a.b.py", None, "5c71"),
        ("environment/numpy", None, "2.4.6"),
        ("environment/scipy", None, "1.17.1"),
    )
    assert list(diff(told)) == [
        "+ columns[at]: type datetime, zone UTC",
        "+ columns[hum]: ge 0.0",
        "+ horizon: 1 day",
        "+ code/a.b.py: 5c71",
        "+ environment: numpy 2.4.6, scipy 1.17.1",
    ]


def test_what_differs_stands_alone() -> None:
    told = plan(
        ("params[rate].default", 0.1, 0.2),
        ("params[rate].low", 0.1, 0.01),
        ("environment/numpy", "2.4.5", "2.4.6"),
        ("environment/scipy", "1.17.1", None),
        base=3,
    )
    assert list(diff(told)) == [
        "~ params[rate].default: 0.1 -> 0.2",
        "~ params[rate].low: 0.1 -> 0.01",
        "~ environment/numpy: 2.4.5 -> 2.4.6",
        "- environment: scipy 1.17.1",
    ]


@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        ("doc", "One line.\nMore.", "One line."),
        ("gates", [codec.to_plain(Threshold(MetricRef("mae"), "<=", 168.0))], "mae <= 168"),
        ("gates", [{"kind": "of a later release"}], "{'kind': 'of a later release'}"),
        ("code/model.py", "x" * 200, "x" * 97 + "..."),
        ("horizon", 5400.0, "1:30:00"),
        ("split.test", 0.25, "0.25"),
        ("split.test", 2419200.0, "28 days"),
    ],
)
def test_values_in_a_few_words(path: str, value: object, text: str) -> None:
    assert shown(path, value) == text
