"""Logged models: what runs log beside params and metrics."""

from __future__ import annotations

import re
import uuid

from treadle.api.mlflow import registry_rules, rules
from treadle.api.mlflow.bodies import SEE, invalid_value, missing_value
from treadle.api.mlflow.calls import Answer, Call, Routes, answer
from treadle.api.mlflow.errors import ProtocolError
from treadle.api.mlflow.filters import LOGGED_MODELS, condition, orders
from treadle.api.mlflow.waiting import millis, read, written
from treadle.domain.errors import NotActive
from treadle.domain.logged_models import LoggedModel, MeasuredOn, ModelOrder, ModelStatus
from treadle.domain.run_names import random_name
from treadle.domain.search import Kind
from treadle.wire.mlflow import logged_models as wire
from treadle.wire.mlflow.fields import PairOut, number

routes = Routes()
BASE = "/api/2.0/mlflow/logged-models"
_PAGE = 50
_MOST = 1000
_BAD_LETTERS = ("/", ":", ".", "%", '"', "'")
_NAMES = {
    ModelStatus.UNSPECIFIED: "LOGGED_MODEL_STATUS_UNSPECIFIED",
    ModelStatus.PENDING: "LOGGED_MODEL_PENDING",
    ModelStatus.READY: "LOGGED_MODEL_READY",
    ModelStatus.FAILED: "LOGGED_MODEL_UPLOAD_FAILED",
}
_STATUS = {name: status for status, name in _NAMES.items()} | {str(int(status)): status for status in ModelStatus}
_ID = re.compile(r"[A-Za-z0-9][\w-]{0,255}")


def _chosen_id(given: str | None) -> str:
    if given and not _ID.fullmatch(given):
        raise invalid_value("model_id", given)
    return given or f"m-{uuid.uuid4().hex}"


@routes.add("POST", BASE)
async def create(call: Call) -> Answer:
    """A model whose files will follow."""
    asked = await call.json(wire.Create)
    wanted = rules.experiment_id(rules.required(asked.experiment_id, "experiment_id"))
    if any(letter in (asked.name or "") for letter in _BAD_LETTERS):
        raise registry_rules.invalid(
            f"Invalid model name ({asked.name!r}) provided. Model name must be a non-empty string and cannot contain "
            f"the following characters: {_BAD_LETTERS}"
        )
    params, tags = rules.pairs(asked.params or (), "params"), rules.pairs(asked.tags or (), "tags")
    rules.check_unique(params)
    experiment = await read(call.services.tracking.get_experiment, wanted)
    if not experiment.active:
        raise NotActive("experiment", wanted)
    model_id, now = _chosen_id(asked.model_id), millis(call.services.clock)
    model = LoggedModel(
        id=model_id,
        experiment=experiment.id,
        name=asked.name or random_name(),
        artifact_location=f"{experiment.artifact_location.rstrip('/')}/models/{model_id}/artifacts",
        created=now,
        updated=now,
        model_type=asked.model_type,
        source_run=asked.source_run_id or None,
        params=dict(params),
        tags=dict(tags),
    )
    return answer(wire.One(_out(await written(call.services.logged_models.create_logged_model(model)))))


@routes.add("GET", f"{BASE}/{{model_id}}")
async def get(call: Call) -> Answer:
    """One by its id."""
    deleted = call.asked(wire.Asked).allow_deleted.lower() == "true"
    found = await read(call.services.logged_models.get_logged_model, _id(call), deleted=deleted)
    return answer(wire.One(_out(found)))


@routes.add("PATCH", f"{BASE}/{{model_id}}")
async def finalize(call: Call) -> Answer:
    """Its files are there, or will never be."""
    given = (await call.json(wire.Finalize)).status
    if given is None:
        raise missing_value("status")
    status = _STATUS.get(str(given))
    if status is None:
        raise invalid_value("status", given, f" Hint: It is one of {', '.join(_NAMES.values())}.{SEE}")
    now = millis(call.services.clock)
    done = await written(call.services.logged_models.finalize_logged_model(_id(call), status, at=now))
    return answer(wire.One(_out(done)))


@routes.add("DELETE", f"{BASE}/{{model_id}}")
async def delete(call: Call) -> Answer:
    """Mark as deleted."""
    await written(call.services.logged_models.delete_logged_model(_id(call), at=millis(call.services.clock)))
    return answer()


@routes.add("POST", f"{BASE}/{{model_id}}/params")
async def log_params(call: Call) -> Answer:
    """Params; they never change."""
    params = rules.pairs((await call.json(wire.Params)).params or (), "params")
    rules.check_unique(params)
    await written(call.services.logged_models.log_model_params(_id(call), dict(params)))
    return answer()


@routes.add("PATCH", f"{BASE}/{{model_id}}/tags")
async def set_tags(call: Call) -> Answer:
    """Tags, new or changed."""
    tags = rules.pairs((await call.json(wire.Tags)).tags or (), "tags")
    await written(call.services.logged_models.set_logged_model_tags(_id(call), dict(tags)))
    return answer()


@routes.add("DELETE", f"{BASE}/{{model_id}}/tags/{{key:path}}")
async def delete_tag(call: Call) -> Answer:
    """A tag less."""
    await written(call.services.logged_models.delete_logged_model_tag(_id(call), call.path["key"]))
    return answer()


@routes.add("POST", f"{BASE}/search")
async def search(call: Call) -> Answer:
    """Those that fulfil a filter."""
    asked = await call.json(wire.Search)
    if not asked.experiment_ids:
        raise missing_value("experiment_ids")
    if not all(dataset.dataset_name for dataset in asked.datasets or ()):
        raise registry_rules.invalid("`dataset_name` in the `datasets` clause must be specified.")
    found = await read(
        call.services.logged_models.search_logged_models,
        [rules.experiment_id(experiment) for experiment in asked.experiment_ids],
        condition(asked.filter or "", LOGGED_MODELS),
        [_order(one) for one in asked.order_by or ()],
        datasets=[MeasuredOn(d.dataset_name, d.dataset_digest or None) for d in asked.datasets or ()],
        limit=registry_rules.page_size(asked.max_results or None, _PAGE, _MOST),
        cursor=asked.page_token or None,
    )
    return answer(wire.Several([_out(model) for model in found.items], found.cursor))


def _id(call: Call) -> str:
    given = call.path["model_id"]
    if not _ID.fullmatch(given):
        raise ProtocolError("RESOURCE_DOES_NOT_EXIST", f"Logged model with ID '{given[:100]}' not found.")
    return given


def _order(asked: wire.OrderBy) -> ModelOrder:
    field = rules.required(asked.field_name, "order_by.field_name")
    direction = "DESC" if asked.ascending is False else "ASC"
    (order,) = orders((f"{field} {direction}",), LOGGED_MODELS)
    if asked.dataset_name and order.column.kind is not Kind.METRIC:
        raise registry_rules.invalid(f"Only metrics are measured on data sets, not {field}.")
    return ModelOrder(order, MeasuredOn(asked.dataset_name or None, asked.dataset_digest or None))


def _out(model: LoggedModel) -> wire.Model:
    info = wire.Info(
        model_id=model.id,
        experiment_id=model.experiment,
        name=model.name,
        creation_timestamp_ms=model.created,
        last_updated_timestamp_ms=model.updated,
        artifact_uri=model.artifact_location,
        status=_NAMES[model.status],
        model_type=model.model_type,
        source_run_id=model.source_run,
        status_message=model.status_message,
        tags=[PairOut(key, value) for key, value in model.tags.items()],
        registrations=[wire.Registration(name, str(version)) for name, version in model.registrations],
    )
    metrics = [
        wire.MetricOut(
            metric.key,
            number(metric.value),
            metric.timestamp,
            metric.step,
            model.id,
            metric.run,
            metric.dataset_name,
            metric.dataset_digest,
        )
        for metric in model.metrics
    ]
    return wire.Model(info, wire.Data([PairOut(key, value) for key, value in model.params.items()], metrics))
