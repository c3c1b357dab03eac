"""Requests decoded: JSON bodies and parameters of addresses as wire types, and what is told about bad ones."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from treadle.api.mlflow.errors import ProtocolError

S = TypeVar("S", bound=msgspec.Struct)
SEE = " See the API docs for more information about request parameters."
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_AT = re.compile(r"^(?P<what>.*?)(?: - at `\$\.?(?P<path>.*)`)?$", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(.+?)`")
_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
_SHOWN = 500


def decoded(body: bytes, kind: type[S]) -> S:
    """A JSON body as ``kind``, numbers in texts taken as numbers; an empty one is ``{}``.

    Raises ProtocolError (400) that names the field.
    """
    if b"\\u0000" in body and _NUL.search(body):
        raise ProtocolError("INVALID_PARAMETER_VALUE", "Texts with a NUL character cannot be stored; leave it out.")
    decoder: msgspec.json.Decoder[S] = _decoder(kind)
    try:
        return decoder.decode(body or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return _again(body, kind, error)


def parameters(query: Mapping[str, Sequence[str]], kind: type[S]) -> S:
    """The parameters of an address as ``kind``; lists may be repeated. Raises ProtocolError (400)."""
    lists = _lists(kind)
    given = {key: values if key in lists else values[-1] for key, values in query.items()}
    if any("\x00" in text for values in query.values() for text in values):
        raise ProtocolError("INVALID_PARAMETER_VALUE", "Texts with a NUL character cannot be stored; leave it out.")
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        raise told(error, given) from error


def told(error: msgspec.ValidationError, given: object) -> ProtocolError:
    """What is wrong with a field, in the words that clients know."""
    found = _AT.match(str(error))
    what, path = (found["what"], found["path"] or "") if found else (str(error), "")
    missing = _MISSING.search(what)
    if missing:
        return missing_value(f"{path}.{missing[1]}".lstrip("."))
    if what.endswith("got `null`"):
        return missing_value(path)
    value = _at(given, path)
    if path.endswith("timestamp") and what.startswith("Expected `int` >="):
        return invalid_value(path, value, "Timestamp must be a nonnegative long (64-bit integer) ")
    hint = f" Hint: Value was of type '{type(value).__name__}'.{SEE}"
    return invalid_value(path, value, hint)


def missing_value(path: str) -> ProtocolError:
    """A required field is not there."""
    return ProtocolError("INVALID_PARAMETER_VALUE", f"Missing value for required parameter '{path}'.{SEE}")


def invalid_value(path: str, value: object, hint: str = "") -> ProtocolError:
    """A field has a value that it cannot have."""
    shown = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    shown = shown if len(shown) <= _SHOWN else shown[:_SHOWN] + "..."
    rest = f": {hint}" if hint else "."
    return ProtocolError("INVALID_PARAMETER_VALUE", f"Invalid value {shown} for parameter '{path}' supplied{rest}")


@functools.cache
def _decoder(kind: Any) -> Any:
    return msgspec.json.Decoder(kind, strict=False)


@functools.cache
def _lists(kind: type[msgspec.Struct]) -> frozenset[str]:
    return frozenset(found.encode_name for found in msgspec.structs.fields(kind) if "list" in str(found.type))


def _again(body: bytes, kind: type[S], error: Exception) -> S:
    """A body that Python takes and msgspec does not: ``NaN`` as a literal, JSON within a text, ``null``."""
    try:
        given: Any = json.loads(body)
        given = json.loads(given) if isinstance(given, str) else given
    except (ValueError, RecursionError):
        raise ProtocolError("BAD_REQUEST", f"The body is not JSON: {error}") from error
    try:
        return msgspec.convert({} if given is None else given, kind, strict=False)
    except msgspec.ValidationError as fault:
        raise told(fault, given) from fault
    except (RecursionError, UnicodeError) as fault:
        raise ProtocolError("BAD_REQUEST", f"The body cannot be read: {fault}") from fault


def _at(given: Any, path: str) -> Any:
    """The value at a path such as ``metrics[0].key``; ``None`` where there is none."""
    for name, index in _STEP.findall(path):
        if isinstance(given, dict) and name:
            given = given.get(name)
        elif isinstance(given, list) and index and int(index) < len(given):
            given = given[int(index)]
        else:
            return None
    return given
