"""Registered models: names with versions, tags and aliases."""

from __future__ import annotations

from treadle.api.mlflow import registry_rules as rules
from treadle.api.mlflow.calls import Answer, Call, Routes, answer
from treadle.api.mlflow.errors import ProtocolError
from treadle.api.mlflow.filters import REGISTERED_MODELS, condition, orders
from treadle.api.mlflow.registry_out import model_out, version_out
from treadle.api.mlflow.waiting import read, written
from treadle.domain.errors import Conflict
from treadle.wire.mlflow import registry as wire

routes = Routes()
BASE = "/api/2.0/mlflow/registered-models"
_PAGE = 100


@routes.add("POST", f"{BASE}/create")
async def create(call: Call) -> Answer:
    """A new name."""
    asked = await call.json(wire.CreateModel)
    name, tags = rules.model_name(asked.name), rules.tags(asked.tags)
    registered, change = call.services.registered, rules.change(call, asked.reason)
    try:
        made = await written(registered.create_model(name, change, description=asked.description, tags=tags))
    except Conflict as error:
        raise await _taken(call, name, prompt=rules.is_prompt(tags)) from error
    entity = "prompt" if rules.is_prompt(tags) else "registered_model"
    data = {"name": name, "tags": tags, "description": asked.description}
    await read(call.services.webhooks.announce, entity, "created", data)
    return answer(wire.OneModel(model_out(made)))


@routes.add("GET", f"{BASE}/get")
async def get(call: Call) -> Answer:
    """One by its name."""
    name = rules.model_name(call.asked(wire.ModelNamed).name)
    return answer(wire.OneModel(model_out(await read(call.services.registered.get_model, name))))


@routes.add("POST", f"{BASE}/rename")
async def rename(call: Call) -> Answer:
    """Another name."""
    asked = await call.json(wire.RenameModel)
    name, new_name = rules.model_name(asked.name), rules.model_name(asked.new_name, "new_name")
    change = rules.change(call, asked.reason)
    renamed = await written(call.services.registered.rename_model(name, new_name, change))
    return answer(wire.OneModel(model_out(renamed)))


@routes.add("PATCH", f"{BASE}/update")
@routes.add("POST", f"{BASE}/update")
async def update(call: Call) -> Answer:
    """Another description."""
    asked = await call.json(wire.DescribeModel)
    name = rules.model_name(asked.name)
    described = call.services.registered.describe_model(name, asked.description or None, rules.change(call))
    return answer(wire.OneModel(model_out(await written(described))))


@routes.add("DELETE", f"{BASE}/delete")
@routes.add("POST", f"{BASE}/delete")
async def delete(call: Call) -> Answer:
    """A name less, with its versions."""
    asked = await call.json(wire.ModelNamed)
    name = rules.model_name(asked.name)
    await written(call.services.registered.delete_model(name, rules.change(call, asked.reason)))
    return answer()


@routes.add("GET", f"{BASE}/search")
async def search(call: Call) -> Answer:
    """Those that fulfil a filter."""
    asked = call.asked(wire.Search)
    found = await read(
        call.services.registered.search_models,
        rules.without_prompts(condition(asked.filter or "", REGISTERED_MODELS)),
        orders(asked.order_by or (), REGISTERED_MODELS),
        limit=rules.page_size(asked.max_results, _PAGE, rules.MAX_MODELS),
        cursor=asked.page_token or None,
    )
    return answer(wire.Models([model_out(model) for model in found.items], found.cursor))


@routes.add("GET", f"{BASE}/get-latest-versions")
async def latest_by_address(call: Call) -> Answer:
    """The newest version of each stage."""
    return await _latest(call, call.asked(wire.LatestVersions))


@routes.add("POST", f"{BASE}/get-latest-versions")
async def latest(call: Call) -> Answer:
    """The same."""
    return await _latest(call, await call.json(wire.LatestVersions))


@routes.add("POST", f"{BASE}/set-tag")
async def set_tag(call: Call) -> Answer:
    """A tag, new or changed."""
    asked = await call.json(wire.ModelTag)
    name, key, value = rules.model_name(asked.name), rules.tag_key(asked.key), asked.value or ""
    await written(call.services.registered.set_model_tag(name, key, value))
    if await is_prompt(call, name):
        data = {"name": name, "key": key, "value": value}
        await read(call.services.webhooks.announce, "prompt_tag", "set", data)
    return answer()


@routes.add("DELETE", f"{BASE}/delete-tag")
async def delete_tag(call: Call) -> Answer:
    """A tag less."""
    asked = await call.json(wire.ModelTag)
    name, key = rules.model_name(asked.name), rules.tag_key(asked.key)
    prompt = await is_prompt(call, name)
    await written(call.services.registered.delete_model_tag(name, key))
    if prompt:
        await read(call.services.webhooks.announce, "prompt_tag", "deleted", {"name": name, "key": key})
    return answer()


@routes.add("POST", f"{BASE}/alias")
async def set_alias(call: Call) -> Answer:
    """Point an alias at a version."""
    asked = await call.json(wire.Alias)
    name, alias = rules.model_name(asked.name), rules.alias(asked.alias, new=True)
    number = rules.version_number(asked.version)
    change = rules.change(call, asked.reason)
    await written(call.services.registered.point_alias(name, alias, number, change))
    entity = "prompt_alias" if await is_prompt(call, name) else "model_version_alias"
    data = {"name": name, "alias": alias, "version": str(number)}
    await read(call.services.webhooks.announce, entity, "created", data)
    return answer()


@routes.add("DELETE", f"{BASE}/alias")
async def delete_alias(call: Call) -> Answer:
    """An alias less."""
    asked = await call.json(wire.Alias)
    name, alias = rules.model_name(asked.name), rules.alias(asked.alias)
    change = rules.change(call, asked.reason)
    await written(call.services.registered.point_alias(name, alias, None, change))
    entity = "prompt_alias" if await is_prompt(call, name) else "model_version_alias"
    await read(call.services.webhooks.announce, entity, "deleted", {"name": name, "alias": alias})
    return answer()


@routes.add("GET", f"{BASE}/alias")
async def version_of_alias(call: Call) -> Answer:
    """The version that an alias points at; ``latest`` is the newest one."""
    asked = call.asked(wire.Alias)
    name, alias = rules.model_name(asked.name), rules.alias(asked.alias)
    if alias.lower() == "latest":
        versions = await read(call.services.registered.latest_versions, name)
        if not versions:
            raise ProtocolError("RESOURCE_DOES_NOT_EXIST", f"Latest version not found for model {name}.")
        return answer(wire.OneVersion(version_out(max(versions, key=lambda version: version.number))))
    found = await read(call.services.registered.version_by_alias, name, alias)
    return answer(wire.OneVersion(version_out(found)))


async def is_prompt(call: Call, name: str) -> bool:
    """Whether a model is a prompt. Raises NotFound."""
    return rules.is_prompt(dict((await read(call.services.registered.get_model, name)).tags))


async def _latest(call: Call, asked: wire.LatestVersions) -> Answer:
    name = rules.model_name(asked.name)
    stages = {rules.stage(stage) for stage in asked.stages or ()}
    found = await read(call.services.registered.latest_versions, name)
    return answer(wire.Versions([version_out(v) for v in found if not stages or v.stage in stages]))


async def _taken(call: Call, name: str, *, prompt: bool) -> ProtocolError:
    """The refusal of a name in use."""
    there = await is_prompt(call, name)
    kinds = {True: "Prompt", False: "Registered Model"}
    if there is prompt:
        message = f"{kinds[prompt]} (name={name}) already exists."
    else:
        message = (
            f"Tried to create a {kinds[prompt].lower()} with name {name!r}, but the name is already taken by a "
            f"{kinds[there].lower()}. MLflow does not allow creating a model and a prompt with the same name."
        )
    return ProtocolError("RESOURCE_ALREADY_EXISTS", message)
