"""Artifacts in a folder of the local disk."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from treadle.domain.artifacts import (
    ArtifactFile,
    complete_parts,
    file_path,
    part_number,
    safe_path,
    upload_id,
)
from treadle.domain.errors import Conflict, InvalidInput, NotFound, TreadleError

COPY = 4 * 1024 * 1024
_TARGET = "path"
_RACES = 8


class LocalArtifacts:
    """``ports.Artifacts`` below ``root``: ``files/`` holds what is served, ``uploads/`` what is not whole yet.

    Files appear by renaming. Symbolic links that lead out of the folder are not followed. Writes are left to the
    system's cache, as those of blobs are: a killed server loses nothing, a power cut may lose the last seconds.
    """

    def __init__(self, root: Path) -> None:
        self._files = root.absolute() / "files"
        self._uploads = root.absolute() / "uploads"
        for folder in (self._files, self._uploads):
            folder.mkdir(parents=True, exist_ok=True)
        self._real = os.path.realpath(self._files)

    def list(self, folder: str) -> Sequence[ArtifactFile]:
        """What lies right in a folder, by name. A folder that is not there, and a file, hold nothing."""
        path = safe_path(folder)
        place = self._place(path)
        try:
            with os.scandir(place) as entries:
                found = [self._entry(path, entry) for entry in entries]
        except (FileNotFoundError, NotADirectoryError):
            return ()
        return tuple(sorted((file for file in found if file is not None), key=lambda file: file.path))

    def stat(self, path: str) -> ArtifactFile:
        """What lies at a path. Raises NotFound."""
        path = safe_path(path)
        try:
            return _described(path, self._place(path).stat())
        except (FileNotFoundError, NotADirectoryError) as error:
            raise _missing(path) from error

    def open(self, path: str) -> LocalReading:
        """Read a file. Raises NotFound, and InvalidInput for a folder."""
        path = file_path(path)
        try:
            descriptor = os.open(self._place(path), os.O_RDONLY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise _missing(path) from error
        file = _described(path, os.fstat(descriptor))
        if file.folder:
            os.close(descriptor)
            raise InvalidInput(
                f"Artifact path refers to a directory, not a file: {path!r}", hint="list it, and read its files"
            )
        return LocalReading(file, descriptor)

    def create(self, path: str) -> LocalUpload:
        """Write a file. Raises Conflict where a folder lies there, or a file where a folder would have to be."""
        path = file_path(path)
        self._check_free(path)
        fresh = self._uploads / f"{secrets.token_hex(16)}.part"
        return LocalUpload(fresh, lambda: self._publish(fresh, path))

    def delete(self, path: str) -> None:
        """Remove a file, or a folder with all that is in it; removing what is not there is no error."""
        place = self._place(file_path(path))
        gone = self._uploads / f"{secrets.token_hex(16)}.gone"
        try:
            place.rename(gone)
        except (FileNotFoundError, NotADirectoryError):
            return
        _remove(gone)
        self._prune(place.parent)

    def usage(self, folder: str) -> tuple[int, int]:
        """Files below a folder, and their bytes."""
        place = self._place(safe_path(folder))
        if place.is_file():
            return 1, place.stat().st_size
        count = size = 0
        for where, _, names in os.walk(place):
            for name in names:
                with contextlib.suppress(FileNotFoundError):
                    size += (Path(where) / name).lstat().st_size
                    count += 1
        return count, size

    def start(self, path: str) -> str:
        """Begin an upload in parts; its id."""
        path = file_path(path)
        self._check_free(path)
        upload = secrets.token_hex(16)
        folder = self._uploads / upload
        folder.mkdir()
        (folder / _TARGET).write_text(path, "utf-8")
        return upload

    def part(self, upload: str, number: int) -> LocalUpload:
        """Write one part, numbered from 1; the last one written stands. Raises NotFound for an unknown upload."""
        folder = self._upload(upload)
        final = folder / f"{part_number(number):05d}"
        fresh = folder / f"{secrets.token_hex(8)}.part"
        return LocalUpload(fresh, lambda: _rename_part(fresh, final, upload))

    def complete(self, upload: str, path: str, numbers: Sequence[int]) -> None:
        """Join parts in the order of their numbers into the file. The upload is over."""
        folder = self._begun(upload, path)
        present = [int(found.name) for found in folder.iterdir() if found.name.isdigit()]
        wanted = complete_parts(numbers, present)
        self._check_free(file_path(path))
        taken = self._uploads / f"{secrets.token_hex(16)}.gone"
        try:
            folder.rename(taken)
        except FileNotFoundError as error:
            raise _unknown(upload) from error
        try:
            whole = taken / f"{wanted[0]:05d}"
            _append(whole, [taken / f"{number:05d}" for number in wanted[1:]])
            self._publish(whole, file_path(path))
        except BaseException:
            taken.rename(folder)
            raise
        _remove(taken)

    def abort(self, upload: str, path: str) -> None:
        """Forget an upload and its parts; an unknown one is no error. Raises InvalidInput for another path."""
        try:
            _remove(self._begun(upload, path))
        except NotFound:
            return

    def sweep(self, older_than: float) -> int:
        """Forget what uploads left that nobody wrote to for so many seconds; how many there were."""
        limit, count = time.time() - older_than, 0
        for left in self._uploads.iterdir():
            if _last_written(left) <= limit:
                _remove(left)
                count += 1
        return count

    def _place(self, path: str) -> Path:
        """The file of a checked path. Raises InvalidInput where a symbolic link leads out of the root."""
        place = self._files / path
        real = os.path.realpath(place)
        if real != self._real and not real.startswith(self._real + os.sep):
            raise InvalidInput(f"Invalid path {path!r}: it leads out of the store", hint="name another file")
        return place

    def _entry(self, folder: str, entry: os.DirEntry[str]) -> ArtifactFile | None:
        path = f"{folder}/{entry.name}" if folder else entry.name
        try:
            if entry.is_symlink():
                self._place(path)
            return _described(path, entry.stat())
        except (FileNotFoundError, InvalidInput):
            return None

    def _check_free(self, path: str) -> None:
        if self._place(path).is_dir():
            raise _folder_there(path)
        for parent in Path(path).parents:
            if (self._files / parent).is_file():
                raise _file_there(str(parent))

    def _publish(self, fresh: Path, path: str) -> None:
        """Rename into place. A folder that a removal took away in the meantime is made again."""
        place = self._place(path)
        for _ in range(_RACES):
            try:
                place.parent.mkdir(parents=True, exist_ok=True)
                fresh.replace(place)
            except (FileNotFoundError, FileExistsError):
                self._check_free(path)
            except IsADirectoryError as error:
                raise _folder_there(path) from error
            except NotADirectoryError as error:
                raise _file_there(path.rpartition("/")[0]) from error
            else:
                return
        raise Conflict(f"the folder of {path!r} is being removed", hint="try again")

    def _prune(self, folder: Path) -> None:
        while folder != self._files:
            try:
                folder.rmdir()
            except OSError:
                return
            folder = folder.parent

    def _upload(self, upload: str) -> Path:
        folder = self._uploads / upload_id(upload)
        if not folder.is_dir():
            raise _unknown(upload)
        return folder

    def _begun(self, upload: str, path: str) -> Path:
        folder = self._upload(upload)
        try:
            begun = (folder / _TARGET).read_text("utf-8")
        except FileNotFoundError as error:
            raise _unknown(upload) from error
        if begun != file_path(path):
            raise InvalidInput("this upload was created for another path", hint="name the path of its creation")
        return folder


class LocalReading:
    """``ports.Reading`` of a descriptor."""

    def __init__(self, file: ArtifactFile, descriptor: int) -> None:
        self.file = file
        self._file = os.fdopen(descriptor, "rb", buffering=0)

    def read(self, size: int) -> bytes:
        """The next bytes, at most ``size``; none at the end."""
        return self._file.read(size) or b""

    def seek(self, offset: int) -> None:
        """Go on at this byte."""
        self._file.seek(offset)

    def close(self) -> None:
        """Let go of it."""
        self._file.close()


class LocalUpload:
    """``ports.Upload`` to a file under a temporary name, which ``publish`` renames."""

    def __init__(self, fresh: Path, publish: Callable[[], None]) -> None:
        self._fresh = fresh
        self._publish = publish
        try:
            self._file = fresh.open("xb", buffering=0)
        except FileNotFoundError as error:
            raise _unknown(fresh.parent.name) from error

    def write(self, data: bytes | memoryview) -> None:
        """Append bytes."""
        view = memoryview(data)
        while view:
            with _told():
                view = view[self._file.write(view) or 0 :]

    def commit(self) -> None:
        """Make the file appear."""
        self._file.close()
        try:
            self._publish()
        finally:
            self._fresh.unlink(missing_ok=True)

    def abandon(self) -> None:
        """Forget it; after a commit that is no change."""
        self._file.close()
        with contextlib.suppress(NotADirectoryError):
            self._fresh.unlink(missing_ok=True)


def _described(path: str, stat: os.stat_result) -> ArtifactFile:
    folder = (stat.st_mode & 0o170000) == 0o040000
    return ArtifactFile(path, folder, 0 if folder else stat.st_size, datetime.fromtimestamp(stat.st_mtime, UTC))


def _append(whole: Path, parts: Sequence[Path]) -> None:
    """Append files to one, each removed once it is in."""
    with _told(), whole.open("ab", buffering=0) as target:
        for part in parts:
            with part.open("rb", buffering=0) as source:
                shutil.copyfileobj(source, target, COPY)
            part.unlink()


def _rename_part(fresh: Path, final: Path, upload: str) -> None:
    try:
        fresh.replace(final)
    except FileNotFoundError as error:
        raise _unknown(upload) from error


def _last_written(path: Path) -> float:
    try:
        times = [path.stat().st_mtime]
        if path.is_dir():
            times += [found.stat().st_mtime for found in path.iterdir()]
    except FileNotFoundError:
        return time.time()
    return max(times)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """A full disk, told as what it is."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise TreadleError("there is no room for the artifact", hint="free some of the disk: treadle gc") from error
        raise


def _missing(path: str) -> NotFound:
    return NotFound(f"No such artifact: {path!r}", hint="list the folder to see what is there")


def _unknown(upload: str) -> NotFound:
    return NotFound(f"there is no upload {upload}", hint="it is complete, aborted or too old; create another")


def _folder_there(path: str) -> Conflict:
    return Conflict(f"{path!r} is a folder", hint="write to another path, or delete the folder")


def _file_there(path: str) -> Conflict:
    return Conflict(f"{path!r} is a file, not a folder", hint="write to another path, or delete the file")
