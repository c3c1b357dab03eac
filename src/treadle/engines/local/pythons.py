"""Which interpreter a model runs on."""

from __future__ import annotations

import re
from collections.abc import Callable

from treadle.domain.errors import EnvironmentFailed

Version = tuple[int, ...]

_CLAUSE = re.compile(r"^\s*(~=|===|==|!=|>=|<=|>|<)\s*(\d+(?:\.\d+)*)(\.\*)?\s*$")
_OPERATORS: dict[str, Callable[[Version, Version], bool]] = {
    ">=": lambda have, want: have >= want,
    ">": lambda have, want: have > want,
    "<=": lambda have, want: have <= want,
    "<": lambda have, want: have < want,
}


def parse_version(text: str) -> Version:
    """``3.11.7`` as numbers; what follows them is left away."""
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])


def satisfies(version: Version, requires_python: str | None) -> bool:
    """Whether an interpreter's version fits ``requires-python`` (PEP 440 specifiers of final releases).

    Raises EnvironmentFailed for a specifier that cannot be read.
    """
    return all(_fits(version, clause) for clause in (requires_python or "").split(",") if clause.strip())


def _fits(version: Version, clause: str) -> bool:
    match = _CLAUSE.match(clause)
    if match is None:
        raise EnvironmentFailed(
            f"requires-python has {clause.strip()!r}, which is no version specifier",
            hint='write for example requires-python = ">=3.11"',
        )
    operator, wanted, starred = match[1], parse_version(match[2]), bool(match[3])
    if operator == "~=":
        return version >= wanted and version[: len(wanted) - 1] == wanted[:-1]
    if operator in ("==", "===", "!="):
        have = version[: len(wanted)] if starred else version
        return (have == (wanted if starred else _padded(wanted))) is (operator != "!=")
    return _OPERATORS[operator](version, _padded(wanted))


def _padded(version: Version) -> Version:
    return (*version, 0, 0, 0)[:3]
