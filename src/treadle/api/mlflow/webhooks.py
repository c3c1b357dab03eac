"""Webhooks: who is told of changes of the registry."""

from __future__ import annotations

import base64
import binascii
import uuid
from collections.abc import Sequence
from dataclasses import replace

from anyio.to_thread import run_sync

from treadle.api.mlflow.calls import Answer, Call, Routes, answer
from treadle.api.mlflow.errors import ProtocolError
from treadle.domain.webhooks import Webhook, WebhookEvent
from treadle.wire.mlflow import webhooks as wire

routes = Routes()
BASE = "/api/2.0/mlflow/webhooks"
MOST = 1000


@routes.add("POST", BASE)
async def create(call: Call) -> Answer:
    """A new webhook."""
    asked = await call.json(wire.Create)
    for name in ("name", "url", "events"):
        if not getattr(asked, name):
            raise ProtocolError("INVALID_PARAMETER_VALUE", f"Missing value for required parameter '{name}'.")
    now = _now(call)
    webhook = Webhook(
        str(uuid.uuid4()),
        asked.name,
        asked.url,
        _events(asked.events),
        now,
        now,
        description=asked.description or None,
        active=asked.status != "DISABLED",
        secret=asked.secret or None,
    )
    await run_sync(call.services.webhooks.create, webhook)
    return answer(wire.One(_told(webhook)))


@routes.add("GET", BASE)
async def listed(call: Call) -> Answer:
    """Webhooks, newest first."""
    asked = call.asked(wire.List)
    if not 1 <= asked.max_results <= MOST:
        raise ProtocolError("INVALID_PARAMETER_VALUE", f"max_results must be between 1 and {MOST}.")
    offset = _offset(asked.page_token)
    store = call.services.webhooks.store
    found = await run_sync(lambda: store.list(limit=asked.max_results + 1, offset=offset))
    more = len(found) > asked.max_results
    token = base64.urlsafe_b64encode(b"%d" % (offset + asked.max_results)).decode() if more else None
    return answer(wire.Several([_told(webhook) for webhook in found[: asked.max_results]], token))


@routes.add("GET", f"{BASE}/{{webhook}}")
async def get(call: Call) -> Answer:
    """One webhook."""
    return answer(wire.One(_told(await _found(call))))


@routes.add("PATCH", f"{BASE}/{{webhook}}")
async def change(call: Call) -> Answer:
    """Change what is given."""
    asked = await call.json(wire.Update)
    webhook = await _found(call)
    changed = replace(
        webhook,
        name=asked.name or webhook.name,
        url=asked.url or webhook.url,
        events=_events(asked.events) if asked.events else webhook.events,
        description=webhook.description if asked.description is None else asked.description or None,
        secret=webhook.secret if asked.secret is None else asked.secret or None,
        active=webhook.active if asked.status is None else asked.status == "ACTIVE",
        updated=_now(call),
    )
    await run_sync(call.services.webhooks.replace, changed)
    return answer(wire.One(_told(changed)))


@routes.add("DELETE", f"{BASE}/{{webhook}}")
async def delete(call: Call) -> Answer:
    """Forget one, and what waits for it."""
    await run_sync(call.services.webhooks.store.delete, call.path["webhook"])
    return answer()


@routes.add("POST", f"{BASE}/{{webhook}}/test")
async def test(call: Call) -> Answer:
    """Send an example now."""
    asked = await call.json(wire.Test)
    webhook = await _found(call)
    event = _events([asked.event])[0] if asked.event is not None else None
    result = await run_sync(call.services.webhooks.test, webhook, event)
    told = wire.TestResult(result.success, error_message=result.error)
    if result.reply is not None:
        told = wire.TestResult(result.success, result.reply.status, result.reply.text)
    return answer(wire.Tested(told))


async def _found(call: Call) -> Webhook:
    return await run_sync(call.services.webhooks.store.get, call.path["webhook"])


def _events(asked: Sequence[wire.Event]) -> tuple[WebhookEvent, ...]:
    return tuple(dict.fromkeys(WebhookEvent(event.entity.lower(), event.action.lower()) for event in asked))


def _told(webhook: Webhook) -> wire.Webhook:
    return wire.Webhook(
        webhook.id,
        webhook.name,
        webhook.url,
        [wire.Event(event.entity.upper(), event.action.upper()) for event in webhook.events],
        "ACTIVE" if webhook.active else "DISABLED",
        webhook.created,
        webhook.updated,
        webhook.description,
    )


def _offset(token: str) -> int:
    try:
        return abs(int(base64.urlsafe_b64decode(token)[:9])) if token else 0
    except (ValueError, binascii.Error) as error:
        raise ProtocolError("INVALID_PARAMETER_VALUE", "Invalid page token") from error


def _now(call: Call) -> int:
    return int(call.services.clock.now().timestamp() * 1000)
