"""Tells those who asked to be told: messages are stored before the change is answered, and sent off its path."""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from treadle.domain.errors import TreadleError
from treadle.domain.webhooks import (
    RETRIED,
    Delivery,
    Webhook,
    WebhookEvent,
    checked,
    example,
    headers,
    message,
    pause,
    target,
)
from treadle.ports.webhooks import Reply, Sender, Webhooks

logger = logging.getLogger("treadle.registry.webhooks")

THREADS = 4
LEASE = 120.0
"""Seconds that a message is ours; longer than a sending takes."""
POLL = 5.0
"""Seconds after which the outbox is looked at again: another process may have put something into it."""
SOONEST = 0.05


@dataclass(frozen=True)
class TestResult:
    """What became of a test message."""

    success: bool
    reply: Reply | None = None
    error: str | None = None


class WebhookService:
    """Announces changes, and delivers messages on threads of its own between :meth:`start` and :meth:`stop`.

    Times are those of the wall clock, whatever clock the server lives by: receivers compare them with theirs.
    """

    def __init__(self, store: Webhooks, sender: Sender, *, private: bool = False) -> None:
        self.store = store
        self._private = private
        self._sender = sender
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def create(self, webhook: Webhook) -> None:
        """Store a new one. Raises InvalidInput for what it may not be, or where it may not point."""
        self._check(webhook)
        self.store.create(webhook)

    def replace(self, webhook: Webhook) -> None:
        """Store changed fields. Raises InvalidInput, NotFound."""
        self._check(webhook)
        self.store.replace(webhook)
        self._wake.set()

    def announce(self, entity: str, action: str, data: Mapping[str, Any]) -> None:
        """Store the messages about a change. Raises InvalidInput for an event that is none; all else is logged.

        What was changed stands, whatever becomes of the telling.
        """
        event = WebhookEvent(entity, action)
        now = datetime.now(UTC)
        try:
            count = self.store.announce(event, message(event, data, now), at=_milliseconds(now))
        except TreadleError:
            logger.exception("nobody could be told of %s", event)
            return
        if count:
            self._wake.set()

    def test(self, webhook: Webhook, event: WebhookEvent | None = None) -> TestResult:
        """Send an example of an event at once, of the webhook's first one unless told otherwise."""
        chosen = event or webhook.events[0]
        body = message(chosen, example(chosen), datetime.now(UTC))
        try:
            reply = self._send(Delivery(str(uuid.uuid4()), webhook, chosen, body, 0))
        except (TreadleError, OSError) as error:
            return TestResult(False, error=f"Failed to test webhook: {error}")
        return TestResult(reply.status < 400, reply)

    def start(self) -> None:
        """Deliver from now on, what waited from before first."""
        self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)
        self._thread.start()

    def stop(self, patience: float = 5.0) -> None:
        """Stop delivering; what is not settled is delivered by the next start."""
        self._stopping.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(patience)

    def _run(self) -> None:
        with ThreadPoolExecutor(THREADS, thread_name_prefix="webhook") as pool:
            going: set[Future[None]] = set()
            while not self._stopping.is_set():
                self._wake.clear()
                going = {each for each in going if not each.done()}
                for delivery in self._claimed(THREADS - len(going)):
                    going.add(pool.submit(self._settled, delivery))
                self._wake.wait(self._patience(len(going)))

    def _claimed(self, limit: int) -> Sequence[Delivery]:
        try:
            return self.store.claim(now=_now(), until=_now() + int(LEASE * 1000), limit=limit)
        except TreadleError:
            logger.exception("the outbox of webhooks cannot be read")
            return ()

    def _patience(self, going: int) -> float:
        """Seconds until there may be something to do; a message that is over wakes the loop earlier."""
        try:
            due = self.store.next_due()
        except TreadleError:
            return POLL
        if due is None or going == THREADS:
            return POLL
        return max(SOONEST, min(POLL, (due - _now()) / 1000))

    def _settled(self, delivery: Delivery) -> None:
        try:
            self.deliver(delivery)
        except Exception:
            logger.exception("a message of webhook %s is tried again", delivery.webhook.id)
        finally:
            self._wake.set()

    def deliver(self, delivery: Delivery) -> None:
        """Send one message and settle or postpone it."""
        attempts, asked = delivery.attempts + 1, None
        what = f"{delivery.event} to webhook {delivery.webhook.name} ({delivery.webhook.id})"
        try:
            reply = self._send(delivery)
            if reply.status < 400:
                self.store.settle(delivery.id)
                return
            failure, again, asked = f"answered {reply.status}", reply.status in RETRIED, reply.again_after
        except TreadleError as error:
            failure, again = error.message, False
        except OSError as error:
            failure, again = f"{type(error).__name__}: {error}", True
        wait = pause(attempts, asked) if again else None
        if wait is None:
            logger.warning("%s is given up after %d attempts: %s", what, attempts, failure)
            self.store.settle(delivery.id)
        else:
            logger.info("%s is sent again in %.0f s: %s", what, wait, failure)
            self.store.postpone(delivery.id, attempts=attempts, due=_now() + int(wait * 1000))

    def _check(self, webhook: Webhook) -> None:
        checked(webhook, private=self._private)
        self._sender.check(target(webhook.url, private=self._private))

    def _send(self, delivery: Delivery) -> Reply:
        to = target(delivery.webhook.url, private=self._private)
        return self._sender.send(to, delivery.body.encode(), headers(delivery, datetime.now(UTC)))


def _now() -> int:
    return _milliseconds(datetime.now(UTC))


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)
