"""Parameters of a training: fields of a dataclass, and the ranges that tuning searches."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, TypeVar, overload

from treadle.spec.declared_at import DeclaredAt, declared_at
from treadle.spec.model_spec import ParamSpec

C = TypeVar("C", str, bool, int, float)

_KEY = "treadle"


@dataclasses.dataclass(frozen=True)
class _Search:
    low: float | None
    high: float | None
    log: bool
    choices: tuple[Any, ...] | None
    at: DeclaredAt


@overload
def tune(default: int, *, low: int, high: int, log: bool = False) -> int: ...
@overload
def tune(default: float, *, low: float, high: float, log: bool = False) -> float: ...
@overload
def tune(default: C, *, choices: Sequence[C]) -> C: ...
def tune(
    default: Any,
    *,
    low: Any = None,
    high: Any = None,
    log: bool = False,
    choices: Sequence[Any] | None = None,
) -> Any:
    """A field of a params dataclass: its default, and where tuning may look.

    ``low`` and ``high`` are inclusive; ``log`` searches their logarithm; ``choices`` lists the values instead.
    Raises DeclarationError for a range that is empty, that does not hold the default, or that has no logarithm.
    """
    at = declared_at()
    if choices is not None:
        _check_choices(default, low, high, choices, at)
    else:
        _check_range(default, low, high, log, at)
    search = _Search(low, high, log, None if choices is None else tuple(choices), at)
    return dataclasses.field(default=default, metadata={_KEY: search})


def read_params(cls: type[Any], at: DeclaredAt) -> tuple[ParamSpec, ...]:
    """The fields of a params class as data. Raises DeclarationError; ``at`` is the function that takes it."""
    if not dataclasses.is_dataclass(cls):
        raise at.error(f"{cls.__name__} is no dataclass", f"write @dataclass above class {cls.__name__}")
    return tuple(_read_field(cls, field, at) for field in dataclasses.fields(cls))


def _read_field(cls: type[Any], field: dataclasses.Field[Any], at: DeclaredAt) -> ParamSpec:
    where = f"{cls.__name__}.{field.name}"
    search: _Search | None = field.metadata.get(_KEY)
    at = search.at if search is not None else at
    default = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
    if default is dataclasses.MISSING:
        raise at.error(f"{where} has no default", f"write {field.name}: ... = a value, or tune(a value, low=, high=)")
    kind = type(default).__name__
    declared = field.type if isinstance(field.type, str) else getattr(field.type, "__name__", str(field.type))
    if kind not in ("float", "int", "str", "bool"):
        raise at.error(f"{where} is a {kind}", "a parameter is a float, int, str or bool")
    if declared == "float" and kind == "int":
        kind, default = "float", float(default)
    if declared in ("float", "int", "str", "bool") and declared != kind:
        raise at.error(
            f"{where} is declared as {declared}, but its default is {default!r}", f"write {kind} or {declared}"
        )
    if search is None:
        return ParamSpec(field.name, kind, default)
    if kind == "int" and any(isinstance(bound, float) for bound in (search.low, search.high)):
        raise at.error(f"{where} is an int searched from {search.low} to {search.high}", "give whole bounds")
    low, high = (None if bound is None else float(bound) for bound in (search.low, search.high))
    return ParamSpec(field.name, kind, default, low, high, search.log, search.choices)


def _check_range(default: Any, low: Any, high: Any, log: bool, at: DeclaredAt) -> None:
    shown = f"tune({default!r}, low={low!r}, high={high!r})"
    for name, value in (("default", default), ("low", low), ("high", high)):
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise at.error(f"{shown}: {name} is {value!r}, no number", "give numbers, or choices=[...]")
    if low >= high:
        raise at.error(f"{shown} searches an empty range", f"give low below high: low={high!r}, high={low!r}")
    if not low <= default <= high:
        raise at.error(f"{shown}: the default lies outside", "widen the range or move the default into it")
    if log and low <= 0:
        raise at.error(f"{shown} with log=True: {low!r} has no logarithm", "give low above 0, or leave log=True out")


def _check_choices(default: Any, low: Any, high: Any, choices: Sequence[Any], at: DeclaredAt) -> None:
    shown = f"tune({default!r}, choices={list(choices)!r})"
    if low is not None or high is not None:
        raise at.error(f"{shown} has a range as well", "give low= and high=, or choices=")
    if isinstance(choices, str) or len(choices) < 2:
        raise at.error(f"{shown} leaves nothing to choose", "list two values or more: choices=[...]")
    if len(set(choices)) < len(choices):
        raise at.error(f"{shown} lists a value twice", "list each value once")
    for choice in choices:
        if type(choice) is not type(default) or not isinstance(choice, str | int | float | bool):
            raise at.error(f"{shown}: {choice!r} is of another type", f"list values of type {type(default).__name__}")
    if default not in choices:
        raise at.error(f"{shown}: the default is none of the choices", f"add {default!r} to the choices")
