"""What stands before every route: whose name the server is called by, where a request comes from, how long it is."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]"})
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
MAX_BODY = 32 * 1024 * 1024


class HostGuard:
    """Refuses requests that address the server by a foreign name, as a page does after DNS rebinding, and changes of
    state that another origin's page asks for. Servers without a browser send no Origin and pass."""

    def __init__(self, app: ASGIApp, hosts: Iterable[str] = ()) -> None:
        self._app = app
        self._hosts = LOOPBACK_HOSTS | {_bracketed(host.lower()) for host in hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] == "http":
            refusal = self._refusal(scope["method"], Headers(scope=scope), scope.get("scheme", "http"))
            if refusal is not None:
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _refusal(self, method: str, headers: Headers, scheme: str) -> JSONResponse | None:
        named = headers.getlist("host")
        host = named[0].lower() if len(named) == 1 else ""
        if _name(host) not in self._hosts:
            return _refused(
                421, f"this server is not called {_name(host)!r}", f"call it {', '.join(sorted(self._hosts))}"
            )
        origin = headers.get("origin")
        if method in SAFE_METHODS or origin is None or origin.lower() in (f"{scheme}://{host}", f"https://{host}"):
            return None
        return _refused(403, f"a page of {origin} may not change this server", "open the server's own address")


class BodyLimit:
    """Refuses bodies of more than ``limit`` bytes, whether their length is announced or not."""

    def __init__(self, app: ASGIApp, limit: int = MAX_BODY) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on while its body is short enough."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "0")
        if not announced.isdigit() or int(announced) > self._limit:
            await self._too_long()(scope, receive, send)
            return
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._limit:
                raise HTTPException(413, f"the request is longer than {self._limit:,} bytes; send it in parts")
            return message

        await self._app(scope, counted, send)

    def _too_long(self) -> JSONResponse:
        return _refused(413, f"the request is longer than {self._limit:,} bytes", "send it in parts")


def _refused(status: int, message: str, hint: str) -> JSONResponse:
    return JSONResponse({"error": {"type": "InvalidInput", "message": message, "hint": hint}}, status)


def _name(host: str) -> str:
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
