"""Where versions of registered models come from: which sources are safe, and what they name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import unquote_plus, urlsplit

from treadle.domain.errors import InvalidInput

RUNS, MODELS, ARTIFACTS = "runs", "models", "mlflow-artifacts"
_REFUSED = frozenset({"file", "http", "https", "ftp", "sftp", "hdfs", "viewfs", "data", "javascript"})
"""Schemes of the server's own disk, and of hosts that a client could make others connect to."""
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+")
_DEEPEST = 10
_KEEP = (
    "give a run's, a logged model's or a version's files: runs:/<run>/<path>, models:/<id>, models:/<name>/<version>"
)


@dataclass(frozen=True)
class RunFilesSource:
    """``runs:/<run>/<path>``."""

    run: str
    path: str


@dataclass(frozen=True)
class LoggedModelSource:
    """``models:/<id>``."""

    model_id: str


@dataclass(frozen=True)
class VersionSource:
    """``models:/<name>/<version>``, ``models:/<name>/<stage>``, ``models:/<name>/latest``, ``models:/<name>@<alias>``.

    One of ``number``, ``stage``, ``alias`` is given, or none for the latest.
    """

    name: str
    number: int | None = None
    stage: str | None = None
    alias: str | None = None


@dataclass(frozen=True)
class ServedSource:
    """``mlflow-artifacts:/<path>``: files that this server keeps."""

    uri: str


@dataclass(frozen=True)
class OtherSource:
    """Files in somebody else's store, such as ``s3://bucket/path``, which this server never reads."""

    uri: str


Source = RunFilesSource | LoggedModelSource | VersionSource | ServedSource | OtherSource


def parse_source(text: str) -> Source:
    """What a source names.

    Raises InvalidInput for local paths, for schemes that name a host to connect to, and, also once it is unquoted as
    often as that changes it, for ``..``, backslashes, control characters, queries and fragments.
    """
    _check(text)
    scheme, _, rest = text.partition(":")
    if not _SCHEME.fullmatch(scheme) or not rest:
        _local(text)
    scheme = scheme.lower()
    if scheme == "file":
        _local(text)
    if scheme in _REFUSED:
        raise InvalidInput(f"'source' cannot use the '{scheme}' scheme: it names a host to connect to", hint=_KEEP)
    found = urlsplit(text)
    if scheme not in (RUNS, MODELS, ARTIFACTS):
        return OtherSource(text)
    if found.netloc or not found.path.startswith("/"):
        raise _invalid(text, "it names another server; leave the host out")
    path = found.path.strip("/")
    if scheme == RUNS:
        run, _, below = path.partition("/")
        return RunFilesSource(run, below)
    return ServedSource(text) if scheme == ARTIFACTS else _model(text, found.path[1:])


def is_within(uri: str, root: str) -> bool:
    """Whether a location lies in another one."""
    inner, outer = urlsplit(uri), urlsplit(root)
    parts, above = inner.path.strip("/").split("/"), outer.path.strip("/").split("/")
    same = (inner.scheme.lower(), inner.netloc) == (outer.scheme.lower(), outer.netloc)
    return same and above != [""] and parts[: len(above)] == above


def not_contained(source: str, field: str) -> InvalidInput:
    """The refusal of a source that is not where a run or model keeps files."""
    return InvalidInput(
        f"Invalid model version source: '{source}'. The {field} request parameter must identify the resource that "
        "contains the source.",
        hint=_KEEP,
    )


def _model(text: str, path: str) -> Source:
    name, slash, suffix = path.partition("/")
    if not name.strip() or "/" in suffix or (slash and not suffix.strip()):
        raise _invalid(text, "it is neither models:/<id> nor models:/<name>/<version> nor models:/<name>@<alias>")
    if slash:
        if suffix.isdecimal() and len(suffix) < 10:
            return VersionSource(name, number=int(suffix))
        return VersionSource(name, stage=None if suffix.lower() == "latest" else suffix)
    if "@" in name:
        name, _, alias = name.rpartition("@")
        if not name or not alias:
            raise _invalid(text, "an alias is written models:/<name>@<alias>")
        return VersionSource(name, alias=alias)
    return LoggedModelSource(name)


def _check(text: str) -> None:
    seen = text
    for _ in range(_DEEPEST):
        if any(ord(letter) < 32 or ord(letter) == 127 for letter in seen):
            raise _invalid(ascii(text), "it has control characters")
        if "\\" in seen or "#" in seen or "?" in seen:
            raise _invalid(text, "it has a backslash, a # or a ?")
        if any(part.strip() == ".." or part.strip() == "." for part in seen.split("/")):
            raise _invalid(text, "an absolute path must be provided without relative path references present")
        plainer = unquote_plus(seen)
        if plainer == seen:
            return
        seen = plainer
    raise _invalid(text, f"it is quoted more than {_DEEPEST} times")


def _local(text: str) -> NoReturn:
    raise InvalidInput(
        f"Invalid model version source: '{text[:200]}'. To use a local path as a model version source, the run_id "
        "request parameter has to be specified and the local path has to be contained within the artifact directory "
        "of the run specified by the run_id.",
        hint=f"this server keeps no local paths; {_KEEP}",
    )


def _invalid(text: str, why: str) -> InvalidInput:
    return InvalidInput(f"Invalid model version source: '{text[:200]}'. {why[0].upper()}{why[1:]}.", hint=_KEEP)
