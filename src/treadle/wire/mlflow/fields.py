"""Kinds of fields that several rooms share."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

Whole = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
"""A whole number of 64 bits."""
Millis = Annotated[int, Meta(ge=0, le=2**63 - 1)]
"""Milliseconds since 1970."""
Number = float | str
"""A float on its way out: NaN and infinities are texts, as protobuf has them."""


class Pair(Struct, frozen=True, gc=False):
    """A tag or a param."""

    key: str
    value: str | None = ""


class PairOut(Struct, frozen=True, gc=False):
    """A tag or a param on its way out."""

    key: str
    value: str


def number(value: float) -> Number:
    """A float as it is sent: JSON knows neither NaN nor infinities."""
    if value - value == 0.0:
        return value
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"  # noqa: PLR0124  NaN alone differs
