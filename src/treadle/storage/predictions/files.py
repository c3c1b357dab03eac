"""Files of the prediction log: whole or not there, under names that any model may have."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import polars as pl

from treadle.domain.errors import Conflict

LOCK_SECONDS = 60.0


def folder_name(name: str) -> str:
    """A name as one part of a path: letters, digits, ``_`` and ``-`` stay, everything else is percent-encoded."""
    return quote(name, safe="").replace(".", "%2E").replace("~", "%7E")


def write_parquet(frame: pl.DataFrame, path: Path) -> None:
    """Write a frame; the file appears whole or not at all, and takes the place of one of the same name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _fresh(path) as fresh:
        frame.write_parquet(fresh)


def take_over(source: Path, folder: Path) -> Path:
    """Copy a file into a folder, named by the digest of its bytes, unless it is there; it is on the disk then."""
    with source.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    path = folder / f"{digest}.parquet"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with _fresh(path) as fresh:
            shutil.copyfile(source, fresh)
            bring_to_disk(fresh)
        bring_to_disk(folder)
    return path


def bring_to_disk(path: Path) -> None:
    """Wait until a file's bytes, or a folder's names, are on the disk itself."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def held(lock: Path, doing: str) -> Iterator[None]:
    """Hold a lock among threads and processes; it goes with its process. Raises Conflict when waited for in vain."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                if time.monotonic() > deadline:
                    raise Conflict(
                        f"another process has been {doing} for {LOCK_SECONDS:.0f} seconds",
                        hint=f"see which one holds {lock}",
                    ) from error
                time.sleep(0.002)
            else:
                break
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _fresh(path: Path) -> Iterator[Path]:
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}.new")
    try:
        yield fresh
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
