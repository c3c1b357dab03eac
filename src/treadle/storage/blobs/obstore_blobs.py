"""Content-addressed bytes over obstore: local disk, memory, S3, GCS or Azure."""

from __future__ import annotations

import contextlib
import hashlib
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import obstore
from obstore.exceptions import BaseError
from obstore.exceptions import NotFoundError as Missing
from obstore.store import LocalStore, MemoryStore, ObjectStore, from_url

from treadle.domain.errors import CorruptData, InvalidInput, NotFound, TreadleError

CHUNK = 4 * 1024 * 1024
_DIGEST = re.compile(r"[0-9a-f]{64}")


class ObstoreBlobs:
    """``ports.Blobs`` over an object store.

    ``where`` is a folder (made if missing), ``memory://``, or the URL of a bucket such as ``s3://bucket/prefix``,
    whose credentials come from the environment. A blob lies at ``ab/cdef...``; objects are put whole or not at all.
    """

    def __init__(self, where: str | Path) -> None:
        text = str(where)
        self._root: Path | None = None
        if text == "memory://":
            self._store: ObjectStore = MemoryStore()
        elif "://" in text and not text.startswith("file://"):
            try:
                self._store = from_url(text)
            except (BaseError, ValueError) as error:
                raise InvalidInput(
                    f"{text!r} cannot hold blobs: {error}", hint="name a folder or s3://bucket"
                ) from error
        else:
            self._root = Path(text.removeprefix("file://")).absolute()
            self._store = LocalStore(self._root, mkdir=True)

    def put(self, data: bytes) -> str:
        """Store bytes and return their digest."""
        digest = hashlib.sha256(data).hexdigest()
        if not self.has(digest):
            self._put(digest, data)
        return digest

    def put_file(self, path: Path) -> str:
        """Store a file's bytes, streamed, and return their digest. Raises NotFound for a file that is not there."""
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
                if not self.has(digest):
                    file.seek(0)
                    self._put(digest, _unchanged(file, digest, path))
        except FileNotFoundError as error:
            raise NotFound(f"there is no file {path}", hint="give the path of a file that exists") from error
        return digest

    def get(self, digest: str) -> bytes:
        """The bytes. Raises NotFound, and CorruptData where they do not match their digest."""
        try:
            data = bytes(self._open(digest).bytes())
        except BaseError as error:
            raise _unreachable(error) from error
        if hashlib.sha256(data).hexdigest() != digest:
            raise _corrupt(digest)
        return data

    def fetch(self, digest: str, destination: Path) -> None:
        """Write the bytes to a new file, streamed and verified; the file appears whole or not at all."""
        stream = self._open(digest).stream(CHUNK)
        destination.parent.mkdir(parents=True, exist_ok=True)
        fresh = destination.with_name(f".{destination.name}.{secrets.token_hex(6)}")
        computed = hashlib.sha256()
        try:
            with fresh.open("xb") as file:
                for chunk in stream:
                    computed.update(chunk)
                    file.write(chunk)
            if computed.hexdigest() != digest:
                raise _corrupt(digest)
            fresh.replace(destination)
        except BaseError as error:
            raise _unreachable(error) from error
        finally:
            fresh.unlink(missing_ok=True)

    def path(self, digest: str) -> Path | None:
        """A local, read-only file with the bytes, where the store is a folder and has them."""
        if self._root is None:
            return None
        path = self._root / _place(digest)
        return path if path.is_file() else None

    def has(self, digest: str) -> bool:
        """Whether the blob is there."""
        if self._root is not None:
            return (self._root / _place(digest)).is_file()
        try:
            obstore.head(self._store, _place(digest))
        except (Missing, FileNotFoundError):
            return False
        except BaseError as error:
            raise _unreachable(error) from error
        return True

    def delete(self, digest: str) -> None:
        """Remove a blob; removing a missing one is no error."""
        try:
            obstore.delete(self._store, _place(digest))
        except (Missing, FileNotFoundError):
            return
        except BaseError as error:
            raise _unreachable(error) from error

    def digests(self) -> Iterator[str]:
        """All digests, in no order."""
        for batch in obstore.list(self._store):
            for item in batch:
                digest = str(item["path"]).replace("/", "")
                if _DIGEST.fullmatch(digest):
                    yield digest

    def _open(self, digest: str) -> obstore.GetResult:
        try:
            return obstore.get(self._store, _place(digest))
        except (Missing, FileNotFoundError) as error:
            raise NotFound(f"there is no blob {digest}", hint="it was deleted, or the blobs of another home") from error
        except BaseError as error:
            raise _unreachable(error) from error

    def _put(self, digest: str, data: Any) -> None:
        try:
            obstore.put(self._store, _place(digest), data, chunk_size=CHUNK)
            if self._root is not None:
                with contextlib.suppress(FileNotFoundError):
                    (self._root / _place(digest)).chmod(0o444)
        except BaseError as error:
            raise _unreachable(error) from error


def _place(digest: str) -> str:
    if not _DIGEST.fullmatch(digest):
        raise InvalidInput(f"{digest!r} is not a digest", hint="a blob is named by its sha256, 64 hex digits")
    return f"{digest[:2]}/{digest[2:]}"


def _unchanged(file: Any, digest: str, path: Path) -> Iterator[bytes]:
    """A file's chunks; raises at the end, before anything is stored, if it is not the file that was hashed."""
    computed = hashlib.sha256()
    while chunk := file.read(CHUNK):
        computed.update(chunk)
        yield chunk
    if computed.hexdigest() != digest:
        raise InvalidInput(f"{path} was written to while it was stored", hint="store it when it is complete")


def _corrupt(digest: str) -> CorruptData:
    return CorruptData(
        f"blob {digest} does not hold the bytes that it is named after",
        hint="delete it and make it again: run the step anew, or restore it from a backup",
    )


def _unreachable(error: BaseError) -> TreadleError:
    return TreadleError(f"the blob store failed: {error}", hint="see that it can be reached and has room")
