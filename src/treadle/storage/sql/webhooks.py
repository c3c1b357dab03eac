"""Webhooks and their outbox on SQL."""

from __future__ import annotations

import dataclasses
import json
import uuid
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from treadle.domain.errors import Conflict, NotFound
from treadle.domain.webhooks import Delivery, Webhook, WebhookEvent
from treadle.storage.sql.database import Database
from treadle.storage.sql.tables import webhook_deliveries as outbox
from treadle.storage.sql.tables import webhooks
from treadle.storage.sql.writer import WriteConnection, Writer


class SqlWebhooks:
    """``ports.Webhooks`` on SQL. Secrets lie in the database as they are, in a column of their own: to sign, the server
    needs them in full. Whoever may read the database may read them."""

    def __init__(self, database: Database, writer: Writer) -> None:
        self._database = database
        self._writer = writer

    def create(self, webhook: Webhook) -> None:
        """Store a new one. Raises Conflict for an id in use."""

        def work(connection: WriteConnection) -> None:
            if _find(connection.core, webhook.id) is not None:
                raise Conflict(f"there is a webhook {webhook.id} already", hint="take another id")
            connection.core.execute(insert(webhooks).values(**_columns(webhook)))

        self._writer.submit(work).result()

    def get(self, webhook: str) -> Webhook:
        """By id. Raises NotFound."""
        with self._database.read() as connection:
            return _known(connection, webhook)

    def list(self, *, limit: int, offset: int = 0) -> Sequence[Webhook]:
        """Newest first; ties by id."""
        order = (webhooks.c.created.desc(), webhooks.c.id)
        with self._database.read() as connection:
            found = connection.execute(select(webhooks).order_by(*order).limit(limit).offset(offset))
            return tuple(_webhook(row) for row in found)

    def replace(self, webhook: Webhook) -> None:
        """Store changed fields. Messages that wait go to where the webhook points now. Raises NotFound."""

        def work(connection: WriteConnection) -> None:
            _known(connection.core, webhook.id)
            connection.core.execute(update(webhooks).where(webhooks.c.id == webhook.id).values(**_columns(webhook)))

        self._writer.submit(work).result()

    def delete(self, webhook: str) -> None:
        """Forget it and what waits for it. Raises NotFound."""

        def work(connection: WriteConnection) -> None:
            _known(connection.core, webhook)
            connection.core.execute(delete(outbox).where(outbox.c.webhook == webhook))
            connection.core.execute(delete(webhooks).where(webhooks.c.id == webhook))

        self._writer.submit(work).result()

    def announce(self, event: WebhookEvent, body: str, *, at: int) -> int:
        """Put a message for every active webhook of this event into the outbox, due at once; how many."""
        with self._database.read() as connection:
            if not _listening(connection, event):
                return 0
        return self._writer.submit(lambda connection: enqueue(connection.core, event, body, at)).result()

    def claim(self, *, now: int, until: int, limit: int) -> Sequence[Delivery]:
        """Messages that are due, oldest first; nobody else gets them before ``until``."""
        if limit < 1 or not self._any_due(now):
            return ()
        return self._writer.submit(lambda connection: _claim(connection.core, now, until, limit)).result()

    def settle(self, delivery: str) -> None:
        """Forget a message that arrived or was given up; forgetting again is no change."""
        statement = delete(outbox).where(outbox.c.id == delivery)
        self._writer.submit(lambda connection: connection.core.execute(statement).rowcount).result()

    def postpone(self, delivery: str, *, attempts: int, due: int) -> None:
        """Send again later. A message that is gone stays gone."""
        statement = update(outbox).where(outbox.c.id == delivery).values(attempts=attempts, due=due)
        self._writer.submit(lambda connection: connection.core.execute(statement).rowcount).result()

    def next_due(self) -> int | None:
        """When the first waiting message of an active webhook is due; ``None`` where none waits."""
        with self._database.read() as connection:
            found = connection.execute(select(func.min(outbox.c.due)).where(_ACTIVE)).scalar()
            return None if found is None else int(found)

    def _any_due(self, now: int) -> bool:
        with self._database.read() as connection:
            found = connection.execute(select(outbox.c.number).where(_ACTIVE, outbox.c.due <= now).limit(1))
            return found.first() is not None


def enqueue(connection: Connection, event: WebhookEvent, body: str, at: int) -> int:
    """Put messages into the outbox within the transaction of the change that they tell of; how many."""
    rows = [
        {
            "id": str(uuid.uuid4()),
            "webhook": webhook.id,
            "event": str(event),
            "body": body,
            "due": at,
            "attempts": 0,
        }
        for webhook in _listening(connection, event)
    ]
    if rows:
        connection.execute(insert(outbox), rows)
    return len(rows)


_ACTIVE = outbox.c.webhook.in_(select(webhooks.c.id).where(webhooks.c.active))


def _claim(connection: Connection, now: int, until: int, limit: int) -> Sequence[Delivery]:
    """Move the due time of messages; where somebody else moved it first, the message is theirs."""
    due = select(outbox).where(_ACTIVE, outbox.c.due <= now).order_by(outbox.c.due, outbox.c.number).limit(limit)
    found = []
    for row in connection.execute(due).all():
        same = (outbox.c.id == row.id) & (outbox.c.due == row.due)
        if connection.execute(update(outbox).where(same).values(due=until)).rowcount == 1:
            entity, _, action = row.event.partition(".")
            event, webhook = WebhookEvent(entity, action), _known(connection, row.webhook)
            found.append(Delivery(row.id, webhook, event, row.body, until, row.attempts))
    return tuple(found)


def _listening(connection: Connection, event: WebhookEvent) -> Sequence[Webhook]:
    active = (_webhook(row) for row in connection.execute(select(webhooks).where(webhooks.c.active)))
    return tuple(webhook for webhook in active if event in webhook.events)


def _known(connection: Connection, webhook: str) -> Webhook:
    found = _find(connection, webhook)
    if found is None:
        raise NotFound(f"Webhook with ID {webhook} not found.", hint="list them to see which there are")
    return found


def _find(connection: Connection, webhook: str) -> Webhook | None:
    row = connection.execute(select(webhooks).where(webhooks.c.id == webhook)).first()
    return None if row is None else _webhook(row)


def _columns(webhook: Webhook) -> dict[str, Any]:
    body = dataclasses.asdict(dataclasses.replace(webhook, secret=None))
    return {
        "id": webhook.id,
        "created": webhook.created,
        "active": webhook.active,
        "body": json.dumps(body),
        "secret": webhook.secret,
    }


def _webhook(row: Row[Any]) -> Webhook:
    body = json.loads(row.body)
    events = tuple(WebhookEvent(**event) for event in body.pop("events"))
    return Webhook(**{**body, "events": events, "secret": row.secret})
