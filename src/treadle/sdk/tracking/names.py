"""Names: what the protocol takes as one, what runs are called, and how nested values become flat."""

from __future__ import annotations

import posixpath
import random
import re
from collections.abc import Iterator, Mapping
from typing import Any

from treadle.domain.errors import InvalidInput

LONGEST = 250
_GOOD = re.compile(r"[\w.\- :/]+")
_FIRST = """
    amber bold brave bright calm clear clever cool crisp deft eager early fair fast fine fleet fond free fresh
    gentle glad golden grand happy jolly keen kind late light lively loyal lucky merry mild neat noble plain proud
    quick quiet rapid rare ready red rich ripe round sharp shiny silent silver smart smooth snug soft solid spare
    spry steady still sunny sure sweet swift tall tidy true vivid warm wide wild wise witty young
"""
_SECOND = """
    ant badger bear beaver bee bison boar buck carp cat clam colt cow crab crane crow deer dog dove duck eagle eel
    elk emu ewe falcon fawn finch fish fly fox frog goat goose grouse gull hare hawk hen heron horse ibex jay kite
    koala lark lion lynx mole moose moth mouse mule newt otter owl ox panda pony puma quail ram rat raven robin seal
    shark sheep shrew skunk sloth snail snake stork swan tapir tiger toad trout tuna viper vole wasp whale wolf wren
    yak
"""


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
    """The name of a run that was given none: two words and a number, the same for the same id."""
    dice = random.Random(run)  # noqa: S311 - a name, no secret
    return f"{dice.choice(_FIRST.split())}-{dice.choice(_SECOND.split())}-{dice.randrange(1000)}"
