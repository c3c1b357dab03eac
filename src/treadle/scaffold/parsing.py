"""What the values of a column mean: numbers, yes and no, days, times, or text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import polars as pl

from treadle.scaffold import recipes
from treadle.scaffold.names import words
from treadle.scaffold.recipes import Recipe

SAMPLE = 1000
YES_AND_NO = (("true", "false"), ("yes", "no"), ("y", "n"), ("t", "f"), ("on", "off"), ("ja", "nein"), ("oui", "non"))
POSITIVE = frozenset({pair[0] for pair in YES_AND_NO} | {"1", "1.0", "positive", "pos"})

_CLOCKS = ("%H:%M:%S%.f", "%H:%M", "%I:%M:%S %p", "%I:%M %p")
_DAYS = (
    "%Y-%m-%d", "%Y/%m/%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%d-%m-%Y", "%m-%d-%Y", "%m/%d/%y", "%d/%m/%y",
    "%d.%m.%y", "%d-%b-%Y", "%d-%b-%y", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%Y%m%d",
)  # fmt: skip
_TWINS = {"%m/%d": "%d/%m", "%m-%d-": "%d-%m-"}
_DIGITS = r"^[+-]?\d+$"
_LED_BY_ZERO = r"^[+-]?0\d"
_EPOCHS = {"s": (631_152_000, 4_102_444_800), "ms": (631_152_000_000, 4_102_444_800_000)}
_EPOCH_WORDS = frozenset({"time", "timestamp", "ts", "at", "epoch", "unix", "date", "datetime", "created", "updated"})
_UNITS = r"[$€£%\s]"


@dataclass(frozen=True)
class Parsed:
    """A column's meaning. ``kind`` is that of the recipe, ``none`` for a column without a value, ``other`` for one
    whose values cannot stand in a row. ``note`` says what a reader of the file might not expect.
    """

    kind: str
    recipe: Recipe | None
    values: pl.Series
    note: str = ""


def parse(raw: pl.Series) -> Parsed:
    """Find the meaning that all values of a column allow; text where there is no other."""
    if not raw.count():
        return Parsed("none", None, raw)
    if raw.dtype == pl.String:
        return _text(raw)
    return _typed(raw)


def applied(recipe: Recipe, raw: pl.Series) -> pl.Series:
    """A raw column by a recipe."""
    return raw.to_frame().select(recipe.apply(pl.col(raw.name)).alias(raw.name)).to_series()


def _typed(raw: pl.Series) -> Parsed:
    dtype = raw.dtype
    if isinstance(dtype, pl.Datetime):
        return _typed_time(raw, dtype)
    if dtype == pl.Boolean:
        return Parsed("bool", recipes.as_is("bool"), raw)
    if dtype == pl.Date:
        return Parsed("date", recipes.as_is("date"), raw)
    if isinstance(dtype, pl.Categorical | pl.Enum):
        return _done(recipes.cast("str"), raw)
    if dtype.is_integer():
        narrow = dtype not in (pl.UInt64, pl.Int128) or _fits_int64(raw)
        if not narrow:
            return _done(recipes.cast("str"), raw, "whole numbers too large for 64 bits are kept as text")
        if _is_epoch(raw.name, raw.cast(pl.Int64)):
            return _epoch(raw, text=False)
        return _done(recipes.as_is("int") if dtype == pl.Int64 else recipes.cast("int"), raw)
    if dtype.is_float() or isinstance(dtype, pl.Decimal):
        return _float(raw, recipes.as_is("float") if dtype == pl.Float64 else recipes.cast("float"))
    return Parsed("other", None, raw, f"its values are of type {dtype}")


def _typed_time(raw: pl.Series, dtype: pl.Datetime) -> Parsed:
    if dtype.time_zone is None:
        recipe = Recipe("datetime", "pl.col({})", lambda e: e.cast(pl.Datetime("us")))
    else:
        code = 'pl.col({}).dt.convert_time_zone("UTC")'
        recipe = Recipe("datetime", code, lambda e: e.dt.convert_time_zone("UTC").dt.cast_time_unit("us"), aware=True)
    return _done(recipe, raw)


def _fits_int64(raw: pl.Series) -> bool:
    return raw.cast(pl.Int64, strict=False).null_count() == raw.null_count()


def _text(raw: pl.Series) -> Parsed:
    present = raw.drop_nulls()
    return (
        _yes_and_no(raw, present)
        or _number(raw, present)
        or _day_or_time(raw, present)
        or _written_number(raw, present)
        or Parsed("str", recipes.as_is("str"), raw, _almost_numbers(present))
    )


def _yes_and_no(raw: pl.Series, present: pl.Series) -> Parsed | None:
    if present.head(SAMPLE).n_unique() > 8:
        return None
    values = present.unique().sort().to_list()
    if len(values) > 8:
        return None
    small = {value: value.lower() for value in values}
    for yes, no in YES_AND_NO:
        if set(small.values()) == {yes, no}:
            return _done(recipes.flag({value: text == yes for value, text in small.items()}), raw)
    return None


def _number(raw: pl.Series, present: pl.Series) -> Parsed | None:
    floats = present.cast(pl.Float64, strict=False)
    if floats.null_count():
        return None
    if present.str.contains(_DIGITS).all():
        if present.str.contains(_LED_BY_ZERO).any():
            if _is_day_number(raw.name, present):
                return None
            return Parsed("str", recipes.as_is("str"), raw, "numbers that begin with 0 are kept as text")
        if present.cast(pl.Int64, strict=False).null_count():
            return Parsed("str", recipes.as_is("str"), raw, "whole numbers too large for 64 bits are kept as text")
        if _is_day_number(raw.name, present):
            return None
        if _is_epoch(raw.name, present.cast(pl.Int64)):
            return _epoch(raw, text=True)
        return _done(recipes.cast("int"), raw)
    return _float(raw, recipes.cast("float"))


def _float(raw: pl.Series, recipe: Recipe) -> Parsed:
    values = applied(recipe, raw)
    kept = applied(recipes.finite(), raw)
    lost = kept.null_count() - values.null_count()
    if not lost:
        return Parsed("float", recipe, values)
    if not kept.count():
        return Parsed("none", None, raw)
    return Parsed("float", recipes.finite(), kept, f"{lost:,} infinite, immense or undefined numbers count as missing")


def _written_number(raw: pl.Series, present: pl.Series) -> Parsed | None:
    """Numbers with a decimal comma, groups of thousands, a currency or a percent sign."""
    for strip, decimal, pattern in (
        (_UNITS, ",", r"^[+-]?\d+(,\d+)?$"),
        (r"[$€£%\s.]", ",", r"^[+-]?\d{1,3}(\.\d{3})*(,\d+)?$"),
        (r"[$€£%\s,]", ".", r"^[+-]?\d{1,3}(,\d{3})*(\.\d+)?$"),
        (_UNITS, ".", r"^[+-]?\d+(\.\d+)?$"),
    ):
        bare = present.str.replace_all(_UNITS, "")
        if bare.str.contains(pattern).all():
            note = "numbers are written with a decimal comma" if decimal == "," else "signs in numbers are dropped"
            recipe = recipes.written_number(strip, decimal)
            return Parsed("float", recipe, applied(recipe, raw), note)
    return None


def _almost_numbers(present: pl.Series) -> str:
    bad = present.filter(present.cast(pl.Float64, strict=False).is_null())
    if not 0 < len(bad) <= 0.05 * len(present):
        return ""
    shown = ", ".join(repr(value) for value in bad.unique(maintain_order=True).head(3).to_list())
    return f"{len(bad):,} of {len(present):,} values are no numbers ({shown}), so that all are kept as text"


def _day_or_time(raw: pl.Series, present: pl.Series) -> Parsed | None:
    if not present.head(SAMPLE).str.contains(r"\d").all():
        return None
    fitting = [recipe for recipe in _patterns(raw.name) if _fits(recipe, present)]
    if not fitting:
        return None
    recipe, note = _choose(fitting, present)
    return _done(recipe, raw, note)


def _patterns(name: str) -> Iterator[Recipe]:
    for day in _DAYS:
        if day == "%Y%m%d" and not set(words(name)) & _EPOCH_WORDS | {"day"} & set(words(name)):
            continue
        yield recipes.day(day)
        for clock in _CLOCKS:
            for gap in ("T", " ") if day == "%Y-%m-%d" else (" ",):
                yield recipes.moment(f"{day}{gap}{clock}")
                if day == "%Y-%m-%d":
                    yield recipes.moment(f"{day}{gap}{clock}%#z", aware=True)


def _fits(recipe: Recipe, present: pl.Series) -> bool:
    for part in (present.head(50), present) if len(present) > 50 else (present,):
        try:
            values = applied(recipe, part)
        except pl.exceptions.PolarsError:
            return False
        year = values.dt.year()
        if values.null_count() or not year.is_between(1, 9998).all():
            return False
    return True


def _choose(fitting: list[Recipe], present: pl.Series) -> tuple[Recipe, str]:
    """The first recipe that fits; of two that differ in the order of day and month the one in whose order rows lie."""
    first = fitting[0]
    twin = next((r for r in fitting[1:] if _swapped(first.head) == r.head), None)
    if twin is None:
        return first, ""
    disorder = [_disorder(applied(recipe, present)) for recipe in (first, twin)]
    chosen = first if disorder[0] <= disorder[1] else twin
    order = "month before day" if chosen is first else "day before month"
    return chosen, f"days such as {present[0]} are read {order}, which their values leave open"


def _swapped(head: str) -> str:
    for one, other in _TWINS.items():
        if one in head:
            return head.replace(one, other)
    return ""


def _disorder(times: pl.Series) -> int:
    steps = times.cast(pl.Datetime("us")).to_physical().diff().drop_nulls()
    return min(int((steps < 0).sum()), int((steps > 0).sum()))


def _is_day_number(name: str, present: pl.Series) -> bool:
    """Whether whole numbers such as 20240131 are days, as the name of their column says too."""
    if not set(words(name)) & (_EPOCH_WORDS | {"day"}) or not present.str.contains(r"^(19|20)\d{6}$").all():
        return False
    return _fits(recipes.day("%Y%m%d"), present)


def _is_epoch(name: str, values: pl.Series) -> bool:
    return _epoch_unit(values) is not None and bool(set(words(name)) & _EPOCH_WORDS)


def _epoch_unit(values: pl.Series) -> str | None:
    present = values.drop_nulls()
    return next((unit for unit, (low, high) in _EPOCHS.items() if present.is_between(low, high).all()), None)


def _epoch(raw: pl.Series, *, text: bool) -> Parsed:
    unit = _epoch_unit(raw.cast(pl.Int64)) or "s"
    what = "seconds" if unit == "s" else "milliseconds"
    return _done(recipes.epoch(unit, text=text), raw, f"its numbers are {what} since 1970, UTC")


def _done(recipe: Recipe, raw: pl.Series, note: str = "") -> Parsed:
    return Parsed(recipe.kind, recipe, applied(recipe, raw), note)


def looks_like_year(name: str, values: pl.Series) -> bool:
    """Whether whole numbers are years, by their size and the name of their column."""
    if not set(words(name)) & {"year", "yr", "jahr", "annee"}:
        return False
    present = values.drop_nulls().cast(pl.Float64)
    return bool(len(present) and present.is_between(1500, 2200).all() and (present.floor() == present).all())


def positive_value(values: Mapping[str, int]) -> tuple[str, str]:
    """Which of two values means true, with the reason: the one that says yes, else the rarer."""
    said = [value for value in values if value.lower() in POSITIVE]
    if len(said) == 1:
        return said[0], "it says so"
    rarer = min(values, key=lambda value: (values[value], value))
    return rarer, "the rarer of the two"
