"""Errors of the server, turned back into the errors they were."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from treadle.domain import codec, errors
from treadle.domain.data import Finding

_BY_STATUS: Mapping[int, type[errors.TreadleError]] = {
    404: errors.NotFound,
    409: errors.Conflict,
    503: errors.WorkerUnavailable,
}


def error_of(status: int, body: bytes) -> errors.TreadleError:
    """The error that an answer with a status of 400 or more tells of."""
    try:
        told = json.loads(body)["error"]
    except (ValueError, KeyError, TypeError):
        text = body[:300].decode(errors="replace").strip()
        said = f": {text}" if text and not text.startswith("<") else ""  # not the page of another program's server
        return _unnamed(status)(f"the server answered {status}{said}", hint="is it a Treadle server of this release?")
    if isinstance(told, Mapping):
        return error_from(told, status)
    hint = json.loads(body).get("hint", "")
    return _unnamed(status)(str(told), hint=str(hint))


def error_from(told: Mapping[str, Any], status: int = 500) -> errors.TreadleError:
    """The error that ``{"type", "message", "hint", ...}`` tells of."""
    found = getattr(errors, str(told.get("type")), None)
    known = isinstance(found, type) and issubclass(found, errors.TreadleError)
    cls: type[errors.TreadleError] = found if known and found is not None else _unnamed(status)
    message, hint = str(told.get("message", "")), str(told.get("hint", ""))
    if issubclass(cls, errors.StepFailed):
        return cls(message, hint=hint, traceback=str(told.get("traceback") or ""))
    if issubclass(cls, errors.DataRejected):
        findings = codec.from_plain(tuple[Finding, ...], told.get("findings") or [])
        return cls(message, hint=hint, findings=findings)
    return cls(message, hint=hint)


def _unnamed(status: int) -> type[errors.TreadleError]:
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    return errors.InvalidInput if 400 <= status < 500 else errors.TreadleError
