"""What a declared function takes and gives, read from its signature when it is declared."""

from __future__ import annotations

import builtins
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from treadle.domain.errors import DeclarationError
from treadle.spec.declared_at import DeclaredAt, declaring_scope, defined_at
from treadle.spec.model_spec import FunctionSpec

FRAMES = ("polars", "pandas", "pyarrow")
_ALIASES = {"pl": "polars", "pd": "pandas", "pa": "pyarrow"} | {kind: kind for kind in FRAMES}

_FORMS = {
    "source": "def source(window: Window) -> pl.LazyFrame",
    "outcomes": "def outcomes(window: Window) -> pl.LazyFrame",
    "check": "def check(rows: pl.DataFrame) -> bool",
    "features": "def features(rows: pl.DataFrame) -> pl.DataFrame",
    "train": "def fit(rows: pl.DataFrame, params: Params) -> Pipeline",
    "predict": "def predict(model: Pipeline, rows: pl.DataFrame) -> np.ndarray",
    "worth": "def worth(row: Flight, decision: bool, label: bool) -> float",
}
_NEEDED = {"source": 1, "outcomes": 1, "check": 1, "features": 1, "train": 1, "predict": 2, "worth": 3}
_OPTIONAL = ("params", "trial", "validation", "seed")


@dataclass(frozen=True)
class _Declared:
    function: Callable[..., Any]
    role: str
    name: str
    at: DeclaredAt

    @property
    def form(self) -> str:
        return f"write it as {_FORMS[self.role]}"

    def error(self, fault: str, hint: str = "") -> DeclarationError:
        return self.at.error(f"{self.role} function {self.name} {fault}", f"{hint}; {self.form}" if hint else self.form)

    def annotation(self, name: str) -> Any:
        return inspect.get_annotations(self.function).get(name, inspect.Parameter.empty)


def read_function(function: Callable[..., Any], role: str) -> FunctionSpec:
    """A function as data. Raises DeclarationError where its parameters or annotations do not fit its role."""
    declared = _Declared(function, role, getattr(function, "__name__", role), defined_at(function))
    if inspect.iscoroutinefunction(function):
        raise declared.error("is async", "write def instead of async def")
    parameters = list(inspect.signature(function).parameters.values())
    taken = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    needed = _NEEDED[role]
    if len(taken) < needed or (role != "train" and len(parameters) != needed):
        raise declared.error(f"takes {', '.join(p.name for p in parameters) or 'nothing'}")
    for extra in parameters[needed:]:
        if extra.name not in _OPTIONAL:
            raise declared.error(
                f"has a parameter {extra.name!r}", f"after the rows it may take {', '.join(_OPTIONAL)}, by these names"
            )
    if role == "worth":
        return FunctionSpec(declared.name, frame="rows")
    frame = _frame(declared, taken[needed - 1].name)
    _check_result(declared)
    return FunctionSpec(declared.name, frame=frame, wants=tuple(p.name for p in parameters[needed:]))


def params_class(function: Callable[..., Any]) -> type[Any] | None:
    """The class that annotates ``params`` of a train function; None where it takes none. Raises DeclarationError."""
    parameter = inspect.signature(function).parameters.get("params")
    if parameter is None:
        return None
    resolved = _resolve(function, parameter.annotation)
    if resolved is inspect.Parameter.empty or not isinstance(resolved, type):
        raise defined_at(function).error(
            f"params of {getattr(function, '__name__', 'fit')} has no class as its type",
            "annotate it with a dataclass that stands above: params: Params",
        )
    return resolved


def check_worth(function: Callable[..., Any], row: type[Any], label: type[Any]) -> None:
    """Hold a worth function's annotations against the row class and the label's type. Raises DeclarationError."""
    parameters = list(inspect.signature(function).parameters.values())
    name = getattr(function, "__name__", "worth")
    for parameter, wanted in zip(parameters, (row, label, label), strict=True):
        given = _resolve(function, parameter.annotation)
        if not isinstance(given, type) or given in (object, inspect.Parameter.empty):
            continue
        fits = issubclass(wanted, given) or (given is float and wanted is int) or (given is int and wanted is float)
        if not fits or (wanted is not bool and given is bool) or (wanted is bool and given is int):
            raise defined_at(function).error(
                f"{name} takes {parameter.name}: {given.__name__}, but gets a {wanted.__name__}",
                f"write it as def {name}(row: {row.__name__}, decision: {label.__name__}, label: {label.__name__})"
                " -> float",
            )


def _frame(declared: _Declared, rows: str) -> str:
    produces = declared.role in ("source", "outcomes")
    annotation = declared.annotation("return" if produces else rows)
    if annotation is inspect.Parameter.empty:
        return "polars"
    kind, shown = _frame_kind(_resolve(declared.function, annotation))
    if kind is None:
        part = "returns" if produces else f"takes {rows} as"
        raise declared.error(f"{part} {shown}, which is no frame of {', '.join(FRAMES)}")
    if shown == "LazyFrame" and not produces:
        raise declared.error("takes a lazy frame", "rows come read already")
    return kind


def _frame_kind(annotation: Any) -> tuple[str | None, str]:
    if isinstance(annotation, str):
        head, _, rest = annotation.partition(".")
        return _ALIASES.get(head), rest.rpartition(".")[2] or head
    if annotation is Any:
        return "polars", "Any"
    module = str(getattr(annotation, "__module__", "")).split(".")[0]
    return (module if module in FRAMES else None), getattr(annotation, "__name__", str(annotation))


def _check_result(declared: _Declared) -> None:
    annotation = declared.annotation("return")
    if annotation is inspect.Parameter.empty:
        return
    result = _resolve(declared.function, annotation)
    if declared.role == "train" and (result is None or result in (bool, int, float, str)):
        raise declared.error(f"returns {getattr(result, '__name__', 'None')}", "return the fitted model")
    if declared.role == "check" and isinstance(result, type) and result.__name__ not in ("bool", "bool_"):
        raise declared.error(f"returns {result.__name__}", "return True where rows are good")


def _resolve(function: Callable[..., Any], annotation: Any) -> Any:
    """The object that an annotation names, or its text where that cannot be told yet."""
    if not isinstance(annotation, str):
        return annotation
    head, *parts = annotation.strip().split(".")
    names = {**vars(builtins), **getattr(function, "__globals__", {}), **declaring_scope().locals}
    if head not in names:
        return annotation.strip()
    found = names[head]
    for part in parts:
        found = getattr(found, part, annotation.strip())
    return found
