"""JSON is packed for whoever takes it packed; nothing else is touched."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import ASGIApp, Message

from treadle.api.packing import LEAST, LONG, Packing

LINES = [f"line {i}" for i in range(400)]


def ask(app: ASGIApp, accept: str | None = "gzip, deflate, br") -> tuple[dict[str, str], bytes]:
    """The headers and the body that an application answers behind the packing."""

    async def run() -> tuple[dict[str, str], bytes]:
        sent: list[Message] = []

        async def receive() -> Message:
            await asyncio.Event().wait()  # the client stays
            raise AssertionError

        async def send(message: Message) -> None:
            sent.append(message)

        headers = [] if accept is None else [(b"accept-encoding", accept.encode())]
        scope: dict[str, Any] = {"type": "http", "method": "GET", "path": "/", "headers": headers, "query_string": b""}
        await Packing(app)(scope, receive, send)
        found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return found, b"".join(message.get("body", b"") for message in sent[1:])

    return asyncio.run(run())


@pytest.mark.parametrize("times", [1, 1 + LONG // len(json.dumps(LINES))])
def test_long_json_is_packed_whole(times: int) -> None:
    headers, body = ask(JSONResponse(LINES * times))
    assert json.loads(gzip.decompress(body)) == LINES * times
    assert headers["content-encoding"] == "gzip"
    assert headers["vary"] == "accept-encoding"
    assert int(headers["content-length"]) == len(body) < LEAST * 10


@pytest.mark.parametrize("accept", [None, "", "br", "gzip;q=0", "gzip; q=0.0", "identity"])
def test_who_does_not_take_it_packed_gets_it_plain(accept: str | None) -> None:
    headers, body = ask(JSONResponse(LINES), accept)
    assert json.loads(body) == LINES
    assert "content-encoding" not in headers


@pytest.mark.parametrize("accept", ["gzip", "GZIP", "br;q=1.0, gzip;q=0.5"])
def test_who_takes_it_packed_says_so_in_many_ways(accept: str) -> None:
    assert ask(JSONResponse(LINES), accept)[0]["content-encoding"] == "gzip"


async def events() -> AsyncIterator[str]:
    for line in LINES:
        yield f"data: {line}\n\n"


@pytest.mark.parametrize(
    "answer",
    [
        JSONResponse(["short"]),
        JSONResponse(LINES, headers={"content-encoding": "br"}),
        Response(b"x" * 5000, media_type="font/woff2"),
        StreamingResponse(events(), media_type="text/event-stream"),
        StreamingResponse(events(), media_type="application/x-ndjson"),
        StreamingResponse(events(), media_type="application/json"),
    ],
)
def test_everything_else_goes_as_it_is(answer: Response) -> None:
    headers, body = ask(answer)
    assert headers.get("content-encoding") in (None, "br")
    assert not body.startswith(b"\x1f\x8b")
    assert len(body) >= len(json.dumps(["short"])) - 1
