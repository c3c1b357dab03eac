"""How a column of a file becomes typed: each step is an expression to run, and its text for the model file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import polars as pl

FLAG, FINITE, NUMBER = "flag", "finite", "number"
"""The helper functions that a model file gets where one of its columns calls them."""

LARGEST = 3e38
"""Numbers beyond are taken as missing: 32-bit floats, in which forests and compiled models compute, end there."""


@dataclass(frozen=True)
class Recipe:
    """From the column of a file to values of ``kind`` (bool, int, float, str, datetime, date).

    ``head`` is the text with ``{}`` where the quoted name of the column goes. ``helper`` names the function of the
    model file that is called; ``entries`` are those of the dictionary by which it turns ``head`` into yes and no, and
    ``tail`` stands behind that. ``aware`` marks times that name their own zone.
    """

    kind: str
    head: str
    apply: Callable[[pl.Expr], pl.Expr] = field(compare=False)
    helper: str | None = None
    entries: tuple[str, ...] = ()
    tail: str = ""
    aware: bool = False

    def parts(self) -> tuple[str, str]:
        """The expression's text before the column's name, and behind it."""
        before, _, behind = self.head.partition("{}")
        return before, behind


def as_is(kind: str) -> Recipe:
    """Values that have their type already."""
    return Recipe(kind, "pl.col({})", lambda e: e)


def cast(kind: str) -> Recipe:
    """Text or another type as ``kind``."""
    name, dtype = _DTYPES[kind]
    return Recipe(kind, f"pl.col({{}}).cast({name})", lambda e: e.cast(dtype))


def finite() -> Recipe:
    """Numbers among which infinite and immense ones count as missing."""
    return Recipe("float", "finite({})", lambda e: finite_or_missing(e.cast(pl.Float64)), FINITE)


def finite_or_missing(number: pl.Expr) -> pl.Expr:
    """Numbers; infinite, immense and undefined ones as missing."""
    return pl.when(number.abs() <= LARGEST).then(number)


def written_number(strip: str, decimal: str) -> Recipe:
    """Numbers with units, groups of thousands or a decimal comma; ``strip`` is the pattern of what to drop."""

    def apply(e: pl.Expr) -> pl.Expr:
        return e.str.replace_all(strip, "").str.replace(decimal, ".", literal=True).cast(pl.Float64)

    more = ', decimal=","' if decimal == "," else ""
    return Recipe("float", f'number({{}}, r"{strip}"{more})', apply, NUMBER)


def flag(values: Mapping[str | int | float | bool, bool], typed: Recipe | None = None) -> Recipe:
    """Two sorts of values, of a column as it is or by a recipe, as true and false; any other value is an error."""
    entries = [f"{literal(value)}: {true}" for value, true in values.items()]
    first = as_is("str") if typed is None else typed

    def apply(e: pl.Expr) -> pl.Expr:
        return first.apply(e).replace_strict(dict(values), return_dtype=pl.Boolean)

    return Recipe("bool", first.head, apply, FLAG, tuple(entries))


def moment(pattern: str, *, aware: bool = False) -> Recipe:
    """Text as times by a pattern of ``strptime``; ``aware`` where it names the zone."""
    return Recipe(
        "datetime",
        f"pl.col({{}}).str.to_datetime({quote(pattern)})",
        lambda e: e.str.to_datetime(pattern, time_unit="us"),
        aware=aware,
    )


def day(pattern: str) -> Recipe:
    """Text as days by a pattern of ``strptime``."""
    return Recipe("date", f"pl.col({{}}).str.to_date({quote(pattern)})", lambda e: e.str.to_date(pattern))


def epoch(unit: str, *, text: bool) -> Recipe:
    """Whole seconds (``s``) or milliseconds (``ms``) since 1970 as times in UTC."""
    inner = "pl.col({}).cast(pl.Int64)" if text else "pl.col({})"
    code = f'pl.from_epoch({inner}, time_unit="{unit}").dt.replace_time_zone("UTC")'

    def apply(e: pl.Expr) -> pl.Expr:
        seconds = e.cast(pl.Int64)
        made = pl.from_epoch(seconds, "s") if unit == "s" else pl.from_epoch(seconds, "ms")
        return made.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")

    return Recipe("datetime", code, apply, aware=True)


def literal(value: object) -> str:
    """A value as a Python literal, as ruff writes it."""
    return quote(value) if isinstance(value, str) else repr(value).replace("e+", "e")


def quote(text: str) -> str:
    """Text as a Python literal, in the quotes that need the fewer escapes, double ones where equal."""
    mark = "'" if text.count('"') > text.count("'") else '"'
    return mark + "".join(_escaped(c, mark) for c in text) + mark


def _escaped(c: str, mark: str) -> str:
    if c in ("\\", mark):
        return f"\\{c}"
    return c if c.isprintable() else repr(c)[1:-1]


_DTYPES: dict[str, tuple[str, type[pl.DataType]]] = {
    "int": ("pl.Int64", pl.Int64),
    "float": ("pl.Float64", pl.Float64),
    "str": ("pl.String", pl.String),
    "bool": ("pl.Boolean", pl.Boolean),
    "date": ("pl.Date", pl.Date),
}
