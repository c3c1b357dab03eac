"""Rows of a request against a model's declaration: decoding, and exact words about what does not fit."""

from __future__ import annotations

import difflib
import operator
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec

from treadle.domain.errors import InvalidInput
from treadle.spec.model_spec import ColumnSpec, ModelSpec
from treadle.spec.times import check_datetime, parse_date

_INT64 = 2**63
_SHOWN = 80
_PYTHON_TYPES: dict[str, Any] = {
    "str": str,
    "int": int,
    "float": float,
    "bool": bool,
    "datetime": str,
    "date": str,
}
_BOUNDS: dict[str, tuple[str, Callable[[Any, Any], bool]]] = {
    "ge": (">=", operator.ge),
    "gt": (">", operator.gt),
    "le": ("<=", operator.le),
    "lt": ("<", operator.lt),
}
_WORDS = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "datetime": "a time as ISO 8601 text",
    "date": "a day as ISO 8601 text",
}


class Batch(msgspec.Struct, frozen=True, gc=False):
    """Rows that fit the schema, as columns: every feature is there, missing values are None, times are text."""

    columns: dict[str, Sequence[Any]]
    rows: int


def shown(value: Any) -> str:
    """A value as JSON for a message, cut to a readable length."""
    try:
        text = msgspec.json.encode(value).decode()
    except (TypeError, ValueError):
        text = repr(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


class ColumnRules:
    """What one column's values must be."""

    def __init__(self, spec: ColumnSpec) -> None:
        self.spec = spec
        numeric = spec.type in ("int", "float")
        self._bounds = [
            (sign, holds, getattr(spec, rule))
            for rule, (sign, holds) in _BOUNDS.items()
            if numeric and getattr(spec, rule) is not None
        ]

    def problem(self, value: Any) -> str | None:
        """What is wrong with a value in words that follow the column's name, or None."""
        spec = self.spec
        if value is None:
            return None if spec.nullable else "must not be missing (null)"
        if not self._typed(value):
            return f"must be {_WORDS[spec.type]}, is {shown(value)}"
        if spec.type == "int" and not -_INT64 <= value < _INT64:
            return f"must fit 64 bits, is {shown(value)}"
        for sign, holds, bound in self._bounds:
            if not holds(value, bound):
                return f"must be {sign} {bound:g}, is {shown(value)}"
        if spec.one_of is not None and value not in spec.one_of:
            return f"must be one of {', '.join(map(shown, spec.one_of))}, is {shown(value)}"
        if spec.type in ("datetime", "date"):
            try:
                check_datetime(value, spec.zone) if spec.type == "datetime" else parse_date(value)
            except InvalidInput as error:
                return f"cannot be read: {error.message}" + (f" ({error.hint})" if error.hint else "")
        return None

    def _typed(self, value: Any) -> bool:
        kind = self.spec.type
        if kind == "bool":
            return isinstance(value, bool)
        if isinstance(value, bool):
            return False
        if kind == "int":
            return isinstance(value, int)
        if kind == "float":
            return isinstance(value, int | float) and abs(value) <= sys.float_info.max
        return isinstance(value, str)

    def fast_type(self) -> tuple[Any, bool]:
        """A type by which msgspec decodes nothing that :meth:`problem` refuses, save where the second is true: then
        :meth:`problem` has to look at the decoded value."""
        spec = self.spec
        kind: Any = _PYTHON_TYPES[spec.type]
        rest = spec.type in ("datetime", "date") or (spec.one_of is not None and spec.type != "str")
        bounds: dict[str, Any] = {rule: float(bound) for rule in _BOUNDS if (bound := getattr(spec, rule)) is not None}
        one_each = not ({"ge", "gt"} <= bounds.keys() or {"le", "lt"} <= bounds.keys())
        if spec.type == "int":
            kind = Annotated[int, msgspec.Meta(ge=-_INT64, le=_INT64 - 1)]
            rest = rest or bool(bounds)
        elif spec.type == "float" and bounds and one_each:
            kind = Annotated[float, msgspec.Meta(**bounds)]
        elif spec.type == "float" and bounds:
            rest = True
        if spec.type == "str" and spec.one_of is not None:
            kind = Literal[tuple(spec.one_of)]
        return (kind | None if spec.nullable else kind), rest


class RowSchema:
    """A model's row without its label, as requests must bring it.

    A well-formed request is decoded and checked by msgspec in one go. Where that refuses, the body is decoded again
    as plain JSON and checked by :class:`ColumnRules`, whose words are the answer; so the two agree and the fast one
    never has to explain itself. A nullable column may be left out of a row object; the label may be there and is
    ignored.
    """

    def __init__(self, spec: ModelSpec) -> None:
        self.spec = spec
        self.rules = {column.name: ColumnRules(column) for column in spec.features_in}
        self.names = tuple(self.rules)
        fields: list[Any] = []
        self._rest: list[tuple[int, ColumnRules]] = []
        for index, (name, rules) in enumerate(self.rules.items()):
            kind, rest = rules.fast_type()
            fields.append((name, kind, None) if rules.spec.nullable else (name, kind))
            if rest:
                self._rest.append((index, rules))
        row = msgspec.defstruct("Row", fields, kw_only=True, forbid_unknown_fields=True, gc=False)
        envelope = msgspec.defstruct("Rows", [("rows", list[row])], forbid_unknown_fields=True)  # type: ignore[valid-type]
        self._row: Callable[[bytes], Any] = msgspec.json.Decoder(row).decode
        self._rows: Callable[[bytes], Any] = msgspec.json.Decoder(list[row]).decode  # type: ignore[valid-type]
        self._envelope: Callable[[bytes], Any] = msgspec.json.Decoder(envelope).decode

    def decode(self, body: bytes) -> Batch:
        """Rows from JSON: ``{"rows": [...]}``, a list of row objects, or one row object.

        Raises InvalidInput naming row index, column, rule and value.
        """
        try:
            if body.startswith(b'{"rows"'):
                rows = self._envelope(body).rows
            elif body.startswith(b"["):
                rows = self._rows(body)
            else:
                rows = [self._row(body)]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return self._decode_slowly(body)
        if len(rows) == 1:
            columns = [(value,) for value in msgspec.structs.astuple(rows[0])]
        elif rows:
            columns = list(zip(*map(msgspec.structs.astuple, rows), strict=True))
        else:
            return self._decode_slowly(body)
        for index, rules in self._rest:
            self._check(rules, columns[index])
        return Batch(dict(zip(self.names, columns, strict=True)), len(rows))

    def check(self, columns: Mapping[str, Sequence[Any]], rows: int) -> Batch:
        """Columns that came as such. Raises InvalidInput naming row index, column, rule and value."""
        self._check_names(columns, "the request")
        checked: dict[str, Sequence[Any]] = {}
        for name, rules in self.rules.items():
            values = columns.get(name)
            if values is None:
                values = (None,) * rows
            if len(values) != rows:
                raise InvalidInput(
                    f"column {name!r} has {len(values)} values for {rows} rows",
                    hint="give one value a row in every column",
                )
            self._check(rules, values)
            checked[name] = values
        return Batch(checked, rows)

    def _check(self, rules: ColumnRules, values: Sequence[Any]) -> None:
        for index, value in enumerate(values):
            if problem := rules.problem(value):
                raise InvalidInput(f"row {index}, column {rules.spec.name!r}: {problem}")

    def _check_names(self, names: Mapping[str, Any], where: str) -> None:
        for name in names:
            if name not in self.rules and name != self.spec.label:
                near = difflib.get_close_matches(str(name), self.names, n=1)
                guess = f"did you mean {near[0]!r}? " if near else ""
                raise InvalidInput(
                    f"{where}: model {self.spec.name!r} has no column {shown(name)}",
                    hint=f"{guess}Its columns are {', '.join(self.names)}",
                )
        for name, rules in self.rules.items():
            if name not in names and not rules.spec.nullable:
                raise InvalidInput(
                    f"{where}: column {name!r} is missing", hint=f"a row has the columns {', '.join(self.names)}"
                )

    def _decode_slowly(self, body: bytes) -> Batch:
        rows = _row_objects(body)
        for index, row in enumerate(rows):
            if not isinstance(row, dict):
                raise InvalidInput(
                    f"row {index} must be an object, is {shown(row)}", hint='send {"rows": [{"column": value, ...}]}'
                )
            self._check_names(row, f"row {index}")
        columns: dict[str, Sequence[Any]] = {name: [row.get(name) for row in rows] for name in self.names}
        for name, rules in self.rules.items():
            self._check(rules, columns[name])
        return Batch(columns, len(rows))


def _row_objects(body: bytes) -> list[Any]:
    try:
        decoded = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput(f"the body is not JSON: {error}", hint='send {"rows": [{"column": value, ...}]}') from error
    if isinstance(decoded, dict) and isinstance(decoded.get("rows"), list):
        for name in decoded:
            if name != "rows":
                raise InvalidInput(f"beside 'rows' the body has {shown(name)}", hint="rows alone are expected")
        decoded = decoded["rows"]
    rows = decoded if isinstance(decoded, list) else [decoded]
    if not rows:
        raise InvalidInput("the request has no rows", hint='send {"rows": [{"column": value, ...}]}')
    return rows
