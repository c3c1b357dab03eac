"""Folders of experiments: the parts of a name that ``/`` separates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from treadle.domain.search import AllOf, Column, Comparison, Condition, Kind, Op

_NAME = Column(Kind.ATTRIBUTE, "name")
_AFTER_SLASH = chr(ord("/") + 1)


def within(folder: str) -> Condition:
    """Holds for the experiments in a folder and in the folders below it."""
    return AllOf((Comparison(_NAME, Op.GE, f"{folder}/"), Comparison(_NAME, Op.LT, f"{folder}{_AFTER_SLASH}")))


def below(folder: str, names: Iterable[str]) -> Mapping[str, int]:
    """The folders directly below one (the top where it is empty): how many experiments each has, at any depth."""
    prefix = f"{folder}/" if folder else ""
    rests = (name[len(prefix) :] for name in names if name.startswith(prefix))
    return Counter(prefix + rest.partition("/")[0] for rest in rests if "/" in rest.strip("/"))
