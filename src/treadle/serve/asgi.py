"""The gateway's HTTP face: a raw ASGI application over the data plane.

Every answer with a status of 400 or more is JSON, ``{"error": ..., "hint": ...}``; nothing that
a caller can cause is a 5xx.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import msgspec

from treadle.domain.errors import InvalidInput, LogUnavailable, NotFound, StepFailed, TreadleError, WorkerUnavailable
from treadle.serve import openinference, plain
from treadle.serve.dataplane import Answer, DataPlane
from treadle.wire.inference import ErrorBody, ServerMetadata

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]
Handler = Callable[[Scope, Receive, Send], Awaitable[None]]

MAX_BODY = 16 * 2**20
"""Bytes that a request's body may have, unless set otherwise."""

_JSON: tuple[bytes, bytes] = (b"content-type", b"application/json")
_TEXT: tuple[bytes, bytes] = (b"content-type", b"text/plain; version=0.0.4; charset=utf-8")
_RETRY_SECONDS = b"1"

_log = logging.getLogger(__name__)
_encode = msgspec.json.Encoder().encode


class _HttpError(Exception):
    """A refusal that only HTTP knows."""

    def __init__(self, status: int, error: str, hint: str = "", headers: Headers | None = None) -> None:
        super().__init__(error)
        self.status, self.error, self.hint, self.headers = status, error, hint, headers or []


_STARTING = _HttpError(503, "the gateway is starting", "send the request again", [(b"retry-after", _RETRY_SECONDS)])


def _refusal(error: TreadleError) -> _HttpError:
    if isinstance(error, InvalidInput):
        return _HttpError(400, error.message, error.hint)
    if isinstance(error, NotFound):
        return _HttpError(404, error.message, error.hint)
    if isinstance(error, WorkerUnavailable | LogUnavailable):
        return _HttpError(503, error.message, error.hint, [(b"retry-after", _RETRY_SECONDS)])
    if isinstance(error, StepFailed):
        return _HttpError(500, error.message, error.hint)
    return _HttpError(500, str(error))


class GatewayApp:
    """The ASGI application. ``version`` is the server's own, told by ``GET /v2``; bodies over ``max_body`` bytes are
    refused with 413."""

    def __init__(self, plane: DataPlane, *, version: str, max_body: int = MAX_BODY) -> None:
        self._plane = plane
        self._version = version
        self._max_body = max_body
        self.ready = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            raise RuntimeError(f"the gateway speaks HTTP alone, not {scope['type']}")
        model = ""
        try:
            parts = scope["path"].split("/")
            if len(parts) > 2 and parts[1] == "models":
                model = parts[2]
                await self._plain(parts[2:], scope, receive, send)
            elif len(parts) > 3 and parts[1] == "v2" and parts[2] == "models":
                model = parts[3]
                await self._tensors(parts[3:], scope, receive, send)
            else:
                await self._server(scope, send)
        except _HttpError as error:
            await self._fail(send, error, model)
        except TreadleError as error:
            starting = isinstance(error, NotFound) and not self.ready
            await self._fail(send, _STARTING if starting else _refusal(error), model)
        except Exception:  # noqa: BLE001 - the last resort: whatever went wrong, the caller gets an answer
            _log.exception("request to %s failed", scope["path"])
            await self._fail(send, _HttpError(500, "the gateway failed", "its log says why"), model)

    async def _plain(self, parts: list[str], scope: Scope, receive: Receive, send: Send) -> None:
        name, version = parts[0], None
        if len(parts) == 4 and parts[1] == "versions" and parts[3] == "predict":
            version = _version_number(parts[2])
        elif not (len(parts) == 2 and parts[1] == "predict"):
            raise _no_path(scope)
        _allow(scope, "POST")
        body = await self._body(scope, receive)
        started = time.perf_counter()
        plane = self._plane
        model = plane.table.model(name)
        batch = model.schema.decode(body)
        answer = await plane.answer(model, version, batch, plane.request_id(), started)
        await _send(send, 200, plain.encode_answer(answer), _answer_headers(answer))
        if model.shadows:
            plane.mirror(model, version, batch, answer)

    async def _tensors(self, parts: list[str], scope: Scope, receive: Receive, send: Send) -> None:
        name, rest, version = parts[0], parts[1:], None
        if len(rest) >= 2 and rest[0] == "versions":
            version, rest = _version_number(rest[1]), rest[2:]
        if rest == ["infer"]:
            _allow(scope, "POST")
            await self._infer(name, version, scope, receive, send)
            return
        if rest not in ([], ["ready"]):
            raise _no_path(scope)
        _allow(scope, "GET")
        model = self._plane.table.model(name)
        metadata = openinference.metadata_of(model, version)
        if not rest:
            await _send(send, 200, _encode(metadata))
        elif version is None and not model.shares:
            raise _HttpError(503, f"model {name!r} has no version that answers requests", "promote one")
        else:
            await _send(send, 200, _encode({"name": name, "ready": True}))

    async def _infer(self, name: str, version: int | None, scope: Scope, receive: Receive, send: Send) -> None:
        if _header(scope, b"inference-header-content-length") is not None:
            raise _HttpError(415, "binary tensors are not understood", "send tensors as JSON")
        body = await self._body(scope, receive)
        started = time.perf_counter()
        plane = self._plane
        model = plane.table.model(name)
        request = openinference.decode_request(body)
        openinference.check_outputs(request, model)
        batch = model.schema.check(*openinference.columns_of(request, model))
        answer = await plane.answer(model, version, batch, plane.request_id(), started)
        await _send(send, 200, openinference.encode_answer(answer, request, model), _answer_headers(answer))
        if model.shadows:
            plane.mirror(model, version, batch, answer)

    async def _server(self, scope: Scope, send: Send) -> None:
        path = scope["path"]
        if path not in ("/health", "/metrics", "/v2", "/v2/", "/v2/health/live", "/v2/health/ready"):
            raise _no_path(scope)
        _allow(scope, "GET")
        table = self._plane.table
        if path == "/metrics":
            await _send(send, 200, self._plane.metrics.render(table.revision).encode(), kind=_TEXT)
        elif path == "/v2/health/live":
            await _send(send, 200, _encode({"live": True}))
        elif path.startswith("/v2/health") or path == "/health":
            body = _encode({"ready": self.ready, "revision": table.revision, "models": sorted(table.models)})
            await _send(send, 200 if self.ready else 503, body)
        else:
            await _send(send, 200, _encode(ServerMetadata("treadle", self._version, [])))

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        if (encoding := _header(scope, b"content-encoding")) is not None and encoding != b"identity":
            raise _HttpError(415, f"the content encoding {encoding!r} is not understood", "send the body as it is")
        message = await receive()
        body: bytes = message.get("body", b"")
        if message.get("more_body"):
            length = _header(scope, b"content-length")
            if length is not None and int(length) > self._max_body:
                raise self._too_large()
            chunks, size = [body], len(body)
            while message.get("more_body") and size <= self._max_body:
                message = await receive()
                chunks.append(message.get("body", b""))
                size += len(chunks[-1])
            body = b"".join(chunks)
        if message["type"] == "http.disconnect":
            raise _HttpError(400, "the connection ended before the body did")
        if len(body) > self._max_body:
            raise self._too_large()
        return body

    def _too_large(self) -> _HttpError:
        hint = "send fewer rows a request"
        return _HttpError(413, f"the body is larger than {self._max_body:,} bytes", hint, [(b"connection", b"close")])

    async def _fail(self, send: Send, error: _HttpError, model: str) -> None:
        self._plane.metrics.failed(model if model in self._plane.table.models else "", error.status)
        await _send(send, error.status, _encode(ErrorBody(error.error, error.hint)), error.headers)


def _allow(scope: Scope, method: str) -> None:
    if scope["method"] != method:
        raise _HttpError(
            405, f"{scope['path']} does not take {scope['method']}", f"use {method}", [(b"allow", method.encode())]
        )


def _no_path(scope: Scope) -> _HttpError:
    return _HttpError(404, f"there is no {scope['path']}", "POST rows to /models/<model>/predict, or see GET /v2")


def _version_number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise _HttpError(404, f"there is no version {text!r}", "versions are numbered from 1")
    return int(text)


def _header(scope: Scope, name: bytes) -> bytes | None:
    for key, value in scope["headers"]:
        if key == name:
            return bytes(value)
    return None


def _answer_headers(answer: Answer) -> Headers:
    return [(b"treadle-version", b"%d" % answer.version), (b"treadle-request-id", answer.request_id.encode())]


async def _send(
    send: Send, status: int, body: bytes, headers: Headers | None = None, kind: tuple[bytes, bytes] = _JSON
) -> None:
    lines = [kind, (b"content-length", b"%d" % len(body))]
    if headers:
        lines += headers
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": body})
