"""The bytes of artifacts on their way in and out, in parts: memory is bounded whatever their size."""

from __future__ import annotations

import asyncio
import mimetypes
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from email.utils import format_datetime
from pathlib import PurePosixPath
from urllib.parse import quote

from treadle.api.connections import Taken
from treadle.api.mlflow.calls import Answer, Call
from treadle.api.mlflow.errors import ProtocolError
from treadle.api.mlflow.ranges import NotSatisfiable, byte_range
from treadle.domain.artifacts import ArtifactFile
from treadle.ports.artifacts import Reading, Upload

BUFFER = 1024 * 1024
"""Bytes that are gathered before a thread writes them, and that one read takes; a stream holds two at most."""
THREADS = 16
_TEXT = frozenset(
    (
        "txt", "log", "err", "cfg", "conf", "cnf", "cf", "ini", "properties", "prop", "hocon",
        "toml", "yaml", "yml", "xml", "json", "jsonl", "js", "py", "py3", "csv", "tsv",
        "md", "rst", "sql", "sh", "r", "java", "scala", "mlmodel", "mlproject",
    )
)  # fmt: skip
"""Endings (and whole names) of files that are shown as text."""
_DISK = ThreadPoolExecutor(THREADS, thread_name_prefix="artifacts")
LARGE = 4 * 1024 * 1024
"""Bytes from which a body is worth a connection."""
POURS = 8
_WIRE = ThreadPoolExecutor(POURS, thread_name_prefix="artifacts-wire")
_POURING: set[Taken] = set()


async def receive(call: Call, create: Callable[[], Upload]) -> int:
    """Write a request's body to an upload and commit it; its bytes. A body that is cut leaves nothing.

    While a thread writes one buffer the next one is gathered; of a large body a thread takes the connection itself.
    Raises what the upload raises, and ProtocolError where the client goes away.
    """
    loop = asyncio.get_running_loop()
    upload = await loop.run_in_executor(_DISK, create)
    gathered = _Gathered(upload)
    try:
        left = _announced(call)
        async for part in call.stream():
            left -= len(part)
            await gathered.add(part)
            if left >= LARGE and len(_POURING) < POURS and (taken := call.take()) is not None:
                await gathered.written()
                await _poured(taken, left, upload)
                gathered.total += left
                break
        await gathered.written()
        await loop.run_in_executor(_DISK, upload.commit)
    finally:
        await gathered.ended()
        upload.abandon()
    return gathered.total


class _Gathered:
    """Parts on their way to an upload: at most one buffer is being written, and one gathered."""

    def __init__(self, upload: Upload) -> None:
        self.total = 0
        self._upload = upload
        self._parts: list[bytes] = []
        self._held = 0
        self._writing: asyncio.Future[None] | None = None

    async def add(self, part: bytes) -> None:
        """Take a part; waits while too much is held."""
        self._parts.append(part)
        self._held += len(part)
        self.total += len(part)
        if self._held >= BUFFER:
            await self._next()

    async def written(self) -> None:
        """Wait until all parts are written."""
        if self._parts:
            await self._next()
        if self._writing is not None:
            await self._writing

    async def ended(self) -> None:
        """Wait until nothing is being written, whatever became of it."""
        if self._writing is not None and not self._writing.done():
            await asyncio.wait([self._writing])

    async def _next(self) -> None:
        if self._writing is not None:
            await self._writing
        data, self._parts, self._held = b"".join(self._parts), [], 0
        self._writing = asyncio.get_running_loop().run_in_executor(_DISK, self._upload.write, data)


async def _poured(taken: Taken, size: int, upload: Upload) -> None:
    """Let a thread of its own write what comes over a connection."""
    _POURING.add(taken)
    pouring = asyncio.get_running_loop().run_in_executor(_WIRE, taken.pour, size, upload.write)
    try:
        await asyncio.shield(pouring)
    except (ConnectionError, TimeoutError) as error:
        raise ProtocolError("BAD_REQUEST", "the client went away before its request was whole") from error
    except asyncio.CancelledError:
        taken.end()
        raise
    finally:
        await asyncio.wait([pouring])
        taken.close()
        _POURING.discard(taken)


def _announced(call: Call) -> int:
    """The length of a body; 0 where it is not announced."""
    length = call.headers.get(b"content-length", b"")
    return int(length) if length.isdigit() and b"transfer-encoding" not in call.headers else 0


async def send(call: Call, open_file: Callable[[], Reading]) -> Answer:
    """A file as an attachment, or the range of it that was asked for.

    It is never shown by a browser under the server's own name, whatever its type. Raises what opening it raises.
    """
    reading = await asyncio.get_running_loop().run_in_executor(_DISK, open_file)
    file = reading.file
    etag = f'"{file.modified.timestamp() if file.modified else 0:.6f}-{file.size:x}"'
    headers = [
        ("Accept-Ranges", "bytes"),
        ("Content-Disposition", disposition(file.name)),
        ("Content-Security-Policy", "sandbox; default-src 'none'"),
        ("ETag", etag),
        ("X-Content-Type-Options", "nosniff"),
    ]
    if file.modified is not None:
        headers.append(("Last-Modified", format_datetime(file.modified, usegmt=True)))
    try:
        asked = _asked(call, file, etag)
    except NotSatisfiable:
        reading.close()
        return Answer(b"", 416, content_type(file.name), (*headers, ("Content-Range", f"bytes */{file.size}")))
    start, end = asked or (0, file.size)
    if asked is not None:
        headers.append(("Content-Range", f"bytes {start}-{end - 1}/{file.size}"))
    headers.append(("Content-Length", str(end - start)))
    if call.method == "HEAD":
        reading.close()
    status = 206 if asked is not None else 200
    return Answer(_parts(call, reading, start, end), status, content_type(file.name), tuple(headers))


def content_type(name: str) -> str:
    """The media type that a file's ending tells."""
    suffix = PurePosixPath(name).suffix
    if (suffix.removeprefix(".") or name).lower() in _TEXT:
        return "text/plain"
    return mimetypes.guess_type(f"x{suffix}")[0] or "application/octet-stream"


def disposition(name: str) -> str:
    """An attachment of this name, in ASCII and as it is (RFC 6266); no name breaks out of the header."""
    plain = "".join(letter if " " <= letter <= "~" and letter not in '"\\%' else "_" for letter in name) or "download"
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def _asked(call: Call, file: ArtifactFile, etag: str) -> tuple[int, int] | None:
    header = call.headers.get(b"range")
    condition = call.headers.get(b"if-range")
    if header is None or (condition is not None and condition.decode("latin-1") != etag):
        return None
    return byte_range(header.decode("latin-1"), file.size)


async def _parts(call: Call, reading: Reading, start: int, end: int) -> AsyncGenerator[bytes, None]:
    """Bytes ``start`` to ``end``; one part is read while the one before is sent. Ends early when the client is gone."""
    loop = asyncio.get_running_loop()
    gone = asyncio.create_task(_gone(call))
    try:
        if start:
            await loop.run_in_executor(_DISK, reading.seek, start)
        left = end - start
        following = loop.run_in_executor(_DISK, reading.read, min(BUFFER, left))
        while left:
            part = await following
            left -= len(part)
            if not part:
                raise OSError(f"{reading.file.path} ended {left} bytes early")
            following = loop.run_in_executor(_DISK, reading.read, min(BUFFER, left))
            yield part
            if gone.done():
                break
        await following
    finally:
        gone.cancel()
        await loop.run_in_executor(_DISK, reading.close)


async def _gone(call: Call) -> None:
    """Return once the client is gone: the request has one last message, and what comes after it tells."""
    message = await call.receive()
    while message["type"] == "http.request" and message.get("more_body", False):
        message = await call.receive()
    if message["type"] != "http.disconnect" and (await call.receive())["type"] != "http.disconnect":
        await asyncio.Event().wait()
