"""A model as it was applied: its declaration, code and environment, by digest."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class CodeTree:
    """The files that make up a model's code. ``files`` maps a relative path to the sha256 of its bytes.

    ``entry`` is the relative path of the model file; ``digest`` identifies the whole tree; ``commit`` is the git
    commit it came from, with ``dirty`` true where the working tree differed from it. The bytes are blobs.
    ``root`` is the folder on the machine that applied it: data files beside the code are read from there.
    """

    entry: str
    files: dict[str, str]
    digest: str
    root: str
    commit: str | None = None
    dirty: bool = False


@dataclass(frozen=True)
class EnvironmentLock:
    """Requirements locked with hashes.

    ``requirements`` is the text that uv made, ``python`` the interpreter's version (``3.11``), ``digest``
    identifies both: equal locks share one environment.
    """

    requirements: str
    python: str
    digest: str


@dataclass(frozen=True)
class AppliedModel:
    """The desired state of one model: ``spec_json`` is the canonical JSON of its ``spec.ModelSpec``.

    ``revision`` counts applies of this model from 1.
    """

    name: str
    revision: int
    spec_json: str
    spec_digest: str
    code: CodeTree
    environment: EnvironmentLock
    applied_at: datetime
