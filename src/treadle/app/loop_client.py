"""How the control process talks to the loop."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

from treadle.domain import codec, errors

LIMIT = 64 * 1024 * 1024
PATIENCE = 30.0


class SocketLoopClient:
    """Asks the loop over its Unix socket; waits out a restart of the loop for up to half a minute."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def advance(self, to: datetime) -> AsyncIterator[dict[str, Any]]:
        """Move the virtual clock; yields progress, then ``{"done": true, "now": ...}``. Survives a restart."""
        resumed = False
        while True:
            try:
                async for line in self._ask({"op": "advance", "to": codec.to_plain(to), "resumed": resumed}):
                    yield line
                    if line.get("done"):
                        return
            except ConnectionError:
                yield {"waiting": "the loop is starting again"}
            resumed = True

    async def call(self, op: str, **arguments: Any) -> dict[str, Any]:
        """One question, one answer. Raises the loop's error, or WorkerUnavailable."""
        answer: dict[str, Any] = {}
        try:
            async for line in self._ask({"op": op, **arguments}):
                answer.update(line)
        except ConnectionError as error:
            raise errors.WorkerUnavailable("the loop went away", hint="it is being restarted; try again") from error
        return answer

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        deadline = asyncio.get_running_loop().time() + PATIENCE
        while True:
            try:
                return await asyncio.open_unix_connection(str(self._path), limit=LIMIT)
            except OSError as error:
                if asyncio.get_running_loop().time() > deadline:
                    raise errors.WorkerUnavailable(
                        "the loop process does not answer", hint="see logs/loop.log in the home directory"
                    ) from error
                await asyncio.sleep(0.1)

    async def _ask(self, request: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        reader, writer = await self._connect()
        try:
            writer.write(json.dumps(request).encode() + b"\n")
            await writer.drain()
            last: dict[str, Any] = {}
            while (line := await reader.readline()).endswith(b"\n"):
                last = json.loads(line)
                if "error" in last:
                    raise _error(last["error"])
                yield last
            if not last.get("done"):
                raise ConnectionResetError("the loop closed the connection")
        finally:
            writer.close()


def _error(told: dict[str, Any]) -> errors.TreadleError:
    kind = getattr(errors, str(told.get("type")), errors.TreadleError)
    return kind(str(told.get("message")), hint=str(told.get("hint", "")))
