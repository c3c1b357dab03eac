"""The protocol as a raw ASGI application before the control plane's: what is not the protocol's goes on to that."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import replace

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from treadle.api.connections import taker
from treadle.api.mlflow.calls import API, Answer, Call, Routes
from treadle.api.mlflow.errors import ProtocolError, body, told
from treadle.api.mlflow.server import asks_for_protocol
from treadle.api.mlflow.services import TrackingServices

PREFIXES = (
    *(f"{base}{rest}" for base in API for rest in ("/2.0/mlflow", "/3.0/mlflow", "/4.0/mlflow")),
    "/v1/traces",
    "/get-artifact",
    "/model-versions/get-artifact",
)
"""Everything below these is answered here, unknown routes too."""


class MlflowApp:
    """Answers the protocol; hands everything else to ``other``."""

    def __init__(self, services: TrackingServices, routes: Routes, other: ASGIApp) -> None:
        self._services = services
        self._routes = routes
        self._other = other

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or not (scope["path"].startswith(PREFIXES) or asks_for_protocol(scope)):
            await self._other(scope, receive, send)
            return
        started = False

        async def sent(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            answer = await self._answer(scope, receive)
            await _send(answer, scope["method"], sent)
        except Exception as error:
            told_error = told(error)
            if started:
                raise
            await _send(Answer(body(told_error), told_error.status), scope["method"], send)

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        path = scope.get("raw_path", scope["path"].encode()).decode("latin-1")
        found = self._routes.find(method, path)
        if found is None:
            known = self._routes.methods(path)
            if known:
                raise ProtocolError("BAD_REQUEST", f"{path} is called with {', '.join(known)}, not {method}", 405)
            raise ProtocolError("ENDPOINT_NOT_FOUND", f"this server has no {method} {path}")
        handler, values = found
        headers = dict(scope["headers"])
        call = Call(self._services, scope["method"], path, values, scope["query_string"], headers, receive)
        return await handler(replace(call, scheme=scope.get("scheme", "http"), take=taker(scope)))


async def _send(answer: Answer, method: str, send: Send) -> None:
    headers = [(b"content-type", answer.content_type.encode())]
    headers += [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers]
    if isinstance(answer.body, bytes):
        headers.append((b"content-length", str(len(answer.body)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    if isinstance(answer.body, bytes):
        await send({"type": "http.response.body", "body": b"" if method == "HEAD" else answer.body})
        return
    async with aclosing(answer.body) as parts:
        if method != "HEAD":
            async for part in parts:
                await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
