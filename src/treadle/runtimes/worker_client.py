"""Models in a process of their own, in their own environment, spoken to over a Unix socket."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from treadle.domain.errors import CorruptData, InvalidInput, StepFailed, TreadleError, WorkerUnavailable
from treadle.runner.protocol import Message, encode, receive_async
from treadle.runner.tensors import pack, unpack_scores

_CONNECTIONS = 4
_BUFFER = 2**20
_RETRY = 0.05


class WorkerPredictor:
    """A version behind its worker; fulfils the port ``Predictor``.

    Requests are pipelined: each goes out with a number over one of a few connections, and the answer with that number
    is its own. A lost connection fails the requests on it with WorkerUnavailable and is made anew by the next one, so a
    worker that was restarted is found again. ``types`` maps every column to its declared type; ``timeout`` is in
    seconds of the monotonic clock.
    """

    def __init__(self, socket_path: str, types: Mapping[str, str], *, timeout: float = 30.0) -> None:
        self._path = socket_path
        self._types = types
        self._timeout = timeout
        self._connections: list[_Connection | None] = [None] * _CONNECTIONS
        self._locks = [asyncio.Lock() for _ in range(_CONNECTIONS)]
        self._next = 0
        self._closed = False

    async def wait_ready(self, seconds: float) -> None:
        """Wait until the worker has loaded its model and answers. Raises WorkerUnavailable after ``seconds``."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + seconds
        while True:
            try:
                await self._ask({"op": "ping"}, [], max(deadline - clock(), _RETRY))
            except WorkerUnavailable:
                if clock() >= deadline:
                    raise
                await asyncio.sleep(_RETRY)
            else:
                return

    async def predict(self, columns: Mapping[str, Sequence[Any]], rows: int) -> list[Any]:
        """Score ``rows`` rows. Raises WorkerUnavailable where the worker is gone or does not answer within the timeout,
        StepFailed where the model's own code raised, and InvalidInput for values that it cannot be sent."""
        described, buffers = pack(columns, self._types)
        message = await self._ask({"op": "predict", "rows": rows, "columns": described}, buffers, self._timeout)
        return unpack_scores(message.header["shape"], message.buffers[0])

    async def close(self) -> None:
        """Close the connections; requests still on them fail with WorkerUnavailable."""
        self._closed = True
        for connection in self._connections:
            if connection is not None:
                await connection.close()

    async def _ask(self, header: dict[str, Any], buffers: list[bytes], seconds: float) -> Message:
        try:
            async with asyncio.timeout(seconds):
                connection = await self._connection()
                message = await connection.ask(header, buffers)
        except TimeoutError as error:
            raise WorkerUnavailable(
                f"the model's worker did not answer within {seconds:g} s", hint="send the request again, or fewer rows"
            ) from error
        if (failure := message.header.get("error")) is not None:
            raise _failure(failure)
        return message

    async def _connection(self) -> _Connection:
        slot = self._next = (self._next + 1) % _CONNECTIONS
        found = self._connections[slot]
        if found is not None and not found.lost:
            return found
        async with self._locks[slot]:
            found = self._connections[slot]
            if found is None or found.lost:
                if self._closed:
                    raise WorkerUnavailable("this version is no longer served", hint="send the request again")
                found = self._connections[slot] = await _Connection.open(self._path)
            return found


class _Connection:
    """One socket, with the requests that wait for an answer on it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._waiting: dict[int, asyncio.Future[Message]] = {}
        self._number = 0
        self.lost = False
        self._task = asyncio.create_task(self._read(reader))

    @classmethod
    async def open(cls, path: str) -> _Connection:
        try:
            reader, writer = await asyncio.open_unix_connection(path, limit=_BUFFER)
        except OSError as error:
            raise WorkerUnavailable(
                f"the model's worker does not listen at {path}: {error.strerror or error}",
                hint="it is started again by the server; send the request again",
            ) from error
        return cls(reader, writer)

    async def ask(self, header: dict[str, Any], buffers: list[bytes]) -> Message:
        self._number += 1
        number = self._number
        chunks = encode({**header, "id": number}, buffers)
        future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        try:
            if self.lost:
                raise _gone()
            self._writer.writelines(chunks)
            await self._writer.drain()
            return await future
        except OSError as error:
            raise _gone() from error
        finally:
            self._waiting.pop(number, None)

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while (message := await receive_async(reader)) is not None:
                waiting = self._waiting.get(message.header.get("id", 0))
                if waiting is not None and not waiting.done():
                    waiting.set_result(message)
        except (CorruptData, WorkerUnavailable):
            pass
        finally:
            self.lost = True
            for waiting in self._waiting.values():
                if not waiting.done():
                    waiting.set_exception(_gone())
            self._writer.close()

    async def close(self) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()


def _gone() -> WorkerUnavailable:
    return WorkerUnavailable(
        "the model's worker is gone", hint="it is started again by the server; send the request again"
    )


def _failure(failure: Mapping[str, Any]) -> TreadleError:
    message, hint = str(failure.get("message", "")), str(failure.get("hint", ""))
    if failure.get("rows"):
        return InvalidInput(message, hint=hint)
    return StepFailed(message, hint=hint, traceback=str(failure.get("traceback", "")))
