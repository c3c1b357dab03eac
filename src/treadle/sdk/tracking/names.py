"""Names: what the protocol takes as one, what runs are called, and how nested values become flat."""

from __future__ import annotations

import posixpath
import random
import re
from collections.abc import Iterator, Mapping
from typing import Any

from treadle.domain.errors import InvalidInput
from treadle.domain.run_names import random_name

LONGEST = 250
_GOOD = re.compile(r"[\w.\- :/]+")


def checked_key(key: object, what: str) -> str:
    """The name of a metric, param or tag. Raises InvalidInput for one that the protocol does not take."""
    if not isinstance(key, str):
        raise InvalidInput(f"the name of a {what} is text, not {key!r}", hint="call it, for example, 'loss'")
    path = posixpath.normpath(key) if key else ""
    if not _GOOD.fullmatch(key) or len(key) > LONGEST or path != key or path == "." or path.startswith(("..", "/")):
        raise InvalidInput(
            f"{key!r} cannot be the name of a {what}",
            hint=f"use letters, digits, _ - . : / and spaces, at most {LONGEST} of them, as a path without . and ..",
        )
    return key


def flat(values: Mapping[Any, Any], between: str, above: str = "") -> Iterator[tuple[Any, Any]]:
    """Nested mappings as one, their keys joined."""
    for key, value in values.items():
        name = f"{above}{between}{key}" if above else key
        if isinstance(value, Mapping):
            yield from flat(value, between, name)
        else:
            yield name, value


def run_name(run: str) -> str:
    """The name of a run that was given none: the same for the same id."""
    return random_name(random.Random(run))  # noqa: S311 - a name, no secret
