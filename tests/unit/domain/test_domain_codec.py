"""Records from plain data: every kind of field, records within records of their own type, and what does not fit."""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Literal

import pytest

from treadle.domain import codec
from treadle.domain.errors import InvalidInput


class Colour(enum.Enum):
    RED = "red"


@dataclass(frozen=True)
class Left:
    kind: ClassVar[str] = "left"
    by: float


@dataclass(frozen=True)
class Right:
    kind: ClassVar[str] = "right"
    by: float


@dataclass(frozen=True)
class Node:
    name: str
    at: datetime
    lasts: timedelta
    colour: Colour
    children: tuple[Node, ...] = ()
    parent: Node | None = None
    turn: Left | Right | None = None
    params: Mapping[str, bool | int | float | str] = field(default_factory=dict)
    bounds: tuple[float, str] | None = None
    state: Literal["on", "off"] = "on"
    effect: float | None = None
    many: list[float] = field(default_factory=list)


AT = datetime(2013, 3, 1, 12, tzinfo=UTC)
LEAF = Node("leaf", AT, timedelta(hours=2), Colour.RED)
PARAMS = {"depth": 3, "rate": 0.1, "on": True, "by": "x"}
MANY = [1.0, math.inf]
TREE = Node(
    "tree", AT, timedelta(0), Colour.RED, (LEAF, LEAF), LEAF, Right(2.5), PARAMS, (1.5, "b"), "off", -math.inf, MANY
)


def test_records_come_back_as_they_were() -> None:
    assert codec.loads(Node, codec.dumps(TREE)) == TREE
    again = codec.loads(Node, codec.dumps(Node("n", AT, timedelta(0), Colour.RED, effect=math.nan)))
    assert again.effect is not None
    assert math.isnan(again.effect)


def test_what_is_not_known_is_ignored_and_what_is_missing_has_its_default() -> None:
    plain = {**codec.to_plain(LEAF), "later": 1}
    del plain["children"]
    assert codec.from_plain(Node, plain) == LEAF


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"turn": {"kind": "up", "by": 1}}, "unknown kind 'up'"),
        ({"children": ["leaf"]}, "made of named fields"),
    ],
)
def test_what_does_not_fit_is_said(change: dict[str, object], told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        codec.from_plain(Node, {**codec.to_plain(LEAF), **change})
    incomplete = {"name": "leaf"}
    with pytest.raises(InvalidInput, match="cannot read a Node"):
        codec.from_plain(Node, incomplete)
