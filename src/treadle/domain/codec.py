"""Frozen dataclasses to canonical JSON and back, and digests of both.

Understands str, int, float, bool, None, datetime (aware, UTC, ISO 8601), timedelta (seconds), Enum, tuples,
mappings with string keys, unions of one record type with None, nested dataclasses, and unions of dataclasses
that carry a ``kind`` class variable.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import hashlib
import json
import math
import types
import typing
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from treadle.domain.errors import InvalidInput

T = TypeVar("T")

_NON_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def to_plain(value: Any) -> Any:
    """Turn a record into JSON's own types. Non-finite floats become the strings NaN, Infinity, -Infinity."""
    if value is None or (isinstance(value, str | bool | int) and not isinstance(value, enum.Enum)):
        return value
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise InvalidInput(f"time {value} has no zone", hint="give an aware datetime, for example in UTC")
        return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    if isinstance(value, timedelta):
        return value.total_seconds()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        plain = {f.name: to_plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
        kind = getattr(type(value), "kind", None)
        return {"kind": kind, **plain} if isinstance(kind, str) else plain
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list | set | frozenset):
        items = sorted(value) if isinstance(value, set | frozenset) else value
        return [to_plain(item) for item in items]
    raise InvalidInput(f"a {type(value).__name__} cannot be stored", hint="use plain data: numbers, text, records")


Reader = Callable[[Any], Any]
"""Builds a value of one type from plain data."""


def from_plain(cls: Any, plain: Any) -> Any:
    """Build a value of type ``cls`` from what :func:`to_plain` made. Unknown keys are ignored.

    Raises InvalidInput where the shape does not fit.
    """
    return _reader(cls)(plain)


@functools.cache
def _reader(cls: Any) -> Reader:
    """What reads values of a type. Looking a type over costs more than reading one value, so it is done once."""
    if cls is Any or cls is object:
        return _as_it_is
    origin = typing.get_origin(cls)
    if origin in (typing.Union, types.UnionType):
        return _union_reader(typing.get_args(cls))
    if origin is typing.Literal:
        return _as_it_is
    if origin in (tuple, list):
        return _sequence_reader(origin, typing.get_args(cls))
    if origin in (dict, Mapping) or (isinstance(origin, type) and issubclass(origin, Mapping)):
        item = _reader(typing.get_args(cls)[1])
        return lambda plain: {key: item(value) for key, value in plain.items()}
    return _class_reader(cls)


def _as_it_is(plain: Any) -> Any:
    return plain


def _sequence_reader(origin: Any, args: tuple[Any, ...]) -> Reader:
    if origin is tuple and (len(args) != 2 or args[1] is not Ellipsis):
        readers = tuple(_reader(arg) for arg in args)
        return lambda plain: tuple(read(item) for read, item in zip(readers, plain, strict=True))
    item = _reader(args[0])
    if origin is tuple:
        return lambda plain: tuple([item(value) for value in plain])
    return lambda plain: [item(value) for value in plain]


def _union_reader(args: tuple[Any, ...]) -> Reader:
    optional = type(None) in args
    records: list[Any] = [a for a in args if dataclasses.is_dataclass(a)]
    by_kind = {getattr(record, "kind", None): _reader(record) for record in reversed(records)}
    record = _reader(records[0]) if len(records) == 1 else None
    rest = [a for a in args if a is not type(None) and a not in records]
    only = _reader(rest[0]) if len(rest) == 1 else None
    non_finite = float in rest and str not in rest

    def read(plain: Any) -> Any:
        if plain is None and optional:
            return None
        if records and isinstance(plain, Mapping):
            found = record or by_kind.get(plain.get("kind"))
            if found is None:
                raise InvalidInput(f"unknown kind {plain.get('kind')!r}")
            return found(plain)
        if only is not None:
            return only(plain)
        return _NON_FINITE.get(plain, plain) if non_finite and isinstance(plain, str) else plain

    return read


def _float(plain: Any) -> float:
    return _NON_FINITE[plain] if isinstance(plain, str) and plain in _NON_FINITE else float(plain)


def _datetime(plain: Any) -> datetime:
    return datetime.fromisoformat(plain).astimezone(UTC)


def _timedelta(plain: Any) -> timedelta:
    return timedelta(seconds=plain)


_SCALARS: dict[Any, Reader] = {float: _float, datetime: _datetime, timedelta: _timedelta}


def _class_reader(cls: Any) -> Reader:
    if cls in _SCALARS:
        return _SCALARS[cls]
    if isinstance(cls, type) and issubclass(cls, enum.Enum):
        return cls
    if not (dataclasses.is_dataclass(cls) and isinstance(cls, type)):
        return _as_it_is
    names = tuple(field.name for field in dataclasses.fields(cls))
    readers: dict[str, Reader] = {}

    def read(plain: Any) -> Any:
        if not isinstance(plain, Mapping):
            raise InvalidInput(f"a {cls.__name__} is made of named fields, not of {plain!r}")
        if len(readers) < len(names):  # not before: a record may have fields of its own type
            hints = typing.get_type_hints(cls)
            readers.update({name: _reader(hints[name]) for name in names})
        known = {name: readers[name](plain[name]) for name in names if name in plain}
        try:
            return cls(**known)
        except TypeError as error:
            raise InvalidInput(f"cannot read a {cls.__name__}: {error}") from error

    return read


def dumps(value: Any) -> str:
    """Canonical JSON: sorted keys, no spaces, UTF-8 kept."""
    return json.dumps(to_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def loads(cls: type[T], text: str | bytes) -> T:
    """The inverse of :func:`dumps`."""
    return typing.cast("T", from_plain(cls, json.loads(text)))


def digest(value: Any) -> str:
    """The sha256 of the canonical JSON of a record, in hex."""
    return hashlib.sha256(dumps(value).encode()).hexdigest()


def digest_bytes(data: bytes) -> str:
    """The sha256 of bytes, in hex."""
    return hashlib.sha256(data).hexdigest()
