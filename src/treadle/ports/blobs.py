"""Content-addressed bytes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol


class Blobs(Protocol):
    """Bytes by their sha256 in hex. Writing the same bytes twice is one blob."""

    def put(self, data: bytes) -> str:
        """Store bytes and return their digest."""
        ...

    def put_file(self, path: Path) -> str:
        """Store a file's bytes, streamed, and return their digest."""
        ...

    def get(self, digest: str) -> bytes:
        """The bytes. Raises NotFound, and CorruptData where they do not match their digest."""
        ...

    def fetch(self, digest: str, destination: Path) -> None:
        """Write the bytes to a new file, streamed and verified; the file appears whole or not at all."""
        ...

    def path(self, digest: str) -> Path | None:
        """A local, read-only file with the bytes, where the backend has one; never to be written to."""
        ...

    def has(self, digest: str) -> bool:
        """Whether the blob is there."""
        ...

    def delete(self, digest: str) -> None:
        """Remove a blob; removing a missing one is no error."""
        ...

    def digests(self) -> Iterator[str]:
        """All digests, in no order."""
        ...
