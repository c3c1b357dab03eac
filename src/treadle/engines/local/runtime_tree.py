"""The part of Treadle that runs in models' environments, copied apart from Treadle's own dependencies."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import tempfile
from pathlib import Path

import treadle

PARTS = (
    "__init__.py",
    "py.typed",
    "domain",
    "runner",
    "sdk/__init__.py",
    "sdk/addresses.py",
    "sdk/tracking",
    "spec",
)


def runtime_tree(home: Path) -> Path:
    """The folder to put on the path of models' interpreters: ``home/runtime/<digest>``, with ``treadle`` in it.

    Addressed by content, so that several releases can share a home; whole or not there.
    """
    package = Path(treadle.__file__).parent
    files = {path.relative_to(package).as_posix(): path.read_bytes() for path in _files(package)}
    summed = hashlib.sha256()
    for name, data in sorted(files.items()):
        summed.update(f"{name}\n{len(data)}\n".encode() + data)
    target = home.absolute() / "runtime" / summed.hexdigest()
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(dir=target.parent, prefix=".building-"))
    try:
        for name, data in files.items():
            path = building / "treadle" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        building.chmod(0o755)
        with contextlib.suppress(OSError):  # another process was faster: the same tree
            building.rename(target)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return target


def _files(package: Path) -> list[Path]:
    found: list[Path] = []
    for part in PARTS:
        path = package / part
        found += sorted(path.rglob("*.py")) if path.is_dir() else [path] if path.is_file() else []
    return found
