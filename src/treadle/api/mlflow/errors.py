"""The protocol's errors: a code, a message, and the status that its clients know for the code."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import msgspec

from treadle.domain import errors

logger = logging.getLogger("treadle.api.mlflow")

STATUS: Mapping[str, int] = {
    "BAD_REQUEST": 400,
    "INVALID_PARAMETER_VALUE": 400,
    "RESOURCE_ALREADY_EXISTS": 400,
    "RESOURCE_CONFLICT": 409,
    "INVALID_STATE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "RESOURCE_DOES_NOT_EXIST": 404,
    "ENDPOINT_NOT_FOUND": 404,
    "NOT_IMPLEMENTED": 501,
    "TEMPORARILY_UNAVAILABLE": 503,
    "INTERNAL_ERROR": 500,
}
"""The status of each code, as ``mlflow/exceptions.py`` has it."""


class ProtocolError(Exception):
    """An answer that is not a success: one of the protocol's codes, and a message that says what to do."""

    def __init__(self, code: str, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status if status is not None else STATUS[code]


def told(error: BaseException) -> ProtocolError:
    """Any error in the protocol's terms. What was not raised on purpose is logged and told in one line."""
    match error:
        case ProtocolError():
            return error
        case errors.NotFound():
            return ProtocolError("RESOURCE_DOES_NOT_EXIST", str(error))
        case errors.NotActive(kind=kind, identity=identity):
            return ProtocolError(
                "INVALID_PARAMETER_VALUE",
                f"The {kind} {identity} must be in the 'active' state. Current state is deleted.",
            )
        case errors.ParamChanged(run=run, changes=changes):
            return ProtocolError("INVALID_PARAMETER_VALUE", _changed(run, changes))
        case errors.Conflict():
            return ProtocolError("RESOURCE_ALREADY_EXISTS", str(error))
        case errors.UserError():
            return ProtocolError("INVALID_PARAMETER_VALUE", str(error))
        case errors.WorkerUnavailable() | errors.LogUnavailable():
            return ProtocolError("TEMPORARILY_UNAVAILABLE", str(error))
        case _:
            logger.error("request failed", exc_info=error)
            return ProtocolError("INTERNAL_ERROR", f"{type(error).__name__}: {error}; this is a fault of the server")


def _changed(run: str, changes: Sequence[tuple[str, str, str]]) -> str:
    """The refusal to change params, as clients know it."""
    if len(changes) == 1:
        key, old, new = changes[0]
        return (
            f"Changing param values is not allowed. Param with key='{key}' was already logged with value='{old}' "
            f"for run ID='{run}'. Attempted logging new value '{new}'."
        )
    told = [{"key": key, "old_value": old, "new_value": new} for key, old, new in changes]
    return f"Changing param values is not allowed. Params were already logged='{told}' for run ID='{run}'."


def body(error: ProtocolError) -> bytes:
    """The JSON that tells of an error."""
    return msgspec.json.encode({"error_code": error.code, "message": error.message})
