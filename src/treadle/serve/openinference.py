"""The Open Inference Protocol, version 2: one tensor a column in, scores and decisions out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from treadle.domain.errors import InvalidInput
from treadle.serve.dataplane import Answer
from treadle.serve.schema import shown
from treadle.serve.table import LoadedModel
from treadle.wire.inference import InferRequest, InferResponse, ModelMetadata, Tensor, TensorMetadata

_INTEGERS = frozenset({"INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64"})
_FLOATS = frozenset({"FP16", "FP32", "FP64"})
_TAKES: dict[str, frozenset[str]] = {
    "str": frozenset({"BYTES"}),
    "datetime": frozenset({"BYTES"}),
    "date": frozenset({"BYTES"}),
    "bool": frozenset({"BOOL"}),
    "int": _INTEGERS,
    "float": _FLOATS | _INTEGERS,
}
_PREFERS = {"str": "BYTES", "datetime": "BYTES", "date": "BYTES", "bool": "BOOL", "int": "INT64", "float": "FP64"}
_DECISIONS = {"binary": "BOOL", "multiclass": "BYTES", "regression": "FP64"}

_decode = msgspec.json.Decoder(InferRequest).decode
_encode = msgspec.json.Encoder().encode


def decode_request(body: bytes) -> InferRequest:
    """The body of an inference request. Raises InvalidInput."""
    try:
        return _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput(
            f"the body is not an inference request: {error}",
            hint='send {"inputs": [{"name": column, "shape": [n], "datatype": "FP64", "data": [...]}, ...]}',
        ) from error


def columns_of(request: InferRequest, model: LoadedModel) -> tuple[dict[str, Sequence[Any]], int]:
    """The request's tensors as columns, and the number of rows; values are not checked yet. Raises InvalidInput."""
    columns: dict[str, Sequence[Any]] = {}
    rows: int | None = None
    for tensor in request.inputs:
        if tensor.name in columns:
            raise InvalidInput(f"input {tensor.name!r} is there twice", hint="send one tensor a column")
        values = _values(tensor)
        if rows is not None and len(values) != rows:
            raise InvalidInput(
                f"input {tensor.name!r} has {len(values)} rows, {request.inputs[0].name!r} has {rows}",
                hint="every input has one value a row",
            )
        rules = model.schema.rules.get(tensor.name)
        if rules is not None and tensor.datatype not in _TAKES[rules.spec.type]:
            raise InvalidInput(
                f"input {tensor.name!r} is {shown(tensor.datatype)}, the column is a {rules.spec.type}",
                hint="send it as " + " or ".join(sorted(_TAKES[rules.spec.type])),
            )
        columns[tensor.name], rows = values, len(values)
    if not rows:
        raise InvalidInput("the request has no rows", hint="send one tensor a column, each with one value a row")
    return columns, rows


def _values(tensor: Tensor) -> list[Any]:
    shape, data = tensor.shape, tensor.data
    if not (len(shape) == 1 or (len(shape) == 2 and shape[1] == 1)):
        raise InvalidInput(
            f"input {tensor.name!r} has the shape {shape}", hint="every column is its own tensor of shape [n] or [n, 1]"
        )
    if len(shape) == 2 and data and isinstance(data[0], list):
        if not all(isinstance(item, list) and len(item) == 1 for item in data):
            raise InvalidInput(f"input {tensor.name!r}: the data are not of the shape {shape}")
        data = [item[0] for item in data]
    if len(data) != shape[0]:
        raise InvalidInput(
            f"input {tensor.name!r} has {len(data)} values but the shape {shape}", hint="shape[0] is the number of rows"
        )
    return data


def encode_answer(answer: Answer, request: InferRequest, model: LoadedModel) -> bytes:
    """An answer as an inference response: the outputs that were asked for, else all. Raises InvalidInput."""
    names = [output.name for output in request.outputs] if request.outputs else output_names(model)
    tensors = [_output(name, answer, model) for name in names]
    ids = [f"{answer.request_id}-{index}" for index in range(answer.rows)]
    parameters = {"prediction_ids": ids, "version": answer.version}
    return _encode(InferResponse(answer.model, str(answer.version), tensors, parameters, request.id))


def output_names(model: LoadedModel) -> list[str]:
    """The outputs that a model gives."""
    return ["score", "decision", *(["probabilities"] if model.served.task == "multiclass" else [])]


def check_outputs(request: InferRequest, model: LoadedModel) -> None:
    """Raise InvalidInput if the request asks for an output that the model does not give."""
    for output in request.outputs or ():
        if output.name not in output_names(model):
            raise InvalidInput(
                f"there is no output {output.name!r}", hint=f"the outputs are {', '.join(output_names(model))}"
            )


def _output(name: str, answer: Answer, model: LoadedModel) -> Tensor:
    many = model.served.task == "multiclass"
    if name == "decision":
        return Tensor(name, [answer.rows], _DECISIONS[model.served.task], list(answer.decisions))
    if name == "score":
        return Tensor(name, [answer.rows], "FP64", [max(s) for s in answer.scores] if many else list(answer.scores))
    width = len(answer.scores[0])
    classes = {"classes": list(answer.classes)} if answer.classes else None
    return Tensor(name, [answer.rows, width], "FP64", [p for row in answer.scores for p in row], classes)


def metadata_of(model: LoadedModel, version: int | None) -> ModelMetadata:
    """What a model takes and gives. Raises NotFound for a version that is not served."""
    numbers = [version] if version is not None else sorted(model.versions)
    runtimes = {model.version(number).served.runtime for number in numbers}
    inputs = [TensorMetadata(n, _PREFERS[r.spec.type], [-1]) for n, r in model.schema.rules.items()]
    outputs = [TensorMetadata("score", "FP64", [-1]), TensorMetadata("decision", _DECISIONS[model.served.task], [-1])]
    if model.served.task == "multiclass":
        outputs.append(TensorMetadata("probabilities", "FP64", [-1, -1]))
    platform = f"treadle_{'_'.join(sorted(runtimes))}" if runtimes else "treadle"
    return ModelMetadata(model.served.model, [str(number) for number in numbers], platform, inputs, outputs)
