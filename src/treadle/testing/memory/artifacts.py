"""Artifacts in a dictionary."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Sequence

from treadle.domain.artifacts import ArtifactFile, complete_parts, file_path, part_number, safe_path, upload_id
from treadle.domain.errors import Conflict, InvalidInput, NotFound


class MemoryArtifacts:
    """``ports.Artifacts``."""

    def __init__(self) -> None:
        self.stored: dict[str, bytes] = {}
        self._uploads: dict[str, tuple[str, dict[int, bytes]]] = {}
        self._lock = threading.RLock()

    def list(self, folder: str) -> Sequence[ArtifactFile]:
        """What lies right in a folder, by name. A folder that is not there, and a file, hold nothing."""
        folder = safe_path(folder)
        start = f"{folder}/" if folder else ""
        found: dict[str, ArtifactFile] = {}
        for path, data in tuple(self.stored.items()):
            if path.startswith(start):
                name, _, deeper = path.removeprefix(start).partition("/")
                found[name] = ArtifactFile(start + name, bool(deeper), 0 if deeper else len(data))
        return tuple(found[name] for name in sorted(found))

    def stat(self, path: str) -> ArtifactFile:
        """What lies at a path. Raises NotFound."""
        path = safe_path(path)
        if path in self.stored:
            return ArtifactFile(path, folder=False, size=len(self.stored[path]))
        if not path or self.list(path):
            return ArtifactFile(path, folder=True)
        raise NotFound(f"No such artifact: {path!r}", hint="list the folder to see what is there")

    def open(self, path: str) -> MemoryReading:
        """Read a file. Raises NotFound, and InvalidInput for a folder."""
        file = self.stat(file_path(path))
        if file.folder:
            raise InvalidInput(f"Artifact path refers to a directory, not a file: {path!r}", hint="list it")
        return MemoryReading(file, self.stored[file.path])

    def create(self, path: str) -> MemoryUpload:
        """Write a file. Raises Conflict where a folder lies there, or a file where a folder would have to be."""
        path = file_path(path)
        self._check_free(path)
        return MemoryUpload(lambda data: self._publish(path, data))

    def delete(self, path: str) -> None:
        """Remove a file, or a folder with all that is in it; removing what is not there is no error."""
        path = file_path(path)
        with self._lock:
            for found in [each for each in self.stored if each == path or each.startswith(f"{path}/")]:
                del self.stored[found]

    def usage(self, folder: str) -> tuple[int, int]:
        """Files below a folder, and their bytes."""
        folder = safe_path(folder)
        sizes = [
            len(data)
            for path, data in tuple(self.stored.items())
            if not folder or path == folder or path.startswith(f"{folder}/")
        ]
        return len(sizes), sum(sizes)

    def start(self, path: str) -> str:
        """Begin an upload in parts; its id."""
        path = file_path(path)
        self._check_free(path)
        upload = secrets.token_hex(16)
        self._uploads[upload] = (path, {})
        return upload

    def part(self, upload: str, number: int) -> MemoryUpload:
        """Write one part, numbered from 1; the last one written stands. Raises NotFound for an unknown upload."""
        part_number(number)
        parts = self._begun(upload)[1]
        return MemoryUpload(lambda data: parts.__setitem__(number, data))

    def complete(self, upload: str, path: str, numbers: Sequence[int]) -> None:
        """Join parts in the order of their numbers into the file. The upload is over."""
        parts = self._begun(upload, path)[1]
        wanted = complete_parts(numbers, list(parts))
        self._publish(file_path(path), b"".join(parts[number] for number in wanted))
        self._uploads.pop(upload, None)

    def abort(self, upload: str, path: str) -> None:
        """Forget an upload and its parts; an unknown one is no error. Raises InvalidInput for another path."""
        try:
            self._begun(upload, path)
        except NotFound:
            return
        self._uploads.pop(upload, None)

    def sweep(self, older_than: float) -> int:
        """Forget all uploads where no age is asked for: the double knows no time."""
        if older_than > 0:
            return 0
        count = len(self._uploads)
        self._uploads.clear()
        return count

    def _begun(self, upload: str, path: str | None = None) -> tuple[str, dict[int, bytes]]:
        found = self._uploads.get(upload_id(upload))
        if found is None:
            raise NotFound(f"there is no upload {upload}", hint="it is complete, aborted or too old; create another")
        if path is not None and found[0] != file_path(path):
            raise InvalidInput("this upload was created for another path", hint="name the path of its creation")
        return found

    def _check_free(self, path: str) -> None:
        if any(found.startswith(f"{path}/") for found in tuple(self.stored)):
            raise Conflict(f"{path!r} is a folder", hint="write to another path, or delete the folder")
        parts = path.split("/")
        for depth in range(1, len(parts)):
            if "/".join(parts[:depth]) in self.stored:
                raise Conflict(f"{'/'.join(parts[:depth])!r} is a file, not a folder", hint="write to another path")

    def _publish(self, path: str, data: bytes) -> None:
        with self._lock:
            self._check_free(path)
            self.stored[path] = data


class MemoryReading:
    """``ports.Reading`` of bytes."""

    def __init__(self, file: ArtifactFile, data: bytes) -> None:
        self.file = file
        self._data = data
        self._at = 0

    def read(self, size: int) -> bytes:
        """The next bytes, at most ``size``; none at the end."""
        part = self._data[self._at : self._at + size]
        self._at += len(part)
        return part

    def seek(self, offset: int) -> None:
        """Go on at this byte."""
        self._at = offset

    def close(self) -> None:
        """Nothing to let go of."""


class MemoryUpload:
    """``ports.Upload`` of parts in a list."""

    def __init__(self, publish: Callable[[bytes], None]) -> None:
        self._publish = publish
        self._parts: list[bytes] = []

    def write(self, data: bytes | memoryview) -> None:
        """Append bytes."""
        self._parts.append(bytes(data))

    def commit(self) -> None:
        """Make the file appear."""
        self._publish(b"".join(self._parts))

    def abandon(self) -> None:
        """Forget it."""
        self._parts.clear()
