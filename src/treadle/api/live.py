"""One watcher for all open pages: it asks the store and the loop once, and tells everybody who listens."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from anyio.to_thread import run_sync

from treadle.api.services import ControlServices
from treadle.domain import codec
from treadle.domain.errors import TreadleError
from treadle.domain.events import SealedEvent

logger = logging.getLogger("treadle.api")

EVERY = 0.5
"""Seconds between two looks."""
PATIENCE = 2.0
"""How long the loop may take to say what it does before it counts as away."""
QUIET = 15.0
"""After so many seconds without anything to say, a comment is sent, so that a dead connection shows."""
BACKLOG = 1000
"""Events that a listener may be behind; one that is further behind starts anew."""


@dataclass(frozen=True)
class Message:
    """One server-sent event. ``id`` is the position of an event, by which a page that was cut off goes on."""

    event: str
    data: Any
    id: int | None = None

    def encode(self) -> bytes:
        """The message as ``text/event-stream`` has it."""
        head = f"id: {self.id}\n" if self.id is not None else ""
        text = json.dumps(self.data, separators=(",", ":"), allow_nan=False)
        return f"{head}event: {self.event}\ndata: {text}\n\n".encode()


class Live:
    """Tells listeners of sealed events, of the clock and of what the loop does. Asks only while somebody listens."""

    def __init__(self, services: ControlServices, every: float = EVERY) -> None:
        self._services = services
        self._every = every
        self._listeners: set[asyncio.Queue[Message]] = set()
        self._watching: asyncio.Task[None] | None = None
        self._position = 0
        self._pulse: dict[str, Any] | None = None

    async def listen(self, after: int | None) -> AsyncIterator[bytes]:
        """Everything from now on; from the event after position ``after`` on, where that is given."""
        queue: asyncio.Queue[Message] = asyncio.Queue(BACKLOG)
        start = await self._tip() if after is None else after
        known = start
        self._listeners.add(queue)
        if self._watching is None or self._watching.done():
            self._position, self._pulse = start, None
            self._watching = asyncio.create_task(self._watch())
        try:
            yield b"retry: 1000\n\n"
            for message in await self._missed(start):
                known = message.id or known
                yield message.encode()
            if self._pulse is not None:
                yield Message("pulse", self._pulse).encode()
            while True:
                try:
                    message = await asyncio.wait_for(queue.get(), QUIET)
                except TimeoutError:
                    yield b": still here\n\n"
                    continue
                if message.id is None or message.id > known:
                    known = message.id or known
                    yield message.encode()
        finally:
            self._listeners.discard(queue)
            if not self._listeners and self._watching is not None:
                self._watching.cancel()
                self._watching = None

    async def _watch(self) -> None:
        while True:
            try:
                await self._look()
            except Exception:
                logger.exception("the live stream could not be read")
            await asyncio.sleep(self._every)

    async def _look(self) -> None:
        for message in await self._missed(self._position):
            self._position = message.id or self._position
            self._tell(message)
        pulse = await self._ask()
        if pulse != self._pulse:
            self._pulse = pulse
            self._tell(Message("pulse", pulse))

    def _tell(self, message: Message) -> None:
        for queue in tuple(self._listeners):
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(message)

    async def _tip(self) -> int:
        last = await run_sync(lambda: self._services.events.last(limit=1))
        return last[0].position if last else 0

    async def _missed(self, after: int) -> list[Message]:
        found = await run_sync(lambda: self._services.events.read(after, limit=BACKLOG))
        return [_told(sealed) for sealed in found]

    async def _ask(self) -> dict[str, Any]:
        doing: list[dict[str, Any]] = []
        loop = "running"
        try:
            answer = await asyncio.wait_for(self._services.loop.call("status"), PATIENCE)
            doing = answer.get("doing", [])
        except (TimeoutError, TreadleError):
            loop = "away"
        now = await run_sync(self._services.clock.now)
        virtual = hasattr(self._services.clock, "set")
        exact = now if virtual else now.replace(second=0, microsecond=0)
        return {"now": codec.to_plain(exact), "loop": loop, "doing": doing}


def _told(sealed: SealedEvent) -> Message:
    return Message("event", codec.to_plain(sealed), sealed.position)
