"""Artifacts: files of runs and models under paths, and which paths are safe."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import unquote, urlsplit

from treadle.domain.errors import InvalidInput

SCHEME = "mlflow-artifacts"
MAX_PART = 255
"""Bytes of one part of a path: what file systems allow."""
MAX_PATH = 2048
"""Bytes of a whole path."""
MAX_PARTS = 10_000
"""Parts of one multipart upload, as object stores have it."""
_DEEPEST = 10
_DRIVE = re.compile(r"[A-Za-z]:")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/")
_UPLOAD_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class ArtifactFile:
    """One entry of a folder. ``path`` is from the root, ``size`` in bytes (0 for a folder)."""

    path: str
    folder: bool
    size: int = 0
    modified: datetime | None = None

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]


def safe_path(text: str) -> str:
    """A path below a root, written one way: no empty parts and no ``.``; ``""`` is the root itself.

    Raises InvalidInput for what could lead elsewhere, also once it is unquoted as often as that changes it: ``..``,
    absolute paths, drive letters, backslashes, control characters, ``#``, URLs, and what file systems cannot hold.
    """
    seen = text
    for _ in range(_DEEPEST):
        _check(seen, text)
        plainer = unquote(seen)
        if plainer == seen:
            break
        seen = plainer
    else:
        raise _unsafe(text, f"it is quoted more than {_DEEPEST} times")
    parts = [part for part in text.split("/") if part not in ("", ".")]
    if any(len(part.encode()) > MAX_PART for part in parts) or len(text.encode()) > MAX_PATH:
        raise _unsafe(text, f"a part of it is longer than {MAX_PART} bytes, or all of it than {MAX_PATH}")
    return "/".join(parts)


def file_path(text: str) -> str:
    """A :func:`safe_path` that names something below the root. Raises InvalidInput."""
    path = safe_path(text)
    if not path:
        raise _unsafe(text, "it names no file")
    return path


def below(root: str, path: str) -> str:
    """``path`` within ``root``; both are checked. Raises InvalidInput."""
    return "/".join(part for part in (safe_path(root), safe_path(path)) if part)


def served_path(uri: str) -> str | None:
    """Where the artifacts of a location lie in this server's store; ``None`` for a location of somebody else's.

    Raises InvalidInput for a location of this server with a query, a fragment or an unsafe path.
    """
    found = urlsplit(uri)
    if found.scheme != SCHEME:
        return None
    if found.query or found.fragment or "#" in uri or "?" in uri:
        raise _unsafe(uri, "a location has neither query nor fragment")
    return safe_path(found.path.lstrip("/"))


def upload_id(text: str) -> str:
    """The id of a multipart upload, checked. Raises InvalidInput."""
    if not _UPLOAD_ID.fullmatch(text):
        raise InvalidInput("Invalid upload_id", hint="give the one that the upload was created with")
    return text


def part_number(number: int) -> int:
    """The number of a part, checked. Raises InvalidInput."""
    if not 1 <= number <= MAX_PARTS:
        raise InvalidInput(f"part {number} cannot be", hint=f"parts are numbered from 1 to {MAX_PARTS}")
    return number


def complete_parts(numbers: Sequence[int], present: Sequence[int]) -> tuple[int, ...]:
    """The parts to join, in order. Raises InvalidInput where one is named twice, is missing or was never sent."""
    wanted = tuple(sorted(numbers))
    if not wanted or len(set(wanted)) != len(wanted):
        raise InvalidInput("the parts of an upload are at least one, each named once", hint="name every part once")
    missing = sorted(set(wanted) - set(present))
    if missing:
        raise InvalidInput(f"part {missing[0]} was not uploaded", hint="upload it, then complete the upload")
    return wanted


def _check(seen: str, text: str) -> None:
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in seen):
        raise _unsafe(text, "it has control characters")
    if any(letter == "\ufffd" or 0xD800 <= ord(letter) <= 0xDFFF for letter in text):
        raise _unsafe(ascii(text), "it is not UTF-8")
    if "\\" in seen or "#" in seen:
        raise _unsafe(text, "it has a backslash or a #")
    if seen.startswith("/") or _DRIVE.match(seen) or _URL.match(seen):
        raise _unsafe(text, "it is absolute")
    if any(part.strip() == ".." for part in seen.split("/")):
        raise _unsafe(text, "it leads upwards")


def _unsafe(text: str, reason: str) -> InvalidInput:
    shown = text if len(text) <= 100 else text[:100] + "..."
    return InvalidInput(
        f"Invalid path {shown!r}: {reason}", hint="give a path below the artifact root, such as model/x"
    )
