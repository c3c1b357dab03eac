"""Row: the schema of a model's data, and one row of it with attributes."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, dataclass_transform

from treadle.domain.errors import InvalidInput
from treadle.spec.columns import Column, Rules, col, make_column
from treadle.spec.declared_at import declared_at, declaring_scope

R = TypeVar("R", bound="Row")


@dataclass_transform(kw_only_default=True, field_specifiers=(col,))
class Row:
    """Base of row classes. Each annotation ``name: Col[type]`` declares a column; instances are built by keyword.

    ``Flight(flight_id="UA-1", ...)`` needs every column. A row that a server builds has no label: reading it raises
    InvalidInput. Wrong declarations raise DeclarationError where the class is defined.
    """

    __treadle_columns__: tuple[Column[Any], ...] = ()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        at, scope = declared_at(), declaring_scope()
        columns = {c.name: c for base in reversed(cls.__mro__[1:]) for c in getattr(base, "__treadle_columns__", ())}
        try:
            annotations = inspect.get_annotations(
                cls, globals=dict(scope.globals), locals=dict(scope.locals), eval_str=True
            )
        except (NameError, SyntaxError, TypeError, AttributeError) as error:
            raise at.error(
                f"a column of {cls.__name__} has a type that cannot be read: {error}",
                "import what it names at the head of the file, outside of TYPE_CHECKING",
            ) from error
        for name, annotation in annotations.items():
            rules = cls.__dict__.get(name)
            if rules is not None and not isinstance(rules, Rules):
                raise at.error(
                    f"{cls.__name__}.{name} has the value {rules!r}",
                    "columns have no defaults; give rules with col(...)",
                )
            where = rules.at if rules is not None else at
            if name.startswith("_"):
                raise where.error(f"column {name!r} begins with an underscore", f"call it {name.lstrip('_')!r}")
            columns[name] = make_column(name, annotation, rules, cls, at)
            setattr(cls, name, columns[name])
        for name, value in cls.__dict__.items():
            if isinstance(value, Rules):
                raise value.at.error(
                    f"{cls.__name__}.{name} has rules but no type", f"write {name}: Col[...] = col(...)"
                )
        cls.__treadle_columns__ = tuple(columns.values())

    if not TYPE_CHECKING:  # checkers make __init__ from the columns

        def __init__(self, *args: Any, **values: Any) -> None:
            names = [c.name for c in self.__treadle_columns__]
            if args:
                raise InvalidInput(
                    f"a {type(self).__name__} is built by keyword",
                    hint=f"write {type(self).__name__}({names[0] if names else 'column'}=..., ...)",
                )
            self.__dict__.update(_complete(type(self), names, values))

    @classmethod
    def _builder(cls: type[R], names: Sequence[str]) -> Callable[[Sequence[Any]], R]:
        """A fast maker of rows from values in the order of ``names``, unchecked; other columns stay unknown.

        Raises InvalidInput for a name that is no column.
        """
        known = {c.name for c in cls.__treadle_columns__}
        unknown = [n for n in names if n not in known]
        if unknown:
            raise InvalidInput(
                f"{cls.__name__} has no column {unknown[0]!r}", hint=f"it has {', '.join(sorted(known))}"
            )
        make, order = cls.__new__, tuple(names)

        def build(values: Sequence[Any]) -> R:
            row = make(cls)
            row.__dict__.update(zip(order, values, strict=True))
            return row

        return build

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.__dict__ == self.__dict__

    def __hash__(self) -> int:
        return hash((type(self), tuple(self.__dict__.items())))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{n}={v!r}' for n, v in self.__dict__.items())})"


def columns_of(row: type[Row]) -> tuple[Column[Any], ...]:
    """The columns of a row class in the order declared, inherited ones first."""
    return row.__treadle_columns__


def _complete(row: type[Row], names: list[str], values: dict[str, Any]) -> dict[str, Any]:
    for name in values:
        if name not in names:
            close = difflib.get_close_matches(name, names, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(names)}"
            raise InvalidInput(f"{row.__name__} has no column {name!r}", hint=hint)
    missing = [n for n in names if n not in values]
    if missing:
        raise InvalidInput(
            f"a {row.__name__} needs {', '.join(missing)}", hint=f"write {row.__name__}({missing[0]}=..., ...)"
        )
    return {n: values[n] for n in names}
