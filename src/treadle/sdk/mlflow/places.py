"""Artifacts that lie in folders of this machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from urllib.parse import unquote, urlsplit

from treadle.sdk.mlflow.records import Artifact, Unreachable


def local_folder(uri: str, proxied: Path | None) -> Path:
    """The folder of an artifact root. ``proxied`` is where a server kept what its clients know as mlflow-artifacts.

    Raises Unreachable.
    """
    parts = urlsplit(uri)
    if parts.scheme == "mlflow-artifacts":
        if proxied is None:
            raise Unreachable(f"{uri}: say with --artifacts where the server keeps them, or read them from the server")
        return proxied / unquote(parts.path.lstrip("/"))
    if parts.scheme not in {"", "file"}:
        raise Unreachable(f"{uri} is not on this machine")
    return Path(unquote(parts.path) if parts.scheme == "file" else uri)


def files_below(folder: Path) -> Iterator[Artifact]:
    """The files of a folder and below; none where it is not there. Links are not followed out of it."""
    if not folder.is_dir():
        return
    root = folder.resolve()
    for file in sorted(folder.rglob("*")):
        if file.is_file() and file.resolve().is_relative_to(root):
            yield Artifact(file.relative_to(folder).as_posix(), _Opener(file))


class _Opener:
    def __init__(self, file: Path) -> None:
        self._file = file

    def __call__(self) -> AbstractContextManager[Path]:
        return nullcontext(self._file)
