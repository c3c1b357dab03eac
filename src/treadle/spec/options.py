"""The keyword options of a model, checked when it is declared."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from treadle.spec.columns import Column
from treadle.spec.conditions import Metric, check_owner, fault_of_metric
from treadle.spec.declared_at import DeclaredAt
from treadle.spec.model_spec import SplitSpec
from treadle.spec.policies import Resources, positive
from treadle.spec.rows import Row

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")


@dataclass(frozen=True)
class Options:
    """What ``Model(...)`` was given, besides its name and its row."""

    label: Column[Any]
    key: Column[Any] | None
    time: Column[Any] | None
    horizon: timedelta | None
    threshold: float | str | None
    window: timedelta | None
    probation: timedelta
    poll: timedelta
    spacing: timedelta
    objective: Metric | None
    seed: int
    split: SplitSpec
    resources: Resources


def check_name(name: Any, row: Any, at: DeclaredAt) -> None:
    """Raises DeclarationError for a name that cannot stand in an address, and for a row that is no row class."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise at.error(f"{name!r} is no name of a model", "use small letters, digits, - and _, a letter first")
    if not isinstance(row, type) or not issubclass(row, Row):
        raise at.error(f"model {name!r} is given {row!r} as its row", "write class Flight(Row): ... and give Flight")


def check_options(options: Options, name: str, row: type[Row], at: DeclaredAt) -> Options:
    """The options, if they are possible for the row class. Raises DeclarationError."""
    for what in ("label", "key", "time"):
        _check_column(getattr(options, what), what, name, row, at)
    _check_roles(options, at)
    for what in ("horizon", "window", "probation", "poll", "spacing"):
        if getattr(options, what) is not None:
            positive(getattr(options, what), f"{what} of model {name!r}", at)
    seed: Any = options.seed
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise at.error(f"seed is {seed!r}", "give a whole number, 0 or more, below 2**32")
    split: Any = options.split
    if not isinstance(split, SplitSpec):
        raise at.error(f"split is {split!r}", "write split=by_time(validation=days(14), test=days(28))")
    resources: Any = options.resources
    if not isinstance(resources, Resources):
        raise at.error(f"resources is {resources!r}", 'write resources=Resources(cpus=2, memory="4GB")')
    _check_threshold(options.threshold, task_of(options.label), at)
    _check_objective(options.objective, task_of(options.label), at)
    return options


def task_of(label: Column[Any]) -> str:
    """The task that a label makes: ``binary``, ``multiclass`` or ``regression``."""
    if label.spec.type == "bool":
        return "binary"
    classes = label.spec.type == "str" or (label.spec.type == "int" and label.spec.one_of is not None)
    return "multiclass" if classes else "regression"


def _check_column(column: Any, what: str, name: str, row: type[Row], at: DeclaredAt) -> None:
    if column is None and what != "label":
        return
    if not isinstance(column, Column):
        raise at.error(f"{what} of model {name!r} is {column!r}, no column", f"write {what}={row.__name__}.column")
    check_owner(column, row, f"{what} of model {name!r}", at)
    if column.spec.nullable:
        why = ": a label is missing until it is known" if what == "label" else ""
        raise at.error(f"{what}={column!r} may be missing", f"write Col[{column.spec.type}]{why}")


def _check_roles(options: Options, at: DeclaredAt) -> None:
    label, time = options.label, options.time
    if label.spec.type in ("datetime", "date"):
        raise at.error(f"label={label!r} is a {label.spec.type}", "predict a bool, str, int or float")
    if time is not None and time.spec.type != "datetime":
        raise at.error(f"time={time!r} is a {time.spec.type}", "name a Col[datetime]")
    for what, column in (("key", options.key), ("time", time)):
        if column is not None and column.name == label.name:
            raise at.error(f"{what}={column!r} is the label as well", "name another column")


def _check_threshold(threshold: Any, task: str, at: DeclaredAt) -> None:
    if threshold is None:
        return
    shown = f"threshold={threshold!r}"
    if task != "binary":
        raise at.error(f"{shown} of a {task} model", "leave it out; a threshold turns a binary score into yes or no")
    if isinstance(threshold, str) and threshold == "worth":
        return
    if isinstance(threshold, bool) or not isinstance(threshold, int | float) or not 0 <= threshold <= 1:
        raise at.error(f"{shown} is no threshold", 'give a number from 0 to 1, or "worth"')


def _check_objective(objective: Any, task: str, at: DeclaredAt) -> None:
    if objective is None:
        return
    if not isinstance(objective, Metric) or objective.ref.reduce is not None or objective.info.better == "zero":
        raise at.error(f"objective={objective!r} cannot be improved by tuning", "give a plain metric: metrics.auc")
    fault = fault_of_metric(objective, task)
    if fault is not None:
        raise at.error(f"objective: {fault[0]}", fault[1])
