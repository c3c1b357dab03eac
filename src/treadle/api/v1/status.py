"""The server at a glance, and its clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

from anyio.to_thread import run_sync
from fastapi import APIRouter
from starlette.responses import StreamingResponse

from treadle.api import streams
from treadle.api.history import History
from treadle.api.services import ControlServices
from treadle.api.v1.context import ERRORS, Past, Services
from treadle.domain import codec
from treadle.domain.errors import InvalidInput, TreadleError
from treadle.domain.models import AppliedModel
from treadle.domain.monitoring import Evaluation
from treadle.loop.state import ModelState
from treadle.wire import control as wire

router = APIRouter(tags=["server"], responses=ERRORS)

RECENT = timedelta(days=90)
LOOP_PATIENCE = 2.0


@router.get("/status", response_model=wire.StatusAnswer)
async def status(services: Services, past: Past) -> Any:
    """Every model, what answers, what the loop is doing, and what needs attention."""
    doing, answer = await asyncio.gather(_doing(services), run_sync(_standing, services, past))
    return {**answer, "loop": "away" if doing is None else "running", "doing": doing or []}


@router.get("/clock", response_model=wire.ClockAnswer)
def clock(services: Services) -> Any:
    """What time it is to the loop, and whether that is a virtual clock's."""
    return _clock(services)


@router.post("/clock/advance")
async def advance(request: wire.AdvanceRequest, services: Services) -> StreamingResponse:
    """Move a virtual clock, as JSON lines: what the loop does on the way, then ``{"done": true, "now": ...}``."""
    standing = _clock(services)
    if not standing["virtual"]:
        raise InvalidInput("this server runs on the wall clock", hint="start it with --virtual-clock to move time")
    now = services.clock.now()
    if request.to < now:
        raise InvalidInput(f"{request.to.isoformat()} has passed", hint=f"it is {now.isoformat()}; time only goes on")
    lines: AsyncIterator[streams.Line] = services.loop.advance(request.to)
    return streams.stream(streams.from_lines(lines))


async def _doing(services: ControlServices) -> list[dict[str, Any]] | None:
    try:
        answer = await asyncio.wait_for(services.loop.call("status"), LOOP_PATIENCE)
    except (TimeoutError, TreadleError):
        return None
    found: list[dict[str, Any]] = answer.get("doing", [])
    return found


def _standing(services: ControlServices, past: History) -> dict[str, Any]:
    states = past.now().models
    return {
        "version": services.version,
        "home": services.home,
        **_clock(services),
        "gateways": [codec.to_plain(dict(ack)) for ack in services.gateways()],
        "models": [
            _model(services, applied, states.get(applied.name, ModelState(applied.name)))
            for applied in services.models.all()
        ],
    }


def _clock(services: ControlServices) -> dict[str, Any]:
    return {"now": codec.to_plain(services.clock.now()), "virtual": hasattr(services.clock, "set")}


def _model(services: ControlServices, applied: AppliedModel, state: ModelState) -> dict[str, Any]:
    deployment = services.deployments.get(applied.name)
    return {
        "name": applied.name,
        "revision": applied.revision,
        "champion": deployment.champion if deployment else None,
        "challenger": services.versions.aliases(applied.name).get("challenger"),
        "previous": deployment.previous if deployment else None,
        "promoted_at": codec.to_plain(deployment.promoted_at) if deployment else None,
        "training": state.attempt.id if state.attempt else None,
        "candidate": state.candidate.version if state.candidate else None,
        "rollout": codec.to_plain(deployment.rollout) if deployment else None,
        "realised": codec.to_plain(_last_realised(services, applied.name)),
        "incidents": codec.to_plain(list(services.measurements.incidents(applied.name, open_only=True))),
    }


def _last_realised(services: ControlServices, model: str) -> Evaluation | None:
    recent = services.measurements.evaluations(model, services.clock.now() - RECENT)
    labelled = [evaluation for evaluation in recent if evaluation.labelled]
    return labelled[-1] if labelled else None
