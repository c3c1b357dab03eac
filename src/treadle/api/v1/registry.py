"""The registry: models and versions, whoever made them. What is done to them is told by ``/events``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter

from treadle.api.v1.context import ERRORS, Services
from treadle.domain.registered import RegisteredModel, RegisteredVersion
from treadle.domain.search import Column, Comparison, Kind, Op, Order
from treadle.wire import registry as wire
from treadle.wire.control import Listed

router = APIRouter(prefix="/registry", tags=["registry"], responses=ERRORS)

MOST = 1000
_NAME, _NUMBER = Column(Kind.ATTRIBUTE, "name"), Column(Kind.ATTRIBUTE, "version_number")


@router.get("", response_model=Listed[wire.RegistryModel])
def registered_models(services: Services) -> Any:
    """All registered models, by name."""
    return {"items": [_model(model) for model in services.registered.search_models(limit=MOST).items]}


@router.get("/{name}", response_model=wire.RegistryDetail)
def registered_model(name: str, services: Services) -> Any:
    """A registered model with its versions, newest first."""
    model = services.registered.get_model(name)
    of_it, newest = Comparison(_NAME, Op.EQ, name), Order(_NUMBER, ascending=False)
    found = services.registered.search_versions(of_it, [newest], limit=MOST)
    return {**_model(model), "versions": [_version(version) for version in found.items]}


def _model(model: RegisteredModel) -> dict[str, Any]:
    return {
        "name": model.name,
        "created_at": _moment(model.created),
        "updated_at": _moment(model.updated),
        "description": model.description,
        "tags": dict(model.tags),
        "aliases": dict(model.aliases),
        "owned": model.owned,
        "latest": [_version(version) for version in model.latest],
    }


def _version(version: RegisteredVersion) -> dict[str, Any]:
    return {
        "name": version.name,
        "number": version.number,
        "created_at": _moment(version.created),
        "updated_at": _moment(version.updated),
        "source": version.source,
        "stage": version.stage.value,
        "run": version.run,
        "description": version.description,
        "user": version.user,
        "logged_model": version.model_id,
        "tags": dict(version.tags),
        "aliases": list(version.aliases),
        "owned": version.owned,
    }


def _moment(millis: int) -> datetime:
    return datetime.fromtimestamp(millis / 1000, UTC)
