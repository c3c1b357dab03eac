"""Webhooks and the messages that wait to be delivered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from treadle.domain.webhooks import Delivery, Target, Webhook, WebhookEvent


class Webhooks(Protocol):
    """Webhooks, and an outbox of messages that outlives the process. Methods block until what they do is stored."""

    def create(self, webhook: Webhook) -> None:
        """Store a new one. Raises Conflict for an id in use."""
        ...

    def get(self, webhook: str) -> Webhook:
        """By id. Raises NotFound."""
        ...

    def list(self, *, limit: int, offset: int = 0) -> Sequence[Webhook]:
        """Newest first; ties by id."""
        ...

    def replace(self, webhook: Webhook) -> None:
        """Store changed fields. Messages that wait go to where the webhook points now. Raises NotFound."""
        ...

    def delete(self, webhook: str) -> None:
        """Forget it and what waits for it. Raises NotFound."""
        ...

    def announce(self, event: WebhookEvent, body: str, *, at: int) -> int:
        """Put a message for every active webhook of this event into the outbox, due at once; how many."""
        ...

    def claim(self, *, now: int, until: int, limit: int) -> Sequence[Delivery]:
        """Messages that are due, oldest first; nobody else gets them before ``until``.

        Who dies before settling leaves them to be claimed then. Those of disabled webhooks wait.
        """
        ...

    def settle(self, delivery: str) -> None:
        """Forget a message that arrived or was given up; forgetting again is no change."""
        ...

    def postpone(self, delivery: str, *, attempts: int, due: int) -> None:
        """Send again later. A message that is gone stays gone."""
        ...

    def next_due(self) -> int | None:
        """When the first waiting message of an active webhook is due; ``None`` where none waits."""
        ...


@dataclass(frozen=True)
class Reply:
    """What a receiver answered: ``text`` is its beginning, ``again_after`` its Retry-After in seconds."""

    status: int
    text: str
    again_after: float | None = None


class Sender(Protocol):
    """Sends one message over HTTP. Redirects are not followed, proxies not used."""

    def check(self, to: Target) -> None:
        """Raises InvalidInput for a name that is unknown, or means an address that is not allowed."""
        ...

    def send(self, to: Target, body: bytes, headers: Mapping[str, str]) -> Reply:
        """Post it.

        The name is resolved, the address checked, and that very address connected to. Raises InvalidInput for an
        address that is not allowed, OSError where nobody answers in time.
        """
        ...
