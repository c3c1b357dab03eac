"""The built front end as an ASGI application.

Everything under ``assets/`` carries a hash of its content in its name and may be kept for ever; the one page is asked
for again each time, by its ETag. Every path that is no file is the page itself, which routes in the browser, except
those of the API. Nothing but the server's own files may be loaded or run by the page.
"""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

DIST = Path(__file__).parent / "dist"
PAGE = "index.html"
HASHED = "assets/"
NOT_PAGES = ("api", "docs", "openapi.json", "health", "version", "metrics", HASHED.rstrip("/"))
"""First parts of paths that belong to others: what is not there is not found, and not the page."""

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
SAFETY = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
}
FOR_EVER = "public, max-age=31536000, immutable"
ASK_AGAIN = "no-cache"

_TYPES = {".js": "text/javascript", ".css": "text/css", ".woff2": "font/woff2", ".svg": "image/svg+xml"}

_UNBUILT = b"""<!doctype html><html lang="en"><meta charset="utf-8"><title>Treadle</title>
<style>body{font:1rem/1.5 system-ui,sans-serif;max-width:38rem;margin:15vh auto;padding:0 1rem;color-scheme:light dark}
</style><h1>The front end is not built</h1><p>This Treadle runs from a source tree whose pages were not built yet. Build
them with <code>make frontend</code> (it needs Node 20 or later, or borrows one from PyPI), then reload this page.</p>
<p>The API works: see <a href="/docs">/docs</a>.</p></html>"""


@dataclass(frozen=True)
class File:
    """A file as it is sent. ``packed`` is its gzip form, where the build made one."""

    body: bytes
    packed: bytes | None
    media_type: str
    etag: str
    cache: str


class Site:
    """Answers GET and HEAD from the files in ``folder``, read once. Without a build it says how to make one."""

    def __init__(self, folder: Path = DIST) -> None:
        self._files = {name: _file(folder, name) for name in _names(folder)}

    @property
    def built(self) -> bool:
        """Whether there is a front end."""
        return PAGE in self._files

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. Raises HTTPException 404 and 405."""
        if scope["type"] != "http":
            raise HTTPException(404)
        response = self.answer(scope["method"], scope["path"], Headers(scope=scope))
        await response(scope, receive, send)

    def answer(self, method: str, path: str, headers: Headers) -> Response:
        """The response to one request. Raises HTTPException 404 for what is no page, 405 for another method."""
        if method not in ("GET", "HEAD"):
            raise HTTPException(405, headers={"allow": "GET, HEAD"})
        name = path.lstrip("/")
        file = self._files.get(name)
        if file is None and name.partition("/")[0] in NOT_PAGES:
            raise HTTPException(404, "there is nothing here")
        file = file or self._files.get(PAGE)
        if file is None:
            return Response(_UNBUILT, 503, {**SAFETY, "cache-control": "no-store"}, "text/html")
        shared = {**SAFETY, "etag": file.etag, "cache-control": file.cache, "vary": "accept-encoding"}
        if file.etag in _listed(headers.get("if-none-match", "")):
            return Response(status_code=304, headers=shared)
        packed = file.packed is not None and "gzip" in _listed(headers.get("accept-encoding", ""))
        body = file.packed if packed and file.packed is not None else file.body
        return Response(
            body, headers=shared | ({"content-encoding": "gzip"} if packed else {}), media_type=file.media_type
        )


def _names(folder: Path) -> Sequence[str]:
    if not folder.is_dir():
        return ()
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".gz")
    names = (path.relative_to(folder).as_posix() for path in files)
    return [name for name in names if not any(part.startswith(".") for part in name.split("/"))]


def _file(folder: Path, name: str) -> File:
    body = (folder / name).read_bytes()
    packed = folder / f"{name}.gz"
    suffix = Path(name).suffix
    return File(
        body=body,
        packed=packed.read_bytes() if packed.is_file() else None,
        media_type=_TYPES.get(suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream",
        etag=f'"{hashlib.sha256(body).hexdigest()[:20]}"',
        cache=FOR_EVER if name.startswith(HASHED) else ASK_AGAIN,
    )


def _listed(header: str) -> set[str]:
    return {part.partition(";")[0].strip().removeprefix("W/") for part in header.split(",")}
