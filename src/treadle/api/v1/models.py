"""Models, their versions, and what people ask of them."""

from __future__ import annotations

import json
import threading
import time
from typing import Annotated, Any

from anyio import from_thread
from anyio.to_thread import run_sync
from fastapi import APIRouter, Body
from pydantic import ValidationError

from treadle.api.errors import told
from treadle.api.history import History
from treadle.api.services import ControlServices
from treadle.api.v1.context import ERRORS, Past, Services, wake
from treadle.domain import codec
from treadle.domain.errors import Conflict, InvalidInput
from treadle.domain.events import Event, TrainingRequested
from treadle.domain.models import AppliedModel
from treadle.domain.versions import ModelVersion
from treadle.wire import control as wire
from treadle.wire import records

router = APIRouter(prefix="/models", tags=["models"], responses=ERRORS)

SEALED_WITHIN = 5.0
_asking = threading.Lock()


@router.get("", response_model=wire.Listed[wire.ModelSummary])
def models(services: Services) -> Any:
    """All models."""
    return {"items": [_model_summary(services, applied) for applied in services.models.all()]}


@router.get("/{model}", response_model=wire.ModelDetail)
def model(model: str, services: Services) -> Any:
    """One model: its declaration, code, environment, aliases and deployment."""
    return {
        "applied": codec.to_plain(services.models.get(model)),
        "aliases": services.versions.aliases(model),
        "deployment": codec.to_plain(services.deployments.get(model)),
    }


@router.get("/{model}/versions", response_model=wire.Listed[wire.VersionSummary])
def versions(model: str, services: Services) -> Any:
    """All versions of a model, newest first."""
    services.models.get(model)
    aliases = services.versions.aliases(model)
    return {"items": [_version_summary(version, aliases) for version in services.versions.list(model)]}


@router.get("/{model}/versions/{number}", response_model=records.ModelVersion)
def version(model: str, number: int, services: Services) -> Any:
    """One version with its recipe, gates and profiles."""
    found = codec.to_plain(services.versions.get(model, number))
    return {**found, "aliases": _aliases_of(number, services.versions.aliases(model))}


@router.get("/{model}/versions/{number}/lineage")
def lineage(model: str, number: int, services: Services) -> dict[str, Any]:
    """What a version came from, down to commit, lock and rows, and what came of it."""
    found: dict[str, Any] = codec.to_plain(dict(services.lineage.lineage(model, number)))
    return found


@router.get("/{model}/snapshots", response_model=wire.Listed[records.Snapshot])
def snapshots(model: str, services: Services) -> Any:
    """The data that versions of a model were made of, newest first."""
    services.models.get(model)
    return {"items": codec.to_plain(list(services.snapshots.list(model)))}


@router.post("/{model}/promote", response_model=records.Deployment)
async def promote(model: str, request: wire.PromoteRequest, services: Services) -> Any:
    """Give a version all traffic; answers when the gateways serve it."""
    await run_sync(services.models.get, model)
    after = await services.deploy.promote(model, request.version, request.reason, request.actor)
    return codec.to_plain(after)


@router.post("/{model}/rollback", response_model=records.Deployment)
async def rollback(model: str, request: wire.RollbackRequest, services: Services) -> Any:
    """Let an earlier version answer again; answers when the gateways serve it."""
    await run_sync(services.models.get, model)
    after = await services.deploy.rollback(model, request.reason, request.actor, request.to)
    return codec.to_plain(after)


@router.post("/{model}/train", response_model=wire.TrainAnswer, status_code=202)
async def train(model: str, request: wire.TrainRequest, services: Services, past: Past) -> Any:
    """Ask for a new version of what is known now."""
    asked = await run_sync(_ask_for_training, model, request, services, past)
    return {"model": model, "attempt": asked.attempt, "as_of": codec.to_plain(asked.as_of)}


@router.post("/{model}/outcomes", response_model=wire.OutcomesAnswer)
async def push_outcomes(model: str, services: Services, outcomes: Annotated[list[Any], Body()]) -> Any:
    """Tell what became of predictions; each record gets its own answer."""
    if len(outcomes) > wire.MAX_OUTCOMES:
        raise InvalidInput(
            f"{len(outcomes):,} outcomes in one request, more than {wire.MAX_OUTCOMES:,}", hint="send them in parts"
        )
    await run_sync(services.models.get, model)
    results: list[dict[str, Any]] = []
    good: list[tuple[int, dict[str, Any]]] = []
    for index, record in enumerate(outcomes):
        results.append({"index": index, "status": "invalid", "message": ""})
        try:
            outcome = wire.OutcomeRequest.model_validate_json(json.dumps(record))
        except ValidationError as error:
            results[index]["message"] = told(error.errors())
        else:
            good.append((index, _plain_outcome(outcome)))
    if good:
        answer = await services.loop.call("outcomes", model=model, records=[record for _, record in good])
        for (index, _), one in zip(good, answer["answers"], strict=True):
            results[index].update(status=str(one["status"]), message=str(one.get("message", "")))
    accepted = sum(result["status"] in wire.TAKEN for result in results)
    return {"accepted": accepted, "rejected": len(results) - accepted, "results": results}


def _ask_for_training(
    model: str, request: wire.TrainRequest, services: ControlServices, past: History
) -> TrainingRequested:
    applied = services.models.get(model)
    with _asking:
        state = past.model(model)
        if state.attempt is not None:
            raise Conflict(
                f"training {state.attempt.id} of {model!r} is under way",
                hint="wait until it has ended: treadle status",
            )
        if state.candidate is not None:
            raise Conflict(
                f"version {state.candidate.version} of {model!r} is on its way through the gates",
                hint="wait until it is promoted or refused: treadle status",
            )
        attempt = f"{model}-{state.attempts + 1:04d}"
        now = services.clock.now()
        asked = TrainingRequested(
            attempt, "asked", f"{request.reason} ({request.actor})", now, applied.revision, request.tune
        )
        once = f"training_requested:{attempt}"
        services.events.append(Event(model, now, asked, actor=request.actor, once=once))
        from_thread.run(wake, services)
        _confirm(model, asked, past)
    return asked


def _confirm(model: str, asked: TrainingRequested, past: History) -> None:
    """Wait until the request is sealed; another one may have taken its place, by the loop at the same moment.

    Raises Conflict then. A loop that is away seals it when it is back.
    """
    deadline = time.monotonic() + SEALED_WITHIN
    while time.monotonic() < deadline:
        last = past.model(model).last_attempt
        if last is not None and last.id == asked.attempt:
            if (last.trigger, last.reason) != (asked.trigger, asked.reason):
                raise Conflict(
                    f"training {last.id} of {model!r} has just begun: {last.reason}", hint="wait until it has ended"
                )
            return
        time.sleep(0.02)


def _plain_outcome(outcome: wire.OutcomeRequest) -> dict[str, Any]:
    given = {
        "prediction_id": outcome.prediction_id,
        "key": None if outcome.key is None else str(outcome.key),
        "time": None if outcome.time is None else outcome.time.isoformat(),
        "observed_at": None if outcome.observed_at is None else codec.to_plain(outcome.observed_at),
    }
    return {"label": outcome.label, **{name: value for name, value in given.items() if value is not None}}


def _model_summary(services: ControlServices, applied: AppliedModel) -> dict[str, Any]:
    spec = json.loads(applied.spec_json)
    aliases = services.versions.aliases(applied.name)
    deployment = services.deployments.get(applied.name)
    return {
        "name": applied.name,
        "revision": applied.revision,
        "task": spec.get("task", ""),
        "doc": spec.get("doc", ""),
        "applied_at": codec.to_plain(applied.applied_at),
        "champion": deployment.champion if deployment else aliases.get("champion"),
        "challenger": aliases.get("challenger"),
        "versions": services.versions.next_number(applied.name) - 1,
    }


def _version_summary(version: ModelVersion, aliases: dict[str, int]) -> dict[str, Any]:
    return {
        "model": version.model,
        "number": version.number,
        "created_at": codec.to_plain(version.created_at),
        "as_of": codec.to_plain(version.as_of),
        "run": version.run,
        "parent": version.parent,
        "threshold": codec.to_plain(version.threshold),
        "metrics": codec.to_plain(version.metrics),
        "runtime": version.compilation.runtime,
        "recipe_digest": version.recipe_digest,
        "artifact_digest": version.artifact_digest,
        "verdict": version.gates.verdict.value if version.gates else None,
        "reason": version.gates.reason() if version.gates else "",
        "aliases": _aliases_of(version.number, aliases),
    }


def _aliases_of(number: int, aliases: dict[str, int]) -> list[str]:
    return sorted(alias for alias, version in aliases.items() if version == number)
