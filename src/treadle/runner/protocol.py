"""Messages between Treadle and a process in a model's environment, over a Unix socket.

A message is a JSON object, the header, and any number of binary buffers. On the wire, in network byte order:

    4 bytes   ``TRDL``
    2 bytes   version of the framing
    2 bytes   number of buffers
    4 bytes   length of the header
    8 bytes   for each buffer, its length
    header    JSON in UTF-8
    buffers   one after the other

Nothing is ever pickled. :func:`encode` and :func:`decoding` do no input or output, so that blocking sockets
(:class:`Channel`) and asyncio streams (:func:`receive_async`) share them.
"""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from treadle.domain.errors import CorruptData, InvalidInput, WorkerUnavailable

VERSION = 1
MAGIC = b"TRDL"
MAX_HEADER = 64 * 1024 * 1024
MAX_BUFFERS = 4096
MAX_BYTES = 4 * 1024**3
"""Largest sum of a message's buffers, in bytes."""

_PREFIX = struct.Struct("!4sHHI")
_SMALL = 256 * 1024

Bytes = bytes | bytearray | memoryview


@dataclass(frozen=True)
class Message:
    """A header, and the buffers that it describes."""

    header: dict[str, Any]
    buffers: tuple[bytes, ...] = ()


class Reader(Protocol):
    """What :func:`receive_async` reads from; ``asyncio.StreamReader`` fits."""

    async def readexactly(self, n: int, /) -> bytes:
        """Exactly ``n`` bytes; raises EOFError (of which asyncio's IncompleteReadError is one) where they end."""
        ...


def encode(header: Mapping[str, Any], buffers: Sequence[Bytes] = ()) -> list[Bytes]:
    """A message as chunks to write in order. Raises InvalidInput for one that is over the limits or no JSON."""
    try:
        text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"a message's header is no JSON: {error}", hint="send plain values alone") from error
    views = [memoryview(buffer).cast("B") for buffer in buffers]
    fault = _over_limits(len(text), [view.nbytes for view in views])
    if fault:
        raise InvalidInput(f"a message {fault}", hint="send fewer rows at a time")
    prefix = _PREFIX.pack(MAGIC, VERSION, len(views), len(text))
    sizes = struct.pack(f"!{len(views)}Q", *(view.nbytes for view in views))
    head: list[Bytes] = [prefix + sizes + text]
    if sum(view.nbytes for view in views) <= _SMALL:
        return [b"".join([*head, *views])]
    return [*head, *views]


def decoding() -> Generator[int, bytes, Message]:
    """Decode one message: yields how many bytes it wants next, is sent exactly those, returns the message.

    Raises CorruptData for bytes that are no message, of another version, or over the limits.
    """
    magic, version, count, length = _PREFIX.unpack((yield _PREFIX.size))
    if magic != MAGIC:
        raise CorruptData(f"these bytes are no message: they begin with {magic!r}", hint="something else wrote here")
    if version != VERSION:
        raise CorruptData(
            f"a message has version {version} of the framing, this side speaks version {VERSION}",
            hint="both sides must come from the same release of Treadle; restart the server and its workers",
        )
    fault = _over_limits(length, [0] * count)
    if fault:
        raise CorruptData(f"a message {fault}")
    sizes = struct.unpack(f"!{count}Q", (yield 8 * count)) if count else ()
    fault = _over_limits(length, sizes)
    if fault:
        raise CorruptData(f"a message {fault}")
    try:
        header = json.loads((yield length).decode("utf-8", "surrogatepass"))
    except ValueError as error:
        raise CorruptData(f"a message's header is no JSON: {error}") from error
    if not isinstance(header, dict):
        raise CorruptData("a message's header is no JSON object")
    buffers: tuple[bytes, ...] = ()
    for size in sizes:
        buffers += ((yield size) if size else b"",)
    return Message(header, buffers)


async def receive_async(reader: Reader) -> Message | None:
    """The next message; None where the other side closed between two. Raises WorkerUnavailable, CorruptData."""
    decoder = decoding()
    wanted, begun = next(decoder), False
    while True:
        try:
            data = await reader.readexactly(wanted)
        except (EOFError, OSError) as error:
            if not begun and not getattr(error, "partial", b""):
                return None
            raise _cut_off() from error
        begun = True
        try:
            wanted = decoder.send(data)
        except StopIteration as done:
            message: Message = done.value
            return message


class Channel:
    """Messages over a connected blocking socket. Several threads may send; one receives."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._sending = threading.Lock()

    @staticmethod
    def connect(path: str) -> Channel:
        """Connect to a listening Unix socket. Raises WorkerUnavailable."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.connect(path)
        except OSError as error:
            connection.close()
            raise WorkerUnavailable(f"nobody listens at {path}: {error}") from error
        return Channel(connection)

    def fileno(self) -> int:
        """The socket's descriptor, for select."""
        return self._socket.fileno()

    def settimeout(self, seconds: float | None) -> None:
        """Let sending and receiving raise TimeoutError after so long; None waits for ever."""
        self._socket.settimeout(seconds)

    def send(self, header: Mapping[str, Any], buffers: Sequence[Bytes] = ()) -> None:
        """Send a message. Raises InvalidInput for one that cannot be sent, WorkerUnavailable where nobody reads."""
        chunks = encode(header, buffers)
        with self._sending:
            try:
                for chunk in chunks:
                    self._socket.sendall(chunk)
            except TimeoutError:
                raise
            except OSError as error:
                raise WorkerUnavailable(f"the other side of a connection is gone: {error}") from error

    def receive(self) -> Message | None:
        """The next message; None where the other side closed between two.

        Raises WorkerUnavailable where it closed within one, CorruptData for what is no message, TimeoutError.
        """
        decoder = decoding()
        wanted, begun = next(decoder), False
        while True:
            data = self._read(wanted, begun)
            if data is None:
                return None
            begun = True
            try:
                wanted = decoder.send(data)
            except StopIteration as done:
                message: Message = done.value
                return message

    def _read(self, size: int, begun: bool) -> bytes | None:
        data = bytearray(size)
        view, got = memoryview(data), 0
        while got < size:
            try:
                count = self._socket.recv_into(view[got:])
            except TimeoutError:
                raise
            except OSError as error:
                raise WorkerUnavailable(f"the other side of a connection is gone: {error}") from error
            if count == 0:
                if not begun and got == 0:
                    return None
                raise _cut_off()
            got += count
        return bytes(data)

    def close(self) -> None:
        """Close the connection; the other side then reads its end."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


def _over_limits(header: int, sizes: Sequence[int]) -> str:
    if header > MAX_HEADER:
        return f"has a header of {header:,} bytes, the limit is {MAX_HEADER:,}"
    if len(sizes) > MAX_BUFFERS:
        return f"has {len(sizes):,} buffers, the limit is {MAX_BUFFERS:,}"
    if sum(sizes) > MAX_BYTES:
        return f"has {sum(sizes):,} bytes in its buffers, the limit is {MAX_BYTES:,}"
    return ""


def _cut_off() -> WorkerUnavailable:
    return WorkerUnavailable("the other side closed the connection in the middle of a message")
