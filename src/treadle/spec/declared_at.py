"""Where in the user's file a declaration stands, so that errors can name it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from treadle.domain.errors import DeclarationError


class DeclaredAt(NamedTuple):
    """A file and a line (1-based)."""

    file: str
    line: int

    def error(self, message: str, hint: str) -> DeclarationError:
        """The error of a declaration that stands here."""
        return DeclarationError(message, hint=hint, file=self.file, line=self.line)


class Scope(NamedTuple):
    """The names that the declaring code sees."""

    globals: Mapping[str, Any]
    locals: Mapping[str, Any]


def declared_at() -> DeclaredAt:
    """The line outside of Treadle that is being executed."""
    frame = _user_frame()
    return DeclaredAt(frame.f_code.co_filename, frame.f_lineno)


def declaring_scope() -> Scope:
    """The names that are visible at the line outside of Treadle that is being executed."""
    frame = _user_frame()
    return Scope(frame.f_globals, dict(frame.f_locals))


def defined_at(function: Callable[..., Any]) -> DeclaredAt:
    """Where a function is defined; where it is being declared, for callables that are no functions."""
    code = getattr(function, "__code__", None)
    return DeclaredAt(code.co_filename, code.co_firstlineno) if code is not None else declared_at()


def _user_frame() -> Any:
    frame = sys._getframe(1)
    while frame.f_back is not None:
        module = str(frame.f_globals.get("__name__", ""))
        if module != "treadle" and not module.startswith("treadle."):
            return frame
        frame = frame.f_back
    return frame
