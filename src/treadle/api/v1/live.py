"""The live stream of server-sent events that open pages listen to."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from starlette.responses import StreamingResponse

from treadle.api.live import Live
from treadle.api.v1.context import Services

router = APIRouter(tags=["views"])

HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}


@router.get("/stream", response_class=StreamingResponse)
async def stream(
    request: Request,
    services: Services,
    after: Annotated[
        int | None, Query(ge=0, description="go on after this position; from now on, unless given")
    ] = None,
    last_event_id: Annotated[str | None, Header()] = None,
) -> StreamingResponse:
    """Server-sent events: ``event`` (a sealed event, its position as id) and ``pulse`` (what the loop does now)."""
    live: Live | None = getattr(request.app.state, "live", None)
    if live is None:
        live = request.app.state.live = Live(services)
    known = int(last_event_id) if last_event_id is not None and last_event_id.isdigit() else after
    return StreamingResponse(live.listen(known), media_type="text/event-stream", headers=HEADERS)
