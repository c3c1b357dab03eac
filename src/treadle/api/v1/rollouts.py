"""What people ask of a rollout under way; the loop does it."""

from __future__ import annotations

from typing import Any

from anyio.to_thread import run_sync
from fastapi import APIRouter

from treadle.api.v1.context import ERRORS, Services
from treadle.wire import records
from treadle.wire.rollouts import RolloutRequest

router = APIRouter(prefix="/models", tags=["models"], responses=ERRORS)


@router.post("/{model}/rollout", response_model=records.Deployment)
async def rollout(model: str, request: RolloutRequest, services: Services) -> Any:
    """Pause, resume or abort the rollout under way."""
    await run_sync(services.models.get, model)
    answer = await services.loop.call(
        "rollout", model=model, action=request.action, reason=request.reason, actor=request.actor
    )
    return answer["deployment"]
