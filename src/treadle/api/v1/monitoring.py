"""What happened and what was measured: events, incidents, realised quality, drift, service health, the report."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import AwareDatetime

from treadle.api.v1.context import ERRORS, Limit, Services
from treadle.domain import codec
from treadle.domain.errors import InvalidInput
from treadle.domain.events import KINDS
from treadle.wire import control as wire
from treadle.wire import records
from treadle.wire import views as drawn

router = APIRouter(tags=["monitoring"], responses=ERRORS)

Since = Annotated[AwareDatetime | None, Query(description="what ends at or after this time alone")]
After = Annotated[int, Query(ge=0, description="the last position that is known already")]
Kinds = Annotated[list[str], Query(default_factory=list, description="these kinds of event alone")]


@router.get("/events", response_model=wire.Listed[records.SealedEvent])
def events(services: Services, after: After = 0, model: str | None = None, limit: Limit = 100) -> Any:
    """Events in order, from a position on."""
    return {"items": codec.to_plain(list(services.events.read(after, model=model, limit=limit)))}


@router.get("/events/latest", response_model=wire.Listed[records.SealedEvent])
def latest_events(services: Services, kind: Kinds, model: str | None = None, limit: Limit = 100) -> Any:
    """The newest events, newest first."""
    unknown = sorted(set(kind) - set(KINDS))
    if unknown:
        raise InvalidInput(f"there is no kind of event {unknown[0]!r}", hint=f"there are {', '.join(sorted(KINDS))}")
    return {"items": codec.to_plain(list(services.events.last(model=model, kinds=kind, limit=limit)))}


@router.get("/incidents", response_model=wire.Listed[records.Incident])
def incidents(services: Services, model: str | None = None, open_only: bool = False) -> Any:
    """Incidents, newest first."""
    return {"items": codec.to_plain(list(services.measurements.incidents(model, open_only=open_only)))}


@router.get("/models/{model}/evaluations", response_model=wire.Listed[records.Evaluation])
def evaluations(model: str, services: Services, since: Since = None) -> Any:
    """Realised quality over time, oldest first."""
    services.models.get(model)
    return {"items": codec.to_plain(list(services.measurements.evaluations(model, since)))}


@router.get("/models/{model}/drift", response_model=wire.Listed[records.DriftReport])
def drift(model: str, services: Services, since: Since = None) -> Any:
    """Drift over time, oldest first."""
    services.models.get(model)
    return {"items": codec.to_plain(list(services.measurements.drift(model, since)))}


@router.get("/models/{model}/health-over-time", response_model=wire.Listed[records.ServiceHealth])
def service_health(model: str, services: Services, since: Since = None) -> Any:
    """Requests, errors and latencies over time, oldest first."""
    services.models.get(model)
    return {"items": codec.to_plain(list(services.measurements.health(model, since)))}


@router.get("/models/{model}/report")
async def report(model: str, services: Services) -> dict[str, Any]:
    """The model left alone against the loop, month by month, as the loop reckons it now: this may take a while."""
    answer = await services.loop.call("report", model=model)
    found: dict[str, Any] = answer["report"]
    return found


@router.get("/models/{model}/report/last", response_model=drawn.LastReport)
async def last_report(model: str, services: Services) -> Any:
    """The same as it was reckoned last, at once; null where it never was."""
    answer = await services.loop.call("last_report", model=model)
    return {"reckoned_at": answer["reckoned_at"], "report": answer["report"]}
