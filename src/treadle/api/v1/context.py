"""How routes get at the services."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Annotated

from fastapi import Depends, Query, Request

from treadle.api.history import History
from treadle.api.services import ControlServices
from treadle.domain.errors import TreadleError
from treadle.wire.control import ErrorAnswer

WAKE_PATIENCE = 1.0


def _services(request: Request) -> ControlServices:
    services: ControlServices = request.app.state.services
    return services


def _history(request: Request) -> History:
    history: History = request.app.state.history
    return history


async def wake(services: ControlServices) -> None:
    """Let the loop look at once; one that is away looks when it is back."""
    with contextlib.suppress(TreadleError, TimeoutError):
        await asyncio.wait_for(services.loop.call("wake"), WAKE_PATIENCE)


Services = Annotated[ControlServices, Depends(_services)]
Past = Annotated[History, Depends(_history)]
Limit = Annotated[int, Query(ge=1, le=1000, description="how many at most")]

ERRORS: dict[int | str, dict[str, object]] = {
    400: {"model": ErrorAnswer, "description": "malformed"},
    404: {"model": ErrorAnswer, "description": "not found"},
    409: {"model": ErrorAnswer, "description": "it is not possible now"},
    422: {"model": ErrorAnswer, "description": "refused, with what to do"},
    503: {"model": ErrorAnswer, "description": "a process is being restarted; ask again"},
}
