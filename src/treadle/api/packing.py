"""JSON answers of some length go gzipped over the wire; streams, files and what is packed already go as they are."""

from __future__ import annotations

import gzip

from anyio.to_thread import run_sync
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LEAST = 1000
"""Bytes from which packing is worth its while."""
LEVEL = 5
LONG = 128 * 1024
"""Bytes from which packing goes to a thread, so that other requests need not wait."""


class Packing:
    """Gzips an answer that is JSON, whole and at least ``LEAST`` bytes long, for whoever accepts it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or not _accepts(Headers(scope=scope)):
            await self._app(scope, receive, send)
            return
        start: Message | None = None

        async def packed(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start" and _is_json(Headers(raw=message["headers"])):
                start = message
                return
            if start is not None:
                first, start = start, None
                body = message.get("body", b"")
                if len(body) >= LEAST and not message.get("more_body", False):
                    body = await run_sync(_gzipped, body) if len(body) >= LONG else _gzipped(body)
                    headers = MutableHeaders(raw=list(first["headers"]))
                    headers["content-encoding"] = "gzip"
                    headers["content-length"] = str(len(body))
                    headers.add_vary_header("accept-encoding")
                    first = {**first, "headers": headers.raw}
                    message = {**message, "body": body}
                await send(first)
            await send(message)

        await self._app(scope, receive, packed)


def _accepts(headers: Headers) -> bool:
    for part in headers.get("accept-encoding", "").lower().split(","):
        name, _, quality = part.partition(";")
        if name.strip() == "gzip":
            return quality.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


def _is_json(headers: Headers) -> bool:
    return headers.get("content-type", "").partition(";")[0] == "application/json" and (
        "content-encoding" not in headers
    )


def _gzipped(body: bytes) -> bytes:
    return gzip.compress(body, LEVEL, mtime=0)
