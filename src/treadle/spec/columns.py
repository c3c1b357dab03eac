"""Columns of a row: what ``name: Col[float] = col(ge=0)`` declares.

``Flight.distance`` is a :class:`Column`, to be named in a model, a slice or a check; ``flight.distance`` is a value.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar, overload

from treadle.domain.errors import InvalidInput
from treadle.spec.declared_at import DeclaredAt, declared_at
from treadle.spec.model_spec import ColumnSpec

T = TypeVar("T")

TYPES: dict[Any, str] = {str: "str", int: "int", float: "float", bool: "bool", datetime: "datetime", date: "date"}


class Col(Generic[T]):
    """The annotation of a column: ``Col[str]``, ``Col[float | None]``.

    ``T`` is one of ``str, int, float, bool, datetime, date``, or that and ``None``. On the class the name is a
    :class:`Column`, on an instance a ``T``.
    """

    if TYPE_CHECKING:

        @overload
        def __get__(self, instance: None, owner: type[Any]) -> Column[T]: ...
        @overload
        def __get__(self, instance: object, owner: type[Any]) -> T: ...
        def __get__(self, instance: object | None, owner: type[Any]) -> Column[T] | T: ...
        def __set__(self, instance: object, value: T) -> None: ...


@dataclasses.dataclass(frozen=True)
class Rules:
    """What :func:`col` was given, until the row class turns it into a column."""

    ge: float | None
    gt: float | None
    le: float | None
    lt: float | None
    one_of: tuple[Any, ...] | None
    nulls: float | None
    unique: bool
    slice: bool
    zone: str | None
    doc: str
    at: DeclaredAt


def col(
    *,
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    lt: float | None = None,
    one_of: Sequence[str] | Sequence[int] | Sequence[float] | None = None,
    nulls: float | None = None,
    unique: bool = False,
    slice: bool = False,  # noqa: A002
    zone: str | None = None,
    doc: str = "",
) -> Any:
    """Rules of a column; data that breaks one is refused before anything is trained on it.

    ``ge``, ``gt``, ``le``, ``lt`` bound a number, ``one_of`` lists the allowed values, ``nulls`` is the largest share
    of missing values (0 to 1) of a column that may be missing, ``unique`` forbids equal values, ``slice`` reports
    metrics for each value, ``zone`` names the zone of naive times (``"America/New_York"``).

    Raises DeclarationError where a rule makes no sense for the column's type; the row class checks that.
    """
    return Rules(
        ge=ge,
        gt=gt,
        le=le,
        lt=lt,
        one_of=None if one_of is None else tuple(one_of),
        nulls=nulls,
        unique=unique,
        slice=slice,
        zone=zone,
        doc=doc,
        at=declared_at(),
    )


class Column(Generic[T]):
    """A column of a row class, by name. ``Flight.origin == "JFK"`` selects a slice."""

    def __init__(self, spec: ColumnSpec, row: type[Any], at: DeclaredAt) -> None:
        self.spec = spec
        self.row = row
        self.at = at

    @property
    def name(self) -> str:
        """The column's name."""
        return self.spec.name

    def __get__(self, instance: object | None, owner: type[Any]) -> Column[T]:
        if instance is None:
            return self
        raise InvalidInput(
            f"this {owner.__name__} has no {self.name!r}",
            hint=f"rows come without a value that is not known yet, as the label; give {self.name}=... to build one",
        )

    def __eq__(self, value: T) -> Selection:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        at = declared_at()
        if isinstance(value, Column):
            raise at.error(f"{self} is compared with another column", f"compare it with a value: {self} == ...")
        fault = fault_of_value(self.spec, value)
        if fault:
            raise at.error(f"{self} == {value!r}: {fault}", f"compare {self} with a value that it can have")
        return Selection(self, value, at)

    def __ne__(self, value: object) -> NoReturn:
        raise declared_at().error(f"{self} != {value!r} selects no slice", f"name one slice: {self} == ...")

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        return f"{self.row.__name__}.{self.name}"


class Selection:
    """The rows where a column has one value: ``Flight.origin == "JFK"``."""

    def __init__(self, column: Column[Any], value: Any, at: DeclaredAt) -> None:
        self.column = column
        self.value = value
        self.at = at

    def __bool__(self) -> NoReturn:
        raise declared_at().error(
            f"{self!r} is neither true nor false",
            "give it to a metric: metrics.auc.slice(...); and, or, not do not work",
        )

    def __repr__(self) -> str:
        return f"{self.column!r} == {self.value!r}"


def make_column(name: str, annotation: Any, rules: Rules | None, row: type[Any], at: DeclaredAt) -> Column[Any]:
    """The column that a line of a row class declares. Raises DeclarationError."""
    where = rules.at if rules is not None else at
    kind, nullable = _type_of(name, annotation, row, where)
    spec = ColumnSpec(name=name, type=kind, nullable=nullable)
    if rules is not None:
        given = {f.name: getattr(rules, f.name) for f in dataclasses.fields(rules) if f.name != "at"}
        spec = dataclasses.replace(spec, **given)
        _check_rules(spec, row, where)
        exact: dict[str, Any] = {
            n: None if given[n] is None else float(given[n]) for n in ("ge", "gt", "le", "lt", "nulls")
        }
        spec = dataclasses.replace(spec, **exact)
    return Column(spec, row, where)


def fault_of_value(spec: ColumnSpec, value: Any) -> str | None:
    """Why a column cannot have a value, or None if it can."""
    if value is None:
        return None if spec.nullable else f"{spec.name} is never missing"
    if not _fits(spec.type, value):
        return f"{spec.name} is of type {spec.type}, not {type(value).__name__}"
    if spec.one_of is not None and value not in spec.one_of:
        return f"{spec.name} is one of {', '.join(map(repr, spec.one_of))}"
    return None


def _fits(kind: str, value: Any) -> bool:
    if kind == "float":
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind == "date":
        return isinstance(value, date) and not isinstance(value, datetime)
    wanted = next(t for t, n in TYPES.items() if n == kind)
    return isinstance(value, wanted) and (kind == "bool" or not isinstance(value, bool))


def _type_of(name: str, annotation: Any, row: type[Any], at: DeclaredAt) -> tuple[str, bool]:
    where = f"{row.__name__}.{name}"
    if typing.get_origin(annotation) is not Col:
        wrapped = getattr(annotation, "__name__", None) or str(annotation)
        raise at.error(f"{where} is annotated with {wrapped}, not with a column", f"write {name}: Col[{wrapped}]")
    (inner,) = typing.get_args(annotation)
    members = (inner,)
    if typing.get_origin(inner) in (typing.Union, types.UnionType):
        members = typing.get_args(inner)
    nullable = type(None) in members
    rest = [m for m in members if m is not type(None)]
    if len(rest) != 1 or rest[0] not in TYPES:
        shown = " | ".join(getattr(m, "__name__", str(m)) for m in members)
        raise at.error(
            f"{where} is a Col[{shown}]", f"a column is one of {', '.join(TYPES.values())}, or that and None"
        )
    return TYPES[rest[0]], nullable


def _check_rules(spec: ColumnSpec, row: type[Any], at: DeclaredAt) -> None:
    where = f"{row.__name__}.{spec.name}"
    bounds = {n: getattr(spec, n) for n in ("ge", "gt", "le", "lt") if getattr(spec, n) is not None}
    if bounds:
        _check_bounds(spec, bounds, where, at)
    if spec.one_of is not None:
        if not spec.one_of:
            raise at.error(f"{where} is one of nothing", "list the values that are allowed: one_of=[...]")
        for value in spec.one_of:
            if not _fits(spec.type, value):
                raise at.error(
                    f"{where} is of type {spec.type}, but one_of lists {value!r}",
                    f"list values of type {spec.type}",
                )
    if spec.nulls is not None:
        if not spec.nullable:
            raise at.error(f"{where} has nulls={spec.nulls:g} but is never missing", f"write Col[{spec.type} | None]")
        if not _fits("float", spec.nulls) or not 0 <= spec.nulls <= 1:
            raise at.error(f"{where} has nulls={spec.nulls!r}", "give the largest share of missing values, 0 to 1")
    if spec.slice and spec.type in ("float", "datetime", "date"):
        raise at.error(f"{where} cannot be sliced by: it is a {spec.type}", "slice by a str, bool or int column")
    if spec.zone is not None:
        _check_zone(spec, where, at)


def _check_bounds(spec: ColumnSpec, bounds: dict[str, Any], where: str, at: DeclaredAt) -> None:
    if spec.type not in ("int", "float"):
        raise at.error(
            f"{where} is a {spec.type}; {', '.join(bounds)} bound numbers",
            "use one_of= for text, or a @check function for anything else",
        )
    for name, bound in bounds.items():
        if not _fits("float", bound):
            raise at.error(f"{where} has {name}={bound!r}", f"give {name} a number")
    low = max((bounds[n] for n in ("ge", "gt") if n in bounds), default=None)
    high = min((bounds[n] for n in ("le", "lt") if n in bounds), default=None)
    if low is not None and high is not None and (low > high or (low == high and ("gt" in bounds or "lt" in bounds))):
        raise at.error(f"{where} lies between {low:g} and {high:g}: no number does", "swap the bounds")


def _check_zone(spec: ColumnSpec, where: str, at: DeclaredAt) -> None:
    import zoneinfo

    if spec.type != "datetime":
        raise at.error(f"{where} is a {spec.type}; only a datetime has a zone", "leave zone= out")
    try:
        zoneinfo.ZoneInfo(str(spec.zone))
    except (zoneinfo.ZoneInfoNotFoundError, ValueError) as error:
        raise at.error(
            f"{where} has the unknown zone {spec.zone!r}", 'name it as the IANA database does: "America/New_York"'
        ) from error
