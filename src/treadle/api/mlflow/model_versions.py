"""Versions of registered models."""

from __future__ import annotations

import json
from dataclasses import dataclass

import msgspec

from treadle.api.mlflow import registry_rules as rules
from treadle.api.mlflow.calls import Answer, Call, Routes, answer
from treadle.api.mlflow.filters import MODEL_VERSIONS, condition, orders
from treadle.api.mlflow.registered_models import is_prompt
from treadle.api.mlflow.registry_out import version_out
from treadle.api.mlflow.rules import required
from treadle.api.mlflow.services import TrackingServices
from treadle.api.mlflow.waiting import read, written
from treadle.domain import model_sources as sources
from treadle.domain.errors import InvalidInput, NotFound
from treadle.domain.registered import NewVersion, RegisteredVersion
from treadle.wire.mlflow import registry as wire

routes = Routes()
BASE = "/api/2.0/mlflow/model-versions"
VERSIONS_TAG = "mlflow.modelVersions"
"""The tag of a logged model that lists the versions that were made of it."""
_ORDER = ("last_updated_timestamp DESC", "name ASC", "version_number DESC")


@dataclass(frozen=True)
class _Lineage:
    """What a version is made of: its source as it is kept, where the files lie, and whose they are."""

    source: str
    location: str
    run: str | None
    model_id: str | None


@routes.add("POST", f"{BASE}/create")
async def create(call: Call) -> Answer:
    """A version of what a run logged, or of another version."""
    asked = await call.json(wire.CreateVersion)
    name, source, tags = rules.model_name(asked.name), required(asked.source, "source"), rules.tags(asked.tags)
    prompt = rules.is_prompt(tags)
    if prompt and source not in rules.PROMPT_SOURCES:
        raise rules.invalid(f"Invalid prompt source: '{source}'. Prompt sources must use an MLflow placeholder.")
    of = _Lineage(source, source, asked.run_id, None) if prompt else await read(_lineage, call.services, asked, source)
    new = NewVersion(
        of.source, of.location, of.run or None, asked.run_link, asked.description, rules.user(call), of.model_id, tags
    )
    made = await written(call.services.registered.create_version(name, new, rules.change(call, asked.reason)))
    if of.model_id:
        await _told_to_model(call, of.model_id, made)
    await _announce(call, made, prompt=prompt)
    return answer(wire.OneVersion(version_out(made)))


@routes.add("GET", f"{BASE}/get")
async def get(call: Call) -> Answer:
    """One by its number."""
    asked = call.asked(wire.VersionNamed)
    found = await read(call.services.registered.get_version, *_key(asked))
    return answer(wire.OneVersion(version_out(found)))


@routes.add("PATCH", f"{BASE}/update")
@routes.add("POST", f"{BASE}/update")
async def update(call: Call) -> Answer:
    """Another description."""
    asked = await call.json(wire.DescribeVersion)
    description = None if asked.description is msgspec.UNSET else asked.description
    described = call.services.registered.describe_version(*_key(asked), description, rules.change(call))
    return answer(wire.OneVersion(version_out(await written(described))))


@routes.add("POST", f"{BASE}/transition-stage")
async def transition_stage(call: Call) -> Answer:
    """Another stage."""
    asked = await call.json(wire.MoveStage)
    key, stage, archive = _key(asked), rules.stage(asked.stage), bool(asked.archive_existing_versions)
    if archive and stage.value not in rules.ACTIVE_STAGES:
        raise rules.invalid(
            "Model version transition cannot archive existing model versions because "
            f"'{asked.stage}' is not an Active stage. Valid stages are {rules.ACTIVE_STAGES}"
        )
    moved = call.services.registered.move_stage(*key, stage, rules.change(call, asked.reason), archive=archive)
    return answer(wire.OneVersion(version_out(await written(moved))))


@routes.add("DELETE", f"{BASE}/delete")
@routes.add("POST", f"{BASE}/delete")
async def delete(call: Call) -> Answer:
    """A version less, with its aliases."""
    asked = await call.json(wire.VersionNamed)
    await written(call.services.registered.delete_version(*_key(asked), rules.change(call, asked.reason)))
    return answer()


@routes.add("GET", f"{BASE}/get-download-uri")
async def download_uri(call: Call) -> Answer:
    """Where a version's files lie."""
    name, number = _key(call.asked(wire.VersionNamed))
    return answer(wire.DownloadUri((await read(call.services.locations.version, name, str(number))).uri))


@routes.add("GET", f"{BASE}/search")
async def search(call: Call) -> Answer:
    """Those that fulfil a filter."""
    asked = call.asked(wire.Search)
    found = await read(
        call.services.registered.search_versions,
        rules.without_prompts(condition(asked.filter or "", MODEL_VERSIONS)),
        orders(asked.order_by or _ORDER, MODEL_VERSIONS),
        limit=rules.page_size(asked.max_results, rules.MAX_VERSIONS, rules.MAX_VERSIONS),
        cursor=asked.page_token or None,
    )
    return answer(wire.Versions([version_out(version) for version in found.items], found.cursor))


@routes.add("POST", f"{BASE}/set-tag")
async def set_tag(call: Call) -> Answer:
    """A tag, new or changed."""
    asked = await call.json(wire.VersionTag)
    (name, number), key, value = _key(asked), rules.tag_key(asked.key), asked.value or ""
    await written(call.services.registered.set_version_tag(name, number, key, value))
    data = {"name": name, "version": str(number), "key": key, "value": value}
    await read(call.services.webhooks.announce, await _tag_entity(call, name), "set", data)
    return answer()


@routes.add("DELETE", f"{BASE}/delete-tag")
async def delete_tag(call: Call) -> Answer:
    """A tag less."""
    asked = await call.json(wire.VersionTag)
    (name, number), key = _key(asked), rules.tag_key(asked.key)
    await written(call.services.registered.delete_version_tag(name, number, key))
    data = {"name": name, "version": str(number), "key": key}
    await read(call.services.webhooks.announce, await _tag_entity(call, name), "deleted", data)
    return answer()


def _key(asked: wire.VersionNamed | wire.DescribeVersion | wire.MoveStage | wire.VersionTag) -> tuple[str, int]:
    return rules.model_name(asked.name), rules.version_number(asked.version)


async def _tag_entity(call: Call, name: str) -> str:
    return "prompt_version_tag" if await is_prompt(call, name) else "model_version_tag"


def _lineage(services: TrackingServices, asked: wire.CreateVersion, text: str) -> _Lineage:
    """Whose files a source names. Raises InvalidInput for files that are not those of the run or model that is told."""
    source, run, model_id = sources.parse_source(text), asked.run_id or None, asked.model_id or None
    match source:
        case sources.VersionSource():
            return _of_version(services, asked, source, text)
        case sources.LoggedModelSource(wanted):
            if model_id != wanted:
                raise sources.not_contained(text, "model_id")
            return _of_model(services, text, wanted, run)
        case sources.RunFilesSource(wanted, path):
            if model_id or run != wanted:
                raise sources.not_contained(text, "model_id" if model_id else "run_id")
            root = _known(services, text, run=run)
            return _Lineage(text, f"{root}/{path}" if path else root, run, None)
        case sources.ServedSource(uri):
            field = "model_id" if model_id else "run_id"
            if not sources.is_within(uri, _known(services, text, run=run, model_id=model_id)):
                raise sources.not_contained(text, field)
            return _of_model(services, text, model_id, run, uri) if model_id else _Lineage(text, uri, run, None)
        case sources.OtherSource(uri):
            return _of_model(services, text, model_id, run, uri) if model_id else _Lineage(text, uri, run, None)


def _of_model(
    services: TrackingServices, text: str, model_id: str, run: str | None, location: str | None = None
) -> _Lineage:
    try:
        model = services.logged_models.get_logged_model(model_id)
    except NotFound as error:
        raise sources.not_contained(text, "model_id") from error
    return _Lineage(text, location or model.artifact_location, run or model.source_run, model_id)


def _known(services: TrackingServices, text: str, *, run: str | None, model_id: str | None = None) -> str:
    """Where the run or the model keeps files. Raises InvalidInput."""
    try:
        if model_id:
            return services.locations.logged_model(model_id).uri
        if run:
            return services.locations.run(run).uri
    except NotFound:
        pass
    raise sources.not_contained(text, "model_id" if model_id else "run_id")


def _of_version(
    services: TrackingServices, asked: wire.CreateVersion, source: sources.VersionSource, text: str
) -> _Lineage:
    """A copy of another version: it keeps where that one came from."""
    registered = services.registered
    if rules.is_prompt(dict(registered.get_model(source.name).tags)):
        raise rules.invalid(
            f"Invalid model version source: '{text}'. Prompt versions cannot be used as model version sources."
        )
    found = _named(services, source)
    for given, its in ((asked.run_id, found.run), (asked.model_id, found.model_id)):
        if given is not None and given != (its or ""):
            raise rules.invalid(
                f"Invalid model version source: '{text}'. The run_id and model_id request parameters must match the "
                "referenced model version."
            )
    location = services.locations.version(found.name, str(found.number)).uri
    return _Lineage(f"models:/{found.name}/{found.number}", location, found.run, found.model_id)


def _named(services: TrackingServices, source: sources.VersionSource) -> RegisteredVersion:
    registered = services.registered
    if source.number is not None:
        return registered.get_version(source.name, source.number)
    if source.alias is not None:
        return registered.version_by_alias(source.name, source.alias)
    stage = None if source.stage is None else rules.stage(source.stage)
    found = [v for v in registered.latest_versions(source.name) if stage is None or v.stage is stage]
    if not found:
        of_stage = "" if stage is None else f" and stage '{stage.value}'"
        raise InvalidInput(
            f"No versions of model with name '{source.name}'{of_stage} found", hint="name a version by its number"
        )
    return max(found, key=lambda version: version.number)


async def _told_to_model(call: Call, model_id: str, version: RegisteredVersion) -> None:
    """Keep in the logged model which versions were made of it, as clients look it up."""
    model = await read(call.services.logged_models.get_logged_model, model_id)
    made = [{"name": name, "version": number} for name, number in model.registrations]
    value = json.dumps(made or [{"name": version.name, "version": version.number}])
    await written(call.services.logged_models.set_logged_model_tags(model_id, {VERSIONS_TAG: value}))


async def _announce(call: Call, version: RegisteredVersion, *, prompt: bool) -> None:
    data: dict[str, object] = {
        "name": version.name,
        "version": str(version.number),
        "tags": dict(version.tags),
        "description": version.description,
    }
    if prompt:
        data["template"] = version.tags.get("mlflow.prompt.text")
    else:
        data |= {"source": version.source, "run_id": version.run}
    await read(call.services.webhooks.announce, "prompt_version" if prompt else "model_version", "created", data)
