"""Artifacts: files under paths, streamed both ways."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from treadle.domain.artifacts import ArtifactFile


class Upload(Protocol):
    """A file in the making. Nothing is seen of it until :meth:`commit`; what is not committed leaves nothing."""

    def write(self, data: bytes | memoryview) -> None:
        """Append bytes; a view's are not needed any more once this returns."""
        ...

    def commit(self) -> None:
        """Make the file appear, whole, in the place of what was there. Raises Conflict where a folder is there."""
        ...

    def abandon(self) -> None:
        """Forget it; after a commit that is no change."""
        ...


class Reading(Protocol):
    """An open file: what it held when it was opened, whatever becomes of its path."""

    file: ArtifactFile

    def read(self, size: int) -> bytes:
        """The next bytes, at most ``size``; none at the end."""
        ...

    def seek(self, offset: int) -> None:
        """Go on at this byte."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


class Artifacts(Protocol):
    """Files by path. Every method checks its paths and raises InvalidInput for one that is not safe.

    Writing a path again replaces the file; a file that is being read keeps what it held.
    """

    def list(self, folder: str) -> Sequence[ArtifactFile]:
        """What lies right in a folder, by name. A folder that is not there, and a file, hold nothing."""
        ...

    def stat(self, path: str) -> ArtifactFile:
        """What lies at a path. Raises NotFound."""
        ...

    def open(self, path: str) -> Reading:
        """Read a file. Raises NotFound, and InvalidInput for a folder."""
        ...

    def create(self, path: str) -> Upload:
        """Write a file. Raises Conflict where a folder lies there, or a file where a folder would have to be."""
        ...

    def delete(self, path: str) -> None:
        """Remove a file, or a folder with all that is in it; removing what is not there is no error."""
        ...

    def usage(self, folder: str) -> tuple[int, int]:
        """Files below a folder, and their bytes."""
        ...

    def start(self, path: str) -> str:
        """Begin an upload in parts, which may come in any order and at once; its id. Raises as :meth:`create`."""
        ...

    def part(self, upload: str, number: int) -> Upload:
        """Write one part, numbered from 1; the last one written stands. Raises NotFound for an unknown upload."""
        ...

    def complete(self, upload: str, path: str, numbers: Sequence[int]) -> None:
        """Join parts in the order of their numbers into the file. The upload is over.

        Raises NotFound for an unknown upload, InvalidInput for missing parts or another path than it was begun with.
        """
        ...

    def abort(self, upload: str, path: str) -> None:
        """Forget an upload and its parts; an unknown one is no error. Raises InvalidInput for another path."""
        ...

    def sweep(self, older_than: float) -> int:
        """Forget what uploads left that nobody wrote to for so many seconds; how many there were."""
        ...
