"""Compiled models, run in the gateway's own process with onnxruntime."""

from __future__ import annotations

import asyncio
import math
import struct
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from treadle.domain.errors import CorruptData, InvalidInput, TreadleError
from treadle.domain.versions import Compilation
from treadle.spec.model_spec import ModelSpec
from treadle.spec.times import parse_date, parse_datetime
from treadle.stats.latency import steady_p99

INLINE_ROWS = 64
"""Up to so many rows are scored on the event loop: a hop to a thread costs more than they do."""

_MISSING_TEXT = ""
_DTYPES: dict[str, Any] = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(bool)": np.bool_,
    "tensor(string)": np.object_,
}
_TIMED_ROWS = 300


@dataclass(frozen=True)
class OnnxColumn:
    """A feature as its model declares it: ``type`` is a ``spec`` column type, ``zone`` that of naive times."""

    type: str
    zone: str | None = None


class OnnxPredictor:
    """One session of a compiled model; fulfils the port ``Predictor``.

    Every input of the graph is a column, shape [n, 1], of the same name. Missing numbers become NaN, missing text the
    empty text, times seconds since 1970 UTC, days the seconds of their midnight in UTC, booleans 0 or 1. The
    session runs on one thread a call, since a gateway answers many calls at once. Raises CorruptData where the bytes
    are no graph that onnxruntime can run, InvalidInput where an input is no column or the graph gives no scores.
    """

    def __init__(self, model: bytes | Path, columns: Mapping[str, OnnxColumn], *, task: str) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(
                model if isinstance(model, bytes) else str(model), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            raise CorruptData(f"onnxruntime cannot load the compiled model: {error}") from error
        self._task = task
        self._groups = _groups(self._session.get_inputs(), columns)
        self._output = _score_output(self._session.get_outputs(), task)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The columns that the graph uses."""
        return tuple(name for group in self._groups for name in group.names)

    async def predict(self, columns: Mapping[str, Sequence[Any]], rows: int) -> list[Any]:
        """Score ``rows`` rows. Raises InvalidInput for values that the graph's types cannot hold."""
        if rows <= INLINE_ROWS:
            return self.score(columns, rows)
        return await asyncio.to_thread(self.score, columns, rows)

    def score(self, columns: Mapping[str, Sequence[Any]], rows: int) -> list[Any]:
        """What :meth:`predict` answers, from any thread."""
        if rows == 0:
            return []
        feed: dict[str, Any] = {}
        for group in self._groups:
            feed.update(zip(group.names, group.one(columns) if rows == 1 else group.many(columns, rows), strict=True))
        try:
            (answer,) = self._session.run(self._output, feed)
        except Exception as error:
            raise InvalidInput(f"the compiled model cannot take these rows: {error}") from error
        return self._scores(answer, rows)

    def _scores(self, answer: Any, rows: int) -> list[Any]:
        scores: list[Any]
        if self._task == "multiclass":
            scores = answer.tolist()
        elif answer.ndim == 2 and answer.shape[1] > 1:
            scores = answer[:, 1].tolist()
        else:
            scores = answer.reshape(-1).tolist()
        if len(scores) != rows:
            raise CorruptData(f"the compiled model gave {len(scores)} scores for {rows} rows")
        return scores

    async def close(self) -> None:
        """Let go of the session."""
        del self._session


class _Group:
    """The inputs of one type, fed together."""

    def __init__(self, dtype: Any, names: Sequence[str], columns: Mapping[str, OnnxColumn]) -> None:
        self.dtype = dtype
        self.names = tuple(names)
        self._instants = {n: columns[n] for n in names if columns[n].type in ("datetime", "date")}
        self._missing = _MISSING_TEXT if dtype is np.object_ else math.nan
        self._floats = struct.Struct(f"={len(self.names)}f")

    def one(self, columns: Mapping[str, Sequence[Any]]) -> Any:
        """One row's values as an array of shape [columns, 1, 1]; the short way, without a warning to catch."""
        if self._instants or not (self.dtype is np.float32 or self.dtype is np.object_):
            return self.many(columns, 1)
        values = [columns[name][0] for name in self.names]
        if None in values:
            values = [self._missing if value is None else value for value in values]
        if self.dtype is np.object_:
            return np.array(values, dtype=np.object_).reshape(-1, 1, 1)
        try:
            return np.frombuffer(self._floats.pack(*values), dtype=np.float32).reshape(-1, 1, 1)
        except (struct.error, OverflowError):
            return self.many(columns, 1)

    def many(self, columns: Mapping[str, Sequence[Any]], rows: int) -> Any:
        """The values as an array of shape [columns, rows, 1]: each column is contiguous. Raises InvalidInput."""
        block = [self._values(name, columns[name]) for name in self.names]
        try:
            with np.errstate(over="ignore"):
                array = np.array(block, dtype=self.dtype)
        except (TypeError, ValueError, OverflowError) as error:
            kind = np.dtype(self.dtype).name
            raise InvalidInput(f"one of {', '.join(self.names)} cannot be a {kind}: {error}") from error
        if self.dtype is np.float32 and np.isinf(array).any():
            name = self.names[int(np.isinf(array).any(axis=1).argmax())]
            raise InvalidInput(f"{name!r} holds a number that is too large", hint="32-bit floats end at 3.4e38")
        return array.reshape(len(block), rows, 1)

    def _values(self, name: str, values: Sequence[Any]) -> Sequence[Any]:
        if self.dtype is np.object_:
            return [self._missing if value is None else value for value in values] if None in values else values
        column = self._instants.get(name)
        return values if column is None else [_seconds(value, column) for value in values]


def _groups(inputs: Sequence[Any], columns: Mapping[str, OnnxColumn]) -> list[_Group]:
    grouped: dict[Any, list[str]] = {}
    for tensor in inputs:
        column, dtype = columns.get(tensor.name), _DTYPES.get(tensor.type)
        if column is None:
            raise InvalidInput(f"the compiled model wants {tensor.name!r}, which is no column of the model's row")
        if dtype is None:
            raise InvalidInput(f"the compiled model wants {tensor.name!r} as {tensor.type}, which no column becomes")
        if (column.type == "str") != (dtype is np.object_):
            raise InvalidInput(f"the compiled model wants {tensor.name!r} as {tensor.type}, but it is a {column.type}")
        grouped.setdefault(dtype, []).append(tensor.name)
    return [_Group(dtype, names, columns) for dtype, names in grouped.items()]


def _score_output(outputs: Sequence[Any], task: str) -> list[str]:
    floats = [o for o in outputs if o.type in ("tensor(float)", "tensor(double)")]
    matrices = [o for o in floats if len(o.shape) == 2 and o.shape[1] != 1]
    named = [o for o in floats if o.name in ("probabilities", "output_probability", "variable")]
    for candidates in (named, floats if task == "regression" else matrices, floats):
        if candidates:
            return [candidates[0].name]
    raise InvalidInput("the compiled model has no output of scores", hint="compile with the option zipmap off")


def _seconds(value: Any, column: OnnxColumn) -> float:
    if value is None:
        return math.nan
    if isinstance(value, str):
        value = parse_datetime(value, column.zone) if column.type == "datetime" else parse_date(value)
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC).timestamp()
    return float(value)


class OnnxCompiler:
    """Proves compiled models; fulfils the port ``Compiler``."""

    def compare(
        self,
        onnx: bytes,
        columns: Mapping[str, Sequence[Any]],
        scores: Sequence[Any],
        *,
        spec_json: str,
        tolerance: float = 1e-4,
        python_us: float | None = None,
    ) -> Compilation:
        """Whether a compiled model answers as its original does, on held-out rows fed as the gateway feeds them.

        ``scores`` is what the original gave (a list of floats a row for multiclass), ``python_us`` the microseconds it
        took for one row a call. Where a column may be missing and is missing from none of the rows, the compiled
        model's handling of that is unproven, and it is not used.
        """
        spec, rows = ModelSpec.from_json(spec_json), len(scores)
        try:
            predictor = OnnxPredictor(onnx, columns_of(spec), task=spec.task)
            compiled = np.asarray(predictor.score(columns, rows), dtype=np.float64)
        except TreadleError as error:
            return Compilation("python", reason=error.message, rows=rows, python_us=python_us, size=len(onnx))
        difference = _difference(compiled, np.asarray(scores, dtype=np.float64))
        nullable = {column.name for column in spec.columns if column.nullable}
        unproven = [name for name in predictor.inputs if name in nullable and None not in columns[name]]
        reason = ""
        if difference is None:
            reason = f"scores cannot be compared: {compiled.shape} compiled, {np.shape(scores)} in Python"
        elif difference > tolerance:
            reason = f"scores differ by up to {difference:.3g} on {rows} held-out rows; {tolerance:g} is allowed"
        elif unproven:
            reason = (
                f"no held-out row lacks {', '.join(unproven)}, so the compiled answer for a missing one is unproven"
            )
        latencies = _one_row_us(predictor, columns, rows) if rows else None
        return Compilation(
            runtime="python" if reason else "onnx",
            reason=reason,
            rows=rows,
            difference=difference,
            tolerance=tolerance,
            onnx_us=None if latencies is None else float(np.median(latencies)),
            onnx_p99_us=None if latencies is None else steady_p99(latencies),
            python_us=python_us,
            size=len(onnx),
        )


def columns_of(spec: ModelSpec) -> dict[str, OnnxColumn]:
    """The features of a declaration as an :class:`OnnxPredictor` takes them."""
    return {column.name: OnnxColumn(column.type, column.zone) for column in spec.features_in}


def _difference(compiled: Any, original: Any) -> float | None:
    """The largest absolute difference; None where shapes differ or are empty, infinite where only one is no number."""
    if compiled.shape != original.shape or not compiled.size:
        return None
    gaps = np.where(np.isnan(compiled) & np.isnan(original), 0.0, np.abs(compiled - original))
    return float(np.max(np.where(np.isnan(gaps), np.inf, gaps)))


def _one_row_us(predictor: OnnxPredictor, columns: Mapping[str, Sequence[Any]], rows: int) -> list[float]:
    singles = [{name: [columns[name][i]] for name in predictor.inputs} for i in range(min(rows, _TIMED_ROWS))]
    predictor.score(singles[0], 1)
    taken = []
    for single in singles:
        start = time.perf_counter()
        predictor.score(single, 1)
        taken.append((time.perf_counter() - start) * 1e6)
    return taken
