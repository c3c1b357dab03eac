"""Columns of rows as a message's header and buffers: what a gateway sends to a serving worker, and scores back.

A column is described as ``[name, kind, masked]``. ``float`` columns are a buffer of float64, ``int`` of int64, ``bool``
of bytes; ``text`` is a JSON list. ``masked`` adds a buffer of bytes, 1 where the value is missing. All are in the
machine's byte order, since both ends share a machine.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Mapping, Sequence
from typing import Any

from treadle.domain.errors import CorruptData

KINDS = {"str": "text", "datetime": "text", "date": "text", "float": "float", "int": "int", "bool": "bool"}
"""How a declared column type travels."""

_CODES = {"float": "d", "int": "q", "bool": "b"}

Description = list[list[Any]]


def pack(columns: Mapping[str, Sequence[Any]], types: Mapping[str, str]) -> tuple[Description, list[bytes]]:
    """Columns as a description and buffers. ``types`` maps a column to its declared type; missing values are None."""
    described: Description = []
    buffers: list[bytes] = []
    for name, values in columns.items():
        kind = KINDS[types[name]]
        if kind == "text":
            described.append([name, kind, False])
            buffers.append(json.dumps(list(values), ensure_ascii=False).encode("utf-8", "surrogatepass"))
            continue
        masked = None in values
        described.append([name, kind, masked])
        present = [0 if value is None else value for value in values] if masked else values
        buffers.append(array(_CODES[kind], present).tobytes())
        if masked:
            buffers.append(bytes(value is None for value in values))
    return described, buffers


def unpack(described: Description, buffers: Sequence[bytes], rows: int) -> dict[str, list[Any]]:
    """The inverse of :func:`pack`, as lists. Raises CorruptData where the buffers do not fit the description."""
    columns: dict[str, list[Any]] = {}
    remaining = iter(buffers)
    try:
        for name, kind, masked in described:
            buffer = next(remaining)
            values: list[Any]
            if kind == "text":
                values = json.loads(buffer.decode("utf-8", "surrogatepass"))
            else:
                numbers = array(_CODES[kind])
                numbers.frombytes(buffer)
                values = [bool(v) for v in numbers] if kind == "bool" else numbers.tolist()
            if masked:
                values = [None if gone else v for v, gone in zip(values, next(remaining), strict=True)]
            if len(values) != rows:
                raise ValueError(f"column {name!r} has {len(values)} values")
            columns[name] = values
    except (StopIteration, KeyError, ValueError, TypeError) as error:
        raise CorruptData(f"a message's columns cannot be read as {rows} rows: {error!r}") from error
    return columns


def pack_scores(scores: Sequence[Any]) -> tuple[list[int], bytes]:
    """Scores, a float a row or a list of floats a row, as a shape and one buffer of float64."""
    if scores and isinstance(scores[0], list | tuple):
        width = len(scores[0])
        return [len(scores), width], array("d", [p for row in scores for p in row]).tobytes()
    return [len(scores)], array("d", scores).tobytes()


def unpack_scores(shape: Sequence[int], buffer: bytes) -> list[Any]:
    """The inverse of :func:`pack_scores`. Raises CorruptData where the buffer does not fit the shape."""
    numbers = array("d")
    try:
        numbers.frombytes(buffer)
    except ValueError as error:
        raise CorruptData(f"scores cannot be read: {error}") from error
    flat = numbers.tolist()
    width = shape[1] if len(shape) == 2 else 1
    if len(flat) != shape[0] * width:
        raise CorruptData(f"{len(flat)} scores do not have the shape {list(shape)}")
    return [flat[i : i + width] for i in range(0, len(flat), width)] if len(shape) == 2 else flat
