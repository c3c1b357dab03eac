"""The steps, one function for each kind. Each runs in its model's environment, in a working folder of its own."""

from __future__ import annotations

import importlib
import pickle
import random
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from treadle.domain import codec
from treadle.domain.errors import InvalidInput
from treadle.domain.steps import StepKind
from treadle.runner import compiling, estimators, frames
from treadle.runner.errors import user_traceback
from treadle.runner.loading import LoadedModel
from treadle.runner.scoring import ModelScorer
from treadle.runner.trial import StepTrial, is_pruned
from treadle.spec.model_spec import FunctionSpec
from treadle.spec.windows import Window

ROWS, TRAIN, VALIDATION = "rows.parquet", "train.parquet", "validation.parquet"
OUTCOMES, SCORES, WORTH = "outcomes.parquet", "scores.parquet", "worth.parquet"
MODEL, ONNX = "model.pkl", "model.onnx"
DECISION = "__decision"
KEY, TIME, LABEL, OBSERVED_AT = "key", "time", "label", "observed_at"
PICKLE_PROTOCOL = 5


def never_stop(_step: int, _value: float) -> bool:
    """The answer where nobody prunes."""
    return False


@dataclass(frozen=True)
class Step:
    """One step's work: inputs lie in ``work`` by their names, and outputs are written there."""

    loaded: LoadedModel
    work: Path
    arguments: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    ask: Callable[[int, float], bool] = never_stop

    def function(self, role: str) -> Callable[..., Any]:
        """The user's function of a role. Raises InvalidInput where the model declares none."""
        found = self.loaded.model.functions.get(role)
        if found is None:
            name = self.loaded.spec.name
            raise InvalidInput(f"model {name!r} has no {role} function", hint=f"declare one with @{name}.{role}")
        return found

    def time(self, name: str) -> datetime | None:
        """A time among the arguments."""
        value = self.arguments.get(name)
        return None if value is None else datetime.fromisoformat(value)

    def needed_time(self, name: str) -> datetime:
        """A time among the arguments that must be there."""
        value = self.time(name)
        if value is None:
            raise InvalidInput(f"the step lacks its argument {name!r}", hint="give it as ISO 8601 text")
        return value


def run(kind: StepKind, step: Step) -> Any:
    """Do a step; return its value, plain JSON. Raises whatever the user's code raises."""
    return _STEPS[kind](step)


def describe(step: Step) -> dict[str, Any]:
    """The declaration: value ``{"spec": ...}``."""
    return {"spec": codec.to_plain(step.loaded.spec)}


def source(step: Step) -> dict[str, Any]:
    """Rows as known at ``as_of``: arguments start, until, as_of -> ``rows.parquet``, value ``{"rows": n}``.

    The columns are those of the row class that the source gave; times are in UTC.
    """
    spec, function = step.loaded.spec, step.function("source")
    window = Window(step.time("start"), step.needed_time("until"), step.needed_time("as_of"))
    whose = f"source {function.__name__}"
    table = frames.of_frame(function(window), whose)
    declared = [column.name for column in spec.columns]
    surplus = [name for name in table.names if name not in declared]
    if surplus:
        print(f"{whose} gave columns that {spec.row} does not declare; left out: {', '.join(surplus)}")  # noqa: T201
    table = table.select([name for name in declared if name in table.names])
    table = frames.in_utc(table, {c.name: c.zone for c in spec.columns}, whose)
    table.write(step.work / ROWS)
    return {"rows": table.height}


def outcomes(step: Step) -> dict[str, Any]:
    """Labels that became known: arguments since, until -> ``outcomes.parquet``, value ``{"rows": n}``.

    Columns ``label``, ``observed_at`` (UTC, after ``since`` and not after ``until``), and what names the row: ``key``
    (text) where the model has one, else ``time`` (UTC, the event's), which may stand beside a key. The function may
    name them as the row class does. Naive times are in the zone of the model's time column.
    """
    spec, function = step.loaded.spec, step.function("outcomes")
    since, until = step.time("since"), step.needed_time("until")
    whose = f"outcomes {function.__name__}"
    table = frames.of_frame(function(Window(since, until, until)), whose)
    names = {KEY: spec.key or KEY, TIME: spec.time or TIME, LABEL: spec.label}
    own = {other: name for name, other in names.items() if other in table.names and name not in table.names}
    table = table.rename(own)
    needed = [KEY if spec.key is not None else TIME, LABEL, OBSERVED_AT]
    missing = [name for name in needed if name not in table.names]
    if missing:
        raise InvalidInput(
            f"{whose} gave no column {', '.join(missing)} but {', '.join(table.names) or 'none at all'}",
            hint=f"return the {needed[0]}, the label, and observed_at (when the label became known)",
        )
    beside = [TIME] if spec.key is not None and spec.time is not None and TIME in table.names else []
    table = table.select([*needed, *beside])
    for name in (OBSERVED_AT, TIME):
        if name in table.names and name not in table.times():
            raise InvalidInput(f"{name} of {whose} holds no times", hint="return datetimes in UTC")
    zone = spec.column(spec.time).zone if spec.time is not None else None
    table = frames.in_utc(table, {OBSERVED_AT: zone, TIME: zone}, whose)
    table = table.without_nulls(needed).known_within(OBSERVED_AT, since, until)
    (table.to_text(KEY) if KEY in table.names else table).write(step.work / OUTCOMES)
    return {"rows": table.height}


def check(step: Step) -> list[dict[str, Any]]:
    """Every ``@check`` on ``rows.parquet``: value ``[{"name", "passed", "message"}]``; one that raises has failed."""
    rows = frames.read(step.work / ROWS)
    found = []
    for spec in step.loaded.spec.checks:
        passed, message = False, ""
        try:
            answer = step.loaded.model.checks[spec.name](rows.to_frame(spec.frame))
            passed = bool(answer)
            if answer is None:
                message = "it returned nothing; return True where rows are good"
        except Exception as error:  # noqa: BLE001 - whatever a check raises is its finding
            sys.stderr.write(user_traceback(error))
            message = f"{type(error).__name__}: {error}"
        found.append({"name": spec.name, "passed": passed, "message": message})
    return found


def fit(step: Step) -> dict[str, Any]:
    """Train: ``train.parquet``, ``validation.parquet``, arguments params -> ``model.pkl``.

    Value ``{"metrics", "points", "classes", "seconds", "pruned"}``. Rows have all columns, the label among them. A
    trial that ended with an exception called TrialPruned writes no model and has the value ``{"pruned": true}``.
    """
    spec, function = step.loaded.spec, step.function("train")
    declared = spec.train or FunctionSpec(function.__name__)
    rows = frames.read(step.work / TRAIN).to_frame(declared.frame)
    trial = StepTrial(step.ask)
    given = _given(step, declared, trial)
    seed_everything(step.seed)
    started = time.perf_counter()
    try:
        fitted = function(rows, **given)
    except Exception as error:
        if is_pruned(error):
            return {"pruned": True}
        raise
    seconds = time.perf_counter() - started
    if fitted is None:
        raise InvalidInput(f"{function.__name__} returned nothing", hint="return the fitted model")
    _save(fitted, step.work / MODEL)
    iterations = getattr(estimators.innermost(fitted), "n_iter_", None)
    return {
        "metrics": {"iterations": int(iterations)} if isinstance(iterations, int) else {},
        "points": trial.points + estimators.curves(fitted),
        "classes": estimators.classes(fitted) or [],
        "seconds": seconds,
        "pruned": trial.pruned,
    }


def score(step: Step) -> dict[str, Any]:
    """Score: ``model.pkl``, ``rows.parquet`` -> ``scores.parquet``, value ``{"classes": [...]}``.

    The argument ``timed`` asks for so many calls with one row each besides: value ``latency_us``, a list of times.
    ``score`` is the probability of true (binary) or the number (regression); multiclass rows have ``score_0`` ... in
    the order of the classes.
    """
    scorer = ModelScorer(step.loaded, _saved(step))
    rows = frames.read(step.work / ROWS)
    scorer.table(scorer.score(rows)).write(step.work / SCORES)
    latencies = _latencies(scorer, rows, int(step.arguments.get("timed") or 0))
    return {"classes": scorer.classes, **({"latency_us": latencies} if latencies else {})}


def _latencies(scorer: ModelScorer, rows: frames.Table, calls: int) -> list[float]:
    taken = []
    for i in range(min(calls, rows.height)):
        single = rows.filter([j == i for j in range(rows.height)])
        start = time.perf_counter()
        scorer.score(single)
        taken.append((time.perf_counter() - start) * 1e6)
    return taken


def worth(step: Step) -> dict[str, Any]:
    """Value decisions on ``rows.parquet`` -> ``worth.parquet``; missing where the label is.

    Binary: ``worth_true`` and ``worth_false``, of either decision. Others: ``worth`` of the column ``__decision``.
    """
    spec, function = step.loaded.spec, step.function("worth")
    rows = frames.read(step.work / ROWS)
    names = [column.name for column in spec.features_in if column.name in rows.names]
    build = step.loaded.model.row._builder(names)
    labels = rows.values(spec.label)
    built = [build(values) for values in zip(*(rows.values(name) for name in names), strict=True)]

    def value(decisions: list[Any]) -> list[float | None]:
        return [
            None if label is None or decision is None else _number(function(row, decision, label), function)
            for row, decision, label in zip(built, decisions, labels, strict=True)
        ]

    if spec.task == "binary":
        columns = {"worth_true": value([True] * rows.height), "worth_false": value([False] * rows.height)}
    elif DECISION in rows.names:
        columns = {"worth": value(rows.values(DECISION))}
    else:
        raise InvalidInput(f"the rows have no column {DECISION}", hint="add the decisions that are to be valued")
    frames.of_columns(columns).write(step.work / WORTH)
    return {"rows": rows.height}


def compile_onnx(step: Step) -> dict[str, Any]:
    """Convert: ``model.pkl``, ``rows.parquet`` -> ``model.onnx`` where it can be done.

    Value ``{"ok", "reason", "inputs"}``; whatever hinders is the reason, and no error.
    """
    try:
        made = compiling.to_onnx(_saved(step), step.loaded.spec, frames.read(step.work / ROWS))
    except Exception as error:  # noqa: BLE001 - a converter may raise anything
        sys.stderr.write(user_traceback(error))
        reason = " ".join(str(error).split())
        return {"ok": False, "reason": f"{type(error).__name__}: {reason}"[:500], "inputs": []}
    (step.work / ONNX).write_bytes(made.graph)
    return {"ok": True, "reason": "", "inputs": list(made.inputs)}


def seed_everything(seed: int) -> None:
    """Seed the generators of Python, numpy and, where the model's code has imported it, torch."""
    random.seed(seed)
    if frames.has("numpy"):
        importlib.import_module("numpy").random.seed(seed % 2**32)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)


def _given(step: Step, declared: FunctionSpec, trial: StepTrial) -> dict[str, Any]:
    given: dict[str, Any] = {}
    wants, params_class = declared.wants, step.loaded.model.params_class
    if params_class is not None:
        values = dict(step.arguments.get("params") or {})
        try:
            given["params"] = params_class(**values)
        except TypeError as error:
            known = ", ".join(p.name for p in step.loaded.spec.params)
            raise InvalidInput(f"params do not fit: {error}", hint=f"declared are {known}") from error
    if "trial" in wants:
        given["trial"] = trial
    if "validation" in wants:
        given["validation"] = frames.read(step.work / VALIDATION).to_frame(declared.frame)
    if "seed" in wants:
        given["seed"] = step.seed
    return given


def _save(fitted: Any, path: Path) -> None:
    try:
        data = pickle.dumps(fitted, protocol=PICKLE_PROTOCOL)
    except Exception as error:
        raise InvalidInput(
            f"the fitted model, a {type(fitted).__qualname__}, cannot be saved: {error}",
            hint="define its classes and functions at the top level of the model file, not inside fit, and no lambdas",
        ) from error
    path.write_bytes(data)


def _saved(step: Step) -> Any:
    """Unpickle the fitted model: its own environment's process is the only place where that happens."""
    with (step.work / MODEL).open("rb") as file:
        return pickle.load(file)  # noqa: S301


def _number(value: Any, function: Callable[..., Any]) -> float:
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise InvalidInput(
            f"{function.__name__} returned {value!r}, which is no number", hint="return a number for every decision"
        ) from error


_STEPS: dict[StepKind, Callable[[Step], Any]] = {
    StepKind.DESCRIBE: describe,
    StepKind.SOURCE: source,
    StepKind.OUTCOMES: outcomes,
    StepKind.CHECK: check,
    StepKind.FIT: fit,
    StepKind.SCORE: score,
    StepKind.WORTH: worth,
    StepKind.COMPILE: compile_onnx,
}
