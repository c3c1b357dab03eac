from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from treadle.domain.errors import InvalidInput, StepFailed, WorkerUnavailable
from treadle.runner.protocol import Message, encode, receive_async
from treadle.runner.tensors import pack_scores, unpack
from treadle.runtimes.worker_client import WorkerPredictor

TYPES = {"x": "float"}
Answer = Callable[[Message, asyncio.StreamWriter], Awaitable[None]]


async def twice(message: Message, writer: asyncio.StreamWriter) -> None:
    header = message.header
    if header["op"] == "ping":
        writer.writelines(encode({"id": header["id"], "model": "m"}))
        return
    columns = unpack(header["columns"], message.buffers, header["rows"])
    shape, buffer = pack_scores([2 * x for x in columns["x"]])
    writer.writelines(encode({"id": header["id"], "shape": shape}, [buffer]))


class Worker:
    def __init__(self, path: Path, answer: Answer) -> None:
        self.path, self.answer = path, answer
        self.connections: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> Worker:
        self.server = await asyncio.start_unix_server(self.serve, self.path)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.server.close()
        for writer in self.connections:
            writer.transport.abort()
        await asyncio.sleep(0)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.append(writer)
        try:
            while (message := await receive_async(reader)) is not None:
                await self.answer(message, writer)
        except WorkerUnavailable:
            pass
        finally:
            writer.close()


def run(scene: Awaitable[Any]) -> Any:
    async def bounded() -> Any:
        async with asyncio.timeout(10):
            return await scene

    return asyncio.run(bounded())


def test_many_requests_at_once_get_their_own_answers(tmp_path: Path) -> None:
    held: list[tuple[Message, asyncio.StreamWriter]] = []

    async def out_of_order(message: Message, writer: asyncio.StreamWriter) -> None:
        held.append((message, writer))
        if len(held) % 2 == 0:
            for pair in reversed(held[-2:]):
                await twice(*pair)

    async def scene() -> None:
        async with Worker(tmp_path / "w", out_of_order):
            predictor = WorkerPredictor(str(tmp_path / "w"), TYPES)
            answers = await asyncio.gather(*(predictor.predict({"x": [float(i)]}, 1) for i in range(64)))
            assert answers == [[2.0 * i] for i in range(64)]
            await predictor.close()

    run(scene())


def test_a_worker_that_starts_late_is_waited_for(tmp_path: Path) -> None:
    async def scene() -> None:
        predictor = WorkerPredictor(str(tmp_path / "w"), TYPES)
        waiting = asyncio.create_task(predictor.wait_ready(5))
        await asyncio.sleep(0.12)
        assert not waiting.done()
        async with Worker(tmp_path / "w", twice):
            await waiting
            assert await predictor.predict({"x": [1.5, 2.0]}, 2) == [3.0, 4.0]
            await predictor.close()

    run(scene())


def test_a_worker_that_never_starts_is_unavailable(tmp_path: Path) -> None:
    predictor = WorkerPredictor(str(tmp_path / "none"), TYPES)
    with pytest.raises(WorkerUnavailable, match="does not listen"):
        run(predictor.wait_ready(0.1))
    with pytest.raises(WorkerUnavailable, match="does not listen"):
        run(predictor.predict({"x": [1.0]}, 1))


def test_a_worker_that_dies_fails_its_requests_and_is_found_again(tmp_path: Path) -> None:
    async def die(message: Message, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    async def scene() -> None:
        predictor = WorkerPredictor(str(tmp_path / "w"), TYPES)
        async with Worker(tmp_path / "w", die):
            with pytest.raises(WorkerUnavailable, match="is gone"):
                await predictor.predict({"x": [1.0]}, 1)
        (tmp_path / "w").unlink(missing_ok=True)
        async with Worker(tmp_path / "w", twice):
            for _ in range(8):
                assert await predictor.predict({"x": [1.0]}, 1) == [2.0]
            await predictor.close()

    run(scene())


def test_a_worker_that_is_silent_is_unavailable(tmp_path: Path) -> None:
    async def silent(message: Message, writer: asyncio.StreamWriter) -> None: ...

    async def scene() -> None:
        async with Worker(tmp_path / "w", silent):
            predictor = WorkerPredictor(str(tmp_path / "w"), TYPES, timeout=0.1)
            with pytest.raises(WorkerUnavailable, match=r"within 0.1 s"):
                await predictor.predict({"x": [1.0]}, 1)
            await predictor.close()

    run(scene())


@pytest.mark.parametrize(("rows", "error"), [(True, InvalidInput), (False, StepFailed)])
def test_what_the_worker_says_went_wrong(tmp_path: Path, rows: bool, error: type[Exception]) -> None:
    async def refuse(message: Message, writer: asyncio.StreamWriter) -> None:
        failure = {"message": "no", "hint": "yes", "traceback": "", "rows": rows}
        writer.writelines(encode({"id": message.header["id"], "error": failure}))

    async def scene() -> None:
        async with Worker(tmp_path / "w", refuse):
            predictor = WorkerPredictor(str(tmp_path / "w"), TYPES)
            with pytest.raises(error, match="no"):
                await predictor.predict({"x": [1.0]}, 1)
            await predictor.close()

    run(scene())


def test_bytes_that_are_no_answer_end_the_connection(tmp_path: Path) -> None:
    async def babble(message: Message, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")

    async def scene() -> None:
        async with Worker(tmp_path / "w", babble):
            predictor = WorkerPredictor(str(tmp_path / "w"), TYPES)
            with pytest.raises(WorkerUnavailable, match="is gone"):
                await predictor.predict({"x": [1.0]}, 1)
            await predictor.close()

    run(scene())


def test_a_closed_predictor_answers_no_more(tmp_path: Path) -> None:
    async def scene() -> None:
        async with Worker(tmp_path / "w", twice):
            predictor = WorkerPredictor(str(tmp_path / "w"), TYPES)
            assert await predictor.predict({"x": [1.0]}, 1) == [2.0]
            await predictor.close()
            for _ in range(9):
                with pytest.raises(WorkerUnavailable, match=r"no longer served|is gone"):
                    await predictor.predict({"x": [1.0]}, 1)

    run(scene())
