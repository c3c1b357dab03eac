"""Planning and applying bundles of code."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

from anyio.to_thread import run_sync
from fastapi import APIRouter, Header

from treadle.api import streams
from treadle.api.v1.context import ERRORS, Services, wake
from treadle.domain import codec
from treadle.domain.errors import InvalidInput
from treadle.domain.models import AppliedModel
from treadle.loop.plan import Bundle, Plan
from treadle.wire import control as wire

router = APIRouter(tags=["models"], responses=ERRORS)

Accept = Annotated[str | None, Header(description="application/x-ndjson: log lines, then the result")]


@router.post("/plan", response_model=wire.PlanAnswer)
async def plan(request: wire.BundleRequest, services: Services, accept: Accept = None) -> Any:
    """What applying this code would change; nothing is changed. Building an environment may take a minute."""
    bundle = _bundle(request)

    def work(say: streams.Say) -> dict[str, Any]:
        return _plan(services.plans.plan(bundle, log=lambda text: say({"log": text})))

    if streams.wanted(accept):
        return streams.stream(streams.from_thread(lambda say: {"result": work(say)}))
    return await run_sync(work, lambda _line: None)


@router.post("/models", response_model=wire.AppliedAnswer)
async def apply(request: wire.ApplyRequest, services: Services, accept: Accept = None) -> Any:
    """Make this code the desired state of the model that it declares."""
    bundle = _bundle(request)

    def work(say: streams.Say) -> dict[str, Any]:
        found, applied = services.plans.apply(
            bundle, actor=request.actor, expected=request.expected, log=lambda text: say({"log": text})
        )
        return _applied(found, applied)

    async def lines() -> AsyncIterator[streams.Line]:
        async for line in streams.from_thread(lambda say: {"result": work(say)}):
            if "result" in line:
                await wake(services)
            yield line

    if streams.wanted(accept):
        return streams.stream(lines())
    answer = await run_sync(work, lambda _line: None)
    await wake(services)
    return answer


def _bundle(request: wire.BundleRequest) -> Bundle:
    files = {}
    for path, file in request.files.items():
        try:
            files[path] = file.content()
        except ValueError as error:
            raise InvalidInput(f"file {path!r} is {error}", hint="send text as text, the rest as base64") from error
    size = sum(map(len, files.values()))
    if size > wire.MAX_CODE_BYTES:
        raise InvalidInput(
            f"the code is {size:,} bytes long, more than {wire.MAX_CODE_BYTES:,}",
            hint="keep data out of the model's folder; the source function reads it from elsewhere",
        )
    return Bundle(request.entry, files, request.root, request.commit, request.dirty)


def _plan(plan: Plan) -> dict[str, Any]:
    answer: dict[str, Any] = codec.to_plain(plan)
    return answer


def _applied(plan: Plan, applied: AppliedModel) -> dict[str, Any]:
    return {
        "model": applied.name,
        "revision": applied.revision,
        "changed": bool(plan.changes),
        "plan": _plan(plan),
    }
