"""The gateway's end of the prediction log: segments of framed records.

A segment is a file ``<gateway>/<micros>-<pid>-<random>.wal``. It begins with a header, ``TREADLE-WAL-1\\n`` and a salt
of 8 random bytes; each record follows as its length (4 bytes, little-endian), the crc32 of salt, length and payload,
and the payload: a msgpack array of the record's fields. The salt keeps a frame that a client put into its own data
from ever being taken for a record. The writer holds an exclusive ``flock`` on the segment that it writes to; whoever
can lock a segment knows that nobody will write to it any more. This module needs nothing but msgspec.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import struct
import threading
import time
import zlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from treadle.domain.errors import CorruptData, InvalidInput
from treadle.domain.predictions import PredictionRecord

SUFFIX = ".wal"
UNBORN = ".new"
SEGMENT_BYTES = 16 * 1024 * 1024

_MAGIC = b"TREADLE-WAL-1\n"
_SALT = 8
HEADER_BYTES = len(_MAGIC) + _SALT
_FRAME = struct.Struct("<II")
_LARGEST = 2**31
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_PAYLOAD_STARTS = b"\x9b"  # a msgpack array of 11
_Fields = tuple[
    str, str, int, datetime, int, dict[str, list[Any]], list[Any], list[Any], float | None, float, bool
]  # as in PredictionRecord


def _plain(value: Any) -> Any:
    """Arrays and array scalars as lists and numbers."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"a {type(value).__name__} cannot be logged")


_ENCODER = msgspec.msgpack.Encoder(enc_hook=_plain)
_DECODER = msgspec.msgpack.Decoder(_Fields)


class WalWriter:
    """``ports.PredictionWriter``: one ``write()`` a record, a new segment at each start and whenever one is full.

    ``folder`` is that of one gateway; several writers may share it. May be shared by threads. One that is made while
    the disk is full begins its segment with the first record that there is room for; raises OSError for a folder that
    cannot be written to.
    """

    def __init__(self, folder: Path, *, segment_bytes: int = SEGMENT_BYTES) -> None:
        if segment_bytes <= HEADER_BYTES:
            raise InvalidInput(f"a segment of {segment_bytes} bytes holds no record", hint="give some megabytes")
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._lock = threading.Lock()
        self._buffer = bytearray()
        self._descriptor = -1
        self._offset = 0
        self._seed = 0
        self._closed = False
        try:
            self._open_segment()
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise  # else there may be room again once somebody asks

    def append(self, record: PredictionRecord) -> None:
        """Hand one answered request to the operating system; when this returns, a killed process loses nothing.

        Raises OSError where it cannot (disk full); the segment is then as it was before. Raises InvalidInput for values
        that cannot be stored.
        """
        if record.at.tzinfo is None:
            raise InvalidInput(f"the time of request {record.request_id} has no zone", hint="give an aware datetime")
        with self._lock:
            if self._descriptor < 0:
                if self._closed:
                    raise ValueError("the prediction log was closed")
                self._open_segment()
            frame = self._buffer
            try:
                _ENCODER.encode_into(
                    (
                        record.request_id,
                        record.model,
                        record.version,
                        record.at,
                        record.rows,
                        record.columns,
                        record.scores,
                        record.decisions,
                        record.threshold,
                        record.latency_ms,
                        record.shadow,
                    ),
                    frame,
                    8,
                )
            except (TypeError, OverflowError, ValueError, msgspec.MsgspecError) as error:
                raise InvalidInput(
                    f"a prediction cannot be logged: {error}", hint="rows are text and numbers"
                ) from error
            size = len(frame)
            with memoryview(frame) as view:
                _FRAME.pack_into(frame, 0, size - 8, 0)
                _FRAME.pack_into(frame, 0, size - 8, zlib.crc32(view[8:], zlib.crc32(view[:4], self._seed)))
            self._write(frame, size)

    def close(self) -> None:
        """Finish the open segment. Nothing can be appended afterwards."""
        with self._lock:
            self._closed = True
            self._let_go()

    def _write(self, frame: bytearray, size: int) -> None:
        try:
            written = os.write(self._descriptor, frame)
            while written < size:
                with memoryview(frame) as view:
                    written += os.write(self._descriptor, view[written:])
        except OSError:
            try:
                os.ftruncate(self._descriptor, self._offset)
            except OSError:
                self._let_go()
            raise
        self._offset += size
        if self._offset >= self._segment_bytes:
            self._let_go()

    def _open_segment(self) -> None:
        """Make the next segment. It gets its name once it is locked, so that nobody takes it for an abandoned one."""
        self._folder.mkdir(parents=True, exist_ok=True)
        name = f"{time.time_ns() // 1000:016d}-{os.getpid()}-{secrets.token_hex(4)}"
        fresh = self._folder / (name + UNBORN)
        descriptor = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            salt = secrets.token_bytes(_SALT)
            if os.write(descriptor, _MAGIC + salt) < HEADER_BYTES:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            fresh.rename(self._folder / (name + SUFFIX))
        except OSError:
            os.close(descriptor)
            with contextlib.suppress(OSError):
                fresh.unlink(missing_ok=True)
            raise
        self._descriptor, self._offset, self._seed = descriptor, HEADER_BYTES, zlib.crc32(salt)

    def _let_go(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


@dataclass(frozen=True)
class Reading:
    """What a segment holds after an offset.

    ``offset`` is where reading may go on: behind the last whole record. ``size`` is the length of the file when it was
    read; ``damaged`` counts the bytes that were skipped: damaged ones with whole records
    behind them, and records of an unknown form.
    """

    records: list[PredictionRecord]
    offset: int
    size: int
    damaged: int = 0


def read_segment(path: Path, offset: int = 0, *, limit: int | None = None) -> tuple[list[PredictionRecord], int]:
    """The whole records of a segment from ``offset`` on (0: the first), and the offset behind the last of them.

    Stops at the first record that is not whole or fails its checksum: in a segment that is being written to it may be
    whole later. Reads at most about ``limit`` bytes. Raises CorruptData for a file that is no segment.
    """
    reading = read_records(path, offset, limit=limit)
    return reading.records, reading.offset


def read_records(path: Path, offset: int = 0, *, limit: int | None = None, closed: bool = False) -> Reading:
    """As :func:`read_segment`. In a ``closed`` segment damaged bytes are skipped to the next whole record."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        header = file.read(HEADER_BYTES)
        if len(header) < HEADER_BYTES or not header.startswith(_MAGIC):
            raise CorruptData(f"{path} is no segment of the prediction log", hint="move it away; it cannot be read")
        seed = zlib.crc32(header[len(_MAGIC) :])
        start = max(offset, HEADER_BYTES)
        file.seek(start)
        data = file.read() if limit is None else file.read(limit)
        if limit is not None and start + len(data) < size and not _whole(data, 0, seed):
            data += file.read()
    records: list[PredictionRecord] = []
    at, damaged = 0, 0
    while at < len(data):
        end = _whole(data, at, seed)
        if end:
            try:
                records.append(PredictionRecord(*_DECODER.decode(memoryview(data)[at + 8 : end])))
            except msgspec.MsgspecError:
                damaged += end - at
            at = end
            continue
        following = _next_whole(data, at + 1, seed) if closed and start + len(data) == size else 0
        if not following:
            break
        damaged += following - at
        at = following
    return Reading(records, start + at, size, damaged)


def is_abandoned(path: Path) -> bool:
    """Whether nobody will write to a segment any more: its writer moved on, closed it, or is gone."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def _whole(data: bytes, at: int, seed: int) -> int:
    """Where the whole, valid frame at ``at`` ends; 0 where there is none."""
    if at + 8 > len(data):
        return 0
    length, checksum = _FRAME.unpack_from(data, at)
    end: int = at + 8 + length
    if length > _LARGEST or end > len(data):
        return 0
    view = memoryview(data)
    return end if zlib.crc32(view[at + 8 : end], zlib.crc32(view[at : at + 4], seed)) == checksum else 0


def _next_whole(data: bytes, at: int, seed: int) -> int:
    """Where the first whole record at or after ``at`` begins; 0 where none does."""
    while (payload := data.find(_PAYLOAD_STARTS, at + 8)) >= 0:
        if _whole(data, payload - 8, seed):
            return payload - 8
        at = payload - 7
    return 0
