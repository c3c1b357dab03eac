"""Blobs in a dictionary."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from treadle.domain.errors import CorruptData, NotFound


class MemoryBlobs:
    """``ports.Blobs``. ``stored`` may be tampered with by a test."""

    def __init__(self) -> None:
        self.stored: dict[str, bytes] = {}

    def put(self, data: bytes) -> str:
        """Store bytes and return their digest."""
        digest = hashlib.sha256(data).hexdigest()
        self.stored.setdefault(digest, bytes(data))
        return digest

    def put_file(self, path: Path) -> str:
        """Store a file's bytes and return their digest. Raises NotFound for a file that is not there."""
        try:
            return self.put(path.read_bytes())
        except FileNotFoundError as error:
            raise NotFound(f"there is no file {path}", hint="give the path of a file that exists") from error

    def get(self, digest: str) -> bytes:
        """The bytes. Raises NotFound, and CorruptData where they do not match their digest."""
        if digest not in self.stored:
            raise NotFound(f"there is no blob {digest}")
        data = self.stored[digest]
        if hashlib.sha256(data).hexdigest() != digest:
            raise CorruptData(f"blob {digest} does not hold the bytes that it is named after")
        return data

    def fetch(self, digest: str, destination: Path) -> None:
        """Write the bytes to a new file."""
        data = self.get(digest)
        destination.parent.mkdir(parents=True, exist_ok=True)
        destination.write_bytes(data)

    def path(self, digest: str) -> Path | None:  # noqa: ARG002  the port's signature
        """None: there is no file."""
        return None

    def has(self, digest: str) -> bool:
        """Whether the blob is there."""
        return digest in self.stored

    def delete(self, digest: str) -> None:
        """Remove a blob; removing a missing one is no error."""
        self.stored.pop(digest, None)

    def digests(self) -> Iterator[str]:
        """All digests, in no order."""
        return iter(tuple(self.stored))
