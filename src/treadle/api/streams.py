"""Answers that take their time: JSON lines (``application/x-ndjson``) that say what is going on until the last one.

The last line is the result, or ``{"error": {...}}`` as an error's body would be. While nothing happens a line
``{"waiting": seconds}`` comes every few seconds, so that a client can tell a slow server from a dead one.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from starlette.responses import StreamingResponse

from treadle.api.errors import body_of

MEDIA_TYPE = "application/x-ndjson"
HEARTBEAT = 5.0

Line = dict[str, Any]
Say = Callable[[Line], None]


def wanted(accept: str | None) -> bool:
    """Whether a request asks for JSON lines."""
    return MEDIA_TYPE in (accept or "")


def stream(lines: AsyncIterator[Line]) -> StreamingResponse:
    """An answer made of lines; an error becomes the last one."""
    return StreamingResponse(_encoded(lines), media_type=MEDIA_TYPE)


async def from_thread(work: Callable[[Say], Line], *, heartbeat: float = HEARTBEAT) -> AsyncIterator[Line]:
    """The lines that ``work`` says from a thread of its own, then the one that it returns.

    A client that goes away does not stop the work; it is told to nobody.
    """
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[Line | None] = asyncio.Queue()

    def say(line: Line | None) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(queue.put_nowait, line)

    def run() -> None:
        try:
            say(work(say))
        except Exception as error:  # noqa: BLE001  every error is told to the client
            say(body_of(error))
        finally:
            say(None)

    future = loop.run_in_executor(None, run)
    async for line in _drain(queue, heartbeat):
        yield line
    await future


async def from_lines(lines: AsyncIterator[Line], *, heartbeat: float = HEARTBEAT) -> AsyncIterator[Line]:
    """The same lines, with an error as the last one and a heartbeat between those that are long in coming."""
    queue: asyncio.Queue[Line | None] = asyncio.Queue()

    async def pump() -> None:
        try:
            async for line in lines:
                queue.put_nowait(line)
        except Exception as error:  # noqa: BLE001  every error is told to the client
            queue.put_nowait(body_of(error))
        finally:
            queue.put_nowait(None)

    task = asyncio.create_task(pump())
    try:
        async for line in _drain(queue, heartbeat):
            yield line
    finally:
        task.cancel()


async def _drain(queue: asyncio.Queue[Line | None], heartbeat: float) -> AsyncIterator[Line]:
    last = time.monotonic()
    while True:
        try:
            line = await asyncio.wait_for(queue.get(), heartbeat)
        except TimeoutError:
            yield {"waiting": round(time.monotonic() - last, 1)}
            continue
        if line is None:
            return
        last = time.monotonic()
        yield line


async def _encoded(lines: AsyncIterator[Line]) -> AsyncIterator[bytes]:
    async for line in lines:
        yield json.dumps(line, separators=(",", ":"), allow_nan=False).encode() + b"\n"
