"""The bytes of artifacts on their way in and out, in parts: memory is bounded whatever their size."""

from __future__ import annotations

import asyncio
import mimetypes
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from email.utils import format_datetime
from pathlib import PurePosixPath
from urllib.parse import quote

from treadle.api.mlflow.calls import Answer, Call
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


async def receive(call: Call, create: Callable[[], Upload]) -> int:
    """Write a request's body to an upload and commit it; its bytes. A body that is cut leaves nothing.

    While a thread writes one buffer the next one is gathered. Raises what the upload raises, and ProtocolError where
    the client goes away.
    """
    loop = asyncio.get_running_loop()
    upload = await loop.run_in_executor(_DISK, create)
    writing: asyncio.Future[None] | None = None
    parts: list[bytes] = []
    held = total = 0
    try:
        async for part in call.stream():
            parts.append(part)
            held += len(part)
            total += len(part)
            if held >= BUFFER:
                if writing is not None:
                    await writing
                writing = loop.run_in_executor(_DISK, upload.write, b"".join(parts))
                parts, held = [], 0
        if writing is not None:
            await writing
        await loop.run_in_executor(_DISK, _finish, upload, b"".join(parts))
    finally:
        if writing is not None and not writing.done():
            await asyncio.wait([writing])
        upload.abandon()
    return total


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
    while (await call.receive())["type"] != "http.disconnect":
        pass


def _finish(upload: Upload, rest: bytes) -> None:
    if rest:
        upload.write(rest)
    upload.commit()
