"""From what is known of a table to a plan of its model. Pure decisions, each with its reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from treadle.domain.errors import InvalidInput
from treadle.scaffold import when
from treadle.scaffold.leakage import Suspect, suspects
from treadle.scaffold.names import LONGEST, attribute_names, fresh, model_name, words
from treadle.scaffold.plan import Decision, LeftOut, ModelPlan, PlannedColumn, Role
from treadle.scaffold.profile import NUMBERS, ColumnFacts, TableFacts
from treadle.scaffold.recipes import Recipe
from treadle.scaffold.rules import rules_of, share, sliceable
from treadle.scaffold.targets import Label, find_column, label_of
from treadle.scaffold.thresholds import first_gate
from treadle.scaffold.when import Time, tells_rows_apart

MOST_VALUES = 1000
LONG_TEXT = 60
MOST_SLICES = 2
FEW_ROWS = 500
ENOUGH_ROWS = 30
"""Fewer labelled rows cannot be parted into three."""

_ID = frozenset(words("id ids uuid guid key index instant nr no number rownum rowid identifier"))
ZONE: Mapping[str, object] = {"zone": "ZONE"}
_DERIVED = {"hour": ("hour", "hr"), "weekday": ("weekday", "dow"), "month": ("month", "mnth")}


@dataclass(frozen=True)
class Wishes:
    """What the caller said instead of leaving it to be guessed."""

    target: str | None
    time: str | None = None
    key: str | None = None
    name: str | None = None
    task: str | None = None


@dataclass(frozen=True, eq=False)
class _Roles:
    label: Label
    time: Time | None
    key: ColumnFacts | None
    key_reason: str

    @property
    def taken(self) -> list[ColumnFacts]:
        """Columns that are no features, or not only."""
        own = [self.time.column] if self.time is not None and self.time.own else []
        return [self.label.target.facts, *own, *([self.key] if self.key is not None else [])]


def guess(table: TableFacts, wishes: Wishes) -> ModelPlan:
    """Decide on task, key, time, columns, rules, split and first gate.

    Raises InvalidInput for wishes that name no column or one that will not do, for a target that cannot be learned,
    and where no column is left to learn from.
    """
    label, time, key, key_reason = _roles(table, wishes)
    roles = _Roles(label, time, key, key_reason)
    suspected = _suspects(table, roles)
    kept, left_out = _features(table, roles, suspected)
    derived = _derived(table, time)
    if not kept and not derived:
        why = "; ".join(f"{out.column}: {out.reason}" for out in left_out) or "it has no other column"
        raise InvalidInput(
            f"nothing is left in {table.path.name} to predict {label.target.facts.name} from: {why}",
            hint="add columns that are known when the prediction is asked for",
        )
    labelled = ~np.isnan(label.target.codes)
    moments = None if time is None else time.values
    split = when.shares(moments, labelled)
    after, after_reason = when.known_after(table, time) if time is not None else (timedelta(days=1), "")
    return ModelPlan(
        name=model_name(wishes.name if wishes.name is not None else table.path.stem),
        table=table,
        label=label,
        columns=_columns(table, roles, kept, derived, suspected),
        left_out=tuple(left_out),
        suspects=tuple(suspected),
        decisions=_decisions(roles),
        notes=_notes(table, roles, labelled),
        gate=first_gate(label.target, kept, when.held_out(split[1], moments, table.rows)),
        candidate="boosting" if int(labelled.sum()) >= FEW_ROWS else "linear",
        split=split,
        parts=when.parts(split, moments, labelled),
        time=time,
        known_after_reason=after_reason,
        known_after=after,
    )


def _roles(table: TableFacts, wishes: Wishes) -> tuple[Label, Time | None, ColumnFacts | None, str]:
    if wishes.target is None:
        columns = ", ".join(column.name for column in table.columns)
        raise InvalidInput(
            f"which column of {table.path.name} is to be predicted?", hint=f"name it with --target; there are {columns}"
        )
    target = find_column(table, wishes.target, "--target")
    label = label_of(target, wishes.task)
    said = None if wishes.time is None else find_column(table, wishes.time, "--time")
    if said is target:
        raise InvalidInput(f"{target.name!r} is the target and the time", hint="name another column with --time")
    time = when.time_of(table, target, said)
    if wishes.key is not None:
        return label, time, _said_key(find_column(table, wishes.key, "--key"), target, time), "you said so"
    for column in table.columns:
        if column is target or (time is not None and column is time.column):
            continue
        reason = _why_key(column)
        if reason:
            return label, time, column, reason
    return label, time, None, ""


def _said_key(column: ColumnFacts, target: ColumnFacts, time: Time | None) -> ColumnFacts:
    what = f"key column {column.name!r}"
    if column is target or (time is not None and column is time.column and time.own):
        raise InvalidInput(f"{what} is the target or the time as well", hint="name another with --key")
    if column.kind not in ("str", "int"):
        raise InvalidInput(f"{what} holds {column.kind} values", hint="name a column of text or whole numbers")
    if column.nulls:
        raise InvalidInput(f"{what} is missing in {column.nulls:,} rows", hint="name a column that every row has")
    if not column.unique:
        value, count = next(iter(column.counts.items()))
        raise InvalidInput(
            f"{what} is no key: {value!r} stands in {count:,} rows", hint="name a column whose values all differ"
        )
    return column


def _why_key(column: ColumnFacts) -> str:
    if column.kind not in ("str", "int") or not column.unique:
        return ""
    if set(words(column.name)) & _ID or column.name.startswith("Unnamed:") or not column.name:
        return "it differs in every row and is named like one" if column.name else "it has no name and numbers the rows"
    if column.kind == "str" and max(len(str(value)) for value in column.counts) <= LONG_TEXT:
        return "it is text that differs in every row"
    return "it numbers the rows" if _numbers_rows(column) else ""


def _numbers_rows(column: ColumnFacts) -> bool:
    if column.kind != "int" or column.rows < 2:
        return False
    steps = column.values.diff().drop_nulls()
    return bool((steps == 1).all()) and column.values[0] in (0, 1)


def _suspects(table: TableFacts, roles: _Roles) -> list[Suspect]:
    asked = [c for c in table.columns if c not in roles.taken and c.kind not in ("none", "other")]
    return suspects(asked, roles.label.target, None if roles.time is None else roles.time.values)


def _features(
    table: TableFacts, roles: _Roles, suspected: Sequence[Suspect]
) -> tuple[list[ColumnFacts], list[LeftOut]]:
    sure = {s.column: s.evidence for s in suspected if s.sure}
    kept: list[ColumnFacts] = []
    left_out: list[LeftOut] = []
    for column in table.columns:
        if column in roles.taken:
            continue
        reason = sure.get(column.name) or _why_not(column) or _repeats(column, kept)
        if reason:
            left_out.append(LeftOut(column.name, reason))
        else:
            kept.append(column)
    return kept, left_out


def _why_not(column: ColumnFacts) -> str:
    """Why a column is no feature; empty where it is."""
    if column.kind == "none":
        return "no row has a value"
    if column.kind == "other":
        return column.note
    if column.distinct == 1 and not column.nulls:
        return f"it is {next(iter(column.counts))!r} in every row"
    if column.kind in ("datetime", "date"):
        return "it is a time; make a number of it, such as days since"
    many = column.distinct > max(0.5 * column.present, 10)
    if column.kind == "str":
        if sum(len(str(v)) * n for v, n in column.counts.items()) > LONG_TEXT * column.present:
            return "it is long text; make categories or numbers of it"
        if many or column.distinct > MOST_VALUES:
            return f"it is text with {column.distinct:,} values in {column.present:,} rows: an identifier, or free text"
    if column.kind == "int" and many and (set(words(column.name)) & _ID or _numbers_rows(column)):
        return "it identifies rows, and says nothing of new ones"
    return ""


def _repeats(column: ColumnFacts, kept: Sequence[ColumnFacts]) -> str:
    for other in kept:
        same = other.kind == column.kind or {other.kind, column.kind} == set(NUMBERS)
        if not same or other.nulls != column.nulls:
            continue
        if column.summary is not None and other.summary is not None and column.summary.mean != other.summary.mean:
            continue
        one, two = column.values, other.values
        if column.kind in NUMBERS:
            one, two = one.cast(pl.Float64), two.cast(pl.Float64)
        if one.equals(two, null_equal=True):
            return f"it repeats {other.name}"
    return ""


def _derived(table: TableFacts, time: Time | None) -> list[str]:
    """What of the time itself the model should see: hour, weekday and month, where they vary and no column has them."""
    if time is None or not time.own:
        return []
    said = {word for column in table.columns for word in words(column.name)}
    values = time.values.drop_nulls()
    varies = {
        "hour": values.dt.hour().n_unique() > 3 and time.part is None,
        "weekday": values.dt.weekday().n_unique() == 7 and values.dt.date().n_unique() >= 14,
        "month": values.dt.month().n_unique() == 12 and (time.last - time.first).days > 400,
    }
    return [name for name, does in varies.items() if does and not said & set(_DERIVED[name])]


def _columns(
    table: TableFacts,
    roles: _Roles,
    kept: Sequence[ColumnFacts],
    derived: Sequence[str],
    suspected: Sequence[Suspect],
) -> tuple[PlannedColumn, ...]:
    names = [column.name for column in table.columns]
    attributes = attribute_names(names, avoid=_avoided(roles))
    sliced = {c.name for c in [c for c in kept if sliceable(c)][:MOST_SLICES]}
    doubts = {s.column: s.evidence for s in suspected if not s.sure}
    time, label, key = roles.time, roles.label, roles.key
    planned: list[PlannedColumn] = []
    used = set(attributes.values())
    if time is not None and not time.own:
        planned.append(PlannedColumn(None, fresh("starts", used), "datetime", Role.TIME, None, rules=ZONE))
        used.add(planned[-1].attribute)
    for column in table.columns:
        attribute = attributes[column.name]
        if column is label.target.facts:
            planned.append(_label_column(label, attribute))
        elif time is not None and column is time.column and time.own:
            planned.append(PlannedColumn(column.name, attribute, "datetime", Role.TIME, column.recipe, rules=ZONE))
        elif column is key:
            planned.append(PlannedColumn(column.name, attribute, column.kind, Role.KEY, column.recipe))
        elif column in kept:
            planned.append(_feature(column, attribute, column.name in sliced, doubts.get(column.name, "")))
    begin = next((i + 1 for i, column in enumerate(planned) if column.role is Role.TIME), 0)
    for name in derived:
        bounds = {"hour": (0, 23), "weekday": (1, 7), "month": (1, 12)}[name]
        rules = {"ge": bounds[0], "le": bounds[1]}
        attribute = fresh(name, used)
        used.add(attribute)
        planned.insert(begin, PlannedColumn(None, attribute, "int", Role.FEATURE, None, rules=rules, asked=name))
        begin += 1
    return tuple(sorted(planned, key=lambda column: column.role is Role.LABEL))


def _avoided(roles: _Roles) -> set[str]:
    """Columns with a role whose names are too long to be written often, or taken among outcomes."""
    found = {"label": roles.label.target.facts.name}
    if roles.key is not None:
        found["key"] = roles.key.name
    if roles.time is not None and roles.time.own:
        found["time"] = roles.time.column.name
    taken = {"key", "time", "label", "observed_at"}
    return {name for role, name in found.items() if name in taken - {role} or len(name) > LONGEST}


def _label_column(label: Label, attribute: str) -> PlannedColumn:
    rules = {"one_of": list(label.classes)} if label.classes else {}
    return PlannedColumn(label.target.facts.name, attribute, label.type, Role.LABEL, label.recipe, rules=rules)


def _feature(column: ColumnFacts, attribute: str, sliced: bool, doubt: str) -> PlannedColumn:
    found = rules_of(column)
    rules = dict(found.arguments) | ({"slice": True} if sliced else {})
    return PlannedColumn(
        column.name,
        attribute,
        "float" if column.kind == "bool" and column.nulls else column.kind,
        Role.FEATURE,
        _read_as_number(column) if column.kind == "bool" and column.nulls else column.recipe,
        nullable=bool(column.nulls),
        rules=rules,
        comment=f"suspect: {doubt}" if doubt else "",
        category=column.kind == "str",
    )


def _read_as_number(column: ColumnFacts) -> Recipe | None:
    """Yes and no that may be missing, as 1 and 0: scikit-learn takes no booleans with gaps."""
    if column.recipe is None:
        return None
    flags = column.recipe
    head, tail = (flags.head, ".cast(pl.Float64)") if flags.entries else (f"{flags.head}.cast(pl.Float64)", "")
    return replace(flags, head=head, tail=tail, apply=lambda e: flags.apply(e).cast(pl.Float64))


def _decisions(roles: _Roles) -> tuple[Decision, ...]:
    label, time, key = roles.label, roles.time, roles.key
    found = [Decision("task", label.task, label.reason)]
    if key is not None:
        found.append(Decision("key", key.name or "(no name)", roles.key_reason))
    else:
        instead = "the time tells rows apart" if tells_rows_apart(time) else "answers carry an id of their own"
        found.append(Decision("key", "none", f"no column differs in every row; {instead}"))
    if time is None:
        found.append(Decision("time", "none", "no column tells it: rows part by a hash instead of by age"))
        return tuple(found)
    found.append(Decision("time", time.column.name, f"{time.reason}; {time.first:%Y-%m-%d} to {time.last:%Y-%m-%d}"))
    if time.naive and time.own:
        found.append(
            Decision("zone", "UTC", f"guessed: {time.column.name} names none; set ZONE where it is local time")
        )
    return tuple(found)


def _notes(table: TableFacts, roles: _Roles, labelled: NDArray[np.bool_]) -> tuple[str, ...]:
    notes = [*table.notes, *(f"{c.name}: {c.note}" for c in table.columns if c.note and c.kind != "other")]
    notes += [] if roles.time is None else roles.time.notes
    rows = int(labelled.sum())
    if rows < table.rows:
        notes.append(f"{table.rows - rows:,} rows ({share(1 - rows / table.rows)}) have no label and train nothing")
    if rows < ENOUGH_ROWS:
        notes.append(
            f"{rows} labelled rows are too few: `treadle run` parts them into train, validation and test, which need "
            "10 each"
        )
    return tuple(notes)
