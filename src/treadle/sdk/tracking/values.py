"""The mappings of a run that are logged as they are set."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from datetime import date, datetime
from enum import Enum
from pathlib import Path
from typing import Any

from treadle.domain.errors import Conflict, InvalidInput
from treadle.sdk.tracking.names import checked_key, flat

Send = Callable[[Mapping[str, str]], None]


class _Logged(MutableMapping[str, Any]):
    """Values by name. Names of nested mappings are joined by points; values are sent as text."""

    what = ""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._values: dict[str, Any] = {}

    def __call__(self, values: Mapping[str, Any] | None = None, /, **more: Any) -> None:
        """Set several at once."""
        self.update(values or {}, **more)

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.update({key: value})

    def __delitem__(self, key: str) -> None:
        raise InvalidInput(f"a logged {self.what} stays: {key!r}", hint="set another value, or delete it on the server")

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return repr(self._values)

    def update(self, values: Any = (), /, **more: Any) -> None:
        """Set several at once: in one request, and none of them where one is wrong."""
        fresh = {checked_key(key, self.what): value for key, value in flat({**dict(values), **more}, ".")}
        texts = {key: as_text(value) for key, value in fresh.items()}
        self._check(texts)
        self._send(texts)
        self._values.update(fresh)

    def _check(self, texts: Mapping[str, str]) -> None:
        """Raise where values must not be set."""


class Params(_Logged):
    """What went into a run. Each is set once; the same value again is no change, another raises Conflict."""

    what = "param"

    def _check(self, texts: Mapping[str, str]) -> None:
        for key, text in texts.items():
            if key in self._values and as_text(self._values[key]) != text:
                raise Conflict(
                    f"param {key!r} is {self._values[key]!r} and cannot become {text!r}",
                    hint="params are set once; log what changes as a metric, or set a tag",
                )


class Tags(_Logged):
    """What is said about a run. Setting one again replaces it."""

    what = "tag"


def as_text(value: Any) -> str:
    """A value as it is stored."""
    match value:
        case str():
            return value
        case Enum():
            return value.name
        case datetime() | date():
            return value.isoformat()
        case list() | tuple() | set() | frozenset():
            return json.dumps(list(value), default=str)
        case Path() | None:
            return str(value)
    return str(value)
