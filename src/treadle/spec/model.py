"""Model: one declaration of a model's whole life."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Generic, Literal, ParamSpec, TypeVar, cast, overload

from treadle.spec import signatures as sig
from treadle.spec.columns import TYPES, Column
from treadle.spec.conditions import Condition, Metric, Trigger, check_metrics
from treadle.spec.declared_at import DeclaredAt, declared_at, declaring_scope, defined_at
from treadle.spec.functions import check_worth, params_class, read_function
from treadle.spec.label_use import check_reads_no_label
from treadle.spec.model_spec import FunctionSpec, ModelSpec, SplitSpec
from treadle.spec.model_spec import ParamSpec as ParameterSpec
from treadle.spec.options import Options, check_name, check_options, task_of
from treadle.spec.params import read_params
from treadle.spec.policies import Resources, Rollout
from treadle.spec.rows import Row, columns_of

R = TypeVar("R", bound=Row)
L = TypeVar("L", bound=str | bool | int | float)
T = TypeVar("T")
G = TypeVar("G", bound=sig.Frame)
F = TypeVar("F", bound=sig.Frame)
D = TypeVar("D", bound=sig.ParamsClass)
M = TypeVar("M")
S = TypeVar("S", bound=sig.Scores)
P = ParamSpec("P")


class Model(Generic[R, L]):
    """A model, declared by a row class, options and decorated functions; :meth:`ship` says when a version is good.

    ``key`` identifies a row (without one its ``time`` does, where outcomes are to be joined), ``time`` is when the
    thing to be predicted is asked for, ``label`` is what is predicted:
    ``bool`` makes a binary task, ``str`` (or ``int`` with ``one_of``) multiclass, other numbers regression. A label
    that has not come ``horizon`` after ``time`` never will. ``threshold`` turns a binary score into the decision, as
    a number or ``"worth"``, the one that earns most. ``window`` is the length of history to train on (all by
    default). A version that breaks a gate within ``probation`` after its promotion is rolled back. Outcomes are pulled
    every ``poll``; ``spacing`` is the least time between trainings that live quality asks for. ``objective`` is what
    tuning improves. ``split`` parts the rows, ``resources`` bounds the steps.

    Raises DeclarationError, with file and line, for what cannot be.
    """

    def __init__(
        self,
        name: str,
        row: type[R],
        *,
        label: Column[L],
        key: Column[Any] | None = None,
        time: Column[datetime] | None = None,
        horizon: timedelta | None = None,
        threshold: float | Literal["worth"] | None = None,
        window: timedelta | None = None,
        probation: timedelta = timedelta(days=14),
        poll: timedelta = timedelta(days=1),
        spacing: timedelta = timedelta(days=7),
        objective: Metric | None = None,
        seed: int = 0,
        split: SplitSpec | None = None,
        resources: Resources | None = None,
    ) -> None:
        self.at = declared_at()
        check_name(name, row, self.at)
        self.name = name
        self.row: type[R] = row
        self.doc = str(declaring_scope().globals.get("__doc__") or "").strip()
        self._options = check_options(
            Options(
                label=label,
                key=key,
                time=time,
                horizon=horizon,
                threshold=threshold,
                window=window,
                probation=probation,
                poll=poll,
                spacing=spacing,
                objective=objective,
                seed=seed,
                split=SplitSpec() if split is None else split,
                resources=Resources() if resources is None else resources,
            ),
            name,
            row,
            self.at,
        )
        self.task = task_of(label)
        self.functions: dict[str, Callable[..., Any]] = {}
        self.checks: dict[str, Callable[..., Any]] = {}
        self.params_class: type[Any] | None = None
        self._specs: dict[str, FunctionSpec] = {}
        self._check_specs: dict[str, FunctionSpec] = {}
        self._params: tuple[ParameterSpec, ...] = ()
        self._shipped_at: DeclaredAt | None = None
        self._gates: tuple[Condition, ...] = ()
        self._rollout: tuple[Rollout, ...] = ()
        self._retrain: tuple[Trigger, ...] = ()

    def source(self, function: sig.FromWindow[P, G]) -> Callable[P, G]:
        """Declare where rows come from: ``f(window)`` gives the window's rows as known at ``window.as_of``.

        They have all columns of the row class; labels not yet known are missing.
        """
        return cast("Callable[P, G]", self._declare("source", function))

    def outcomes(self, function: sig.FromWindow[P, G]) -> Callable[P, G]:
        """Declare where labels come from: ``f(window)`` gives those that became known in the window.

        Columns: the key (without one: the time, which then tells rows apart), the label, ``observed_at`` (when it
        became known).
        """
        if self._options.key is None and self._options.time is None:
            raise defined_at(function).error(
                f"model {self.name!r} has outcomes but neither key nor time to join them by",
                "write Model(..., key=Row.column), or time=Row.column where each time has one row",
            )
        return cast("Callable[P, G]", self._declare("outcomes", function))

    def check(self, function: sig.FromRows[P, F, bool]) -> Callable[P, bool]:
        """Declare a check of the data: ``f(rows)`` is true where they are good; else nothing is trained on them."""
        spec = read_function(function, "check")
        if spec.name in self.checks:
            raise defined_at(function).error(
                f"model {self.name!r} has a check {spec.name} already", "rename one of them"
            )
        self.checks[spec.name] = function
        self._check_specs[spec.name] = spec
        return function

    def features(self, function: sig.FromRows[P, F, G]) -> Callable[P, G]:
        """Declare the one function from rows without label to features, that training and serving both call."""
        check_reads_no_label(function, "features", self.row, self._options.label.name)
        return cast("Callable[P, G]", self._declare("features", function))

    @overload
    def train(self, function: sig.FromRowsAndParams[P, F, D, T]) -> Callable[P, T]: ...
    @overload
    def train(self, function: sig.FromRows[P, F, T]) -> Callable[P, T]: ...
    @overload
    def train(self, function: sig.FromRowsAndSeed[P, F, T]) -> Callable[P, T]: ...
    def train(self, function: Any) -> Any:
        """Declare the training: ``f(rows)`` or ``f(rows, params)`` gives the fitted model.

        ``params`` is an instance of a dataclass, its fields declared with :func:`~treadle.tune`. By name it may also
        take ``trial`` (:class:`~treadle.Trial`), ``validation`` (the validation rows) and ``seed``.
        """
        declared = self._declare("train", function)
        self.params_class = params_class(function)
        if self.params_class is not None:
            self._params = read_params(self.params_class, defined_at(function))
        return declared

    def predict(self, function: sig.FromModelAndRows[P, M, F, S]) -> Callable[P, S]:
        """Declare how a model scores rows, where ``predict_proba`` or ``predict`` will not do.

        ``f(model, rows)`` gives the probability of true (binary), a probability for each class (multiclass) or the
        number (regression), a row each.
        """
        check_reads_no_label(function, "predict", self.row, self._options.label.name)
        return cast("Callable[P, S]", self._declare("predict", function))

    def worth(self, function: sig.ToWorth[P, R, L]) -> Callable[P, float]:
        """Declare what a decision is worth: ``f(row, decision, label)``, in money or any unit that is summed."""
        declared = self._declare("worth", function)
        check_worth(function, self.row, next(t for t, n in TYPES.items() if n == self._options.label.spec.type))
        return cast("Callable[P, float]", declared)

    def ship(
        self,
        *gates: Condition,
        rollout: Sequence[Rollout] = (),
        retrain: Sequence[Trigger] = (),
    ) -> None:
        """Say when a version is good enough, how traffic moves to it, and what starts the next training.

        Each of ``gates`` must hold on held-out rows before release, and on live traffic after it. ``retrain`` acts
        when one of its triggers is true.
        """
        at = declared_at()
        if self._shipped_at is not None:
            raise at.error(f"model {self.name!r} ships twice", f"keep one ship(...), line {self._shipped_at.line}")
        for gate in gates:
            if not isinstance(gate, Condition):
                raise at.error(f"{gate!r} is no gate", "write a comparison: metrics.auc >= 0.8")
            self._check_condition(gate)
        for part in rollout:
            if not isinstance(part, Rollout):
                raise at.error(f"rollout has {part!r}", "write rollout=[shadow(days(2)), canary(5, 100, hold=days(1))]")
        for trigger in retrain:
            if not isinstance(trigger, Trigger):
                raise at.error(f"retrain has {trigger!r}", "write retrain=[gate_broken(), age(days(30))]")
            if isinstance(trigger, Condition):
                self._check_condition(trigger)
        self._shipped_at = at
        self._gates, self._rollout, self._retrain = tuple(gates), tuple(rollout), tuple(retrain)

    def spec(self) -> ModelSpec:
        """The declaration as pure data. Raises DeclarationError where something needed is missing.

        The requirements of the model's file are added by :func:`treadle.spec.describe.describe`.
        """
        for role, form in (
            ("source", "def rows(window: Window) -> pl.LazyFrame: ..."),
            ("train", "def fit(rows: pl.DataFrame, params: Params): ..."),
        ):
            if role not in self.functions:
                raise self.at.error(f"model {self.name!r} has no {role} function", f"write @model.{role} above {form}")
        if "worth" not in self.functions:
            self._check_worth_unused()
        threshold = self._options.threshold
        return ModelSpec(
            name=self.name,
            doc=self.doc,
            row=self.row.__name__,
            columns=tuple(column.spec for column in columns_of(self.row)),
            label=self._options.label.name,
            task=self.task,
            key=None if self._options.key is None else self._options.key.name,
            time=None if self._options.time is None else self._options.time.name,
            horizon=self._options.horizon,
            threshold=threshold if isinstance(threshold, str | None) else float(threshold),
            window=self._options.window,
            probation=self._options.probation,
            poll=self._options.poll,
            spacing=self._options.spacing,
            objective=None if self._options.objective is None else self._options.objective.info.name,
            seed=self._options.seed,
            params_class=None if self.params_class is None else self.params_class.__name__,
            params=self._params,
            source=self._specs.get("source"),
            outcomes=self._specs.get("outcomes"),
            features=self._specs.get("features"),
            train=self._specs.get("train"),
            predict=self._specs.get("predict"),
            worth=self._specs.get("worth"),
            checks=tuple(self._check_specs.values()),
            gates=tuple(gate.expression for gate in self._gates),
            rollout=tuple(step for part in self._rollout for step in part.steps),
            triggers=tuple(trigger.trigger for trigger in self._retrain),
            split=self._options.split,
            resources=self._options.resources.spec(),
        )

    def __repr__(self) -> str:
        return f"Model({self.name!r}, {self.row.__name__})"

    def _declare(self, role: str, function: Any) -> Any:
        spec = read_function(function, role)
        if role in self.functions:
            first = defined_at(self.functions[role])
            raise defined_at(function).error(
                f"model {self.name!r} has two {role} functions",
                f"keep one; the first is {self._specs[role].name}, line {first.line}",
            )
        self.functions[role] = function
        self._specs[role] = spec
        return function

    def _check_condition(self, condition: Condition) -> None:
        check_metrics(condition, row=self.row, label=self._options.label.name, task=self.task, model=self.name)

    def _check_worth_unused(self) -> None:
        hint = "write @model.worth above def worth(row, decision, label) -> float: ..."
        if self._options.threshold == "worth":
            raise self.at.error(f'model {self.name!r} has threshold="worth" but no worth function', hint)
        if self._options.objective is not None and self._options.objective.info.name == "worth":
            raise self.at.error(f"model {self.name!r} improves metrics.worth but has no worth function", hint)
        for trigger in (*self._gates, *self._retrain):
            if isinstance(trigger, Condition) and any(m.info.name == "worth" for m in trigger.metrics):
                raise trigger.at.error(f"{trigger} needs a worth function", hint)
