"""The one map from errors to HTTP statuses and bodies. A caller's mistake is never a 5xx."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from treadle.domain import codec, errors

logger = logging.getLogger("treadle.api")

STATUS: Mapping[type[errors.TreadleError], int] = {
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.InvalidInput: 400,
    errors.DeclarationError: 422,
    errors.DataRejected: 422,
    errors.EnvironmentFailed: 422,
    errors.UserError: 400,
    errors.StepFailed: 422,
    errors.WorkerUnavailable: 503,
    errors.LogUnavailable: 503,
    errors.CorruptData: 500,
    errors.TreadleError: 500,
}
"""The status of an error is that of the first of its classes that stands here."""

_HTTP_TYPES = {404: "NotFound", 405: "InvalidInput", 413: "InvalidInput"}


def status_of(error: errors.TreadleError) -> int:
    """The HTTP status that tells of an error."""
    return next(STATUS[cls] for cls in type(error).__mro__ if cls in STATUS)


def body_of(error: BaseException) -> dict[str, Any]:
    """The JSON body that tells of an error; what was not raised on purpose is logged and told in one line."""
    if not isinstance(error, errors.TreadleError):
        logger.error("request failed", exc_info=error)
        return _body("TreadleError", f"{type(error).__name__}: {error}", "this is a fault of the server; see its log")
    detail = _body(type(error).__name__, error.message, error.hint)
    if isinstance(error, errors.StepFailed) and error.traceback:
        detail["error"]["traceback"] = error.traceback
    if isinstance(error, errors.DataRejected) and error.findings:
        detail["error"]["findings"] = codec.to_plain(error.findings)
    return detail


def told(problems: Sequence[Mapping[str, Any]]) -> str:
    """What pydantic found wrong with a request, in one line: where, and what."""
    lines = []
    for problem in problems[:5]:
        where = ".".join(str(part) for part in problem["loc"])
        what = str(problem["msg"]).removeprefix("Value error, ")
        lines.append(f"{where}: {what}" if where else what)
    more = f"; and {len(problems) - 5} more" if len(problems) > 5 else ""
    return "; ".join(lines) + more


def install(app: FastAPI) -> None:
    """Make the application answer every error in the one form."""
    app.add_exception_handler(errors.TreadleError, _treadle_error)
    app.add_exception_handler(RequestValidationError, _invalid_request)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _fault)


def _body(kind: str, message: str, hint: str) -> dict[str, Any]:
    return {"error": {"type": kind, "message": message, "hint": hint}}


async def _treadle_error(_request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, errors.TreadleError):
        return await _fault(_request, error)
    status = status_of(error)
    if status == 500:
        logger.error("request failed", exc_info=error)
    headers = {"retry-after": "1"} if status == 503 else None
    return JSONResponse(body_of(error), status, headers)


async def _invalid_request(_request: Request, error: Exception) -> JSONResponse:
    problems = error.errors() if isinstance(error, RequestValidationError) else []
    return JSONResponse(_body("InvalidInput", told(problems), "see /docs for what this route takes"), 422)


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    status = error.status_code if isinstance(error, HTTPException) else 500
    detail = str(error.detail) if isinstance(error, HTTPException) else str(error)
    message = f"{request.method} {request.url.path}: {detail}"
    headers = error.headers if isinstance(error, HTTPException) else None
    return JSONResponse(
        _body(_HTTP_TYPES.get(status, "InvalidInput"), message, "see /docs for the routes there are"), status, headers
    )


async def _fault(_request: Request, error: Exception) -> JSONResponse:
    return JSONResponse(body_of(error), 500)
