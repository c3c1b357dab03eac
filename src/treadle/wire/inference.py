"""What inference requests and answers look like on the wire.

The plain form is Treadle's own; the tensors are those of the Open Inference Protocol, version 2 (REST), as Triton,
KServe and MLServer speak it.
"""

from __future__ import annotations

from typing import Any

import msgspec


class Prediction(msgspec.Struct, omit_defaults=True, gc=False):
    """One row's answer. ``scores`` maps every class to its probability (multiclass only); a score that is no number
    is null."""

    id: str
    score: float | None
    decision: bool | str | float | None
    scores: dict[str, float] | None = None


class PredictResponse(msgspec.Struct, gc=False):
    """The answer to ``POST /models/<model>/predict``."""

    model: str
    version: int
    predictions: list[Prediction]


class ErrorBody(msgspec.Struct, omit_defaults=True, gc=False):
    """Every answer with a status of 400 or more: what is wrong, and what to do about it."""

    error: str
    hint: str = ""


class Tensor(msgspec.Struct, omit_defaults=True):
    """A named tensor with its data as JSON, flat or nested in row-major order."""

    name: str
    shape: list[int]
    datatype: str
    data: list[Any]
    parameters: dict[str, Any] | None = None


class RequestedOutput(msgspec.Struct):
    """The name of an output that the caller wants."""

    name: str
    parameters: dict[str, Any] | None = None


class InferRequest(msgspec.Struct):
    """The body of ``POST /v2/models/<model>/infer``."""

    inputs: list[Tensor]
    id: str | None = None
    parameters: dict[str, Any] | None = None
    outputs: list[RequestedOutput] | None = None


class InferResponse(msgspec.Struct, omit_defaults=True):
    """The answer to an inference request; ``id`` is the caller's."""

    model_name: str
    model_version: str
    outputs: list[Tensor]
    parameters: dict[str, Any]
    id: str | None = None


class TensorMetadata(msgspec.Struct):
    """A tensor that a model takes or gives; -1 in ``shape`` is the number of rows."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(msgspec.Struct):
    """The answer to ``GET /v2/models/<model>``."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class ServerMetadata(msgspec.Struct):
    """The answer to ``GET /v2``."""

    name: str
    version: str
    extensions: list[str]
