"""Talking to the loop: what happens when it is killed, stopped or starts again in the middle of an answer."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from treadle.app.loop_client import SocketLoopClient
from treadle.app.loop_server import LoopServer, ask
from treadle.domain.errors import InvalidInput, WorkerUnavailable

T0 = datetime(2013, 3, 1, tzinfo=UTC)
Script = Callable[[dict[str, Any]], bytes]


class BrokenLoop:
    """A loop that answers with given bytes and hangs up; one script a connection."""

    def __init__(self, path: Path, *scripts: bytes) -> None:
        self.path = path
        self.scripts = list(scripts)
        self.asked: list[dict[str, Any]] = []

    async def __aenter__(self) -> "BrokenLoop":
        self._server = await asyncio.start_unix_server(self._answer, str(self.path))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked.append(json.loads(await reader.readline()))
        writer.write(self.scripts.pop(0))
        await writer.drain()
        writer.close()


async def advanced(path: Path, *scripts: bytes) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    async with BrokenLoop(path, *scripts) as loop:
        lines = [line async for line in SocketLoopClient(path).advance(T0)]
    return lines, loop.asked


@pytest.mark.parametrize("broken", [b"", b'{"now": "a"}\n', b'{"now": "a"}\n{"now": "20', b'{"done": tr'])
def test_advancing_survives_a_loop_that_dies_at_any_byte_of_its_answer(tmp_path: Path, broken: bytes) -> None:
    lines, asked = asyncio.run(advanced(tmp_path / "l.sock", broken, broken, b'{"done": true, "now": "b"}\n'))
    assert lines[-1] == {"done": True, "now": "b"}
    assert [line for line in lines if "waiting" in line]
    assert [request["resumed"] for request in asked] == [False, True, True]


def test_a_call_that_is_cut_off_says_that_it_may_be_tried_again(tmp_path: Path) -> None:
    async def call() -> None:
        async with BrokenLoop(tmp_path / "l.sock", b'{"deployment": {"mod'):
            await SocketLoopClient(tmp_path / "l.sock").call("promote", model="m", version=1)

    with pytest.raises(WorkerUnavailable, match="went away"):
        asyncio.run(call())


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    servers: list[LoopServer] = []

    def started(**operations: Callable[[dict[str, Any]], Iterator[dict[str, Any]]]) -> Path:
        path = tmp_path / "loop.sock"
        servers.append(LoopServer(path, operations))
        servers[-1].start()
        return path

    yield started
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_loop_that_is_stopped_breaks_off_and_the_next_one_goes_on(serve: Callable[..., Path]) -> None:
    asked: list[bool] = []

    def advance(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        asked.append(request["resumed"])
        yield {"now": "a"}
        if len(asked) == 1:
            raise WorkerUnavailable("the loop is being stopped")

    path = serve(advance=advance)

    async def lines() -> list[dict[str, Any]]:
        return [line async for line in SocketLoopClient(path).advance(T0)]

    assert asyncio.run(lines())[-1] == {"done": True}
    assert asked == [False, True]


def test_errors_reach_the_asker_with_their_type(serve: Callable[..., Path]) -> None:
    def advance(_request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        raise InvalidInput("it has passed", hint="go on")
        yield {}

    path = serve(advance=advance)

    async def first() -> None:
        async for _ in SocketLoopClient(path).advance(T0):
            pass

    with pytest.raises(InvalidInput, match="has passed"):
        asyncio.run(first())


def test_a_socket_that_a_killed_loop_left_is_replaced(tmp_path: Path, serve: Callable[..., Path]) -> None:
    path = serve(wake=lambda _: iter([{}]))
    left = LoopServer(tmp_path / "left.sock", {})
    left.server_close()
    (tmp_path / "left.sock").rename(path)
    with pytest.raises(ConnectionRefusedError):
        ask(path, {"op": "wake"})
    again = serve(wake=lambda _: iter([{"answer": 1}]))
    assert ask(again, {"op": "wake"}) == [{"answer": 1}, {"done": True}]


def test_many_ask_at_once(serve: Callable[..., Path]) -> None:
    path = serve(echo=lambda request: iter([{"n": request["n"]}]))
    found: list[int] = []
    threads = [
        threading.Thread(target=lambda n=n: found.append(ask(path, {"op": "echo", "n": n})[0]["n"])) for n in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == list(range(20))
