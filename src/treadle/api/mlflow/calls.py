"""What a route of the protocol gets, what it may answer, and how it is found."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import parse_qs, unquote

import msgspec
from starlette.types import Receive

from treadle.api.connections import Taken
from treadle.api.mlflow.bodies import decoded, parameters
from treadle.api.mlflow.errors import ProtocolError
from treadle.api.mlflow.services import TrackingServices

S = TypeVar("S", bound=msgspec.Struct)
API = ("/api", "/ajax-api")
MAX_JSON = 32 * 1024 * 1024
"""Bytes of a JSON body; artifacts are streamed and know no such limit."""
_HOST = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")


@dataclass(frozen=True)
class Call:
    """One request. ``path`` holds the values of the route's ``{name}`` parts, unquoted; ``headers`` are lower-case;
    ``scheme`` is http or https. ``take`` gives the connection itself for what is left of a large body, where it can."""

    services: TrackingServices
    method: str
    target: str
    path: Mapping[str, str]
    query_string: bytes
    headers: Mapping[bytes, bytes]
    receive: Receive
    scheme: str = "http"
    take: Callable[[], Taken | None] = lambda: None

    @property
    def server(self) -> str:
        """The address of this server as the client names it. Raises ProtocolError (400) for what is no name."""
        host = self.headers.get(b"host", b"").decode("latin-1")
        if not _HOST.fullmatch(host):
            raise ProtocolError("BAD_REQUEST", "the Host header is not a name with a port")
        return f"{self.scheme}://{host}"

    @property
    def query(self) -> dict[str, list[str]]:
        """The parameters of the address, each with all its values."""
        return parse_qs(self.query_string.decode("latin-1"), keep_blank_values=True)

    def stream(self) -> AsyncIterator[bytes]:
        """The body in parts, as they arrive. Raises ProtocolError where the client goes away half-way."""
        return _parts(self.receive)

    async def body(self, limit: int = MAX_JSON) -> bytes:
        """The whole body. Raises ProtocolError (413) for one of more than ``limit`` bytes."""
        announced = self.headers.get(b"content-length", b"0")
        if announced.isdigit() and int(announced) > limit:
            raise too_long(limit)
        parts, seen, more = [], 0, True
        while more:
            part, more = await _part_of(self.receive)
            seen += len(part)
            if seen > limit:
                raise too_long(limit)
            parts.append(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def json(self, kind: type[S]) -> S:
        """The body as ``kind``; an empty one is ``{}``. Raises ProtocolError (400) that names the field."""
        return decoded(await self.body(), kind)

    def asked(self, kind: type[S]) -> S:
        """The parameters of the address as ``kind``; lists may be repeated. Raises ProtocolError (400)."""
        return parameters(self.query, kind)

    async def given(self, kind: type[S]) -> S:
        """The parameters of the address, or, where it has none, the body: what may come with a GET."""
        return self.asked(kind) if self.query_string else await self.json(kind)


@dataclass(frozen=True)
class Answer:
    """What goes back. ``body`` is whole, or a generator whose parts are sent as they come; it is closed at the end."""

    body: bytes | AsyncGenerator[bytes, None] = b"{}"
    status: int = 200
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


Handler = Callable[[Call], Awaitable[Answer]]
_ENCODER = msgspec.json.Encoder()


def answer(value: object = None, status: int = 200) -> Answer:
    """A JSON answer; ``None`` is ``{}``."""
    return Answer(b"{}" if value is None else _ENCODER.encode(value), status)


def too_long(limit: int) -> ProtocolError:
    """The refusal of a body that is too long."""
    return ProtocolError(
        "INVALID_PARAMETER_VALUE", f"the request is longer than {limit:,} bytes; send it in parts", 413
    )


async def _parts(receive: Receive) -> AsyncIterator[bytes]:
    more = True
    while more:
        part, more = await _part_of(receive)
        if part:
            yield part


async def _part_of(receive: Receive) -> tuple[bytes, bool]:
    """The next part of a body, and whether more follows."""
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ProtocolError("BAD_REQUEST", "the client went away before its request was whole")
    return message.get("body", b""), message.get("more_body", False)


@dataclass
class Routes:
    """Handlers by method and path.

    A path is written as ``/api/2.0/mlflow/runs/{run_id}`` (and is served below ``/ajax-api`` as well); a part
    ``{name:path}`` takes the rest with its slashes.
    """

    _fixed: dict[tuple[str, str], Handler] = field(default_factory=dict)
    _patterns: list[tuple[str, re.Pattern[str], Handler]] = field(default_factory=list)

    def add(self, method: str, path: str) -> Callable[[Handler], Handler]:
        """Register a handler, as a decorator."""

        def register(handler: Handler) -> Handler:
            for base in API if path.startswith("/api/") else ("",):
                full = base + path.removeprefix("/api") if base else path
                if "{" in full:
                    self._patterns.append((method, _pattern(full), handler))
                else:
                    self._fixed[method, full] = handler
            return handler

        return register

    def include(self, other: Routes) -> None:
        """Take over the routes of another module."""
        self._fixed.update(other._fixed)
        self._patterns.extend(other._patterns)

    def find(self, method: str, path: str) -> tuple[Handler, Mapping[str, str]] | None:
        """The handler of a request, and the values of its path's parts. ``path`` is still quoted."""
        fixed = self._fixed.get((method, path))
        if fixed is not None:
            return fixed, {}
        for known, pattern, handler in self._patterns:
            match = pattern.fullmatch(path) if known == method else None
            if match is not None:
                return handler, {name: unquote(value) for name, value in match.groupdict().items()}
        return None

    def methods(self, path: str) -> list[str]:
        """The methods that a path is served under; none where it is unknown."""
        fixed = {method for method, known in self._fixed if known == path}
        return sorted(fixed | {method for method, pattern, _ in self._patterns if pattern.fullmatch(path)})


def _pattern(path: str) -> re.Pattern[str]:
    parts = re.split(r"(\{[a-z_]+(?::path)?\})", path)
    return re.compile("".join(_piece(part) for part in parts))


def _piece(part: str) -> str:
    if not part.startswith("{"):
        return re.escape(part)
    name, _, kind = part[1:-1].partition(":")
    return f"(?P<{name}>.+)" if kind else f"(?P<{name}>[^/]+)"
