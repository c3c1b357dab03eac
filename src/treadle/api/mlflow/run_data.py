"""What is logged to runs: metrics, params, tags."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from treadle.api.mlflow import rules
from treadle.api.mlflow.calls import Answer, Call, Routes, answer
from treadle.api.mlflow.errors import ProtocolError
from treadle.api.mlflow.waiting import read, written
from treadle.wire.mlflow import runs as wire

routes = Routes()
MODELS_TAG = "mlflow.log-model.history"
_MODEL_FIELDS = ("run_id", "utc_time_created", "artifact_path", "model_uuid")
_MODEL_REQUIRED = frozenset({"artifact_path", "flavors", "utc_time_created", "run_id"})
_one_model_at_a_time = asyncio.Lock()


@routes.add("POST", "/api/2.0/mlflow/runs/log-metric")
async def log_metric(call: Call) -> Answer:
    """One point."""
    asked = await call.json(wire.LogMetric)
    run = rules.run_id(asked.run_id, asked.run_uuid)
    _check_metric(asked.key, "key" if not asked.key else "name")
    await written(call.services.tracking.log_batch(run, metrics=(asked,)))
    return answer()


@routes.add("POST", "/api/2.0/mlflow/runs/log-parameter")
async def log_param(call: Call) -> Answer:
    """One param; it never changes."""
    asked = await call.json(wire.LogPair)
    run, key = rules.run_id(asked.run_id, asked.run_uuid), rules.required(asked.key, "key")
    rules.check_name(key, "key", "Param key")
    params = ((key, asked.value or ""),)
    await written(call.services.tracking.log_batch(run, params=params))
    return _noticed(rules.long_values(params=params))


@routes.add("POST", "/api/2.0/mlflow/runs/log-batch")
async def log_batch(call: Call) -> Answer:
    """Points, params and tags, all or nothing."""
    asked = await call.json(wire.LogBatch)
    run = rules.run_id(asked.run_id)
    for key in {metric.key for metric in asked.metrics}:
        if not rules.is_name(key):
            index = next(index for index, metric in enumerate(asked.metrics) if metric.key == key)
            _check_metric(key, f"metrics[{index}].{'name' if key else 'key'}")
    params, tags = rules.pairs(asked.params, "params"), rules.pairs(asked.tags, "tags")
    rules.check_batch(len(asked.metrics), len(params), len(tags))
    rules.check_unique(params)
    await written(call.services.tracking.log_batch(run, metrics=asked.metrics, params=params, tags=tags))
    return _noticed(rules.long_values(params, tags))


@routes.add("POST", "/api/2.0/mlflow/runs/set-tag")
async def set_tag(call: Call) -> Answer:
    """A tag, new or changed."""
    asked = await call.json(wire.LogPair)
    run, key = rules.run_id(asked.run_id, asked.run_uuid), rules.required(asked.key, "key")
    rules.check_name(key, "key", "key")
    tags = ((key, asked.value or ""),)
    await written(call.services.tracking.log_batch(run, tags=tags))
    return _noticed(rules.long_values(tags=tags))


@routes.add("POST", "/api/2.0/mlflow/runs/delete-tag")
async def delete_tag(call: Call) -> Answer:
    """A tag less."""
    asked = await call.json(wire.LogPair)
    run, key = rules.run_id(asked.run_id, asked.run_uuid), rules.required(asked.key, "key")
    await written(call.services.tracking.delete_tag(run, key))
    return answer()


@routes.add("POST", "/api/2.0/mlflow/runs/log-model")
async def log_model(call: Call) -> Answer:
    """What older clients tell of a model that a run made: it is added to a tag."""
    asked = await call.json(wire.LogModel)
    run, text = rules.run_id(asked.run_id), rules.required(asked.model_json, "model_json")
    told = _model(text)
    async with _one_model_at_a_time:
        tags = (await read(call.services.tracking.get_run, run)).tags
        history = [*_history(tags.get(MODELS_TAG)), told]
        value = msgspec.json.encode(history).decode()
        await written(call.services.tracking.log_batch(run, tags=((MODELS_TAG, value),)))
    return answer()


def _check_metric(key: str, path: str) -> None:
    rules.required(key, path)
    rules.check_name(key, path, "Metric name")


def _model(text: str) -> dict[str, Any]:
    """What is kept of a model's description. Raises ProtocolError for text that is none."""
    try:
        model: dict[str, Any] = msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise ProtocolError(
            "INVALID_PARAMETER_VALUE", f"Malformed model info. \n {text[:500]} \n is not a valid JSON."
        ) from error
    missing = _MODEL_REQUIRED - model.keys()
    if missing:
        raise ProtocolError("INVALID_PARAMETER_VALUE", f"Model json is missing mandatory fields: {sorted(missing)}")
    flavors = model["flavors"] if isinstance(model["flavors"], dict) else {}
    kept = {key: model[key] for key in _MODEL_FIELDS if key in model}
    return {**kept, "flavors": {name: _flavor(flavor) for name, flavor in flavors.items()}}


def _flavor(flavor: object) -> object:
    if not isinstance(flavor, dict):
        return flavor
    return {key: value for key, value in flavor.items() if key != "config"}


def _history(tag: str | None) -> list[object]:
    """The models that were told before; a tag that somebody wrote by hand counts for none."""
    try:
        return msgspec.json.decode(tag or "[]", type=list[object])
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return []


def _noticed(long: int) -> Answer:
    """Success; where values are longer than other servers keep, a header says so."""
    if not long:
        return answer()
    return Answer(headers=(("treadle-notice", f"{long} values longer than MLflow's limits are kept whole"),))
