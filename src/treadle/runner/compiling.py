"""Fitted scikit-learn models as ONNX graphs with one input for each column."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from treadle.domain.errors import InvalidInput
from treadle.runner.frames import Table, load
from treadle.spec.model_spec import ModelSpec

_FOR = "to compile a model"
_HAIR = 8
"""How many 64-bit steps below a decimal the middle of two others may come to lie by rounding."""
_NEEDED = ("mode", "value", "adjust_threshold_for_sklearn")
_INTEGERS = ("tree_id", "node_id", "feature_id", "true_child_id", "false_child_id", "nodes_missing_value_tracks_true")


@dataclass(frozen=True)
class OnnxModel:
    """A serialised graph, and the columns that are its inputs: each [n, 1], text or float32."""

    graph: bytes
    inputs: tuple[str, ...]


def to_onnx(fitted: Any, spec: ModelSpec, rows: Table) -> OnnxModel:
    """Convert a model that was fitted on named columns; columns that it does not use are no inputs.

    ``rows`` are examples, whose types tell text from numbers. Probabilities come as a tensor, without a ZipMap. Raises
    InvalidInput where the model uses what a graph cannot take, and whatever the converter raises.
    """
    names = getattr(fitted, "feature_names_in_", None)
    if names is None:
        raise InvalidInput(
            f"the {type(fitted).__qualname__} was not fitted on named columns",
            hint="fit a pipeline on the frame itself, not on its values",
        )
    columns = [str(name) for name in names]
    pipeline = _over_columns(fitted, columns, spec, rows)
    skl2onnx = load("skl2onnx", _FOR)
    types = load("skl2onnx.common.data_types", _FOR)
    text = {name for name in columns if name in rows.names and rows.kind_of(name) in ("text", "category")}
    initial = [
        (name, types.StringTensorType([None, 1]) if name in text else types.FloatTensorType([None, 1]))
        for name in columns
    ]
    options = {} if spec.task == "regression" else {"options": {id(pipeline): {"zipmap": False}}}
    with plain_tree_nodes():
        graph = skl2onnx.convert_sklearn(pipeline, spec.name, initial, **options)
    used = _drop_unused_inputs(graph)
    usable = {c.name for c in spec.features_in if c.type not in ("datetime", "date")}
    unfit = [name for name in used if name not in usable]
    if unfit:
        raise InvalidInput(
            f"the model uses {', '.join(unfit)}, which a compiled model cannot take",
            hint="make numbers of times, and leave the label out of the columns that the pipeline selects",
        )
    return OnnxModel(graph.SerializeToString(), tuple(used))


def _over_columns(fitted: Any, columns: list[str], spec: ModelSpec, rows: Table) -> Any:
    """The model as a pipeline that begins with a choice of columns, which is what the converter can cut up."""
    first = fitted.steps[0][1] if hasattr(fitted, "steps") else fitted
    if hasattr(first, "transformers_"):
        return fitted
    missing = [name for name in columns if name not in rows.names]
    if missing:
        raise InvalidInput(f"the model was fitted on {', '.join(missing)}, which are no columns of the row class")
    compose, pipeline = load("sklearn.compose", _FOR), load("sklearn.pipeline", _FOR)
    chosen = compose.ColumnTransformer([("columns", "passthrough", columns)])
    kind = "polars" if spec.train is None else spec.train.frame
    chosen.fit(rows.select(columns).to_frame(kind))
    return pipeline.Pipeline([("columns", chosen), ("model", fitted)])


def _drop_unused_inputs(model: Any) -> list[str]:
    """Take inputs that no node reads out of a graph; return the names of the others."""
    graph = model.graph
    read = {name for node in graph.node for name in node.input} | {output.name for output in graph.output}
    kept = [value for value in graph.input if value.name in read]
    del graph.input[:]
    graph.input.extend(kept)
    return [value.name for value in kept]


def single_threshold(threshold: float) -> float:
    """The 32-bit threshold that parts 32-bit copies of decimal numbers as ``threshold`` parts the numbers themselves.

    Half-way between 0.22 and 0.24 lies 0.22999999999999998, which in 32 bits is the same number as 0.23: the decimal
    that it is mistaken for has to stay above it, so the next smaller number is taken. All other thresholds are rounded
    to the nearest, which keeps a value that equals its threshold on its side.
    """
    numpy = load("numpy", _FOR)
    single = numpy.float32(threshold)
    decimal = float(numpy.format_float_scientific(single, unique=True))
    hair = _HAIR * float(numpy.spacing(abs(threshold)))
    if not 0 < decimal - threshold <= hair:
        return float(single)
    return float(numpy.nextafter(single, numpy.float32(-numpy.inf)))


@contextlib.contextmanager
def plain_tree_nodes() -> Iterator[None]:
    """Let skl2onnx convert trees whose nodes hold numpy scalars, and keep decimals on their side of a threshold.

    scikit-learn 1.9 hands skl2onnx 1.20 numpy integers and booleans in the nodes of HistGradientBoosting, which ONNX's
    attributes refuse. For the time of a conversion the one function that notes a node turns those fields into Python's
    integers, and thresholds that were found in 64 bits into what :func:`single_threshold` says. Where a release has no
    such function, or one of another form, nothing is touched.
    """
    trees = load("skl2onnx.common.tree_ensemble", _FOR)
    original = getattr(trees, "add_node", None)
    if original is None or not {*_INTEGERS, *_NEEDED} <= set(inspect.signature(original).parameters):
        yield
        return
    signature = inspect.signature(original)

    @functools.wraps(original)
    def add_node(*args: Any, **named: Any) -> Any:
        bound = signature.bind(*args, **named)
        for name in _INTEGERS:
            if name in bound.arguments:
                bound.arguments[name] = int(bound.arguments[name])
        if bound.arguments["mode"] == "BRANCH_LEQ" and not bound.arguments["adjust_threshold_for_sklearn"]:
            bound.arguments["value"] = single_threshold(float(bound.arguments["value"]))
        return original(*bound.args, **bound.kwargs)

    trees.add_node = add_node
    try:
        yield
    finally:
        trees.add_node = original
