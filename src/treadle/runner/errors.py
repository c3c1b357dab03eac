"""What went wrong in a step, as plain data, with the user's own lines alone."""

from __future__ import annotations

import sysconfig
import traceback
from pathlib import Path
from typing import Any

from treadle.domain.errors import TreadleError

_RUNNER = str(Path(__file__).parent)
_SPEC = str(Path(__file__).parent.parent / "spec")
_STDLIB = sysconfig.get_paths()["stdlib"]
_LONGEST = 20_000


def describe_error(error: BaseException) -> dict[str, Any]:
    """Name, message, hint and traceback of an error. Lines of Treadle itself are left out of the traceback.

    The message of an error of the user's names the file and line where it was raised.
    """
    own = isinstance(error, TreadleError)
    return {
        "type": type(error).__name__,
        "declaration": type(error).__name__ == "DeclarationError",
        "message": error.message if isinstance(error, TreadleError) else _message(error),
        "hint": error.hint if isinstance(error, TreadleError) else "",
        "treadle": own,
        "file": getattr(error, "file", None) if own else None,
        "line": getattr(error, "line", None) if own else None,
        "traceback": user_traceback(error),
    }


def user_traceback(error: BaseException) -> str:
    """The traceback as Python prints it, from the first line outside of Treadle on."""
    told = traceback.TracebackException.from_exception(error)
    _trim(told, set())
    text = "".join(told.format())
    return text if len(text) <= _LONGEST else text[: _LONGEST // 2] + "\n  ...\n" + text[-_LONGEST // 2 :]


def _message(error: BaseException) -> str:
    first = str(error).strip().partition("\n")[0]  # all of it stands in the traceback
    text = f"{type(error).__name__}: {first}".rstrip(": ")
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith(_RUNNER)]
    mine = [f for f in frames if not f.filename.startswith((_STDLIB, "<")) and "site-packages" not in f.filename]
    if isinstance(error, SyntaxError) or not mine:
        return text
    last = mine[-1]
    return f"{text} ({Path(last.filename).name}, line {last.lineno}, in {last.name})"


def _trim(told: traceback.TracebackException, seen: set[int]) -> None:
    if id(told) in seen:
        return
    seen.add(id(told))
    kept = [f for f in told.stack if not f.filename.startswith((_RUNNER, _SPEC, "<frozen"))]
    told.stack = traceback.StackSummary.from_list(kept)
    for other in (told.__cause__, told.__context__):
        if other is not None:
            _trim(other, seen)
