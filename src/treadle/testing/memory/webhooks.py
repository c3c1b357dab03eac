"""Webhooks in dictionaries."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from treadle.domain.errors import Conflict, NotFound
from treadle.domain.webhooks import Delivery, Target, Webhook, WebhookEvent
from treadle.ports.webhooks import Reply


class MemoryWebhooks:
    """``ports.Webhooks``."""

    def __init__(self) -> None:
        self._webhooks: dict[str, Webhook] = {}
        self._outbox: dict[str, Delivery] = {}
        self._lock = threading.Lock()

    def create(self, webhook: Webhook) -> None:
        """Store a new one. Raises Conflict for an id in use."""
        with self._lock:
            if webhook.id in self._webhooks:
                raise Conflict(f"there is a webhook {webhook.id} already", hint="take another id")
            self._webhooks[webhook.id] = webhook

    def get(self, webhook: str) -> Webhook:
        """By id. Raises NotFound."""
        if webhook not in self._webhooks:
            raise NotFound(f"Webhook with ID {webhook} not found.", hint="list them to see which there are")
        return self._webhooks[webhook]

    def list(self, *, limit: int, offset: int = 0) -> Sequence[Webhook]:
        """Newest first; ties by id."""
        found = sorted(self._webhooks.values(), key=lambda webhook: (-webhook.created, webhook.id))
        return tuple(found[offset : offset + limit])

    def replace(self, webhook: Webhook) -> None:
        """Store changed fields. Raises NotFound."""
        with self._lock:
            self.get(webhook.id)
            self._webhooks[webhook.id] = webhook

    def delete(self, webhook: str) -> None:
        """Forget it and what waits for it. Raises NotFound."""
        with self._lock:
            self.get(webhook)
            del self._webhooks[webhook]
            self._outbox = {key: found for key, found in self._outbox.items() if found.webhook.id != webhook}

    def announce(self, event: WebhookEvent, body: str, *, at: int) -> int:
        """Put a message for every active webhook of this event into the outbox, due at once; how many."""
        with self._lock:
            listening = [found for found in self._webhooks.values() if found.active and event in found.events]
            for webhook in listening:
                delivery = Delivery(str(uuid.uuid4()), webhook, event, body, at)
                self._outbox[delivery.id] = delivery
            return len(listening)

    def claim(self, *, now: int, until: int, limit: int) -> Sequence[Delivery]:
        """Messages that are due, oldest first; nobody else gets them before ``until``."""
        with self._lock:
            due = [found for found in self._waiting() if found.due <= now]
            taken = [replace(found, due=until) for found in sorted(due, key=lambda found: found.due)[: max(limit, 0)]]
            self._outbox.update((found.id, found) for found in taken)
            return tuple(replace(found, webhook=self._webhooks[found.webhook.id]) for found in taken)

    def settle(self, delivery: str) -> None:
        """Forget a message; forgetting again is no change."""
        with self._lock:
            self._outbox.pop(delivery, None)

    def postpone(self, delivery: str, *, attempts: int, due: int) -> None:
        """Send again later. A message that is gone stays gone."""
        with self._lock:
            if delivery in self._outbox:
                self._outbox[delivery] = replace(self._outbox[delivery], attempts=attempts, due=due)

    def next_due(self) -> int | None:
        """When the first waiting message of an active webhook is due; ``None`` where none waits."""
        with self._lock:
            return min((found.due for found in self._waiting()), default=None)

    def _waiting(self) -> Sequence[Delivery]:
        return [found for found in self._outbox.values() if self._webhooks[found.webhook.id].active]


@dataclass(frozen=True)
class Sent:
    """What a sender was given."""

    to: Target
    body: bytes
    headers: Mapping[str, str]


class RecordingSender:
    """``ports.Sender`` that keeps what it is given and answers with what ``replies`` holds; 200 once that is empty."""

    def __init__(self, *replies: Reply | Exception) -> None:
        self.replies = list(replies)
        self.sent: list[Sent] = []
        self.refused: set[str] = set()

    def check(self, to: Target) -> None:
        """All hosts are fine."""

    def send(self, to: Target, body: bytes, headers: Mapping[str, str]) -> Reply:
        """Keep it, and answer."""
        self.sent.append(Sent(to, body, headers))
        reply = self.replies.pop(0) if self.replies else Reply(200, "")
        if isinstance(reply, Exception):
            raise reply
        return reply
