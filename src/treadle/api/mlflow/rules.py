"""The rules of the protocol's server: what names look like, how much fits in a request, what is told otherwise."""

from __future__ import annotations

import functools
import posixpath
import re
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import TypeVar

from treadle.api.mlflow.bodies import SEE, invalid_value, missing_value
from treadle.api.mlflow.errors import ProtocolError
from treadle.domain.search import View
from treadle.domain.tracking import DEFAULT_EXPERIMENT, Status
from treadle.domain.tracking_errors import no_experiment
from treadle.wire.mlflow.fields import Pair

E = TypeVar("E", bound=Enum)

MAX_METRICS = 1000
MAX_PARAMS_TAGS = 100
MAX_ENTITIES = 1000
MAX_KEY = 250
MAX_EXPERIMENT_NAME = 500
MAX_PAGE = 50_000
DEFAULT_PAGE = 1000
LONG_PARAM = 6000
LONG_TAG = 8000
"""Longer values than these are cut or refused by other servers; here they are kept whole."""

_RUN_ID = re.compile(r"[a-zA-Z0-9][\w\-]{0,255}")
_NAME = re.compile(r"[/\w.\- :]*")
_NUMBER = re.compile(r"[+-]?\d+")
_STATUS = dict(enumerate(Status, 1))
_VIEWS = dict(enumerate(View, 1))


def required(value: str | None, path: str) -> str:
    """The text of a field that must be there. Raises ProtocolError."""
    if not value:
        raise missing_value(path)
    return value


def run_id(*given: str | None) -> str:
    """The id of a run, under its newer or its older name. Raises ProtocolError."""
    found = required(next((value for value in given if value), None), "run_id")
    if not _RUN_ID.fullmatch(found):
        raise invalid_value("run_id", found)
    return found


def experiment_id(given: str | None) -> str:
    """The id of an experiment; without one, the default's. Raises ProtocolError, NotFound for one that never was."""
    found = given or DEFAULT_EXPERIMENT
    if not _NUMBER.fullmatch(found):
        raise ProtocolError(
            "INVALID_PARAMETER_VALUE",
            f"Invalid experiment ID '{found[:100]}'. Experiment ID must be a valid integer.",
        )
    if len(found) > 18 or found.startswith("-"):
        raise no_experiment(found[:40])
    return str(int(found))


@functools.lru_cache(maxsize=8192)
def _name_fault(name: str) -> str | None:
    if not _NAME.fullmatch(name):
        return (
            "Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), colon(:) "
            "and slashes (/)."
        )
    return path_fault(name)


def path_fault(name: str) -> str | None:
    """What is wrong with a name that files are called after."""
    plain = posixpath.normpath(name)
    if plain != name or plain == "." or plain.startswith(("..", "/")):
        return (
            "Names may be treated as files in certain cases, and must not resolve to other names when treated as such. "
            f"This name would resolve to {plain!r}"
        )
    return None


def is_name(name: str) -> bool:
    """Whether a metric, param or tag may be called so."""
    return 0 < len(name) <= MAX_KEY and _name_fault(name) is None


def check_name(name: str, path: str, entity: str) -> None:
    """What a metric, param or tag may be called. Raises ProtocolError; ``entity`` says what is too long."""
    fault = _name_fault(name)
    if fault is not None:
        raise invalid_value(path, name, fault)
    if len(name) > MAX_KEY:
        raise ProtocolError("INVALID_PARAMETER_VALUE", f"'{entity}' exceeds the maximum length of {MAX_KEY} characters")


def check_experiment_name(name: str) -> None:
    """What an experiment may be called. Raises ProtocolError."""
    if len(name) > MAX_EXPERIMENT_NAME:
        raise ProtocolError(
            "INVALID_PARAMETER_VALUE", f"'name' exceeds the maximum length of {MAX_EXPERIMENT_NAME} characters"
        )


def check_batch(metrics: int, params: int, tags: int) -> None:
    """How much one batch may hold. Raises ProtocolError."""
    whole = metrics + params + tags
    for name, limit, length in (
        ("metrics", MAX_METRICS, metrics),
        ("params", MAX_PARAMS_TAGS, params),
        ("tags", MAX_PARAMS_TAGS, tags),
        ("metrics, params, and tags", MAX_ENTITIES, whole),
    ):
        if length > limit:
            raise ProtocolError(
                "INVALID_PARAMETER_VALUE",
                f"A batch logging request can contain at most {limit} {name}. Got {length} {name}. "
                f"Please split up {name} across multiple requests and try again.",
            )


def pairs(given: Iterable[Pair], field: str) -> list[tuple[str, str]]:
    """Params or tags, their names checked. Raises ProtocolError."""
    found = []
    for index, pair in enumerate(given):
        path = f"{field}[{index}].key"
        if not pair.key:
            raise missing_value(path)
        check_name(pair.key, path, "Param key" if field == "params" else path)
        found.append((pair.key, pair.value or ""))
    return found


def check_unique(params: Sequence[tuple[str, str]]) -> None:
    """No param twice in one batch. Raises ProtocolError."""
    if len({key for key, _ in params}) == len(params):
        return
    seen: set[str] = set()
    twice = [key for key, _ in params if key in seen or seen.add(key)]  # type: ignore[func-returns-value]
    raise ProtocolError(
        "INVALID_PARAMETER_VALUE",
        f"Duplicate parameter keys have been submitted: {twice}. Please ensure the request contains only one param "
        "value per param key.",
    )


def page_size(given: int | None) -> int:
    """How many are asked for at once. Raises ProtocolError."""
    if given is None:
        return DEFAULT_PAGE
    if given < 1:
        raise ProtocolError(
            "INVALID_PARAMETER_VALUE",
            f"Invalid value {given} for parameter 'max_results' supplied. It must be a positive integer",
        )
    if given > MAX_PAGE:
        raise invalid_value("max_results", given, f" Hint: It must be at most {MAX_PAGE}.{SEE}")
    return given


def view(given: str | int | None, path: str) -> View:
    """Which part is searched; the active one unless told. Raises ProtocolError."""
    return _choice(given, path, View, _VIEWS, View.ACTIVE)


def status(given: str | int | None) -> Status | None:
    """The status that is told. Raises ProtocolError."""
    return None if given is None else _choice(given, "status", Status, _STATUS, Status.RUNNING)


def long_values(params: Iterable[tuple[str, str]] = (), tags: Iterable[tuple[str, str]] = ()) -> int:
    """How many values are longer than what other servers keep."""
    return sum(len(value) > LONG_PARAM for _, value in params) + sum(len(value) > LONG_TAG for _, value in tags)


def _choice(given: str | int | None, path: str, kind: type[E], numbers: dict[int, E], otherwise: E) -> E:
    if given is None:
        return otherwise
    if isinstance(given, int) or _NUMBER.fullmatch(given):
        found = numbers.get(int(given)) if len(str(given)) < 5 else None
    else:
        found = next((choice for choice in kind if choice.value == given), None)
    if found is None:
        known = ", ".join(choice.value for choice in kind)
        raise invalid_value(path, given, f" Hint: It is one of {known}.{SEE}")
    return found
