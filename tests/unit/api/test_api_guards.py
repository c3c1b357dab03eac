"""What stands before the routes: host names, origins, lengths; and the map of errors."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.types import Message

from treadle.api import errors, streams
from treadle.api.app import create_app
from treadle.api.guards import BodyLimit, HostGuard
from treadle.domain import errors as domain
from treadle.domain.data import Finding

HOST = (b"host", b"127.0.0.1:8700")


def ask(app: Any, *headers: tuple[bytes, bytes], method: str = "POST", path: str = "/", body: bytes = b"{}") -> Any:
    """The status and the body that an ASGI application answers."""

    async def run() -> tuple[int, Any]:
        sent: list[Message] = []
        chunks = iter([body[i : i + 10] for i in range(0, len(body), 10)] or [b""])
        following = next(chunks)

        async def receive() -> Message:
            nonlocal following
            part, following = following, next(chunks, b"")
            return {"type": "http.request", "body": part, "more_body": bool(following)}

        async def send(message: Message) -> None:
            sent.append(message)

        scope = {
            "type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b"",
            "headers": list(headers), "scheme": "http", "server": ("127.0.0.1", 8700), "http_version": "1.1",
        }  # fmt: skip
        await app(scope, receive, send)
        return sent[0]["status"], json.loads(b"".join(message.get("body", b"") for message in sent[1:]))

    return asyncio.run(run())


async def echo(scope: Any, receive: Any, send: Any) -> None:
    length = 0
    while True:
        message = await receive()
        length += len(message["body"])
        if not message["more_body"]:
            break
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(length).encode()})


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8700", "localhost", "LOCALHOST:1", "[::1]:8700", "treadle.example", "treadle.example:80"]
)
def test_own_names_pass(host: str) -> None:
    assert ask(HostGuard(echo, ["treadle.example"]), (b"host", host.encode()))[0] == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "localhost.evil.example:8700", "[::2]"])
def test_foreign_names_are_refused(host: str) -> None:
    status, body = ask(HostGuard(echo, ["treadle.example"]), (b"host", host.encode()))
    assert (status, body["error"]["type"]) == (421, "InvalidInput")


@pytest.mark.parametrize(
    ("origin", "method", "status"),
    [
        ("http://127.0.0.1:8700", "POST", 200),
        ("https://127.0.0.1:8700", "POST", 200),
        ("http://127.0.0.1:9999", "POST", 403),
        ("http://localhost:8700", "POST", 403),
        ("https://evil.example", "POST", 403),
        ("null", "DELETE", 403),
        ("https://evil.example", "GET", 200),
    ],
)
def test_changes_come_from_the_own_origin_alone(origin: str, method: str, status: int) -> None:
    assert ask(HostGuard(echo), HOST, (b"origin", origin.encode()), method=method)[0] == status


def test_announced_lengths_are_limited() -> None:
    assert ask(BodyLimit(echo, 20), HOST, (b"content-length", b"20"), body=b"x" * 20) == (200, 20)
    assert ask(BodyLimit(echo, 20), HOST, (b"content-length", b"21"), body=b"x" * 21)[0] == 413
    assert ask(BodyLimit(echo, 20), HOST, (b"content-length", b"-1"), body=b"x")[0] == 413


def test_unannounced_lengths_are_limited_too() -> None:
    app = FastAPI()
    errors.install(app)

    @app.post("/")
    def root(body: dict[str, Any]) -> int:
        return len(body)

    assert ask(BodyLimit(app, 30), HOST, (b"content-type", b"application/json"), body=b'{"a": 1}') == (200, 1)
    long = json.dumps({"a": "x" * 100}).encode()
    status, body = ask(BodyLimit(app, 30), HOST, (b"content-type", b"application/json"), body=long)
    assert (status, body["error"]["type"]) == (413, "InvalidInput")


def test_the_guards_stand_before_the_application(world: Any) -> None:
    app = create_app(world.services)
    assert ask(app, (b"host", b"evil.example"), method="GET", path="/version")[0] == 421
    assert ask(app, HOST, (b"origin", b"https://evil.example"), path="/api/v1/plan")[0] == 403
    assert ask(app, HOST, (b"content-length", b"99999999"), path="/api/v1/plan")[0] == 413
    assert ask(app, (b"host", b"treadle.example"), method="GET", path="/version")[0] == 200


def test_what_is_no_json_is_the_callers_mistake(world: Any) -> None:
    status, body = ask(create_app(world.services), HOST, (b"content-type", b"application/json"), path="/api/v1/plan")
    assert (status, "entry" in body["error"]["message"]) == (422, True)
    status, body = ask(
        create_app(world.services), HOST, (b"content-type", b"application/json"), path="/api/v1/plan", body=b"{nope"
    )
    assert (status, body["error"]["type"]) == (422, "InvalidInput")


EXPECTED = {
    "TreadleError": 500,
    "UserError": 400,
    "DeclarationError": 422,
    "InvalidInput": 400,
    "NotFound": 404,
    "Conflict": 409,
    "ParamChanged": 409,
    "NotActive": 400,
    "DataRejected": 422,
    "EnvironmentFailed": 422,
    "StepFailed": 422,
    "StepCrashed": 422,
    "StepTimedOut": 422,
    "StepCancelled": 422,
    "WorkerUnavailable": 503,
    "LogUnavailable": 503,
    "CorruptData": 500,
}


def _tree(cls: type[domain.TreadleError]) -> Iterator[type[domain.TreadleError]]:
    yield cls
    for below in cls.__subclasses__():
        yield from _tree(below)


def test_every_error_has_its_status_and_users_never_get_a_5xx() -> None:
    own = [cls for cls in _tree(domain.TreadleError) if cls.__module__ == domain.__name__]
    found = {cls.__name__: errors.status_of(cls.__new__(cls)) for cls in own}
    assert found == EXPECTED
    assert all(errors.status_of(cls.__new__(cls)) < 500 for cls in _tree(domain.UserError))


def test_rejected_data_comes_with_its_findings() -> None:
    error = domain.DataRejected("bad", findings=(Finding("distance", "ge 0", 3, 10, ({"distance": "-1"},)),))
    assert errors.body_of(error)["error"]["findings"][0]["examples"] == [{"distance": "-1"}]


def test_a_fault_of_the_server_is_told_in_one_line_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    app = FastAPI()
    errors.install(app)

    @app.get("/")
    def root() -> int:
        return 1 // 0

    with pytest.raises(ZeroDivisionError):
        ask(app, HOST, method="GET")
    body = errors.body_of(ZeroDivisionError("division"))
    assert body["error"]["message"] == "ZeroDivisionError: division"
    assert "ZeroDivisionError" in caplog.text


def collect(lines: AsyncIterator[dict[str, Any]]) -> list[dict[str, Any]]:
    async def run() -> list[dict[str, Any]]:
        return [line async for line in lines]

    return asyncio.run(run())


def test_a_heartbeat_fills_silence_and_errors_come_last() -> None:
    async def slow() -> AsyncIterator[dict[str, Any]]:
        yield {"n": 1}
        await asyncio.sleep(0.12)
        raise domain.Conflict("no", hint="wait")

    first, *beats, last = collect(streams.from_lines(slow(), heartbeat=0.05))
    assert first == {"n": 1}
    assert beats
    assert all("waiting" in beat for beat in beats)
    assert last == {"error": {"type": "Conflict", "message": "no", "hint": "wait"}}


def test_work_in_a_thread_says_its_lines_in_order() -> None:
    def work(say: streams.Say) -> dict[str, Any]:
        for n in range(100):
            say({"n": n})
        return {"result": 1}

    assert collect(streams.from_thread(work)) == [*({"n": n} for n in range(100)), {"result": 1}]


def test_a_reader_that_leaves_stops_the_lines() -> None:
    closed = []

    async def endless() -> AsyncIterator[dict[str, Any]]:
        try:
            while True:
                yield {"n": 1}
                await asyncio.sleep(0.001)
        finally:
            closed.append(True)

    async def run() -> None:
        lines = streams.from_lines(endless())
        await anext(lines)
        await lines.aclose()  # type: ignore[attr-defined]
        await asyncio.sleep(0.01)

    asyncio.run(run())
    assert closed == [True]
