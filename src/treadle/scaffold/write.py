"""The text of a model file: complete, typed, commented, laid out as ``ruff format`` would."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from treadle.scaffold import pipelines
from treadle.scaffold.layout import Group, bracketed, call, docstring, lines, remark
from treadle.scaffold.names import class_name, variable_name
from treadle.scaffold.plan import ModelPlan, PlannedColumn, Role
from treadle.scaffold.profile import ColumnFacts
from treadle.scaffold.reading import FileForm
from treadle.scaffold.recipes import FINITE, FLAG, NUMBER, literal, quote
from treadle.scaffold.when import tells_rows_apart

PYTHON = ">=3.11"
REQUIREMENTS = ("polars>=1.34", "scikit-learn>=1.9,<2")

_UNIT_OF_METRIC = {"auc": "an AUC", "balanced_accuracy": "a balanced accuracy", "mae": "a mean absolute error"}


def write_model(plan: ModelPlan, data: str) -> str:
    """The model file of a plan. ``data`` is the path of its table, relative to the file unless absolute."""
    row, variable = class_name(plan.name), variable_name(plan.name)
    parts: list[list[str]] = [
        [*_head(plan), "", *_constants(plan, data)],
        _row(plan, row),
        _model(plan, row, variable),
        pipelines.params(plan),
        *_helpers(plan),
        _table(plan),
        _source(plan, variable),
        *_outcomes(plan, variable),
        pipelines.candidates(plan),
        pipelines.fit(plan, variable),
        _ship(plan, variable, row),
    ]
    return "\n\n\n".join("\n".join(part) for part in parts) + "\n"


def _head(plan: ModelPlan) -> list[str]:
    requirements = ", ".join(f'"{requirement}"' for requirement in REQUIREMENTS)
    table = plan.table
    told = (
        f"Predicts {plan.label.target.facts.name} ({plan.label.task}) from {table.path.name}.\n\n"
        f"Written by treadle init from {table.rows:,} rows of {len(table.columns)} columns. Whatever it guessed is "
        "said beside it: read on, and change what you know better."
    )
    standard = ["from dataclasses import dataclass"]
    if plan.time is not None:
        standard.append("from datetime import datetime, timedelta")
    else:
        standard.append("from datetime import timedelta")
    return [
        "# /// script",
        f'# requires-python = "{PYTHON}"',
        f"# dependencies = [{requirements}]",
        "# ///",
        *docstring(told),
        "",
        *standard,
        "from pathlib import Path",
        "",
        "import polars as pl",
        *pipelines.imports(plan),
        "",
        *pipelines.imported("treadle", *_names(plan)),
    ]


def _names(plan: ModelPlan) -> list[str]:
    names = ["Col", "Model", "Row", "Window", "age", "by_time", "col", "days", "gate_broken", "metrics", "tune"]
    if not any(column.rules for column in plan.columns):
        names.remove("col")
    return names


def _constants(plan: ModelPlan, data: str) -> list[str]:
    path = f"Path({quote(data)})" if Path(data).is_absolute() else f"Path(__file__).parent / {quote(data)}"
    found = [f"DATA = {path}"]
    if plan.time is not None:
        why = "guessed: times in the file name no zone" if plan.time.naive else "in which hours and weekdays are told"
        found += lines('ZONE = "UTC"', comment=why)
        found += lines(
            f"KNOWN_AFTER = {_duration(plan.known_after)}",
            comment=f"when a row's label is known after its time: {plan.known_after_reason}",
        )
    for name, category in (("CATEGORIES", True), ("NUMBERS", False)):
        columns = [quote(column.attribute) for column in plan.features if column.category is category]
        if columns:
            found += lines(bracketed(f"{name} = ", columns))
    if plan.left_out:
        found += ["", *remark(f"Columns of {plan.table.path.name} that are not used:")]
        for out in plan.left_out:
            found += remark(f"- {out.column or '(no name)'}: {out.reason}")
    return found


def _duration(after: timedelta) -> str:
    hours = round(after.total_seconds() / 3600)
    return f"timedelta(days={hours // 24})" if hours % 24 == 0 else f"timedelta(hours={hours})"


def _row(plan: ModelPlan, row: str) -> list[str]:
    told = f"One row of {plan.table.path.name}. A request has these columns, without {plan.label.target.facts.name}."
    found = [f"class {row}(Row):", *docstring(told, indent=4), ""]
    for column in plan.columns:
        annotation = f"Col[{column.type}{' | None' if column.nullable else ''}]"
        arguments = [f"{name}={_literal(value)}" for name, value in column.rules.items()]
        declared: str | Group = f"{column.attribute}: {annotation}"
        if arguments:
            items: list[str | Group] = [
                bracketed(f"{name}=", [_literal(v) for v in value]) if isinstance(value, list) else argument
                for argument, (name, value) in zip(arguments, column.rules.items(), strict=True)
            ]
            declared = call(f"{column.attribute}: {annotation} = col", *items)
        found += lines(declared, indent=4, comment=_about(column))
    return found


def _about(column: PlannedColumn) -> str:
    said = ["told by the time"] if column.asked else []
    if column.name is not None and column.name != column.attribute:
        said = [f"{column.name!r} in the file"]
    return "; ".join([*said, *([column.comment] if column.comment else [])])


def _literal(value: object) -> str:
    return "ZONE" if value == "ZONE" else literal(value)


def _model(plan: ModelPlan, row: str, variable: str) -> list[str]:
    label, key, time = plan.of(Role.LABEL), plan.of(Role.KEY), plan.of(Role.TIME)
    items: list[str | Group] = [quote(plan.name), row]
    items += [f"key={row}.{key.attribute}"] if key is not None else []
    items += [f"time={row}.{time.attribute}"] if time is not None else []
    items += [f"label={row}.{label.attribute}"] if label is not None else []
    items += ["horizon=KNOWN_AFTER"] if time is not None else []
    validation, test = plan.split
    items.append(call("split=by_time", f"validation={validation}", f"test={test}"))
    found = []
    if time is None:
        found += remark("Without a time column, rows are parted by a hash, in these shares on average.")
    return [*found, *lines(call(f"{variable} = Model", *items))]


def _helpers(plan: ModelPlan) -> list[list[str]]:
    used = {column.recipe.helper for column in plan.columns if column.recipe is not None}
    found = []
    if FLAG in used:
        found.append(_FLAG)
    if FINITE in used:
        found.append(_FINITE)
    if NUMBER in used:
        found.append(_NUMBER)
    if plan.time is not None and plan.time.naive:
        found.append(_UTC)
    return found


def _table(plan: ModelPlan) -> list[str]:
    told = f"All of {plan.table.path.name}, with the names and types of the row class."
    found = ["def table() -> pl.DataFrame:", *docstring(told, indent=4), *_read(plan.table.form)]
    found += _time(plan)
    selected = _selected(plan)
    derived = [column for column in plan.columns if column.asked]
    if not derived:
        return [*found, *lines(call("return found.select", *selected), indent=4)]
    found += lines(call("found = found.select", *selected), indent=4)
    time = plan.of(Role.TIME)
    attribute = quote(time.attribute) if time is not None else ""
    found.append(f"    local = pl.col({attribute}).dt.convert_time_zone(ZONE).dt")
    told_by = [f"{c.attribute}=local.{c.asked}().cast(pl.Int64)" for c in derived]
    return [*found, *lines(call("return found.with_columns", *told_by), indent=4)]


def _read(form: FileForm) -> list[str]:
    if form.format != "csv":
        reader = {"parquet": "read_parquet", "jsonl": "read_ndjson", "arrow": "read_ipc"}[form.format]
        more = {"jsonl": ["infer_schema_length=None"]}.get(form.format, [])
        return lines(call(f"found = pl.{reader}", "DATA", *more), indent=4)
    options: list[str | Group] = ["infer_schema=False"]
    options += [f"separator={quote(form.separator)}"] if form.separator != "," else []
    options += [f"encoding={quote(form.encoding)}"] if form.encoding != "utf8" else []
    options += ["quote_char=None"] if not form.quoted else []
    missing = bracketed("null_values=", [quote(text) for text in form.missing])
    if form.missing and not form.spaced:
        options.append(missing)
    found = lines(call("found = pl.read_csv", "DATA", *options), indent=4)
    if form.spaced:
        found.append("    found = found.with_columns(pl.all().str.strip_chars())")
        if form.missing:
            texts = Group("missing = {", tuple(f"{quote(text)}: None" for text in form.missing), "}")
            found += lines(texts, indent=4)
            found.append("    found = found.with_columns(pl.all().replace(missing))")
    if form.empty_lines:
        found.append("    found = found.filter(~pl.all_horizontal(pl.all().is_null()))")
    return found


def _time(plan: ModelPlan) -> list[str]:
    """Lines that put the time together."""
    time = plan.time
    if time is None:
        return []
    if not time.own:
        return [*_whole("year", time.column), *_part(plan), _STARTS[time.unit]]
    found = _local("at", time.column)
    if time.column.kind == "date":
        found.append("    at = at.cast(pl.Datetime)")
    if time.part is not None:
        found += [*_part(plan), "    at = at + pl.duration(hours=hour)"]
    return found


def _part(plan: ModelPlan) -> list[str]:
    time = plan.time
    return [] if time is None or time.part is None else _whole(time.unit, time.part)


def _local(variable: str, column: ColumnFacts, cast: str = "") -> list[str]:
    """A variable that holds a column's expression."""
    before, behind = ("pl.col(", ")") if column.recipe is None else column.recipe.parts()
    return lines(Group(f"{variable} = {before}", (quote(column.name),), behind + cast), indent=4)


def _whole(variable: str, column: ColumnFacts) -> list[str]:
    """A variable that holds a column's expression, as whole numbers."""
    return _local(variable, column, "" if column.kind == "int" else ".cast(pl.Int64)")


def _selected(plan: ModelPlan) -> list[str | Group]:
    """The columns as arguments of ``select``: those of one type that keep their names together, then the others."""
    together: dict[str, list[str]] = {}
    single: list[str | Group] = []
    for column in plan.columns:
        if column.role is Role.TIME:
            naive = plan.time is not None and plan.time.naive
            single.append(f"{column.attribute}={'utc(at)' if naive else 'at'}")
            continue
        if column.recipe is None or column.name is None:
            continue
        before, behind = column.recipe.parts()
        name = quote(column.name)
        if column.name == column.attribute and before == "pl.col(" and not column.recipe.helper:
            together.setdefault(behind, []).append(name)
        elif column.recipe.entries:
            meaning = Group("{", column.recipe.entries, "}")
            found = (Group(before, (name,), behind), meaning)
            single.append(Group(f"{column.attribute}=flag(", found, ")" + column.recipe.tail))
        elif (before, behind) == ("pl.col(", ")"):
            single.append(f"{column.attribute}={name}")
        else:
            single.append(Group(f"{column.attribute}={before}", (name,), behind))
    grouped = [Group("pl.col(", tuple(names), behind) for behind, names in together.items()]
    return [*grouped, *single]


def _source(plan: ModelPlan, variable: str) -> list[str]:
    time, label = plan.of(Role.TIME), plan.of(Role.LABEL)
    if time is None or label is None:
        told = "Every row, whatever the window: the file does not tell when a row or its label became known."
        return [
            f"@{variable}.source",
            "def rows(window: Window) -> pl.DataFrame:",
            *docstring(told, indent=4),
            "    return table()",
        ]
    at, name = quote(time.attribute), label.attribute
    return [
        f"@{variable}.source",
        "def rows(window: Window) -> pl.DataFrame:",
        *docstring("Rows of the window; labels that were not yet known at window.as_of are missing.", indent=4),
        *lines(call("found = table().filter", f"pl.col({at}) < window.until"), indent=4),
        "    if window.start is not None:",
        *lines(call("found = found.filter", f"pl.col({at}) >= window.start"), indent=8),
        f"    known = pl.col({at}) + KNOWN_AFTER <= window.as_of",
        *lines(call("return found.with_columns", call(f"{name}=pl.when(known).then", quote(name))), indent=4),
    ]


def _outcomes(plan: ModelPlan, variable: str) -> list[list[str]]:
    time, label, key = plan.of(Role.TIME), plan.of(Role.LABEL), plan.of(Role.KEY)
    if time is None or label is None or not (key is not None or tells_rows_apart(plan.time)):
        return []
    names = f"time={quote(time.attribute)}" if key is None else f"key={quote(key.attribute)}"
    known = f"observed_at=pl.col({quote(time.attribute)}) + KNOWN_AFTER"
    return [
        [
            f"@{variable}.outcomes",
            "def outcomes(window: Window) -> pl.DataFrame:",
            *docstring("Labels that became known in the window.", indent=4),
            *lines(call("found = table().select", names, f"label={quote(label.attribute)}", known), indent=4),
            '    found = found.filter(pl.col("observed_at") <= window.until).drop_nulls()',
            "    if window.start is not None:",
            '        found = found.filter(pl.col("observed_at") > window.start)',
            "    return found",
        ]
    ]


def _ship(plan: ModelPlan, variable: str, row: str) -> list[str]:
    gate = plan.gate
    what = _UNIT_OF_METRIC[gate.metric]
    if gate.linear is None:
        why = f"A constant answer has {what} of {gate.constant:.3g}: to be better than that is a first threshold."
    elif (gate.linear > gate.constant) is (gate.op == ">="):
        why = (
            f"On held-out rows a constant answer has {what} of {gate.constant:.3g}, a plain linear model "
            f"{gate.linear:.3g}. Halfway between is a first threshold: put here what makes the model worth having."
        )
    else:
        why = (
            f"On held-out rows a constant answer has {what} of {gate.constant:.3g} and a plain linear model is no "
            f"better ({gate.linear:.3g}): be sure that there is something to learn before you lower this."
        )
    best = {"binary": "auc", "multiclass": "log_loss", "regression": "mae"}[plan.label.task]
    first = f"    metrics.{gate.metric} {gate.op} {literal(gate.value)},"
    found = [f"{variable}.ship(", *remark(why, indent=4), first]
    sliced = [c for c in plan.features if c.rules.get("slice")]
    if sliced:
        name = f"metrics.{gate.metric}.worst({row}.{sliced[0].attribute})"
        found += remark(f"Its worst slice can be held to a threshold of its own: {name}", indent=4)
    return [
        *found,
        f"    metrics.{best}.beats_champion(confidence=0.8),",
        "    metrics.latency_p99 <= timedelta(milliseconds=100),",
        "    retrain=[gate_broken(), age(days(30))],",
        ")",
    ]


_FLAG = [
    "def flag(values: pl.Expr, meaning: dict[str | int | float, bool]) -> pl.Expr:",
    '    """Yes and no by the values that mean them; any other value is an error."""',
    "    return values.replace_strict(meaning, return_dtype=pl.Boolean)",
]
_FINITE = [
    "def finite(name: str) -> pl.Expr:",
    '    """Numbers; infinite, immense and undefined ones count as missing."""',
    "    number = pl.col(name).cast(pl.Float64)",
    "    return pl.when(number.abs() <= 3e38).then(number)",
]
_NUMBER = [
    'def number(name: str, drop: str, decimal: str = ".") -> pl.Expr:',
    '    """Numbers as they are written in the file, without the signs to drop."""',
    '    bare = pl.col(name).str.replace_all(drop, "")',
    '    return bare.str.replace(decimal, ".", literal=True).cast(pl.Float64)',
]
_UTC = [
    "def utc(local: pl.Expr) -> pl.Expr:",
    '    """Times in ZONE as times in UTC; a time that summer time skips is missing."""',
    '    aware = local.dt.replace_time_zone(ZONE, ambiguous="earliest", non_existent="null")',
    '    return aware.dt.convert_time_zone("UTC")',
]
_STARTS = {
    "": "    at = pl.datetime(year, 1, 1)",
    "month": "    at = pl.datetime(year, month, 1)",
    "quarter": "    at = pl.datetime(year, quarter * 3 - 2, 1)",
}
