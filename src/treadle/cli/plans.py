"""A plan as a diff for people: a line for each thing that would change, parts of one thing on one line."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Any

import typer

from treadle.domain import codec
from treadle.domain.errors import TreadleError

if TYPE_CHECKING:
    from treadle.sdk.records import Change, Plan

SPANS = frozenset({"horizon", "poll", "probation", "spacing", "window"})
"""Settings that are durations; a plan has them in seconds."""

SHARES = frozenset({"split.test", "split.validation"})
"""Settings that are a share of the rows below 1, and a duration from there on."""

WIDEST = 100


def print_plan(plan: Plan) -> None:
    """Print a plan as a diff."""
    base = f"revision {plan.base}" if plan.base else "nothing yet"
    if not plan.changes:
        typer.echo(f"{plan.model}: no change against {base}")
        return
    count = f"{len(plan.changes)} change{'' if len(plan.changes) == 1 else 's'}"
    typer.echo(f"{plan.model}: {count} against {base}")
    for line in diff(plan):
        typer.echo(f"  {line}")
    for effect in plan.effects:
        typer.echo(f"  => {effect}")


def diff(plan: Plan) -> Iterator[str]:
    """The lines of a plan. What a new model declares is told by thing: a column, a parameter, a function."""
    for (sign, thing), group in groupby(plan.changes, lambda change: (_sign(change), _thing(change.path))):
        changes = list(group)
        if sign == "~" or thing is None:
            yield from (_alone(sign, change) for change in changes)
        else:
            parts = [f"{c.path[len(thing) + 1 :]} {shown(c.path, _value(c))}" for c in changes]
            yield f"{sign} {thing}: {', '.join(parts)}"


def shown(path: str, value: Any) -> str:
    """A setting's value in a few words."""
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, int | float) and (path in SPANS or (path in SHARES and value >= 1)):
        return str(timedelta(seconds=value)).removesuffix(", 0:00:00")
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        text = ", ".join(_expression(item) for item in value)
    else:
        text = str(value).strip().partition("\n")[0]
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 3]}..."


def _alone(sign: str, change: Change) -> str:
    if sign == "~":
        return f"~ {change.path}: {shown(change.path, change.before)} -> {shown(change.path, change.after)}"
    return f"{sign} {change.path}: {shown(change.path, _value(change))}"


def _value(change: Change) -> Any:
    return change.after if change.before is None else change.before


def _sign(change: Change) -> str:
    return "+" if change.before is None else "-" if change.after is None else "~"


def _thing(path: str) -> str | None:
    """What a path is a part of: ``columns[at].type`` of ``columns[at]``, ``environment/numpy`` of the environment."""
    if path.startswith("environment/"):
        return "environment"
    head, dot, _ = path.partition("].")
    if dot:
        return f"{head}]"
    head, dot, _ = path.partition(".")
    return head if dot and "/" not in path else None


def _expression(plain: dict[str, Any]) -> str:
    from treadle.spec.expressions import Expression, RolloutStep, Trigger

    for kind in (Expression, RolloutStep, Trigger):
        try:
            return str(codec.from_plain(kind, plain))
        except (TreadleError, LookupError, TypeError, ValueError):
            continue
    return str(plain)
