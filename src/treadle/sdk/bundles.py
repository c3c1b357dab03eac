"""Packs a model's code for the server: its file, and the Python files beside and below it."""

from __future__ import annotations

import base64
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from treadle.domain.errors import InvalidInput

MAX_FILES = 200
MAX_BYTES = 5_000_000
GIT_PATIENCE = 5.0

_SKIPPED_FOLDERS = frozenset(
    {"__pycache__", "build", "dist", "env", "node_modules", "site-packages", "test", "tests", "venv"}
)


@dataclass(frozen=True)
class Bundle:
    """Code on its way to the server.

    ``files`` maps paths relative to ``root``, the model file's folder, to their bytes; ``entry`` is the model file
    among them. ``commit`` is the git commit of the folder, ``dirty`` whether one of the files differs from it.
    """

    entry: str
    files: dict[str, bytes]
    root: str
    commit: str | None = None
    dirty: bool = False

    def to_request(self) -> dict[str, Any]:
        """The JSON body that carries it."""
        return {
            "entry": self.entry,
            "files": {path: _encoded(data) for path, data in self.files.items()},
            "root": self.root,
            "commit": self.commit,
            "dirty": self.dirty,
        }


def pack(model_file: str | Path) -> Bundle:
    """Pack a model file with the other ``.py`` files of its folder and the folders below.

    Left out: hidden folders, virtual environments, caches, builds, tests. Raises InvalidInput for a missing file, and
    for more than 200 files or 5 MB.
    """
    path = Path(model_file).expanduser()
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise InvalidInput(f"model file {model_file} {what}", hint="give the path of the Python file with the Model")
    if path.suffix != ".py":
        raise InvalidInput(f"model file {model_file} is no Python file", hint="give the .py file with the Model")
    path = path.resolve()
    root = path.parent
    files: dict[str, bytes] = {}
    size = 0
    for found in (path, *(other for other in _python_files(root) if other != path)):
        files[found.relative_to(root).as_posix()] = data = _read(found)
        size += len(data)
        if len(files) > MAX_FILES or size > MAX_BYTES:
            raise InvalidInput(
                f"the Python files below {root} are more than {MAX_FILES} or larger than {MAX_BYTES:,} bytes",
                hint="keep the model file in a folder with nothing but its own modules",
            )
    commit, dirty = _git_state(root, list(files))
    return Bundle(path.name, files, str(root), commit, dirty)


def _python_files(root: Path) -> Iterator[Path]:
    for folder, below, names in os.walk(root):
        here = Path(folder)
        below[:] = sorted(name for name in below if not _skipped(here / name))
        for name in sorted(names):
            if name.endswith(".py") and not name.startswith((".", "test_")) and name != "conftest.py":
                yield here / name


def _skipped(folder: Path) -> bool:
    name = folder.name
    return name.startswith(".") or name in _SKIPPED_FOLDERS or (folder / "pyvenv.cfg").exists() or folder.is_symlink()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidInput(f"cannot read {path}: {error.strerror}", hint="mend its permissions or move it") from error


def _git_state(root: Path, paths: list[str]) -> tuple[str | None, bool]:
    commit = _git(root, "rev-parse", "HEAD")
    if not commit:
        return None, False
    changed = _git(root, "status", "--porcelain", "--untracked-files=all", "--", *paths)
    return commit, bool(changed)


def _git(root: Path, *arguments: str) -> str | None:
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments],
            capture_output=True,
            text=True,
            timeout=GIT_PATIENCE,
            env=environment,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _encoded(data: bytes) -> dict[str, str]:
    try:
        return {"text": data.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode()}
