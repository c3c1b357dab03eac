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
from collections.abc import Mapping
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


@functools.cache
def _hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def from_plain(cls: Any, plain: Any) -> Any:
    """Build a value of type ``cls`` from what :func:`to_plain` made. Unknown keys are ignored.

    Raises InvalidInput where the shape does not fit.
    """
    if cls is Any or cls is object:
        return plain
    origin = typing.get_origin(cls)
    if origin in (typing.Union, types.UnionType):
        return _from_union(typing.get_args(cls), plain)
    if origin is typing.Literal:
        return plain
    if origin in (tuple, list):
        args = typing.get_args(cls)
        if (origin is tuple and len(args) != 2) or (origin is tuple and args[1] is not Ellipsis):
            return tuple(from_plain(arg, item) for arg, item in zip(args, plain, strict=True))
        items = (from_plain(args[0], item) for item in plain)
        return tuple(items) if origin is tuple else list(items)
    if origin in (dict, Mapping) or (isinstance(origin, type) and issubclass(origin, Mapping)):
        return {key: from_plain(typing.get_args(cls)[1], item) for key, item in plain.items()}
    return _from_class(cls, plain)


def _from_union(args: tuple[Any, ...], plain: Any) -> Any:
    if plain is None and type(None) in args:
        return None
    records = [a for a in args if dataclasses.is_dataclass(a)]
    if isinstance(plain, Mapping) and records:
        if len(records) == 1:
            return from_plain(records[0], plain)
        for record in records:
            if getattr(record, "kind", None) == plain.get("kind"):
                return from_plain(record, plain)
        raise InvalidInput(f"unknown kind {plain.get('kind')!r}")
    rest = [a for a in args if a is not type(None) and a not in records]
    if len(rest) == 1:
        return from_plain(rest[0], plain)
    if float in rest and isinstance(plain, str) and plain in _NON_FINITE and str not in rest:
        return _NON_FINITE[plain]
    return plain


def _from_class(cls: Any, plain: Any) -> Any:
    if cls is float:
        return _NON_FINITE[plain] if isinstance(plain, str) and plain in _NON_FINITE else float(plain)
    if cls is datetime:
        return datetime.fromisoformat(plain).astimezone(UTC)
    if cls is timedelta:
        return timedelta(seconds=plain)
    if isinstance(cls, type) and issubclass(cls, enum.Enum):
        return cls(plain)
    if dataclasses.is_dataclass(cls) and isinstance(cls, type):
        if not isinstance(plain, Mapping):
            raise InvalidInput(f"a {cls.__name__} is made of named fields, not of {plain!r}")
        hints = _hints(cls)
        known = {f.name: from_plain(hints[f.name], plain[f.name]) for f in dataclasses.fields(cls) if f.name in plain}
        try:
            return cls(**known)
        except TypeError as error:
            raise InvalidInput(f"cannot read a {cls.__name__}: {error}") from error
    return plain


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
