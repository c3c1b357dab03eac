"""The one tree of errors. Every message says what is wrong, where, and what to do.

TreadleError
├── UserError                 the caller can mend it (HTTP 4xx, exit code 2)
│   ├── DeclarationError      a model file declares something impossible
│   ├── InvalidInput          a request, file or option is malformed
│   ├── NotFound              what was named does not exist
│   ├── Conflict              it exists already, or changed meanwhile
│   │   └── ParamChanged      a run's param is set and cannot become another value
│   ├── NotActive             it is deleted and must be restored first
│   ├── DataRejected          data broke a declared rule or check
│   └── EnvironmentFailed     a model's requirements cannot be locked or built
├── StepFailed                code of a model raised inside its step
│   ├── StepCrashed
│   ├── StepTimedOut
│   └── StepCancelled
├── WorkerUnavailable         a model's worker is gone or not ready
├── LogUnavailable            the prediction log cannot be written
└── CorruptData               stored bytes do not match their checksum or digest
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from treadle.domain.data import Finding


class TreadleError(Exception):
    """Base of all errors that Treadle raises on purpose.

    ``message`` says what is wrong and where; ``hint`` says what to do about it.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  -> {self.hint}" if self.hint else self.message


class UserError(TreadleError):
    """The caller can mend it."""


class DeclarationError(UserError):
    """A model file declares something impossible. Names the file and the line.

    Attributes: ``file`` (path or ``None``) and ``line`` (1-based or ``None``) of the declaration.
    """

    def __init__(self, message: str, *, hint: str = "", file: str | None = None, line: int | None = None) -> None:
        where = f"{file}:{line}: " if file is not None and line is not None else ""
        super().__init__(where + message, hint=hint)
        self.file = file
        self.line = line


class InvalidInput(UserError):
    """A request, a file or an option is malformed."""


class NotFound(UserError):
    """What was named does not exist."""


class Conflict(UserError):
    """It exists already, or somebody changed it meanwhile."""


class ParamChanged(Conflict):
    """Params of a run are set once. ``changes`` names each that was to change, with its value and the refused one."""

    def __init__(self, run: str, changes: tuple[tuple[str, str, str], ...]) -> None:
        told = ", ".join(f"param {key!r} is {old!r} and cannot become {new!r}" for key, old, new in changes)
        super().__init__(f"run {run}: {told}", hint="params are set once; start another run, or log a tag")
        self.run = run
        self.changes = changes


class NotActive(UserError):
    """It is deleted. ``kind`` (``run`` or ``experiment``) and ``identity`` say what."""

    def __init__(self, kind: str, identity: str) -> None:
        super().__init__(f"the {kind} {identity} is deleted", hint="restore it first")
        self.kind = kind
        self.identity = identity


class DataRejected(UserError):
    """Data broke a declared rule or check; nothing was trained on it. ``findings`` are the broken rules."""

    def __init__(self, message: str, *, hint: str = "", findings: tuple[Finding, ...] = ()) -> None:
        super().__init__(message, hint=hint)
        self.findings = findings


class EnvironmentFailed(UserError):
    """A model's requirements cannot be locked or built."""


class StepFailed(TreadleError):
    """Code of a model raised inside its step. ``traceback`` is the text of its traceback."""

    def __init__(self, message: str, *, hint: str = "", traceback: str = "") -> None:
        super().__init__(message, hint=hint)
        self.traceback = traceback


class StepCrashed(StepFailed):
    """The process of a step died each time it was tried: killed, out of memory, or ended by its own code."""


class StepTimedOut(StepFailed):
    """A step took longer than its timeout and was killed."""


class StepCancelled(StepFailed):
    """A step was cancelled and its processes are gone."""


class WorkerUnavailable(TreadleError):
    """A model's worker is gone or not ready yet; the request may be sent again."""


class LogUnavailable(TreadleError):
    """The prediction log cannot be written, and what is not in it may not be answered."""


class CorruptData(TreadleError):
    """Stored bytes do not match their checksum or digest."""
